from __future__ import annotations

import struct

import pytest

from sdd_bench.images.formats.profiles import profile_name


@pytest.mark.parametrize(
    "tag",
    [
        b"desc" + struct.pack(">II", 0, 9) + b"Dis\rpl\x01ay",
        b"mluc" + bytes(16) + struct.pack(">II", 18, 28) + "Dis\rplay\x85".encode("utf-16-be"),
    ],
)
def test_a_name_holds_no_control_characters(tag: bytes) -> None:
    profile = bytes(128) + struct.pack(">I4sII", 1, b"desc", 144, len(tag)) + tag
    assert profile_name(profile) == "Display"

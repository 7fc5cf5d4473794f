"""A document is what its shape says, or the message says where it is not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from sdd_bench.core.errors import ManifestError
from sdd_bench.core.storage import documents
from sdd_bench.core.storage.documents import COUNT, misfit, parse_json, read_json

FILE = {"name": str, "n_bytes": COUNT, "sha256?": str}


@pytest.mark.parametrize(
    ("value", "shape", "wrong"),
    [
        ({"name": "a", "n_bytes": 3}, FILE, ""),
        ({"name": "a", "n_bytes": 3, "other": 1}, FILE, ""),
        ({"name": "a", "n_bytes": -1}, FILE, "n_bytes: expected a whole number from 0 on, got -1"),
        ({"name": "a", "n_bytes": True}, FILE, "n_bytes: expected a whole number from 0 on, got True"),
        ({"name": "a", "n_bytes": 3, "sha256": 5}, FILE, "sha256: expected text, got 5"),
        ({"name": "a"}, FILE, "n_bytes: expected a whole number from 0 on, got nothing"),
        ([FILE], {}, "expected an object, got [{'name'"),
        (3, float, ""),
        (3.5, int, "expected a whole number, got 3.5"),
        (False, float, "expected a number, got False"),
        (None, (None, FILE), ""),
        ({"name": 1}, (None, FILE), "name: expected text, got 1"),
        ("x", (None, FILE), "expected null or an object, got 'x'"),
        ({"a": [1, 2, "3"]}, {"*": [int]}, "a[2]: expected a whole number, got '3'"),
        (300, range(1, 9), "expected a whole number from 1 to 8, got 300"),
    ],
)
def test_the_place_that_does_not_fit_is_named(value: Any, shape: Any, wrong: str) -> None:
    found = misfit(value, shape)
    assert found.startswith(wrong)
    assert bool(found) == bool(wrong)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("NaN", "NaN is no finite number"),
        ("[-Infinity]", "-Infinity is no finite number"),
        ("1e400", "the number 1e400 is out of range"),
        ("1" + "0" * 400, "is out of range"),
        ("9" * 5000, "is out of range"),
        (str(2**63), "is out of range"),
        ("[" * 100_000, "nested deeper than 64 levels"),
        ("[" * 65 + "]" * 65, "nested deeper than 64 levels"),
        ('{"a":' * 3000 + "1" + "}" * 3000, "nested deeper than 64 levels"),
        ('"\\u0000"', "NUL"),
        (b"\xff{}", "not UTF-8 at byte 0"),
        ("", "Expecting value"),
        ('{"a": 1,}', "line 1"),
    ],
)
def test_what_no_document_holds_is_said(content: bytes | str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_json(content)


def test_what_a_document_may_hold_is_kept() -> None:
    assert parse_json(f"[{2**63 - 1}, 1e300, -0.5]") == [2**63 - 1, 1e300, -0.5]
    assert parse_json("[" * 64 + "]" * 64)
    assert parse_json(b'\xef\xbb\xbf{"a": "\\ud800"}') == {"a": "\ud800"}, "a name that is not UTF-8"


def test_a_file_that_cannot_be_read_is_named_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    with pytest.raises(ManifestError, match=r"a\.json: missing\. Make it again\."):
        read_json(path, dict, ManifestError, "Make it again.")
    os.mkfifo(path)
    with pytest.raises(ManifestError, match="no regular file"):
        read_json(path, dict, ManifestError, "Make it again.")
    path.unlink()
    path.write_text("[1, 2, 3]")
    with pytest.raises(ManifestError, match=r"a\.json: damaged: expected an object, got \[1, 2, 3\]\. Make"):
        read_json(path, dict, ManifestError, "Make it again.")
    monkeypatch.setattr(documents, "_MOST_BYTES", 5)
    with pytest.raises(ManifestError, match="it has 9 bytes, expected at most 5"):
        read_json(path, dict, ManifestError, "Make it again.")

"""JSON: what is no finite number, no UTF-8 or no end is a ValueError of one line."""

from pathlib import Path

import pytest

from sdd_bench.core.errors import reason_of
from sdd_bench.core.storage.json_files import parse_json, read_json


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"[NaN]", "NaN is no finite number"),
        (b"[-Infinity]", "-Infinity is no finite number"),
        (b"[1e400]", "1e400 is no finite number"),
        (b"[" + b"9" * 400 + b"]", "a number of 400 digits"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a": "\xff' + b"x" * 10_000, "not UTF-8 (invalid start byte at byte 7)"),
        (b'{"a": 1,', "Expecting property name enclosed in double quotes: line 1 column 9 (char 8)"),
        (b"", "Expecting value: line 1 column 1 (char 0)"),
    ],
)
def test_what_is_not_ours_is_a_value_error_of_one_line(text: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(text)
    with pytest.raises(ValueError) as caught:
        read_json(tmp_path / "a.json")
    assert reason_of(caught.value) == reason


def test_numbers_come_back() -> None:
    assert parse_json('{"a": [1.5, -2, 1e3]}') == {"a": [1.5, -2, 1000.0]}
    assert float(parse_json("9" * 300)) > 1e299

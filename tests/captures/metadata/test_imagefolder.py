"""Hugging Face's ImageFolder: tables in the folder of the set or of a split."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pair_files import touch

from sdd_bench.captures.layouts import PairList, read_layout
from sdd_bench.captures.pairing import Pairing
from sdd_bench.core.errors import PairingError


def paired(found: PairList) -> list[tuple[str, str, str]]:
    return [(pair.pair_id, pair.blurry_path.name, pair.sharp_path.name) for pair in found.pairs]


def test_a_table_per_split_with_scenes_and_f_numbers(tmp_path: Path) -> None:
    for split in ("train", "validation"):
        touch(tmp_path, f"{split}/x/1.png", f"{split}/y/1s.png")
        text = "blurry_file_name,sharp_file_name,scene,group,f_number\nx/1.png,y/1s.png,s1,day,2.8\n"
        (tmp_path / split / "metadata.csv").write_text(text)
    found = read_layout(tmp_path)
    assert (found.layout, found.why) == ("hf-imagefolder", "found train/metadata.csv, validation/metadata.csv")
    assert paired(found) == [("train/1", "1.png", "1s.png"), ("val/1", "1.png", "1s.png")]
    assert (found.pairs[0].scene, found.pairs[0].group, found.pairs[0].f_number) == ("s1", "day", 2.8)


def test_lines_of_json_and_the_plain_column(tmp_path: Path) -> None:
    touch(tmp_path, "train/1.png", "test/2.png", "gt/1.png", "gt/2.png")
    rows = [
        {"file_name": f"{name}.png", "gt_file_name": f"gt/{name[-1]}.png", "n": None} for name in ("train/1", "test/2")
    ]
    (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    assert paired(read_layout(tmp_path)) == [("train/1", "1.png", "1.png"), ("test/2", "2.png", "2.png")]


def test_columns_of_any_name_are_given(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b.png")
    (tmp_path / "metadata.csv").write_text("wide_file_name,narrow_file_name\na.png,b.png\n")
    with pytest.raises(PairingError, match="it has wide_file_name, narrow_file_name. Say which by --columns"):
        read_layout(tmp_path)
    for columns in (("wide", "narrow"), ("wide_file_name", "narrow_file_name")):
        assert paired(read_layout(tmp_path, pairing=Pairing(columns=columns))) == [("train/a", "a.png", "b.png")]
    with pytest.raises(PairingError, match="has no column wider; it has"):
        read_layout(tmp_path, pairing=Pairing(columns=("wider", "narrow")))


def test_rows_that_cannot_be_used_are_listed(tmp_path: Path) -> None:
    touch(tmp_path, "set/a.png", "set/b.png", "out.png")
    rows = ["a.png,b.png", "a.png,b.png", "../out.png,b.png", "/etc/passwd,b.png", "c.png,b.png", "b.png,"]
    (tmp_path / "set/metadata.csv").write_text("blurry_file_name,sharp_file_name\n" + "\n".join(rows))
    found = read_layout(tmp_path / "set")
    assert len(found.pairs) == 1
    reasons = [problem.reason for problem in found.problems]
    for reason, part in zip(
        reasons, ("given already", "leads out", "absolute", "does not exist", "is empty"), strict=True
    ):
        assert part in reason
    assert found.problems[0].item == "metadata.csv line 3"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("metadata.jsonl", b"[1]\n"),
        ("metadata.jsonl", b"{\n"),
        ("metadata.jsonl", b"[" * 100_000),
        ("metadata.csv", b"blurry_file_name,sharp_file_name\n\xff\n"),
        ("metadata.csv", b'blurry_file_name,sharp_file_name\n"a.png\n'),
    ],
)
def test_damaged_tables_are_named(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(PairingError, match=rf"{name}: cannot be read \("):
        read_layout(tmp_path)

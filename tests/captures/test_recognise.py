"""Which layout a folder is taken for, and why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sdd_bench.captures.layouts import LAYOUTS, read_layout
from sdd_bench.captures.recognise import recognise, rule_of
from sdd_bench.core.errors import PairingError
from sdd_bench.core.types import Split


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


@pytest.mark.parametrize(
    ("layout", "files", "pair_ids"),
    [
        ("pairs", ["input/1.png", "target/1.png"], ["train/1"]),
        ("pairs", ["blurry/1.png", "sharp/1.png"], ["train/1"]),
        ("pairs", ["validation/input/1.png", "validation/target/1.png"], ["val/1"]),
        ("basicsr", ["train/lq/1.png", "train/gt/1.png", "test/lq/2.png", "test/gt/2.png"], ["train/1", "test/2"]),
        ("basicsr", ["lq/1.png", "gt/1.png"], ["train/1"]),
        ("ebb", ["bokeh/1.jpg", "original/1.jpg"], ["train/1"]),
        ("rtf", ["image/0/image_01.png", "image/0/image_02.png", "GT/sharp_01.png", "GT/sharp_02.png"],
         ["test/image_01", "test/image_02"]),
        ("rtf", ["Ground_Truth_Data/image_a.png", "Ground_Truth_Data/sharp_a.png"], ["test/image_a"]),
    ],
)  # fmt: skip
def test_each_is_recognised_with_its_reason(tmp_path: Path, layout: str, files: list[str], pair_ids: list[str]) -> None:
    touch(tmp_path, *files)
    found = read_layout(tmp_path)
    assert found.layout == layout
    assert [pair.pair_id for pair in found.pairs] == pair_ids
    assert found.problems == ()
    assert found.why.startswith("found ")
    assert found.remarks[0] == f"read as {layout}: {found.why}"
    assert read_layout(tmp_path, layout=layout).why == ""


def test_the_sides_of_ebb_are_those_of_deblurring(tmp_path: Path) -> None:
    touch(tmp_path, "train/in/1.jpg", "train/gt/1.jpg")
    found = read_layout(tmp_path)
    pair = found.pairs[0]
    assert (pair.blurry_path.parent.name, pair.sharp_path.parent.name) == ("gt", "in")
    assert "gt was taken as the blurry side" in found.notes[0]


def test_the_default_split_is_that_of_folders_without_one(tmp_path: Path) -> None:
    touch(tmp_path, "lq/1.png", "gt/1.png")
    assert read_layout(tmp_path, default_split=Split.TEST).pairs[0].pair_id == "test/1"


def test_a_table_counts_more_than_the_folders_it_explains(tmp_path: Path) -> None:
    touch(tmp_path, "train/in/1.jpg", "train/gt/1.jpg")
    (tmp_path / "train/metadata").mkdir()
    scene = {"id": 1, "source_image": "in/1.jpg", "target_images": ["gt/1.jpg"], "target_avs": [2.0]}
    (tmp_path / "train/metadata/1.json").write_text(json.dumps(scene))
    assert recognise(tmp_path).layout == "realbokeh"
    assert read_layout(tmp_path).pairs[0].f_number == 2.0
    assert read_layout(tmp_path, layout="ebb").pairs[0].f_number is None


def test_what_is_half_there_is_told_by_its_first_side(tmp_path: Path) -> None:
    touch(tmp_path, "test/blur/1.png")
    found = recognise(tmp_path)
    assert (found.layout, found.why, found.complete) == ("sdd", "found test/blur", False)


@pytest.mark.parametrize(
    ("folders", "nearest"),
    [
        (("Train/Blur", "Train/GT"), "sdd, which needs train/blur and train/gt; here are Train/Blur and Train/GT"),
        (("Inputs", "Targets"), "pairs, which needs input and target; here are Inputs and Targets"),
        (("x", "y"), None),
    ],
)
def test_where_none_fits_what_is_there_is_said_and_what_is_nearest(
    tmp_path: Path, folders: tuple[str, str], nearest: str | None
) -> None:
    touch(tmp_path, f"{folders[0]}/1.png", f"{folders[0]}/2.png", f"{folders[1]}/1.png")
    with pytest.raises(PairingError) as caught:
        recognise(tmp_path)
    message = str(caught.value)
    assert "fits no known layout" in message
    assert "--blurry-dir A --sharp-dir B" in message
    assert (f"The nearest layout is {nearest}" in message) if nearest else "nearest" not in message
    if "/" not in folders[0]:
        assert f"{folders[0]}/ (2 pictures)" in message
    assert all(f"\n  {layout}: {rule_of(layout)}" in message for layout in LAYOUTS)

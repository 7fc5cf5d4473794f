"""Sets without sharp pictures: which pictures they hold, and what they are called."""

from __future__ import annotations

from pathlib import Path

import pytest
from prepared_sets import make_prepared

from sdd_bench.captures.pictures import read_pictures
from sdd_bench.core.errors import ConfigError, PairingError
from sdd_bench.core.types import Split
from sdd_bench.prepared.open import open_pictures


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def test_a_folder_is_walked_and_names_that_occur_twice_say_where(tmp_path: Path) -> None:
    touch(tmp_path, "b.png", "day/a10.jpg", "day/a9.jpg", "night/a9.jpg", "readme.txt", ".hidden.png")
    found = open_pictures(tmp_path)
    assert [picture.name for picture in found.pictures] == ["b", "day__a9", "a10", "night__a9"]
    assert (found.layout, found.has_truth, found.problems) == ("pictures", False, ())
    assert {picture.split for picture in found.pictures} == {Split.TEST}
    assert {picture.split for picture in open_pictures(tmp_path, split=Split.TRAIN).pictures} == {Split.TRAIN}


def test_pictures_of_one_stem_are_listed_and_the_others_stay(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "a.jpg", "b.png")
    found = open_pictures(tmp_path)
    assert [picture.name for picture in found.pictures] == ["b"]
    assert {problem.item for problem in found.problems} == {"a.png", "a.jpg"}


def test_the_blurry_side_of_a_layout_is_enough(tmp_path: Path) -> None:
    touch(tmp_path, "test/blur/a.png", "train/blur/b.png", "notes.png")
    found = open_pictures(tmp_path)
    assert (found.layout, [picture.path.name for picture in found.pictures]) == ("sdd", ["a.png"])
    assert [picture.name for picture in open_pictures(tmp_path, split=None).pictures] == ["b", "a"]
    with pytest.raises(PairingError, match="no picture in the split val; splits with some: test, train"):
        open_pictures(tmp_path, split=Split.VAL)


def test_a_csv_of_blurry_pictures(tmp_path: Path) -> None:
    touch(tmp_path, "x/a.png", "x/b.png")
    (tmp_path / "pairs.csv").write_text("blurry,scene,group\nx/a.png,s1,day\nx/b.png,s1,\nx/c.png,,\n../d.png,,\n")
    for source in (tmp_path, tmp_path / "pairs.csv"):
        found = open_pictures(source)
        assert [(picture.name, picture.scene, picture.group) for picture in found.pictures] == [
            ("a", "s1", "day"),
            ("b", "s1", ""),
        ]
        assert [problem.item for problem in found.problems] == ["pairs.csv row 4", "pairs.csv row 5"]
        assert "leads out" in found.problems[1].reason


def test_sets_with_sharp_pictures_give_their_blurry_side_and_say_so(tmp_path: Path) -> None:
    prepared = make_prepared(tmp_path, n_train=1)
    for source, root in ((prepared, prepared), (tmp_path / "captures", tmp_path / "captures")):
        found = open_pictures(source)
        assert found.has_truth
        assert [picture.path for picture in found.pictures] == [root / f"test/blur/{name}.png" for name in ("t1", "t2")]
    assert len(open_pictures(prepared, limit=1).pictures) == 1


def test_what_holds_no_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PairingError, match="does not exist"):
        open_pictures(tmp_path / "gone")
    with pytest.raises(PairingError, match="holds no picture"):
        open_pictures(tmp_path)
    with pytest.raises(ConfigError, match="layout 'lmdb' has no folder of blurry pictures"):
        read_pictures(tmp_path, layout="lmdb")
    (tmp_path / "list.txt").write_text("no table")
    with pytest.raises(PairingError, match="expected the columns blurry"):
        open_pictures(tmp_path / "list.txt")

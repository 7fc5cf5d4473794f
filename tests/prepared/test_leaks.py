"""What makes scores worthless is found before a set is made, and in a set."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from prepared_sets import make_prepared

from sdd_bench.captures.layouts import PairList, read_layout
from sdd_bench.core.errors import PairingError
from sdd_bench.core.types import Pair, Split
from sdd_bench.preparation.options import PrepareOptions
from sdd_bench.preparation.plan import plan
from sdd_bench.preparation.run import prepare
from sdd_bench.prepared.leaks import Member, leaks, leaks_of_pairs, leaks_of_set
from sdd_bench.prepared.manifest import read_manifest
from sdd_bench.prepared.open import open_dataset


def reasons(found: PairList) -> list[str]:
    return [problem.reason for problem in leaks_of_pairs(found)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    make_prepared(tmp_path, n_train=2, test=("t1",))
    return tmp_path / "captures"


def test_a_clean_set_is_not_suspected(root: Path, tmp_path: Path) -> None:
    assert reasons(read_layout(root)) == []
    assert leaks_of_set(read_manifest(tmp_path / "set")) == []


def test_a_scene_in_two_splits(root: Path) -> None:
    (root / "scenes.csv").write_text("split,name,scene\ntrain,a0,garden\ntrain,a1,hall\ntest,t1,garden\n")
    assert reasons(read_layout(root)) == ["scene garden is in train and test: train/a0, test/t1"]


def test_a_copied_picture_is_found_by_its_bytes_before_and_in_the_set(root: Path, tmp_path: Path) -> None:
    shutil.copy(root / "train/gt/a0.png", root / "test/gt/t1.png")
    shutil.copy(root / "train/blur/a0.png", root / "train/blur/a1.png")
    expected = [
        "its blurry picture occurs 2 times, in train: train/a0, train/a1",
        "its sharp picture is in train and test: train/a0, test/t1",
    ]
    assert reasons(read_layout(root)) == expected
    options = PrepareOptions(resize="none", patch=48)
    report = prepare(root, tmp_path / "out", options)
    assert [problem.reason for problem in report.warnings] == expected
    assert [problem.reason for problem in leaks_of_set(read_manifest(tmp_path / "out"))] == expected
    with pytest.raises(PairingError, match="its sharp picture is in train and test"):
        plan(root, options, strict=True)


def test_files_of_one_size_are_told_apart_by_any_byte(tmp_path: Path) -> None:
    content = bytes(20_000)
    names = ("a.bmp", "b.bmp", "c.bmp", "d.bmp")
    for number, name in enumerate(names):
        (tmp_path / name).write_bytes(content[:-1] + bytes([number]))  # the middles are equal
    pairs = (Pair("a", Split.TRAIN, tmp_path / "a.bmp", tmp_path / "b.bmp"),
             Pair("c", Split.TEST, tmp_path / "c.bmp", tmp_path / "d.bmp"))  # fmt: skip
    assert reasons(PairList(tmp_path, "csv", pairs)) == []
    (tmp_path / "d.bmp").write_bytes((tmp_path / "b.bmp").read_bytes())
    assert reasons(PairList(tmp_path, "csv", pairs)) == ["its sharp picture is in train and test: train/a, test/c"]


def test_links_are_the_file_they_lead_to(root: Path) -> None:
    (root / "test/gt/t1.png").unlink()
    (root / "test/gt/t1.png").symlink_to(root / "train/gt/a1.png")
    assert reasons(read_layout(root)) == ["its sharp picture is in train and test: train/a1, test/t1"]


def test_sides_that_are_equal_or_changed_over(root: Path) -> None:
    shutil.copy(root / "train/gt/a0.png", root / "train/blur/a0.png")
    assert reasons(read_layout(root)) == ["its blurry and its sharp picture are the same"]
    shutil.copy(root / "train/gt/a1.png", root / "test/blur/t1.png")
    assert reasons(read_layout(root))[1] == "one picture is blurry in a pair and sharp in another: test/t1, train/a1"


def test_many_blurry_pictures_of_one_sharp_are_no_fault() -> None:
    pairs = [Member(f"train/{n}", "train", "s", f"b{n}", "s1") for n in range(5)]
    assert leaks(pairs) == []
    many = leaks([*pairs, Member("test/x", "test", "s", "b9", "s1"), Member("val/y", "val", "t", "b8", "s9")])
    assert [problem.reason for problem in many] == ["scene s is in train and test: train/0, train/1, test/x and 3 more"]


def test_scenes_of_lfdof_count_within_their_split(tmp_path: Path) -> None:
    for name in "abcd":
        (tmp_path / name).write_text(name)
    pairs = (
        Pair("1", Split.TRAIN, tmp_path / "a", tmp_path / "b", scene="1"),
        Pair("1", Split.TEST, tmp_path / "c", tmp_path / "d", scene="1"),
    )
    assert reasons(PairList(tmp_path, "lfdof", pairs)) == []
    assert reasons(PairList(tmp_path, "csv", pairs)) == ["scene 1 is in train and test: train/1, test/1"]


def test_a_set_that_is_opened_by_split_knows_what_it_shares_with_the_others(tmp_path: Path) -> None:
    for split, name, sharp in (("train", "a", b"one"), ("train", "b", b"two"), ("test", "c", b"one")):
        for side, content in (("source", f"{split}{name}".encode()), ("target", sharp)):
            folder = tmp_path / f"{split}_c" / side
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{name}.png").write_bytes(content)
    told = "train/a: its sharp picture is in train and test: train/a, test/c"
    assert open_dataset(tmp_path).shared == (told,)
    assert open_dataset(tmp_path, split=None).shared == (told,)
    (tmp_path / "train_c" / "target" / "a.png").write_bytes(b"tri")
    assert open_dataset(tmp_path).shared == ()


def test_of_splits_is_told_what_they_share_and_otherwise_everything() -> None:
    pairs = [
        Member("train/a", "train", "", "1", "2"),
        Member("test/b", "test", "", "3", "2"),
        Member("train/c", "train", "", "4", "4"),
    ]
    shared = "its sharp picture is in train and test: train/a, test/b"
    assert [leak.reason for leak in leaks(pairs)] == ["its blurry and its sharp picture are the same", shared]
    assert [leak.reason for leak in leaks(pairs, splits={"test"})] == [shared]
    assert leaks(pairs, splits={"val"}) == []

"""Opening sets and captures."""

from pathlib import Path

import pytest
from pair_files import reasons_of, touch
from prepared_sets import PATCH, make_prepared

from sdd_bench.core.errors import ManifestError, PairingError
from sdd_bench.core.types import Split
from sdd_bench.preparation.options import PrepareOptions
from sdd_bench.preparation.run import prepare
from sdd_bench.prepared.open import open_dataset


def test_open_dataset_takes_a_split_and_says_what_is_there(tmp_path: Path) -> None:
    touch(tmp_path, "train/blur/a.png", "train/gt/a.png", "val/blur/b.png", "val/gt/b.png")
    assert [pair.pair_id for pair in open_dataset(tmp_path, split=None).pairs] == ["train/a", "val/b"]
    with pytest.raises(PairingError, match="no pairs of full pictures in the split test; splits with some: train, val"):
        open_dataset(tmp_path)


def test_open_dataset_counts_the_pairs_its_split_lost_and_lists_no_other_splits_problems(tmp_path: Path) -> None:
    touch(tmp_path, *(f"test/{side}/{name}.png" for side in ("blur", "gt") for name in "abc"))
    touch(tmp_path, "test/blur/lost.png", "test/gt/other.png", "test/blur/twice.png", "test/blur/twice.tif")
    touch(tmp_path, "test/gt/twice.png", "test/gt/notes.txt", "train/blur/t.png", "train/gt/t.png", "train/gt/u.png")
    touch(tmp_path, "test/blur/no\nname.png", "test/gt/no\nname.png")
    found = open_dataset(tmp_path)
    assert (len(found.pairs), found.n_lost) == (3, 4)
    assert len(found.problems) == 8
    assert all(problem.item.lstrip("'").startswith("test/") for problem in found.problems)
    assert open_dataset(tmp_path, split=Split.TRAIN).n_lost == 1
    assert open_dataset(tmp_path, split=None).n_lost == 5


def test_pairs_that_a_list_names_in_vain_are_lost(tmp_path: Path) -> None:
    touch(tmp_path, "test_c/source/1.png", "test_c/target/2.png", "test_c/source/3.png")
    (tmp_path / "test_src.txt").write_text("1\n3\n")
    (tmp_path / "test_trg.txt").write_text("2\n4\n")
    for split in ("train", "val"):
        touch(tmp_path, f"{split}_c/source/5.png", f"{split}_c/target/6.png")
        (tmp_path / f"{split}_src.txt").write_text("5\n")
        (tmp_path / f"{split}_trg.txt").write_text("6\n")
    found = open_dataset(tmp_path, lists=tmp_path)
    assert (len(found.pairs), found.n_lost) == (1, 1)
    assert open_dataset(tmp_path, split=Split.VAL, lists=tmp_path).problems == ()


def test_a_prepared_set_lacks_the_test_pairs_that_failed_or_were_not_formed(tmp_path: Path) -> None:
    make_prepared(tmp_path, n_train=2, test=("t1", "t2", "t3"))
    captures, out = tmp_path / "captures", tmp_path / "out"
    for name in ("train/gt/a0.png", "test/gt/t1.png"):
        (captures / name).write_bytes(b"not a picture")
    (captures / "test/gt/t3.png").unlink()
    touch(captures, "train/blur/alone.png", "test/blur/notes.txt")
    prepare(captures, out, PrepareOptions(resize="none", patch=PATCH))
    found = open_dataset(out)
    assert ([pair.name for pair in found.pairs], found.n_lost) == (["t2"], 2)
    reasons = reasons_of(found)
    assert set(reasons) == {"test/t1", "test/blur/t3.png"}
    assert "gt/t1.png" in reasons["test/t1"]
    assert reasons["test/blur/t3.png"] == "no picture of the same name in test/gt"


def test_a_pair_of_patches_is_not_taken_for_the_test_picture_of_its_name(tmp_path: Path) -> None:
    data = make_prepared(tmp_path, n_train=1, test=("a0",))
    assert [pair.pair_id for pair in open_dataset(data, split=None).pairs] == ["test/a0"]
    with pytest.raises(PairingError, match="splits with some: test"):
        open_dataset(data, split=Split.TRAIN)


def test_an_unfinished_prepared_set_is_no_dataset(tmp_path: Path) -> None:
    touch(tmp_path, ".parts/plan.json", "pairs.csv")
    with pytest.raises(ManifestError, match="not finished. Run the same prepare command again"):
        open_dataset(tmp_path)

"""Which blurry picture belongs to which sharp one, and what is said of the rest."""

from pathlib import Path

import numpy as np
import pytest
from pair_files import paired, reasons_of, touch

from sdd_bench.captures.layouts import LAYOUTS, read_layout
from sdd_bench.captures.listing import natural_key
from sdd_bench.core.errors import ConfigError, PairingError
from sdd_bench.core.types import Split


def test_sdd_pairs_by_name_whatever_the_suffix_in_natural_order(tmp_path: Path) -> None:
    touch(tmp_path, "train/blur/10.png", "train/gt/10.png", "train/blur/9.jpg", "train/gt/9.PNG")
    touch(tmp_path, "test/blur/a.png", "test/gt/a.tif", "val/blur/v.png", "val/gt/v.png")
    found = read_layout(tmp_path)
    assert found.layout == "sdd"
    assert paired(found) == [
        ("train/9", "train/blur/9.jpg", "train/gt/9.PNG"),
        ("train/10", "train/blur/10.png", "train/gt/10.png"),
        ("val/v", "val/blur/v.png", "val/gt/v.png"),
        ("test/a", "test/blur/a.png", "test/gt/a.tif"),
    ]
    assert found.problems == ()
    assert [pair.pair_id for pair in read_layout(tmp_path, limit=2).pairs] == ["train/9", "train/10"]


def test_what_forms_no_pair_is_listed_with_its_reason(tmp_path: Path) -> None:
    touch(tmp_path, "train/blur/ok.png", "train/gt/ok.png", "train/blur/alone.png", "train/gt/other.png")
    touch(tmp_path, "train/blur/twice.png", "train/blur/twice.tif", "train/gt/twice.png", "train/blur/notes.txt")
    touch(tmp_path, "train/blur/.hidden.png", "train/gt/Thumbs.db", "test/blur/lonely.png")
    found = read_layout(tmp_path)
    assert [pair.name for pair in found.pairs] == ["ok"]
    reasons = reasons_of(found)
    assert set(reasons) == {
        "train/blur/alone.png",
        "train/gt/other.png",
        "train/blur/twice.png",
        "train/blur/twice.tif",
        "train/gt/twice.png",
        "train/blur/notes.txt",
        "test/blur",
    }
    assert reasons["train/blur/alone.png"] == "no picture of the same name in train/gt"
    assert "2 pictures share the name twice (twice.png, twice.tif)" in reasons["train/blur/twice.tif"]
    assert "not a picture: the suffix .txt" in reasons["train/blur/notes.txt"]
    assert "there is no folder test/gt, so its 1 picture(s)" in reasons["test/blur"]


def test_links_that_lead_nowhere_or_to_folders_are_listed(tmp_path: Path) -> None:
    touch(tmp_path, "set/train/blur/a.png", "set/train/gt/a.png", "elsewhere/b.png")
    (tmp_path / "set/train/blur/more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set/train/gt/gone.png").symlink_to(tmp_path / "nowhere.png")
    reasons = reasons_of(read_layout(tmp_path / "set"))
    assert reasons["train/blur/more"].startswith("a link to a folder is not followed")
    assert reasons["train/gt/gone.png"] == "a broken link"


def test_names_in_subfolders_are_their_path_where_the_stem_is_not_unique(tmp_path: Path) -> None:
    for side in ("blur", "gt"):
        touch(tmp_path, *(f"train/{side}/{name}.png" for name in ("one/1", "two/1", "two/2")))
    names = [pair.name for pair in read_layout(tmp_path).pairs]
    assert names == ["train__blur__one__1", "train__blur__two__1", "2"]


def test_train_patches_stand_in_for_train_and_are_mentioned_beside_it(tmp_path: Path) -> None:
    touch(tmp_path, "train_patches/blur/p.png", "train_patches/gt/p.png")
    found = read_layout(tmp_path)
    assert (found.layout, found.pairs[0].pair_id) == ("sdd-patches", "train/p")
    touch(tmp_path, "train/blur/a.png", "train/gt/a.png")
    found = read_layout(tmp_path)
    assert [pair.pair_id for pair in found.pairs] == ["train/a"]
    assert "train_patches/ was not read" in found.notes[0]


def test_sdd_reads_scenes_and_truth(tmp_path: Path) -> None:
    touch(tmp_path, "test/blur/a.png", "test/gt/a.png", "test/blur/b.png", "test/gt/b.png")
    touch(tmp_path, "truth/test/a.json", "truth/test/a_aligned.png")
    (tmp_path / "scenes.csv").write_text("split,name,scene,group\ntest,a,garden,outdoor\n")
    first, second = read_layout(tmp_path).pairs
    assert (first.scene, first.group) == ("garden", "outdoor")
    assert first.truth_path == tmp_path / "truth/test/a.json"
    assert first.aligned_path == tmp_path / "truth/test/a_aligned.png"
    assert (second.scene, second.truth_path, second.aligned_path) == ("", None, None)


def test_dpdd_pairs_different_names_by_sorted_order_and_shows_it(tmp_path: Path) -> None:
    touch(tmp_path, *(f"test_c/source/1P0A09{n}.png" for n in (17, 33)))
    touch(tmp_path, *(f"test_c/target/1P0A09{n}.png" for n in (16, 32)))
    found = read_layout(tmp_path)
    assert found.layout == "dpdd"
    assert [(pair.name, pair.sharp_path.stem) for pair in found.pairs] == [
        ("1P0A0917", "1P0A0916"),
        ("1P0A0933", "1P0A0932"),
    ]
    assert "pairs were formed by sorted order (2); check them:\n  1P0A0917.png - 1P0A0916.png" in found.notes[0]


def test_sorted_order_with_unequal_counts_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "test_c/source/1.png", "test_c/source/3.png", "test_c/target/2.png")
    with pytest.raises(PairingError, match="2 pictures, but 1 in .*give --lists or a CSV"):
        read_layout(tmp_path)


def test_one_shared_name_means_pairing_by_name(tmp_path: Path) -> None:
    touch(tmp_path, "source/a.png", "source/b.png", "target/a.png", "target/c.png")
    found = read_layout(tmp_path)
    assert found.layout == "realdof"
    assert paired(found) == [("test/a", "source/a.png", "target/a.png")]
    assert set(reasons_of(found)) == {"source/b.png", "target/c.png"}


@pytest.mark.parametrize("suffix", ["npy", "txt"])
def test_dpdd_lists_decide(tmp_path: Path, suffix: str) -> None:
    touch(tmp_path, *(f"set/test_c/source/{name}.png" for name in ("a", "b", "extra")))
    touch(tmp_path, *(f"set/test_c/target/{name}.png" for name in ("x", "y")))
    lists = tmp_path / "lists"
    lists.mkdir()
    for side, names in (("src", ["a", "b", "absent"]), ("trg", ["y", "x", "z"])):
        if suffix == "npy":
            np.save(lists / f"test_{side}.npy", np.array(names))
        else:
            (lists / f"test_{side}.txt").write_text("\n".join(names) + "\n")
    found = read_layout(tmp_path / "set", lists=lists)
    assert [(pair.name, pair.sharp_path.stem) for pair in found.pairs] == [("a", "y"), ("b", "x")]
    reasons = reasons_of(found)
    assert reasons["test_c/source/extra.png"] == "not in the lists of lists"
    assert reasons["test/absent"] == "the list pairs absent with z, but there is no picture absent, z"


@pytest.mark.parametrize(
    ("src", "trg", "message"),
    [
        (["a", "b"], ["x"], "test_src names 2 pictures, but test_trg 1"),
        (["a", "a"], ["x", "y"], "test_src names a more than once"),
        ([1, 2], ["x", "y"], "expected a row of names, got int64"),
    ],
)
def test_damaged_lists_are_named(tmp_path: Path, src: list[object], trg: list[str], message: str) -> None:
    touch(tmp_path, "test_c/source/a.png", "test_c/target/x.png")
    np.save(tmp_path / "test_src.npy", np.array(src))
    np.save(tmp_path / "test_trg.npy", np.array(trg))
    with pytest.raises(PairingError, match=message):
        read_layout(tmp_path, lists=tmp_path)


def test_lists_that_are_missing_or_no_arrays_are_named(tmp_path: Path) -> None:
    touch(tmp_path, "test_c/source/a.png", "test_c/target/x.png")
    with pytest.raises(PairingError, match="has neither test_src.npy nor test_src.txt"):
        read_layout(tmp_path, lists=tmp_path)
    (tmp_path / "test_src.npy").write_bytes(b"junk")
    with pytest.raises(PairingError, match="test_src.npy: not a readable list of names"):
        read_layout(tmp_path, lists=tmp_path)


def test_official_lists_equal_sorted_order(data_root: Path, tmp_path: Path) -> None:
    lists = data_root / "dpdd_lists"
    for split in Split:
        for folder, side in (("source", "src"), ("target", "trg")):
            touch(tmp_path, *(f"{split}_c/{folder}/{name}.png" for name in np.load(lists / f"{split}_{side}.npy")))
    by_list, by_order = read_layout(tmp_path, lists=lists), read_layout(tmp_path)
    assert len(by_list.pairs) == 500
    assert set(paired(by_list)) == set(paired(by_order))


def test_restormer_and_lfdof(tmp_path: Path) -> None:
    touch(tmp_path, "dpdd/train/inputC/a.png", "dpdd/train/target/b.png")
    found = read_layout(tmp_path / "dpdd")
    assert (found.layout, paired(found)) == (
        "restormer",
        [("train/a", "train/inputC/a.png", "train/target/b.png")],
    )
    lfdof = tmp_path / "lfdof"
    touch(lfdof, "test_data/input/s1/s1_a.png", "test_data/input/s1/s1_b.png", "test_data/ground_truth/s1.png")
    touch(lfdof, "test_data/input/s2/s2_a.png", "test_data/ground_truth/s3.png")
    found = read_layout(lfdof)
    assert found.layout == "lfdof"
    assert [(pair.name, pair.scene, pair.sharp_path.name) for pair in found.pairs] == [
        ("s1_a", "s1", "s1.png"),
        ("s1_b", "s1", "s1.png"),
    ]
    assert reasons_of(found) == {
        "test_data/input/s2/s2_a.png": "no sharp picture test_data/ground_truth/s2.*",
        "test_data/ground_truth/s3.png": "no blurry pictures in test_data/input/s3",
    }


def test_no_layout_lists_those_known_and_what_is_there(tmp_path: Path) -> None:
    touch(tmp_path, "pictures/a.png")
    with pytest.raises(PairingError) as caught:
        read_layout(tmp_path)
    assert "fits no known layout. It holds: pictures/" in str(caught.value)
    assert all(f"  {layout}: " in str(caught.value) for layout in LAYOUTS)


def test_two_layouts_are_refused_until_one_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "source/a.png", "target/a.png", "train/blur/b.png", "train/gt/b.png")
    with pytest.raises(PairingError, match=r"more than one layout \(sdd, realdof\); say which by --layout"):
        read_layout(tmp_path)
    assert read_layout(tmp_path, layout="realdof").pairs[0].name == "a"


def test_a_layout_without_pairs_is_an_error_with_reasons(tmp_path: Path) -> None:
    touch(tmp_path, "train/blur/a.png", "train/gt/b.png")
    with pytest.raises(PairingError, match="read as sdd, but no pair was found.*\n  train/blur/a.png: no picture"):
        read_layout(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layout": "gopro"}, "layout 'gopro' is unknown; known: auto, sdd"),
        ({"limit": 0}, "limit 0: expected 1 or more"),
        ({"lists": Path("lists")}, "name lists go with the layouts dpdd, restormer"),
    ],
)
def test_options_that_do_not_fit_are_refused(tmp_path: Path, options: dict[str, object], message: str) -> None:
    touch(tmp_path, "train/blur/a.png", "train/gt/a.png")
    with pytest.raises(ConfigError, match=message):
        read_layout(tmp_path, **options)  # type: ignore[arg-type]


def test_a_missing_source_is_named(tmp_path: Path) -> None:
    with pytest.raises(PairingError, match="nowhere: does not exist"):
        read_layout(tmp_path / "nowhere")


def test_natural_order_is_total_and_stable() -> None:
    names = ["b", "a10", "a2", "a02", "a", "10", "9"]
    assert sorted(names, key=natural_key) == ["9", "10", "a", "a02", "a2", "a10", "b"]


@pytest.mark.parametrize("name", ["a.JPG", "a.dng"])
def test_a_picture_is_no_set_of_pairs(name: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    with pytest.raises(PairingError, match=f"{name}: a picture; expected a folder of captures or a CSV of pairs"):
        read_layout(tmp_path / name)

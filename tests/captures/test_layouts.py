"""Which blurry picture belongs to which sharp one, and what is said of the rest."""

from pathlib import Path

import numpy as np
import pytest
from prepared_sets import PATCH, make_prepared

from sdd_bench.captures.layouts import LAYOUTS, PairList, read_layout
from sdd_bench.captures.listing import natural_key
from sdd_bench.core.errors import ConfigError, ManifestError, PairingError
from sdd_bench.core.types import Split
from sdd_bench.preparation.options import PrepareOptions
from sdd_bench.preparation.run import prepare
from sdd_bench.prepared.open import open_dataset


def _touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def _paired(found: PairList) -> list[tuple[str, str, str]]:
    return [
        (
            pair.pair_id,
            pair.blurry_path.relative_to(found.root).as_posix(),
            pair.sharp_path.relative_to(found.root).as_posix(),
        )
        for pair in found.pairs
    ]


def _reasons(found: PairList) -> dict[str, str]:
    return {problem.item: problem.reason for problem in found.problems}


def test_sdd_pairs_by_name_whatever_the_suffix_in_natural_order(tmp_path: Path) -> None:
    _touch(tmp_path, "train/blur/10.png", "train/gt/10.png", "train/blur/9.jpg", "train/gt/9.PNG")
    _touch(tmp_path, "test/blur/a.png", "test/gt/a.tif", "val/blur/v.png", "val/gt/v.png")
    found = read_layout(tmp_path)
    assert found.layout == "sdd"
    assert _paired(found) == [
        ("train/9", "train/blur/9.jpg", "train/gt/9.PNG"),
        ("train/10", "train/blur/10.png", "train/gt/10.png"),
        ("val/v", "val/blur/v.png", "val/gt/v.png"),
        ("test/a", "test/blur/a.png", "test/gt/a.tif"),
    ]
    assert found.problems == ()
    assert [pair.pair_id for pair in read_layout(tmp_path, limit=2).pairs] == ["train/9", "train/10"]


def test_what_forms_no_pair_is_listed_with_its_reason(tmp_path: Path) -> None:
    _touch(tmp_path, "train/blur/ok.png", "train/gt/ok.png", "train/blur/alone.png", "train/gt/other.png")
    _touch(tmp_path, "train/blur/twice.png", "train/blur/twice.tif", "train/gt/twice.png", "train/blur/notes.txt")
    _touch(tmp_path, "train/blur/.hidden.png", "train/gt/Thumbs.db", "test/blur/lonely.png")
    found = read_layout(tmp_path)
    assert [pair.name for pair in found.pairs] == ["ok"]
    reasons = _reasons(found)
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
    _touch(tmp_path, "set/train/blur/a.png", "set/train/gt/a.png", "elsewhere/b.png")
    (tmp_path / "set/train/blur/more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set/train/gt/gone.png").symlink_to(tmp_path / "nowhere.png")
    reasons = _reasons(read_layout(tmp_path / "set"))
    assert reasons["train/blur/more"].startswith("a link to a folder is not followed")
    assert reasons["train/gt/gone.png"] == "a broken link"


def test_names_in_subfolders_are_their_path_where_the_stem_is_not_unique(tmp_path: Path) -> None:
    for side in ("blur", "gt"):
        _touch(tmp_path, *(f"train/{side}/{name}.png" for name in ("one/1", "two/1", "two/2")))
    names = [pair.name for pair in read_layout(tmp_path).pairs]
    assert names == ["train__blur__one__1", "train__blur__two__1", "2"]


def test_train_patches_stand_in_for_train_and_are_mentioned_beside_it(tmp_path: Path) -> None:
    _touch(tmp_path, "train_patches/blur/p.png", "train_patches/gt/p.png")
    found = read_layout(tmp_path)
    assert (found.layout, found.pairs[0].pair_id) == ("sdd-patches", "train/p")
    _touch(tmp_path, "train/blur/a.png", "train/gt/a.png")
    found = read_layout(tmp_path)
    assert [pair.pair_id for pair in found.pairs] == ["train/a"]
    assert "train_patches/ was not read" in found.notes[0]


def test_sdd_reads_scenes_and_truth(tmp_path: Path) -> None:
    _touch(tmp_path, "test/blur/a.png", "test/gt/a.png", "test/blur/b.png", "test/gt/b.png")
    _touch(tmp_path, "truth/test/a.json", "truth/test/a_aligned.png")
    (tmp_path / "scenes.csv").write_text("split,name,scene,group\ntest,a,garden,outdoor\n")
    first, second = read_layout(tmp_path).pairs
    assert (first.scene, first.group) == ("garden", "outdoor")
    assert first.truth_path == tmp_path / "truth/test/a.json"
    assert first.aligned_path == tmp_path / "truth/test/a_aligned.png"
    assert (second.scene, second.truth_path, second.aligned_path) == ("", None, None)


def test_dpdd_pairs_different_names_by_sorted_order_and_shows_it(tmp_path: Path) -> None:
    _touch(tmp_path, *(f"test_c/source/1P0A09{n}.png" for n in (17, 33)))
    _touch(tmp_path, *(f"test_c/target/1P0A09{n}.png" for n in (16, 32)))
    found = read_layout(tmp_path)
    assert found.layout == "dpdd"
    assert [(pair.name, pair.sharp_path.stem) for pair in found.pairs] == [
        ("1P0A0917", "1P0A0916"),
        ("1P0A0933", "1P0A0932"),
    ]
    assert "2 pairs were formed by sorted order; check them:\n  1P0A0917.png - 1P0A0916.png" in found.notes[0]


def test_sorted_order_with_unequal_counts_is_refused(tmp_path: Path) -> None:
    _touch(tmp_path, "test_c/source/1.png", "test_c/source/3.png", "test_c/target/2.png")
    with pytest.raises(PairingError, match="2 pictures, but 1 in .*give --lists or a CSV"):
        read_layout(tmp_path)


def test_one_shared_name_means_pairing_by_name(tmp_path: Path) -> None:
    _touch(tmp_path, "source/a.png", "source/b.png", "target/a.png", "target/c.png")
    found = read_layout(tmp_path)
    assert found.layout == "realdof"
    assert _paired(found) == [("test/a", "source/a.png", "target/a.png")]
    assert set(_reasons(found)) == {"source/b.png", "target/c.png"}


@pytest.mark.parametrize("suffix", ["npy", "txt"])
def test_dpdd_lists_decide(tmp_path: Path, suffix: str) -> None:
    _touch(tmp_path, *(f"set/test_c/source/{name}.png" for name in ("a", "b", "extra")))
    _touch(tmp_path, *(f"set/test_c/target/{name}.png" for name in ("x", "y")))
    lists = tmp_path / "lists"
    lists.mkdir()
    for side, names in (("src", ["a", "b", "absent"]), ("trg", ["y", "x", "z"])):
        if suffix == "npy":
            np.save(lists / f"test_{side}.npy", np.array(names))
        else:
            (lists / f"test_{side}.txt").write_text("\n".join(names) + "\n")
    found = read_layout(tmp_path / "set", lists=lists)
    assert [(pair.name, pair.sharp_path.stem) for pair in found.pairs] == [("a", "y"), ("b", "x")]
    reasons = _reasons(found)
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
    _touch(tmp_path, "test_c/source/a.png", "test_c/target/x.png")
    np.save(tmp_path / "test_src.npy", np.array(src))
    np.save(tmp_path / "test_trg.npy", np.array(trg))
    with pytest.raises(PairingError, match=message):
        read_layout(tmp_path, lists=tmp_path)


def test_lists_that_are_missing_or_no_arrays_are_named(tmp_path: Path) -> None:
    _touch(tmp_path, "test_c/source/a.png", "test_c/target/x.png")
    with pytest.raises(PairingError, match="has neither test_src.npy nor test_src.txt"):
        read_layout(tmp_path, lists=tmp_path)
    (tmp_path / "test_src.npy").write_bytes(b"junk")
    with pytest.raises(PairingError, match="test_src.npy: not a readable list of names"):
        read_layout(tmp_path, lists=tmp_path)


def test_official_lists_equal_sorted_order(data_root: Path, tmp_path: Path) -> None:
    lists = data_root / "dpdd_lists"
    for split in Split:
        for folder, side in (("source", "src"), ("target", "trg")):
            _touch(tmp_path, *(f"{split}_c/{folder}/{name}.png" for name in np.load(lists / f"{split}_{side}.npy")))
    by_list, by_order = read_layout(tmp_path, lists=lists), read_layout(tmp_path)
    assert len(by_list.pairs) == 500
    assert set(_paired(by_list)) == set(_paired(by_order))


def test_restormer_and_lfdof(tmp_path: Path) -> None:
    _touch(tmp_path, "dpdd/train/inputC/a.png", "dpdd/train/target/b.png")
    found = read_layout(tmp_path / "dpdd")
    assert (found.layout, _paired(found)) == (
        "restormer",
        [("train/a", "train/inputC/a.png", "train/target/b.png")],
    )
    lfdof = tmp_path / "lfdof"
    _touch(lfdof, "test_data/input/s1/s1_a.png", "test_data/input/s1/s1_b.png", "test_data/ground_truth/s1.png")
    _touch(lfdof, "test_data/input/s2/s2_a.png", "test_data/ground_truth/s3.png")
    found = read_layout(lfdof)
    assert found.layout == "lfdof"
    assert [(pair.name, pair.scene, pair.sharp_path.name) for pair in found.pairs] == [
        ("s1_a", "s1", "s1.png"),
        ("s1_b", "s1", "s1.png"),
    ]
    assert _reasons(found) == {
        "test_data/input/s2/s2_a.png": "no sharp picture test_data/ground_truth/s2.*",
        "test_data/ground_truth/s3.png": "no blurry pictures in test_data/input/s3",
    }


def test_no_layout_lists_those_known_and_what_is_there(tmp_path: Path) -> None:
    _touch(tmp_path, "pictures/a.png")
    with pytest.raises(PairingError) as caught:
        read_layout(tmp_path)
    assert "fits no known layout. It holds: pictures/" in str(caught.value)
    assert all(f"  {layout}: " in str(caught.value) for layout in LAYOUTS)


def test_two_layouts_are_refused_until_one_is_named(tmp_path: Path) -> None:
    _touch(tmp_path, "source/a.png", "target/a.png", "train/blur/b.png", "train/gt/b.png")
    with pytest.raises(PairingError, match=r"more than one layout \(sdd, realdof\); say which by --layout"):
        read_layout(tmp_path)
    assert read_layout(tmp_path, layout="realdof").pairs[0].name == "a"


def test_a_layout_without_pairs_is_an_error_with_reasons(tmp_path: Path) -> None:
    _touch(tmp_path, "train/blur/a.png", "train/gt/b.png")
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
    _touch(tmp_path, "train/blur/a.png", "train/gt/a.png")
    with pytest.raises(ConfigError, match=message):
        read_layout(tmp_path, **options)  # type: ignore[arg-type]


def test_a_missing_source_is_named(tmp_path: Path) -> None:
    with pytest.raises(PairingError, match="nowhere: does not exist"):
        read_layout(tmp_path / "nowhere")


def test_a_csv_gives_pairs_with_scene_group_and_split(tmp_path: Path) -> None:
    _touch(tmp_path, "f2/1.jpg", "f2/2.jpg", "f8/1.jpg", "f16/1.jpg", "f16/2.jpg")
    (tmp_path / "mine.csv").write_text(
        "\ufeffblurry,sharp,scene,group,split,camera\n"
        "f2/1.jpg,f16/1.jpg,one,indoor,test,70D\n"
        '"f2/2.jpg", f16/2.jpg ,two,outdoor,train,70D\n'
        "f8/1.jpg,sub/../f16/1.jpg,one,indoor,test,70D\n",
        encoding="utf-8",
    )
    found = read_layout(tmp_path / "mine.csv")
    assert (found.root, found.layout) == (tmp_path, "csv")
    assert [(pair.pair_id, pair.scene, pair.group) for pair in found.pairs] == [
        ("train/2", "two", "outdoor"),
        ("test/f2__1", "one", "indoor"),
        ("test/f8__1", "one", "indoor"),
    ]
    assert found.pairs[2].sharp_path == tmp_path / "f16/1.jpg"


def test_a_folder_with_pairs_csv_is_read_by_it(tmp_path: Path) -> None:
    _touch(tmp_path, "a.png", "b.png")
    (tmp_path / "pairs.csv").write_text("blurry,sharp\na.png,b.png\n")
    assert read_layout(tmp_path).pairs[0].pair_id == "train/a"
    assert open_dataset(tmp_path).pairs[0].pair_id == "test/a"


def test_a_csv_elsewhere_is_relative_to_the_source(tmp_path: Path) -> None:
    _touch(tmp_path, "pictures/a.png", "pictures/b.png")
    (tmp_path / "mine.csv").write_text("blurry,sharp\na.png,b.png\n")
    found = read_layout(tmp_path / "pictures", pairs_csv=tmp_path / "mine.csv")
    assert (found.root, found.pairs[0].blurry_path) == (tmp_path / "pictures", tmp_path / "pictures/a.png")
    with pytest.raises(ConfigError, match="name one of the two"):
        read_layout(tmp_path / "mine.csv", pairs_csv=tmp_path / "mine.csv")


def test_rows_of_a_csv_that_cannot_be_used_are_listed(tmp_path: Path) -> None:
    _touch(tmp_path, "set/a.png", "set/b.png", "set/c.png", "outside.png")
    rows = ["blurry,sharp,split", "a.png,b.png,train", "a.png,b.png,train", "a.png,c.png,train", "c.png,gone.png,train"]
    rows += [f"{tmp_path}/set/c.png,b.png,train", "../outside.png,b.png,train", "c.png,,train", "c.png,c.png,train"]
    rows += ["c.png,b.png,dev", "", "c.png,.,test"]
    (tmp_path / "set/pairs.csv").write_text("\n".join(rows) + "\n")
    found = read_layout(tmp_path / "set")
    assert [pair.name for pair in found.pairs] == ["a"]
    reasons = [(problem.item, problem.reason) for problem in found.problems]
    for (item, reason), expected in zip(
        reasons,
        [
            "a.png was given in row 2 already",
            "a.png was given in row 2 already",
            "gone.png does not exist",
            "is absolute; paths are relative to",
            "../outside.png leads out of",
            "the column sharp is empty",
            "blurry and sharp are the same file",
            "split is 'dev'; expected one of train, val, test",
            ". is not a file",
        ],
        strict=True,
    ):
        assert expected in reason, item
    assert reasons[0][0] == "pairs.csv row 3"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "expected the columns blurry, sharp; got no header"),
        (b"blurry;sharp\na;b\n", "expected the columns blurry, sharp; got blurry;sharp.* Separate cells by commas"),
        (b"blurry,sharp,sharp\n", "expected each column once; got sharp twice"),
        (b"blurry,sharp\na.png\n", r"pairs.csv:2: expected 2 cells, got 1\. .* quote a cell"),
        (b'blurry,sharp\n"a.png,b.png\n', "cannot be read as a CSV file .unexpected end"),
        (b"blurry,sharp\n\xff\xfe,b\n", "cannot be read as a CSV file .not UTF-8 text"),
    ],
)
def test_a_csv_with_a_bad_shape_is_refused(tmp_path: Path, text: bytes, message: str) -> None:
    path = tmp_path / "pairs.csv"
    path.write_bytes(text)
    with pytest.raises(PairingError, match=message):
        read_layout(path)


@pytest.mark.parametrize("text", ['blurry, sharp\n"a, b.png", "c.png"\n', 'blurry,sharp,,\n"a, b.png",c.png,,\n,,,\n'])
def test_a_csv_with_spaces_before_quotes_or_empty_columns_is_understood(tmp_path: Path, text: str) -> None:
    _touch(tmp_path, "a, b.png", "c.png")
    (tmp_path / "pairs.csv").write_text(text)
    found = read_layout(tmp_path / "pairs.csv")
    assert [(pair.blurry_path.name, pair.sharp_path.name) for pair in found.pairs] == [("a, b.png", "c.png")]
    assert found.problems == ()


def test_open_dataset_takes_a_split_and_says_what_is_there(tmp_path: Path) -> None:
    _touch(tmp_path, "train/blur/a.png", "train/gt/a.png", "val/blur/b.png", "val/gt/b.png")
    assert [pair.pair_id for pair in open_dataset(tmp_path, split=None).pairs] == ["train/a", "val/b"]
    with pytest.raises(PairingError, match="no pairs of full pictures in the split test; splits with some: train, val"):
        open_dataset(tmp_path)


def test_open_dataset_counts_the_pairs_its_split_lost_and_lists_no_other_splits_problems(tmp_path: Path) -> None:
    _touch(tmp_path, *(f"test/{side}/{name}.png" for side in ("blur", "gt") for name in "abc"))
    _touch(tmp_path, "test/blur/lost.png", "test/gt/other.png", "test/blur/twice.png", "test/blur/twice.tif")
    _touch(tmp_path, "test/gt/twice.png", "test/gt/notes.txt", "train/blur/t.png", "train/gt/t.png", "train/gt/u.png")
    _touch(tmp_path, "test/blur/no\nname.png", "test/gt/no\nname.png")
    found = open_dataset(tmp_path)
    assert (len(found.pairs), found.n_lost) == (3, 4)
    assert len(found.problems) == 8
    assert all(problem.item.lstrip("'").startswith("test/") for problem in found.problems)
    assert open_dataset(tmp_path, split=Split.TRAIN).n_lost == 1
    assert open_dataset(tmp_path, split=None).n_lost == 5


def test_pairs_that_a_list_names_in_vain_are_lost(tmp_path: Path) -> None:
    _touch(tmp_path, "test_c/source/1.png", "test_c/target/2.png", "test_c/source/3.png")
    (tmp_path / "test_src.txt").write_text("1\n3\n")
    (tmp_path / "test_trg.txt").write_text("2\n4\n")
    for split in ("train", "val"):
        _touch(tmp_path, f"{split}_c/source/5.png", f"{split}_c/target/6.png")
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
    _touch(captures, "train/blur/alone.png", "test/blur/notes.txt")
    prepare(captures, out, PrepareOptions(resize="none", patch=PATCH))
    found = open_dataset(out)
    assert ([pair.name for pair in found.pairs], found.n_lost) == (["t2"], 2)
    reasons = _reasons(found)
    assert set(reasons) == {"test/t1", "test/blur/t3.png"}
    assert "gt/t1.png" in reasons["test/t1"]
    assert reasons["test/blur/t3.png"] == "no picture of the same name in test/gt"


def test_a_pair_of_patches_is_not_taken_for_the_test_picture_of_its_name(tmp_path: Path) -> None:
    data = make_prepared(tmp_path, n_train=1, test=("a0",))
    assert [pair.pair_id for pair in open_dataset(data, split=None).pairs] == ["test/a0"]
    with pytest.raises(PairingError, match="splits with some: test"):
        open_dataset(data, split=Split.TRAIN)


def test_rows_of_a_csv_are_lost_by_the_split_they_state(tmp_path: Path) -> None:
    _touch(tmp_path, "a.png", "b.png", "c.png", "d.png")
    rows = [
        "blurry,sharp,split",
        "a.png,b.png,test",
        "c.png,gone.png,train",
        "d.png,gone.png,test",
        "c.png,d.png,train",
    ]
    (tmp_path / "mine.csv").write_text("\n".join(rows))
    found = open_dataset(tmp_path / "mine.csv")
    assert (len(found.pairs), found.n_lost) == (1, 1)
    assert [problem.item for problem in found.problems] == ["mine.csv row 4"]
    train = open_dataset(tmp_path / "mine.csv", split=Split.TRAIN)
    assert [problem.item for problem in train.problems] == ["mine.csv row 3"]


def test_natural_order_is_total_and_stable() -> None:
    names = ["b", "a10", "a2", "a02", "a", "10", "9"]
    assert sorted(names, key=natural_key) == ["9", "10", "a", "a02", "a2", "a10", "b"]


def test_an_unfinished_prepared_set_is_no_dataset(tmp_path: Path) -> None:
    _touch(tmp_path, ".parts/plan.json", "pairs.csv")
    with pytest.raises(ManifestError, match="not finished. Run the same prepare command again"):
        open_dataset(tmp_path)

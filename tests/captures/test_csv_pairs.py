"""Pairs from a CSV file."""

from pathlib import Path

import pytest
from pair_files import touch

from sdd_bench.captures.csv_pairs import read_pairs_csv
from sdd_bench.captures.layouts import read_layout
from sdd_bench.core.errors import ConfigError, PairingError
from sdd_bench.core.types import Split
from sdd_bench.prepared.open import open_dataset


def test_a_csv_gives_pairs_with_scene_group_and_split(tmp_path: Path) -> None:
    touch(tmp_path, "f2/1.jpg", "f2/2.jpg", "f8/1.jpg", "f16/1.jpg", "f16/2.jpg")
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
    touch(tmp_path, "a.png", "b.png")
    (tmp_path / "pairs.csv").write_text("blurry,sharp\na.png,b.png\n")
    assert read_layout(tmp_path).pairs[0].pair_id == "train/a"
    assert open_dataset(tmp_path).pairs[0].pair_id == "test/a"


def test_a_csv_elsewhere_is_relative_to_the_source(tmp_path: Path) -> None:
    touch(tmp_path, "pictures/a.png", "pictures/b.png")
    (tmp_path / "mine.csv").write_text("blurry,sharp\na.png,b.png\n")
    found = read_layout(tmp_path / "pictures", pairs_csv=tmp_path / "mine.csv")
    assert (found.root, found.pairs[0].blurry_path) == (tmp_path / "pictures", tmp_path / "pictures/a.png")
    with pytest.raises(ConfigError, match="name one of the two"):
        read_layout(tmp_path / "mine.csv", pairs_csv=tmp_path / "mine.csv")


def test_rows_of_a_csv_that_cannot_be_used_are_listed(tmp_path: Path) -> None:
    touch(tmp_path, "set/a.png", "set/b.png", "set/c.png", "outside.png")
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
    touch(tmp_path, "a, b.png", "c.png")
    (tmp_path / "pairs.csv").write_text(text)
    found = read_layout(tmp_path / "pairs.csv")
    assert [(pair.blurry_path.name, pair.sharp_path.name) for pair in found.pairs] == [("a, b.png", "c.png")]
    assert found.problems == ()


def test_rows_of_a_csv_are_lost_by_the_split_they_state(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b.png", "c.png", "d.png")
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


def test_a_name_that_no_file_can_have_is_a_problem_of_its_row(tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text(f"blurry,sharp\n{'x' * 5000},b.png\n")
    pairs, (problem,) = read_pairs_csv(tmp_path / "pairs.csv", tmp_path, Split.TEST)
    assert pairs == []
    assert "File name too long" in problem.reason
    assert len(problem.reason) < 200

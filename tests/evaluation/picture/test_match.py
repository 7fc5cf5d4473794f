"""Matching and reading of predictions."""

from pathlib import Path

import pytest

from sdd_bench.core.errors import PairingError
from sdd_bench.core.types import Pair, Split
from sdd_bench.evaluation.picture.match import match_predictions

PAIRS = [Pair(name, Split.TEST, Path(f"{name}.png"), Path(f"{name}.png")) for name in ("a", "b", "c.1")]


def _fill(folder: Path, *names: str) -> Path:
    folder.mkdir()
    for name in names:
        (folder / name).touch()
    return folder


def test_predictions_match_by_stem_in_the_order_of_pairs(tmp_path: Path) -> None:
    folder = _fill(tmp_path / "ours", "c.1.JPG", "b.tiff", "a.npy", "README.md", ".DS_Store")
    matching = match_predictions(PAIRS, folder)
    matches, problems = matching.matches, matching.problems
    assert [match.prediction_path.name for match in matches] == ["a.npy", "b.tiff", "c.1.JPG"]
    assert problems == ()


def test_subfolders_are_walked_where_the_folder_itself_holds_no_prediction(tmp_path: Path) -> None:
    for place in ("hall/a.png", "hall/b.png", "yard/deep/c.1.png", ".cache/a.png", "log.txt"):
        (tmp_path / "ours" / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "ours" / place).touch()
    matching = match_predictions(PAIRS, tmp_path / "ours")
    below = [match.prediction_path.relative_to(tmp_path / "ours").as_posix() for match in matching.matches]
    assert below == ["hall/a.png", "hall/b.png", "yard/deep/c.1.png"]
    twins = [Pair(name, Split.TEST, Path("x"), Path("y")) for name in ("hall__a", "yard__a")]
    (tmp_path / "ours/yard/a.png").touch()
    found = match_predictions(twins, tmp_path / "ours").matches
    assert [match.prediction_path.parent.name for match in found] == ["hall", "yard"]
    (tmp_path / "ours/a.png").touch()
    assert [match.pair.name for match in match_predictions(PAIRS, tmp_path / "ours").matches] == ["a"]


def test_predictions_of_kinds_that_cannot_be_read_are_said_to_be(tmp_path: Path) -> None:
    folder = _fill(tmp_path / "ours", "a.webp", "b.webp")
    with pytest.raises(PairingError, match=r"got a\.webp, b\.webp\. Kinds that can be read are \.png, \.tif, "):
        match_predictions(PAIRS, folder)


def test_missing_extra_and_double_ones_are_listed(tmp_path: Path) -> None:
    folder = _fill(tmp_path / "ours", "a.png", "b.png", "b.npy", "d.png", "c.1.webp")
    matching = match_predictions(PAIRS, folder)
    matches, problems = matching.matches, matching.problems
    assert [match.pair.name for match in matches] == ["a"]
    reasons = {problem.item: problem.reason for problem in problems}
    assert "several predictions: b.npy, b.png; keep one" in reasons["b"]
    assert "no prediction c.1.png" in reasons["c.1"]
    assert "c.1.webp is of no kind that can be read" in reasons["c.1"]
    assert "extra" in reasons["d.png"]


def test_a_folder_without_a_match_is_an_error_that_shows_names(tmp_path: Path) -> None:
    folder = _fill(tmp_path / "ours", "x.png", "y.png")
    with pytest.raises(PairingError, match="Expected files called like a, b, c.1; got x.png, y.png"):
        match_predictions(PAIRS, folder)


@pytest.mark.parametrize("kind", ["nothing of this name", "a file"])
def test_predictions_must_be_a_folder(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "ours"
    if kind == "a file":
        path.touch()
    with pytest.raises(PairingError, match=f"expected a folder of predictions, found {kind}"):
        match_predictions(PAIRS, path)


@pytest.mark.parametrize("ending", ["_out", "x", "_deblurred", " (1)"])
def test_an_ending_that_all_share_is_found_and_said(tmp_path: Path, ending: str) -> None:
    folder = _fill(tmp_path / "ours", *(f"{pair.name}{ending}.png" for pair in PAIRS))
    matching = match_predictions(PAIRS, folder)
    assert [match.pair.name for match in matching.matches] == ["a", "b", "c.1"]
    assert (matching.problems, matching.suffix) == ((), ending)
    assert repr(ending) in matching.note


def test_an_ending_is_not_mistaken_for_a_number(tmp_path: Path) -> None:
    pairs = [Pair(str(n), Split.TEST, Path(f"{n}.png"), Path(f"{n}.png")) for n in range(1, 13)]
    folder = _fill(tmp_path / "ours", *(f"{pair.name}_out.png" for pair in pairs))
    assert [match.prediction_path.stem for match in match_predictions(pairs, folder).matches] == [
        f"{n}_out" for n in range(1, 13)
    ]
    exact = _fill(tmp_path / "exact", *(f"{n}.png" for n in range(1, 13)))
    assert match_predictions(pairs, exact).suffix == ""


def test_names_without_an_ending_come_first_and_a_stated_one_decides(tmp_path: Path) -> None:
    folder = _fill(tmp_path / "ours", *(f"{pair.name}{end}.png" for pair in PAIRS for end in ("", "_in")))
    assert match_predictions(PAIRS, folder).suffix == ""
    stated = match_predictions(PAIRS, folder, suffix="_in")
    assert [match.prediction_path.name for match in stated.matches] == ["a_in.png", "b_in.png", "c.1_in.png"]
    assert [problem.item for problem in stated.problems] == ["ours", "a.png", "b.png", "c.1.png"]
    assert stated.note == ""


def test_half_that_do_not_fit_are_said_in_one_line_first(tmp_path: Path) -> None:
    folder = _fill(tmp_path / "ours", "a.png", *(f"other{n}.png" for n in range(8)))
    first = match_predictions(PAIRS, folder).problems[0]
    assert first.item == "ours"
    assert "Expected files called like a, b, c.1; got other0.png, other1.png" in first.reason
    assert "and 3 more" in first.reason

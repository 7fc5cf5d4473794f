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
    matches, problems = match_predictions(PAIRS, folder)
    assert [match.prediction_path.name for match in matches] == ["a.npy", "b.tiff", "c.1.JPG"]
    assert problems == []


def test_missing_extra_and_double_ones_are_listed(tmp_path: Path) -> None:
    folder = _fill(tmp_path / "ours", "a.png", "b.png", "b.npy", "d.png", "c.1.webp")
    matches, problems = match_predictions(PAIRS, folder)
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

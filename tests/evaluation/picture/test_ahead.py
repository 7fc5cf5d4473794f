"""The first picture of a run is read before it is asked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdd_bench.core.errors import ImageError
from sdd_bench.evaluation.options import EvaluateOptions
from sdd_bench.evaluation.picture import read
from sdd_bench.evaluation.picture.ahead import read_first_ahead
from sdd_bench.evaluation.picture.match import Match, absolute
from sdd_bench.evaluation.picture.read import read_inputs

OPTIONS = EvaluateOptions(flow="dis")


@pytest.fixture(autouse=True)
def nothing_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that commands in this process began to read and, refused, never took."""
    monkeypatch.setattr(read, "_AHEAD", {})


def test_reading_ahead_needs_no_torch() -> None:
    code = "import sys, sdd_bench.evaluation.picture.ahead; print({'torch', 'numba'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


def test_what_was_begun_is_taken_once(make_set: Any, predictions: Path, tmp_path: Path) -> None:
    pairs = make_set(1).pairs
    expected = read_inputs(pairs[0], predictions / "p0.png", OPTIONS)
    read_first_ahead(pairs, predictions, tmp_path / "run", OPTIONS)
    (begun,) = read._AHEAD.values()
    match = absolute(Match(pairs[0], predictions / "p0.png"))
    assert read_inputs(match.pair, match.prediction_path, OPTIONS) is begun.result()
    assert read._AHEAD == {}
    np.testing.assert_array_equal(begun.result().prediction, expected.prediction)
    assert read_inputs(match.pair, match.prediction_path, OPTIONS) is not begun.result()


def test_a_picture_that_is_scored_and_a_folder_without_predictions_are_left(
    make_set: Any, predictions: Path, tmp_path: Path
) -> None:
    pairs = make_set(1).pairs
    record = tmp_path / "run/pictures/p0.json"
    record.parent.mkdir(parents=True)
    record.touch()
    read_first_ahead(pairs, predictions, tmp_path / "run", OPTIONS)
    read_first_ahead(pairs, tmp_path / "nowhere", tmp_path / "other", OPTIONS)
    assert read._AHEAD == {}


def test_what_cannot_be_read_is_said_when_it_is_asked_for(make_set: Any, predictions: Path, tmp_path: Path) -> None:
    pairs = make_set(1).pairs
    (predictions / "p0.png").write_bytes(b"no picture")
    read_first_ahead(pairs, predictions, tmp_path / "run", OPTIONS)
    match = absolute(Match(pairs[0], predictions / "p0.png"))
    with pytest.raises(ImageError, match=r"p0\.png"):
        read_inputs(match.pair, match.prediction_path, OPTIONS)
    assert read._AHEAD == {}

"""Extra measures by name, and anyone's function."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sdd_bench.core.errors import ConfigError, ImageError
from sdd_bench.core.types import GroundTruth
from sdd_bench.evaluation.extras.measures import OURS, load_measure
from sdd_bench.evaluation.extras.scores import ExtraRow, extra_scores, summary_of

MODULE = """
def brightness(picture):
    return picture.mean()
brightness.better = "higher"

def difference(prediction, truth, *, gain=2.0):
    return gain * abs(prediction - truth).mean()

def inside(prediction, truth, valid):
    return valid.mean()

def broken(picture):
    raise RuntimeError("no weights\\nand more")

def nan(picture):
    return float("nan")

def four(a, b, c, d):
    return 0.0

brightness.signature = "brightness 1\\n2"
"""


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "their_measures.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    load_measure.cache_clear()
    return "their_measures"


@pytest.fixture
def picture() -> NDArray[np.float32]:
    return np.random.default_rng(1).random((200, 200, 3)).astype(np.float32)


@pytest.mark.parametrize("name", sorted(set(OURS) - {"dists"}))
def test_every_measure_of_ours_gives_a_number_and_says_what_it_depends_on(name: str, picture: np.ndarray) -> None:
    measure = load_measure(name)
    valid = np.ones((200, 200), np.bool_)
    sources = (np.clip(picture + np.float32(0.1), 0, 1), picture, valid)
    assert np.isfinite(measure(*sources[: measure.n_pictures]))
    assert measure.signature.startswith(f"{name}: ")
    assert measure.better in ("higher", "lower")


def test_the_number_of_arguments_says_what_a_function_is(theirs: str, picture: np.ndarray) -> None:
    names = ("brightness", "difference", "inside")
    measures = [load_measure(f"{theirs}:{name}") for name in names]
    assert [measure.n_pictures for measure in measures] == [1, 2, 3]
    assert (measures[0].better, measures[1].better) == ("higher", "")
    assert measures[0].signature == f"{theirs}:brightness: brightness 1 2"
    assert measures[1].signature.startswith(f"{theirs}:difference: source=")
    half = np.zeros((200, 200), np.bool_)
    half[:100] = True
    truths = {GroundTruth.RAW: (picture, half), GroundTruth.WARPED: (picture * 0, half)}
    scores = extra_scores(measures, picture, truths)
    assert [(score.measure.partition(":")[2], score.ground_truth) for score in scores] == [
        ("brightness", ""), ("difference", "raw"), ("difference", "warped"), ("inside", "raw"), ("inside", "warped"),
    ]  # fmt: skip
    assert [score.value for score in scores] == pytest.approx([picture.mean(), 0, 2 * picture.mean(), 0.5, 0.5])


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("niqe", "niqe-style is fitted to other pictures"),
        ("nothing", "expected one of dists, niqe-style"),
        ("no_such_module:f", "cannot be loaded"),
        ("their_measures:absent", "cannot be loaded"),
        ("their_measures:four", "takes 4 arguments"),
    ],
)
def test_what_is_no_measure_is_an_error(theirs: str, name: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        load_measure(name)


def test_a_function_that_fails_leaves_a_reason_and_no_value(theirs: str, picture: np.ndarray) -> None:
    [score, other] = extra_scores([load_measure(f"{theirs}:{name}") for name in ("broken", "nan")], picture, {})
    assert (score.value, score.failure) == (None, "--extra their_measures:broken: failed (no weights).")
    assert "gave NaN" in other.failure
    with pytest.raises(ImageError, match="failed"):
        load_measure(f"{theirs}:broken")(picture)


def test_the_summary_has_a_mean_per_method_and_ground_truth() -> None:
    measure = load_measure("psnr-shift")
    rows = [
        ExtraRow(method=method, image=str(number), measure="psnr-shift", ground_truth="raw", value=value + number)
        for method, value in (("net", 30.0), ("identity", 20.0))
        for number in range(3)
    ]
    found = summary_of([measure], rows)["psnr-shift"]
    assert found["signature"] == "psnr-shift: tile=512 shift=2"
    assert {name: scores["raw"]["mean"] for name, scores in found["scores"].items()} == {"net": 31.0, "identity": 21.0}

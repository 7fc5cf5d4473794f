"""Gain by level of blur: the level decides which pixels count, and nothing else does."""

from __future__ import annotations

import numpy as np
import pytest

from sdd_bench.evaluation.regions import LEVEL_EDGES_PX, Regions, region_medians

NONE = (None,) * len(LEVEL_EDGES_PX)


@pytest.fixture
def regions(rng: np.random.Generator) -> Regions:
    """Two regions: in focus on the left, blurred by 6 px on the right; the input is wrong by 0.1 everywhere."""
    truth = rng.random((32, 64, 3)).astype(np.float32) * 0.5
    blur_px = np.array([[0.5, 6.0]], np.float32)
    return Regions(blur_px, np.ones((32, 64), np.bool_), truth + np.float32(0.1), truth)


def test_the_input_gains_nothing_and_changes_nothing(regions: Regions) -> None:
    scores = regions.score(regions.blurry)
    assert scores.gains_db == (0.0, None, 0.0, None, None)
    assert scores.shares == (0.5, 0.0, 0.5, 0.0, 0.0)
    assert (scores.focus_change, scores.blur_px) == (0.0, 3.25)


def test_help_where_it_is_blurred_and_harm_where_it_is_not(regions: Regions) -> None:
    prediction = regions.truth + np.float32(0.2)  # twice the error in focus: -6.02 dB
    prediction[:, 32:] = regions.truth[:, 32:] + np.float32(0.01)  # a tenth on the right: +20 dB
    scores = regions.score(prediction)
    assert scores.gains_db[0] == pytest.approx(-6.0206, abs=1e-3)
    assert scores.gains_db[2] == pytest.approx(20.0, abs=1e-3)
    assert scores.focus_change == pytest.approx(0.1, abs=1e-6)


def test_the_truth_itself_has_a_finite_gain(regions: Regions) -> None:
    assert regions.score(regions.truth).gains_db[0] == pytest.approx(80.0, abs=0.01)


def test_pixels_that_are_not_valid_do_not_count(regions: Regions) -> None:
    half = regions.valid.copy()
    half[:16] = False
    prediction = regions.blurry.copy()
    prediction[:16] = 1.0
    assert Regions(regions.blur_px, half, regions.blurry, regions.truth).score(prediction).gains_db[0] == 0.0
    nowhere = Regions(regions.blur_px, np.zeros_like(half), regions.blurry, regions.truth).score(prediction)
    assert nowhere.gains_db == NONE


def test_regions_at_the_border_count_their_own_pixels_alone() -> None:
    values = np.full((40, 40), 2.0, np.float32)
    values[32:, 32:] = 7.0
    values[:20, :] = np.nan
    assert np.array_equal(region_medians(values), [[np.nan, np.nan], [2.0, 7.0]], equal_nan=True)

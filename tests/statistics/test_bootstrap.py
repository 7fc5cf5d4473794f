"""Means over pictures and their intervals."""

import math

import numpy as np
import pytest

from sdd_bench.core.errors import ConfigError
from sdd_bench.statistics.bootstrap import estimate_gain, estimate_mean


def test_the_interval_is_close_to_the_normal_one_for_many_normal_values(rng: np.random.Generator) -> None:
    values = rng.normal(30, 2, 400)
    estimate = estimate_mean(values)
    half = 1.96 * values.std(ddof=1) / math.sqrt(len(values))
    assert estimate.mean == pytest.approx(values.mean())
    assert estimate.low == pytest.approx(values.mean() - half, abs=0.03)
    assert estimate.high == pytest.approx(values.mean() + half, abs=0.03)


def test_the_same_values_give_the_same_interval(rng: np.random.Generator) -> None:
    values = rng.normal(30, 2, 35)
    assert estimate_mean(values) == estimate_mean(values.copy())
    assert estimate_mean(values) != estimate_mean(values, seed=1)


def test_infinite_values_are_counted_and_left_out_of_the_mean() -> None:
    estimate = estimate_mean([20.0, 22.0, math.inf, math.inf, math.inf])
    assert (estimate.mean, estimate.median, estimate.n, estimate.n_infinite) == (21.0, math.inf, 5, 3)
    assert estimate.low is not None
    assert 20 <= estimate.low <= 21


def test_all_infinite_values_have_no_mean() -> None:
    estimate = estimate_mean([math.inf, math.inf])
    assert (estimate.mean, estimate.median, estimate.low, estimate.n_infinite) == (None, math.inf, None, 2)


@pytest.mark.parametrize("values", [[], [25.0]])
def test_fewer_than_two_values_have_no_interval(values: list[float]) -> None:
    estimate = estimate_mean(values)
    assert estimate.mean == (values[0] if values else None)
    assert estimate.low is None
    assert estimate.high is None


def test_equal_values_have_an_interval_of_no_width() -> None:
    estimate = estimate_mean([25.0] * 6)
    assert (estimate.low, estimate.high) == (25.0, 25.0)


@pytest.mark.parametrize("n", [2, 3, 4])
def test_few_values_give_an_interval_that_holds_the_mean(n: int) -> None:
    values = [20.0, 21.0, 25.0, 40.0][:n]
    estimate = estimate_mean(values)
    assert estimate.low is not None
    assert estimate.high is not None
    assert min(values) <= estimate.low < np.mean(values) < estimate.high <= max(values)


def test_pictures_of_one_scene_are_drawn_together(rng: np.random.Generator) -> None:
    of_scene = rng.normal(30, 3, 10)
    values = (of_scene[:, None] + rng.normal(0, 0.1, (10, 8))).ravel()
    scenes = [f"s{number}" for number in range(10) for _ in range(8)]
    clustered, single = estimate_mean(values, scenes=scenes), estimate_mean(values)
    assert clustered.mean == single.mean
    widths = [(estimate.high or 0) - (estimate.low or 0) for estimate in (clustered, single)]
    assert widths[0] > 2 * widths[1]


def test_pictures_without_a_scene_are_scenes_of_their_own(rng: np.random.Generator) -> None:
    values = rng.normal(30, 3, 12)
    assert estimate_mean(values, scenes=[""] * 12) == estimate_mean(values)


def test_one_scene_alone_has_no_interval() -> None:
    assert estimate_mean([1.0, 2.0, 3.0], scenes=["a"] * 3).low is None


def test_a_paired_gain_is_sure_where_means_alone_are_not(rng: np.random.Generator) -> None:
    difficulty = rng.normal(30, 4, 20)
    ours, theirs = difficulty + 0.3 + rng.normal(0, 0.1, 20), difficulty
    gain = estimate_gain(ours, theirs)
    assert gain.low is not None
    assert gain.low > 0.2
    assert (estimate_mean(ours).low or 0) < theirs.mean()


def test_two_infinite_scores_differ_by_nothing() -> None:
    gain = estimate_gain([math.inf, 3.0, math.inf], [math.inf, 2.0, 5.0])
    assert (gain.mean, gain.n_infinite) == (0.5, 1)


def test_gains_of_both_infinities_have_no_median() -> None:
    assert estimate_gain([math.inf, 1.0], [1.0, math.inf]).median is None


def test_nan_and_unequal_lengths_are_refused() -> None:
    with pytest.raises(ConfigError, match="NaN among the values"):
        estimate_mean([1.0, math.nan])
    with pytest.raises(ConfigError, match="2 values but 1 scenes"):
        estimate_mean([1.0, 2.0], scenes=["a"])
    with pytest.raises(ConfigError, match="2 against 1 pictures"):
        estimate_gain([1.0, 2.0], [1.0])

"""Means over pictures and their intervals, against scipy's bootstrap."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from sdd_bench.core.errors import ConfigError
from sdd_bench.statistics.bootstrap import bca_interval, bootstrap_means, estimate_mean
from sdd_bench.statistics.units import by_unit, units_of

UNEQUAL = ["a"] * 9 + ["b"] * 4 + ["c", "c", "d", "d", "d"] + [f"s{number}" for number in range(8)]
"""Scenes of one to nine pictures."""


def ratio(sums: np.ndarray, counts: np.ndarray, axis: int = -1) -> np.ndarray:
    return np.asarray(sums.sum(axis=axis) / counts.sum(axis=axis))


def skewed(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Values whose scenes differ by their size, and their units."""
    units = units_of(UNEQUAL, len(UNEQUAL))
    sizes = np.bincount(units)[units]
    return (25.0 + 0.4 * sizes + rng.gamma(1.5, 1.0, len(units)))[None], units


def test_the_ends_are_scipys_given_the_same_resamples(rng: np.random.Generator) -> None:
    values, units = skewed(rng)
    resampled = bootstrap_means(values, units)
    sums, counts = by_unit(values, units)
    theirs = stats.bootstrap(
        (sums[0], counts), ratio, paired=True, vectorized=True, n_resamples=0, method="BCa",
        bootstrap_result=SimpleNamespace(bootstrap_distribution=resampled[:, 0]),
    ).confidence_interval  # fmt: skip
    assert np.ravel(bca_interval(values, units, resampled)) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_scenes_of_unequal_size_are_drawn_as_scipy_draws_them(rng: np.random.Generator) -> None:
    values, units = skewed(rng)
    sums, counts = by_unit(values, units)
    theirs = stats.bootstrap(
        (sums[0], counts), ratio, paired=True, vectorized=True, n_resamples=20_000, method="BCa",
        rng=np.random.default_rng(1),
    )  # fmt: skip
    ours = estimate_mean(values[0], scenes=UNEQUAL)
    ends = theirs.confidence_interval
    assert (ours.low, ours.high) == pytest.approx((ends.low, ends.high), abs=0.05)
    assert bootstrap_means(values, units).std() == pytest.approx(theirs.standard_error, rel=0.03)
    assert bootstrap_means(values, units).mean() == pytest.approx(theirs.bootstrap_distribution.mean(), abs=0.02)


def test_a_scene_of_many_pictures_weighs_as_many() -> None:
    units = np.array([0] * 9 + [1])
    found = bootstrap_means(np.array([[1.0] * 9 + [0.0]]), units)[:, 0]
    assert sorted(set(found.round(12))) == [0.0, 0.9, 1.0]
    assert np.count_nonzero(found == 0.9) == pytest.approx(5000, abs=200)


def test_the_same_values_give_the_same_interval(rng: np.random.Generator) -> None:
    values = rng.normal(30, 2, 35)
    assert estimate_mean(values) == estimate_mean(values.copy())
    assert estimate_mean(values) != estimate_mean(values, seed=1)


def test_infinite_values_are_counted_and_left_out_of_the_mean() -> None:
    finite = [20.0, 22.0, 21.0, 23.0, 19.0, 24.0, 18.0]
    estimate = estimate_mean([*finite[:2], math.inf, *finite[2:], *[math.inf] * 7])
    alone = estimate_mean(finite)
    assert (estimate.mean, estimate.median, estimate.n, estimate.n_infinite) == (21.0, math.inf, 15, 8)
    assert (estimate.low, estimate.high) == (alone.low, alone.high)


def test_scenes_stay_with_their_pictures_where_infinite_ones_are_left_out(rng: np.random.Generator) -> None:
    values = list(rng.normal(30, 3, len(UNEQUAL)))
    with_infinite = estimate_mean([math.inf, *values], scenes=["new", *UNEQUAL])
    assert (with_infinite.low, with_infinite.high) == (
        estimate_mean(values, scenes=UNEQUAL).low,
        estimate_mean(values, scenes=UNEQUAL).high,
    )


def test_all_infinite_values_have_no_mean() -> None:
    estimate = estimate_mean([math.inf, math.inf])
    assert (estimate.mean, estimate.median, estimate.low, estimate.n_infinite) == (None, math.inf, None, 2)


def test_both_infinities_have_no_median() -> None:
    assert estimate_mean([math.inf, -math.inf]).median is None


@pytest.mark.parametrize("n", [0, 1, 2, 5, 6])
def test_fewer_than_six_units_have_no_interval(n: int) -> None:
    values = [20.0, 21.0, 25.0, 40.0, 22.0, 23.0][:n]
    for estimate in (estimate_mean(values), estimate_mean(values * 2, scenes=[str(i) for i in range(n)] * 2)):
        assert estimate.mean == (pytest.approx(np.mean(values)) if n else None)
        assert (estimate.low is None, estimate.high is None) == (n < 6, n < 6)


def test_equal_values_have_an_interval_of_no_width() -> None:
    estimate = estimate_mean([25.1] * 6)
    assert (estimate.low, estimate.high) == (pytest.approx(25.1, abs=1e-12), pytest.approx(25.1, abs=1e-12))
    assert estimate.low == estimate.high


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


def test_nan_and_unequal_lengths_are_refused() -> None:
    with pytest.raises(ConfigError, match="NaN among the values"):
        estimate_mean([1.0, math.nan])
    with pytest.raises(ConfigError, match="2 values but 1 scenes"):
        estimate_mean([1.0, 2.0], scenes=["a"])

r"""Means over pictures and how sure they are.

Intervals are bias-corrected and accelerated bootstrap intervals (Efron, 1987) of :func:`scipy.stats.bootstrap`, seeded,
so the same pictures give the same interval. Pictures of one scene (three apertures, say) resemble each other: where
scenes are named, whole scenes are drawn, else single pictures.

Infinite values (PSNR of equal pictures) are counted, stand in the median, and are left out of the mean and its
interval, which would be infinite otherwise.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.errors import ConfigError
from sdd_bench.statistics.units import CONFIDENCE, N_RESAMPLES, SEED, VALUES_AT_ONCE, by_unit, clusters_of

Array = NDArray[np.float64]

N_ESTIMATE_RESAMPLES = 9999
_VALUES_AT_ONCE = 2_000_000
"""Numbers drawn at once: bounds the memory at any number of pictures."""


@dataclass(frozen=True)
class Estimate:
    """A mean over pictures with its interval. What cannot be said is None."""

    mean: float | None
    """Over the finite values; None when there is none."""
    median: float | None
    """Over all values, so it may be infinite; None when there is no value."""
    low: float | None
    high: float | None
    """Ends of the 95 % interval of the mean; None with fewer than two finite values (or fewer than two scenes)."""
    n: int
    n_infinite: int


def estimate_mean(
    values: Sequence[float] | NDArray[np.floating], *, scenes: Sequence[str] | None = None, seed: int = SEED
) -> Estimate:
    r"""Mean, median and 95 % bootstrap interval of one figure over pictures.

    Args:
        values: One figure a picture; infinite ones are counted, not averaged.
        scenes: The scene of each picture; pictures of one scene are drawn together. An empty name is a scene of its
            own.
        seed: Of the resampling.

    Raises:
        ConfigError: A value is NaN, or ``scenes`` is not as long as ``values``.

    Example:
        >>> estimate_mean([30.0, 30.0, math.inf])
        Estimate(mean=30.0, median=30.0, low=30.0, high=30.0, n=3, n_infinite=1)
    """
    figures = np.asarray(values, dtype=np.float64)
    if np.isnan(figures).any():
        raise ConfigError("estimate_mean: NaN among the values; a picture without a score must be left out.")
    if scenes is not None and len(scenes) != len(figures):
        raise ConfigError(f"estimate_mean: {len(figures)} values but {len(scenes)} scenes.")
    finite = np.isfinite(figures)
    n_infinite = int(np.count_nonzero(~finite))
    if not len(figures):
        return Estimate(None, None, None, None, 0, 0)
    with np.errstate(invalid="ignore"):
        median = float(np.median(figures))
    if not finite.any():
        return Estimate(None, None if math.isnan(median) else median, None, None, len(figures), n_infinite)
    clusters = clusters_of(scenes, finite)
    low, high = _interval(figures[finite], clusters, seed)
    return Estimate(float(figures[finite].mean()), median, low, high, len(figures), n_infinite)


def estimate_gain(
    ours: Sequence[float] | NDArray[np.floating],
    theirs: Sequence[float] | NDArray[np.floating],
    *,
    scenes: Sequence[str] | None = None,
    seed: int = SEED,
) -> Estimate:
    """Mean of ``ours - theirs`` over the same pictures, with its interval: pairing removes what pictures differ in.

    Pictures where both are infinite count as a difference of zero.

    Raises:
        ConfigError: Not the same number of pictures, or as :func:`estimate_mean`.
    """
    a, b = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    if a.shape != b.shape:
        raise ConfigError(f"estimate_gain: {len(a)} against {len(b)} pictures; both must score the same ones.")
    equal = a == b
    difference = np.subtract(a, b, where=~equal, out=np.zeros_like(a))
    return estimate_mean(difference, scenes=scenes, seed=seed)


def _ratio(sums: NDArray[np.float64], counts: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
    return np.asarray(sums.sum(axis=axis) / counts.sum(axis=axis))


def _interval(values: NDArray[np.float64], clusters: NDArray[np.intp], seed: int) -> tuple[float | None, float | None]:
    from scipy.stats import DegenerateDataWarning, bootstrap

    counts = np.bincount(clusters).astype(np.float64)
    if len(counts) < 2:
        return None, None
    centre = float(values.mean())
    sums = np.bincount(clusters, weights=values - centre)
    if np.ptp(sums / counts) < 1e-12 * max(1.0, abs(centre)):
        return centre, centre
    for method in ("BCa", "percentile"):
        with np.errstate(divide="ignore", invalid="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", DegenerateDataWarning)
            result = bootstrap(
                (sums, counts),
                _ratio,
                paired=True,
                vectorized=True,
                n_resamples=N_ESTIMATE_RESAMPLES,
                batch=max(1, _VALUES_AT_ONCE // len(counts)),
                confidence_level=CONFIDENCE,
                method=method,
                rng=np.random.default_rng(seed),
            )
        low, high = (float(end) + centre for end in result.confidence_interval)
        if math.isfinite(low) and math.isfinite(high):
            return low, high
    raise AssertionError("a percentile interval of finite values is finite")


def bootstrap_means(
    scores: Array, units: NDArray[np.intp] | None = None, *, n_resamples: int = N_RESAMPLES, seed: int = SEED
) -> Array:
    """Means of every method over the same resampled pictures.

    Args:
        scores: (methods, pictures).
        units: The unit of each picture (:func:`units_of`); the picture itself when not given.
        n_resamples: Number of resamples.
        seed: Of the resampling.

    Returns:
        (n_resamples, methods).
    """
    sums, counts = by_unit(scores, units)
    times = _drawn_times(len(counts), n_resamples, seed)
    means = np.empty((n_resamples, len(scores)))
    step = max(1, VALUES_AT_ONCE // len(counts))
    for start in range(0, n_resamples, step):
        some = times[start : start + step].astype(np.float64)
        means[start : start + step] = (some @ sums.T) / (some @ counts)[:, None]
    return means


@lru_cache(maxsize=2)
def _drawn_times(n_units: int, n_resamples: int, seed: int) -> NDArray[np.uint16]:
    """How often each unit was drawn, (n_resamples, n_units); the same for every metric, so kept."""
    rng = np.random.default_rng(seed)
    times = np.empty((n_resamples, n_units), dtype=np.uint16)
    step = max(1, VALUES_AT_ONCE // n_units)
    for start in range(0, n_resamples, step):
        size = min(step, n_resamples - start)
        drawn = rng.integers(n_units, size=(size, n_units)) + n_units * np.arange(size)[:, None]
        times[start : start + size] = np.bincount(drawn.ravel(), minlength=size * n_units).reshape(size, n_units)
    return times


def bca_interval(differences: Array, units: NDArray[np.intp] | None, resampled: Array) -> tuple[Array, Array]:
    """Ends of the BCa interval of mean differences.

    Args:
        differences: (pairs, pictures).
        units: As in :func:`bootstrap_means`.
        resampled: Bootstrap means of the differences, (n_resamples, pairs).

    Returns:
        Low and high ends, (pairs,). A difference that never varies is its own interval; fewer than two units leave NaN.
    """
    from scipy.special import ndtr, ndtri

    sums, counts = by_unit(differences, units)
    means = sums.sum(axis=1) / counts.sum()
    if len(counts) < 2:
        return np.full_like(means, np.nan), np.full_like(means, np.nan)
    below = (np.count_nonzero(resampled < means, axis=0) + np.count_nonzero(resampled <= means, axis=0)) / 2.0
    bias = ndtri(np.clip(below / len(resampled), 1e-9, 1.0 - 1e-9))
    without = (sums.sum(axis=1, keepdims=True) - sums) / (counts.sum() - counts)
    influence = without.mean(axis=1, keepdims=True) - without
    spread = (influence**2).sum(axis=1)
    acceleration = np.divide(
        (influence**3).sum(axis=1), 6.0 * spread**1.5, out=np.zeros_like(spread), where=spread > 1e-300
    )
    ordered = np.sort(resampled, axis=0)
    ends = []
    for tail in ((1.0 - CONFIDENCE) / 2.0, (1.0 + CONFIDENCE) / 2.0):
        z = bias + ndtri(tail)
        place = ndtr(bias + z / (1.0 - acceleration * z)) * (len(ordered) - 1)
        left = np.floor(place).astype(np.intp)
        right = np.minimum(left + 1, len(ordered) - 1)
        columns = np.arange(ordered.shape[1])
        ends.append(ordered[left, columns] + (place - left) * (ordered[right, columns] - ordered[left, columns]))
    same = np.ptp(sums / counts, axis=1) < 1e-12 * np.maximum(1.0, np.abs(means))
    return np.where(same, means, ends[0]), np.where(same, means, ends[1])

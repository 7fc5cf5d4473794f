r"""Means over pictures and how sure they are: the bootstrap, for all methods at once.

Intervals are bias-corrected and accelerated (BCa; Efron, 1987, "Better bootstrap confidence intervals") at 95 %. Whole
units are drawn (see :mod:`sdd_bench.statistics.units`). The mean of a resample is over all pictures of the drawn units,
so a scene with more pictures weighs more. The draws are seeded, so the same pictures give the same interval. The work
is a matrix product of (resamples, units) with (units, methods), in pieces of bounded size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.errors import ConfigError
from sdd_bench.statistics.units import (
    CONFIDENCE,
    MIN_UNITS,
    N_RESAMPLES,
    SEED,
    VALUES_AT_ONCE,
    Array,
    by_unit,
    units_of,
)

_ROUNDING = 1e-12
"""Relative rounding error: a resampled mean this close to the mean counts as equal to it."""


@dataclass(frozen=True)
class Estimate:
    """Mean over pictures with its interval. A field that cannot be computed is None."""

    mean: float | None
    """Mean over the finite values; None when no value is finite."""
    median: float | None
    """Median over all values, which may be infinite; None when there is no value."""
    low: float | None
    high: float | None
    """Ends of the 95 % interval of the mean; None with fewer than six units among the finite values."""
    n: int
    """Number of values."""
    n_infinite: int
    """Number of infinite values."""


def estimate_mean(
    values: Sequence[float] | NDArray[np.floating], *, scenes: Sequence[str] | None = None, seed: int = SEED
) -> Estimate:
    r"""Mean, median and 95 % bootstrap interval of one figure over pictures.

    Infinite values (PSNR of equal pictures) are counted and enter the median. They are left out of the mean and its
    interval, which would be infinite otherwise.

    Args:
        values: One figure per picture.
        scenes: Scene of each picture. An empty name is a scene of its own.
        seed: Seed of the resampling.

    Raises:
        ConfigError: A value is NaN, or ``scenes`` is not as long as ``values``.

    Example:
        >>> estimate_mean([30.0, 30.0, 30.0, 30.0, 30.0, 30.0, math.inf])
        Estimate(mean=30.0, median=30.0, low=30.0, high=30.0, n=7, n_infinite=1)
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
    known = figures[finite][None]
    names = None if scenes is None else [scene for scene, is_finite in zip(scenes, finite, strict=True) if is_finite]
    units = units_of(names, known.shape[1])
    low, high = (
        None if math.isnan(end) else end
        for end in map(float, np.ravel(bca_interval(known, units, bootstrap_means(known, units, seed=seed))))
    )
    return Estimate(float(known.mean()), median, low, high, len(figures), n_infinite)


def bootstrap_means(
    scores: Array, units: NDArray[np.intp], *, n_resamples: int = N_RESAMPLES, seed: int = SEED
) -> Array:
    """Mean scores of every method over the same resampled pictures.

    Args:
        scores: (methods, pictures).
        units: Unit of each picture (:func:`~sdd_bench.statistics.units.units_of`).
        n_resamples: Number of resamples.
        seed: Seed of the resampling.

    Returns:
        Mean scores, (n_resamples, methods).

    Example:
        >>> bootstrap_means(np.full((1, 6), 30.0), np.arange(6), n_resamples=2).tolist()
        [[30.0], [30.0]]
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
def _drawn_times(n_units: int, n_resamples: int, seed: int) -> NDArray[np.uint8]:
    """Number of times each unit was drawn, (n_resamples, n_units). It is cached because every metric uses the same.

    A byte holds it: no count exceeds the number of units, and the chance of 256 among more of them is below 1 / 256!.
    """
    rng = np.random.default_rng(seed)
    times = np.empty((n_resamples, n_units), dtype=np.uint8)
    step = max(1, VALUES_AT_ONCE // n_units)
    for start in range(0, n_resamples, step):
        size = min(step, n_resamples - start)
        drawn = rng.integers(n_units, size=(size, n_units)) + n_units * np.arange(size)[:, None]
        times[start : start + size] = np.bincount(drawn.ravel(), minlength=size * n_units).reshape(size, n_units)
    return times


def bca_interval(values: Array, units: NDArray[np.intp], resampled: Array) -> tuple[Array, Array]:
    """Ends of the BCa interval of means over pictures.

    Args:
        values: Scores or differences of scores, (rows, pictures).
        units: Unit of each picture, as in :func:`bootstrap_means`.
        resampled: Bootstrap means of the rows, (n_resamples, rows).

    Returns:
        Low and high ends, (rows,) each. Both are the mean for a row that never varies, and NaN with fewer than six
        units.

    Example:
        >>> scores, units = np.array([[31.0, 28.0, 30.0, 29.0, 32.0, 30.0]]), np.arange(6)
        >>> low, high = bca_interval(scores, units, bootstrap_means(scores, units, n_resamples=1000))
        >>> bool(low[0] < scores.mean() < high[0])
        True
    """
    from scipy.special import ndtr, ndtri

    sums, counts = by_unit(values, units)
    means = sums.sum(axis=1) / counts.sum()
    if len(counts) < MIN_UNITS:
        return np.full_like(means, np.nan), np.full_like(means, np.nan)
    rounding = _ROUNDING * np.maximum(1.0, np.abs(means))
    below = (resampled < means - rounding).sum(axis=0) + (resampled <= means + rounding).sum(axis=0)
    bias = ndtri(np.clip(below / (2.0 * len(resampled)), 1e-9, 1.0 - 1e-9))
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
    same = np.ptp(sums / counts, axis=1) < rounding
    return np.where(same, means, ends[0]), np.where(same, means, ends[1])

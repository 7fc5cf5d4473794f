r"""Resampling of paired scores: bootstrap means, BCa intervals, sign flips; all methods at once.

The unit that is drawn or flipped is the scene (all its pictures together) where scenes are named, else the picture.
Everything is a matrix product of (resamples, units) with (units, methods or pairs), in pieces of bounded size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

N_RESAMPLES = 10_000
CONFIDENCE = 0.95
SEED = 2023

_VALUES_AT_ONCE = 4_000_000
"""Numbers drawn at once: bounds the memory at any number of methods."""

Array = NDArray[np.float64]


def units_of(scenes: Sequence[str] | None, n_images: int) -> NDArray[np.intp]:
    """The number of the unit each picture belongs to: its scene where named, else itself."""
    names = [("scene", scene) if scene else ("picture", i) for i, scene in enumerate(scenes or [""] * n_images)]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return np.array([numbers[name] for name in names], dtype=np.intp)


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
    step = max(1, _VALUES_AT_ONCE // len(counts))
    for start in range(0, n_resamples, step):
        some = times[start : start + step].astype(np.float64)
        means[start : start + step] = (some @ sums.T) / (some @ counts)[:, None]
    return means


@lru_cache(maxsize=2)
def _drawn_times(n_units: int, n_resamples: int, seed: int) -> NDArray[np.uint16]:
    """How often each unit was drawn, (n_resamples, n_units); the same for every metric, so kept."""
    rng = np.random.default_rng(seed)
    times = np.empty((n_resamples, n_units), dtype=np.uint16)
    step = max(1, _VALUES_AT_ONCE // n_units)
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


def sign_flip_p(
    differences: Array,
    units: NDArray[np.intp] | None = None,
    *,
    n_resamples: int = N_RESAMPLES,
    seed: int = SEED,
) -> Array:
    """Two-sided p-values of mean differences under random signs.

    Args:
        differences: (pairs, pictures).
        units: As in :func:`bootstrap_means`.
        n_resamples: Random sign patterns; all patterns are tried instead when there are no more than these.
        seed: Of the patterns.

    Returns:
        (pairs,), in (0, 1].
    """
    sums, counts = by_unit(differences, units)
    observed = np.abs(sums.sum(axis=1))
    tolerance = 1e-12 * np.abs(sums).sum(axis=1)
    reached = np.zeros(len(sums))
    total, exact = 0, False
    for all_patterns, signs in sign_patterns(len(counts), n_resamples, seed, width=len(sums)):
        exact = all_patterns
        reached += np.count_nonzero(np.abs(signs @ sums.T) >= observed - tolerance, axis=0)
        total += len(signs)
    return reached / total if exact else (reached + 1.0) / (total + 1.0)


def by_unit(values: Array, units: NDArray[np.intp] | None) -> tuple[Array, Array]:
    """Sums of ``values`` (rows, pictures) over the pictures of each unit, and the number of its pictures."""
    if units is None or len(np.unique(units)) == values.shape[1]:
        return values, np.ones(values.shape[1])
    counts = np.bincount(units).astype(np.float64)
    belongs = np.zeros((values.shape[1], len(counts)))
    belongs[np.arange(values.shape[1]), units] = 1.0
    return values @ belongs, counts


def sign_patterns(n_units: int, n_resamples: int, seed: int, *, width: int) -> Iterator[tuple[bool, Array]]:
    """Sign patterns (many, units) in pieces; all of them when there are few, then marked exact."""
    signs = _signs(n_units, n_resamples, seed)
    step = max(1, _VALUES_AT_ONCE // max(n_units, width))
    for start in range(0, len(signs), step):
        yield 2 ** min(n_units, 62) <= n_resamples, signs[start : start + step].astype(np.float64)


@lru_cache(maxsize=2)
def _signs(n_units: int, n_resamples: int, seed: int) -> NDArray[np.int8]:
    if 2 ** min(n_units, 62) <= n_resamples:
        bits = np.arange(2**n_units)[:, None] >> np.arange(n_units) & 1
    else:
        bits = np.random.default_rng(seed).integers(2, size=(n_resamples, n_units), dtype=np.int8)
    return (1 - 2 * bits).astype(np.int8)

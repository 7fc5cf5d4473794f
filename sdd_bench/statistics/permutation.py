"""Sign flips of paired differences, and Holm's correction of many p-values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sdd_bench.statistics.units import N_RESAMPLES, SEED, VALUES_AT_ONCE, Array, by_unit


def holm(p_values: Sequence[float] | Array) -> Array:
    """Holm's step-down adjusted p-values, in the order given.

    Example:
        >>> holm([0.01, 0.04, 0.03]).round(2).tolist()
        [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate((len(p) - np.arange(len(p))) * p[order])
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def sign_flip_p(
    differences: Array, units: NDArray[np.intp], *, n_resamples: int = N_RESAMPLES, seed: int = SEED
) -> Array:
    """Two-sided p-values of mean differences under random signs.

    Args:
        differences: (pairs, pictures).
        units: Unit of each picture (:func:`~sdd_bench.statistics.units.units_of`).
        n_resamples: Number of random sign patterns. When no more patterns exist, all are tried instead.
        seed: Seed of the patterns.

    Returns:
        p-values, (pairs,), from :func:`smallest_p` to 1.

    Example:
        >>> sign_flip_p(np.ones((1, 6)), np.arange(6)).tolist()
        [0.03125]
    """
    sums, counts = by_unit(differences, units)
    observed = np.abs(sums.sum(axis=1))
    tolerance = 1e-12 * np.abs(sums).sum(axis=1)
    reached = np.zeros(len(sums))
    total = 0
    for signs in sign_patterns(len(counts), n_resamples, seed, width=len(sums)):
        reached += np.count_nonzero(np.abs(signs @ sums.T) >= observed - tolerance, axis=0)
        total += len(signs)
    # Random patterns need not include the observed one. It is counted in, so that p is never zero.
    return reached / total if tries_all(len(counts), n_resamples) else (reached + 1.0) / (total + 1.0)


def tries_all(n_units: int, n_resamples: int) -> bool:
    """Whether all sign patterns are tried, because they are no more than ``n_resamples``.

    Example:
        >>> tries_all(13, 10_000), tries_all(14, 10_000)
        (True, False)
    """
    return n_units < 63 and 2**n_units <= n_resamples


def smallest_p(n_units: int, n_resamples: int = N_RESAMPLES) -> float:
    """Smallest p-value that sign flips of ``n_units`` units can give.

    Example:
        >>> smallest_p(5), smallest_p(6)
        (0.0625, 0.03125)
    """
    return 2.0 ** (1 - n_units) if tries_all(n_units, n_resamples) else 1.0 / (n_resamples + 1)


def sign_patterns(n_units: int, n_resamples: int, seed: int, *, width: int) -> Iterator[Array]:
    """Sign patterns in pieces of (patterns, units): all of them when they are few, else random ones.

    Args:
        n_units: Number of units.
        n_resamples: Number of random patterns.
        seed: Seed of the patterns.
        width: Number of columns that a piece is multiplied into, which bounds its number of patterns.

    Example:
        >>> [piece.tolist() for piece in sign_patterns(1, 10_000, seed=0, width=1)]
        [[[1.0], [-1.0]]]
    """
    signs = _signs(n_units, n_resamples, seed)
    step = max(1, VALUES_AT_ONCE // max(n_units, width))
    for start in range(0, len(signs), step):
        yield signs[start : start + step].astype(np.float64)


@lru_cache(maxsize=2)
def _signs(n_units: int, n_resamples: int, seed: int) -> NDArray[np.int8]:
    if tries_all(n_units, n_resamples):
        bits = np.arange(2**n_units)[:, None] >> np.arange(n_units) & 1
    else:
        bits = np.random.default_rng(seed).integers(2, size=(n_resamples, n_units), dtype=np.int8)
    return (1 - 2 * bits).astype(np.int8)

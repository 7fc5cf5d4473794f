"""Scores turned into gains: finite, and larger is better, whatever the metric."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sdd_bench.core.errors import LeaderboardError
from sdd_bench.statistics.units import Array

HIGHER_IS_BETTER = {"psnr": True, "ssim": True, "mae": False, "lpips": False}
PSNR_CAP_DB = 100.0
"""PSNR of equal pictures is infinite; pictures that differ in 8 bits have at most 96 dB."""


def capped(metric: str, scores: Array) -> Array:
    """Scores whose mean is finite: PSNR is capped at 100 dB."""
    return np.minimum(scores, PSNR_CAP_DB) if metric == "psnr" else scores


def better_is_larger(metric: str, scores: Array) -> Array:
    """Scores with the sign and the cap that make a larger one the better one."""
    return capped(metric, scores) if HIGHER_IS_BETTER[metric] else -scores


def gains_of(scores: Array, methods: Sequence[str], metric: str) -> Array:
    """Scores of at least two methods over the same pictures, larger is better.

    Raises:
        LeaderboardError: Fewer than two methods, no pictures, or a score that is missing.
    """
    array = np.asarray(scores, dtype=np.float64)
    if array.ndim != 2 or len(array) != len(methods) or len(methods) < 2 or array.shape[1] == 0:
        raise LeaderboardError(
            f"compare: expected scores of at least two methods over the same pictures, got {array.shape} for "
            f"{len(methods)} methods."
        )
    gains = better_is_larger(metric, array)
    if not np.isfinite(gains).all():
        raise LeaderboardError(f"compare: {metric} is missing for some pictures; evaluate them all first.")
    return gains

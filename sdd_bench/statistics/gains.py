"""Scores turned into gains, and how far the ground truth itself can be trusted.

A gain is finite, and larger is better, whatever the metric. PSNR is infinite for equal pictures, so it is capped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from sdd_bench.core.errors import LeaderboardError
from sdd_bench.statistics.units import Array

HIGHER_IS_BETTER = {"psnr": True, "ssim": True, "mae": False, "lpips": False}
PSNR_CAP_DB = 100.0
"""Cap of PSNR, which is infinite for equal pictures. A difference of one level of 8 bits everywhere has 48 dB."""


def capped(metric: str, scores: Array) -> Array:
    """Scores whose mean is finite: PSNR is capped at 100 dB.

    Example:
        >>> capped("psnr", np.array([27.0, np.inf])).tolist()
        [27.0, 100.0]
    """
    return np.minimum(scores, PSNR_CAP_DB) if metric == "psnr" else scores


def better_is_larger(metric: str, scores: Array) -> Array:
    """Scores with the sign and the cap that make a larger one the better one."""
    return capped(metric, scores) if HIGHER_IS_BETTER[metric] else -scores


def truth_cost(metric: str, scores: Array, ceiling: float | None) -> Array:
    r"""Gain of a mean score that copies the errors of the ground truth and restores nothing.

    The *ceiling* is the aligned truth, scored as a prediction. What it lacks of a perfect score is the ground truth's
    own error, which comes from warping (and, for raw ground truth, from misalignment). Let :math:`c` be the squared
    error of the ceiling, :math:`m` that of the method, and :math:`t` the part of it that is the method's own. The two
    errors are taken as independent, so their squares add: :math:`m = t + c`. The cost is the difference between the
    scores of :math:`m` and :math:`m - c`, which is :math:`-10 \log_{10}(1 - c / m)` for PSNR. MAE is taken as the root
    of a squared error, 1 - SSIM and LPIPS as squared errors.

    Args:
        metric: One of psnr, ssim, mae, lpips.
        scores: Mean scores, any shape.
        ceiling: Mean score of the ceiling; None where it is not known.

    Returns:
        Cost in the metric's units, zero or more, in the shape of ``scores``. It is infinite for a score that is no
        worse than the ceiling, and zero where the ceiling is not known.

    Example:
        >>> truth_cost("psnr", np.array([30.0, 45.0]), 45.0).round(3).tolist()
        [0.14, inf]
    """
    if ceiling is None:
        return np.zeros_like(scores)
    to_square, to_score = _SQUARED_ERROR[metric]
    left = to_square(scores) - to_square(np.asarray(ceiling))
    cost = np.abs(to_score(np.where(left > 0, left, 1.0)) - scores)
    return np.where(left > 0, cost, np.inf)


_SQUARED_ERROR: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "psnr": (lambda score: 10.0 ** (-score / 10.0), lambda square: -10.0 * np.log10(square)),
    "ssim": (lambda score: 1.0 - score, lambda square: 1.0 - square),
    "mae": (np.square, np.sqrt),
    "lpips": (lambda score: score, lambda square: square),
}


def gains_of(scores: Array, methods: Sequence[str], metric: str) -> Array:
    """Gains of at least two methods over the same pictures, (methods, pictures).

    Raises:
        LeaderboardError: Fewer than two methods, no pictures, or a score that is missing.

    Example:
        >>> gains_of(np.array([[0.1, 0.2], [0.3, 0.1]]), ["a", "b"], "mae").tolist()
        [[-0.1, -0.2], [-0.3, -0.1]]
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

r"""Mean absolute error of one picture on [0, 1]: :math:`\mathrm{mean}(|p - t|)` over pixels and channels."""

from __future__ import annotations

import numpy as np

from sdd_bench.metrics.checks import Picture, check_pair

_ROWS = 64


def mae(prediction: Picture, truth: Picture) -> float:
    """Mean absolute error.

    Args:
        prediction: ``(H, W, 3)`` float RGB in [0, 1].
        truth: Same shape.

    Raises:
        ImageError: The shapes differ, a picture is empty, or holds NaN or infinite values.

    Example:
        >>> picture = np.zeros((4, 4, 3), np.float32)
        >>> mae(picture + np.float32(0.25), picture)
        0.25
    """
    check_pair(prediction, truth)
    total = 0.0
    for row in range(0, len(truth), _ROWS):
        difference = prediction[row : row + _ROWS] - truth[row : row + _ROWS]
        total += float(np.abs(difference, out=difference).sum(dtype=np.float64))
    return total / truth.size

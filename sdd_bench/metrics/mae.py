r"""Mean absolute error of one picture on [0, 1]: :math:`\mathrm{mean}(|p - t|)` over pixels and channels."""

from __future__ import annotations

from sdd_bench.metrics.checks import Picture, sum_over
from sdd_bench.metrics.loops import difference_sums


def mae(prediction: Picture, truth: Picture) -> float:
    """Mean absolute error.

    Args:
        prediction: ``(H, W, 3)`` float RGB in [0, 1].
        truth: Same shape.

    Raises:
        ImageError: The shapes differ, a picture is empty, or holds NaN or infinite values.

    Example:
        >>> import numpy as np
        >>> picture = np.zeros((4, 4, 3), np.float32)
        >>> mae(picture + np.float32(0.25), picture)
        0.25
    """
    return sum_over(lambda *strip: difference_sums(*strip)[1], prediction, truth) / truth.size

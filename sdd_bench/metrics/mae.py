r"""Mean absolute error of one picture on [0, 1]: :math:`\mathrm{mean}(|p - t|)` over pixels and channels."""

from __future__ import annotations

from sdd_bench.metrics.checks import Picture, sums_over
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
    return mean_differences(prediction, truth)[1]


def mean_differences(prediction: Picture, truth: Picture) -> tuple[float, float]:
    """Mean squared and mean absolute error in one pass: what :func:`~sdd_bench.metrics.psnr.psnr` and MAE stand on.

    Arguments and errors as of :func:`mae`.

    Example:
        >>> import numpy as np
        >>> picture = np.zeros((4, 4, 3), np.float32)
        >>> mean_differences(picture + np.float32(0.25), picture)
        (0.0625, 0.25)
    """
    squares, sizes = sums_over(difference_sums, prediction, truth)
    return squares / truth.size, sizes / truth.size

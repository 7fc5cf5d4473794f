r"""Peak signal-to-noise ratio of one picture.

.. math:: \mathrm{PSNR} = 10 \log_{10} \frac{1}{\mathrm{mean}((p - t)^2)} \;\text{dB}

The mean is over pixels and channels, data range 1; infinite where both pictures are equal. As scikit-image, differences
are taken in the precision of the pictures and added up in float64.
"""

from __future__ import annotations

import math

from sdd_bench.metrics.checks import Picture
from sdd_bench.metrics.mae import mean_differences


def psnr(prediction: Picture, truth: Picture) -> float:
    """PSNR in dB.

    Args:
        prediction: ``(H, W, 3)`` float RGB in [0, 1].
        truth: Same shape.

    Raises:
        ImageError: The shapes differ, a picture is empty, or holds NaN or infinite values.

    Example:
        >>> import numpy as np
        >>> picture = np.zeros((4, 4, 3), np.float32)
        >>> round(psnr(picture + np.float32(0.1), picture), 4), psnr(picture, picture)
        (20.0, inf)
    """
    return decibel(mean_differences(prediction, truth)[0])


def decibel(mse: float) -> float:
    """PSNR of a mean squared error.

    Example:
        >>> decibel(0.01), decibel(0.0)
        (20.0, inf)
    """
    return -10 * math.log10(mse) if mse > 0 else math.inf

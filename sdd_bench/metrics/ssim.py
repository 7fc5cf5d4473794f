r"""Structural similarity of one picture, as scikit-image computes it by default.

Per channel, over every 7x7 window that lies inside the picture, with sample covariances (Wang et al., 2004):

.. math:: \mathrm{SSIM} = \frac{(2\mu_p\mu_t + C_1)(2\sigma_{pt} + C_2)}
    {(\mu_p^2 + \mu_t^2 + C_1)(\sigma_p^2 + \sigma_t^2 + C_2)}, \quad C_1 = 0.01^2,\; C_2 = 0.03^2

and the mean over windows and channels. In sum and difference, :math:`s = p + t` and :math:`d = p - t`, every term is
:math:`2\mu_p\mu_t = (\mu_s^2 - \mu_d^2)/2`, :math:`\mu_p^2 + \mu_t^2 = (\mu_s^2 + \mu_d^2)/2`, and the same with
:math:`\sigma`: four window means in place of five. They are float64, on tiles that stay in the processor's cache.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import cv2
import numpy as np

from sdd_bench.metrics.checks import Picture, check_pair

WINDOW = 7
_BORDER = WINDOW // 2
_COVARIANCE_NORM = WINDOW**2 / (WINDOW**2 - 1)
_C1 = 2 * 0.01**2
_C2 = 2 * 0.03**2 / _COVARIANCE_NORM
_TILE_HEIGHT, _TILE_WIDTH = 58, 250


def ssim(prediction: Picture, truth: Picture) -> float:
    """Mean SSIM; 1 where both pictures are equal.

    Args:
        prediction: ``(H, W, 3)`` float RGB in [0, 1], at least 7 pixels high and wide.
        truth: Same shape.

    Raises:
        ImageError: The shapes differ, a picture is smaller than the window, or holds NaN or infinite values.

    Example:
        >>> import numpy as np
        >>> ramp = np.linspace(0, 1, 32 * 32 * 3, dtype=np.float32).reshape(32, 32, 3)
        >>> ssim(ramp, ramp), ssim(ramp, np.flip(ramp, 0)) < 0.5
        (1.0, True)
    """
    check_pair(prediction, truth, smallest=WINDOW)
    height, width = truth.shape[0] - 2 * _BORDER, truth.shape[1] - 2 * _BORDER
    corners = [(y, x) for y in range(0, height, _TILE_HEIGHT) for x in range(0, width, _TILE_WIDTH)]
    tile_sum = partial(_tile_sum, prediction, truth)
    with ThreadPoolExecutor(max(1, min(len(corners), cv2.getNumThreads()))) as threads:
        total = sum(threads.map(tile_sum, corners))
    return total / (3 * height * width)


def _tile_sum(prediction: Picture, truth: Picture, corner: tuple[int, int]) -> float:
    """Sum of SSIM over the windows whose first pixels lie in one tile."""
    y, x = corner
    tile = np.s_[y : y + _TILE_HEIGHT + 2 * _BORDER, x : x + _TILE_WIDTH + 2 * _BORDER]
    total = np.add(prediction[tile], truth[tile], dtype=np.float64)
    difference = np.subtract(prediction[tile], truth[tile], dtype=np.float64)
    mean_s, mean_d = _window_mean(total), _window_mean(difference)
    variance_s = _window_mean(np.square(total, out=total), plus=_C2)
    variance_d = _window_mean(np.square(difference, out=difference))
    np.square(mean_s, out=mean_s)
    np.square(mean_d, out=mean_d)
    variance_s -= mean_s
    variance_d -= mean_d
    mean_s += _C1
    similarity = (mean_s - mean_d) * (variance_s - variance_d)
    mean_s += mean_d
    variance_s += variance_d
    mean_s *= variance_s
    similarity /= mean_s
    return float(similarity.sum())


def _window_mean(values: Picture, *, plus: float = 0.0) -> Picture:
    """Mean over every whole window, and a constant added to it."""
    means = cv2.blur(values, (WINDOW, WINDOW))[_BORDER:-_BORDER, _BORDER:-_BORDER]
    return np.add(means, plus, out=means) if plus else means

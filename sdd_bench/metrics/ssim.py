r"""Structural similarity of one picture, as scikit-image computes it by default.

Per channel, over every 7x7 window that lies inside the picture, with sample covariances (Wang et al., 2004):

.. math:: \mathrm{SSIM} = \frac{(2\mu_p\mu_t + C_1)(2\sigma_{pt} + C_2)}
    {(\mu_p^2 + \mu_t^2 + C_1)(\sigma_p^2 + \sigma_t^2 + C_2)}, \quad C_1 = 0.01^2,\; C_2 = 0.03^2

and the mean over windows and channels. In sum and difference, :math:`s = p + t` and :math:`d = p - t`, every term is
:math:`2\mu_p\mu_t = (\mu_s^2 - \mu_d^2)/2`, :math:`\mu_p^2 + \mu_t^2 = (\mu_s^2 + \mu_d^2)/2`, and the same with
:math:`\sigma`: four window means in place of five. They are float64, running sums over the rows of a strip.
"""

from __future__ import annotations

from sdd_bench.metrics.checks import Picture, sums_over
from sdd_bench.metrics.loops import WINDOW, ssim_sum

_COVARIANCE_NORM = WINDOW**2 / (WINDOW**2 - 1)
_C1 = 2 * 0.01**2
_C2 = 2 * 0.03**2 / _COVARIANCE_NORM


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

    def of_strip(p: Picture, t: Picture, first: int, last: int) -> tuple[float]:
        return (ssim_sum(p, t, first, last, _C1, _C2),)

    (total,) = sums_over(of_strip, prediction, truth, window=WINDOW)
    height, width = truth.shape[0] - WINDOW + 1, truth.shape[1] - WINDOW + 1
    return total / (3 * height * width)

r"""The gradient step of hyper-Laplacian deconvolution.

For every gradient :math:`v` of the picture,

.. math:: w^* = \arg\min_w |w|^\alpha + \tfrac{\beta}{2} (w - v)^2 ,

Eq. 5 of Krishnan and Fergus, "Fast Image Deconvolution using Hyper-Laplacian Priors" (NIPS 2009). The unit :math:`c =
\beta^{-1/(2-\alpha)}` takes :math:`\beta` out of it: :math:`w^* = c \, g_\alpha(v / c)`, where :math:`g_\alpha` is
the answer at :math:`\beta = 1`. With :math:`\alpha < 1` the answer is 0 up to

.. math:: v_0^{2-\alpha} = \frac{\alpha L^{\alpha-1}}{1-L}, \qquad L = \frac{2 (1 - \alpha)}{2 - \alpha} ,

and from there on the largest root of :math:`\alpha w^{\alpha-1} + w - v`, at least :math:`L v`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from sdd_bench.core.arrays import Plane
from sdd_bench.core.errors import ConfigError

_NEWTON_STEPS = 8
"""From the right of a convex function's root; eight reach float32's precision for alpha from 0.1 to 1.9."""


def shrink(gradient: Plane, *, beta: float, alpha: float) -> Plane:
    """The minimiser w of ``|w|**alpha + beta/2 * (w - gradient)**2``, element by element.

    Closed forms for alpha 1/2 (cubic), 2/3 (quartic), 1 (soft threshold), 3/2 (quadratic) and 2; Newton's method for
    every other.

    Args:
        gradient: Any shape, float32.
        beta: How strongly w is held to the gradient, positive.
        alpha: Exponent of the prior, in (0, 1.9], or 2 (between the two the unit c leaves the range of float32).

    Raises:
        ConfigError: ``beta`` or ``alpha`` is out of range.

    Example:
        >>> shrink(np.array([0.5, -3.0], np.float32), beta=1.0, alpha=1.0).tolist()
        [0.0, -2.0]
    """
    if not (0 < alpha <= 1.9 or alpha == 2):
        raise ConfigError(f"alpha: expected an exponent above 0 and up to 1.9, or 2; got {alpha}.")
    if not 0 < beta < math.inf:
        raise ConfigError(f"beta: expected a positive number, got {beta}.")
    if alpha == 2:
        return np.asarray(gradient * np.float32(beta / (2 + beta)))
    unit = np.float32(beta ** (-1 / (2 - alpha)))
    size = np.abs(gradient)
    size /= unit
    solve = _CLOSED_FORMS.get(alpha) or (lambda v: _newton(v, alpha))
    size = solve(size)
    size *= unit
    return np.copysign(size, gradient)


def threshold(alpha: float) -> float:
    """Largest gradient that is shrunk to zero at ``beta`` = 1; 0 from alpha > 1 on, where none is.

    Example:
        >>> threshold(1.0), threshold(0.5)
        (1.0, 1.5)
    """
    if alpha >= 1:
        return 1.0 if alpha == 1 else 0.0
    limit = 2 * (1 - alpha) / (2 - alpha)
    return float((alpha * limit ** (alpha - 1) / (1 - limit)) ** (1 / (2 - alpha)))


def _half(v: Plane) -> Plane:
    """With z = sqrt(w): z^3 - v z + 1/2 = 0, whose three roots are real above the threshold (Viete)."""
    kept = np.maximum(v, np.float32(threshold(0.5)))
    cosine = np.float32(-0.75 * math.sqrt(3)) / (kept * np.sqrt(kept))
    w = np.cos(np.arccos(cosine) / np.float32(3))
    w *= w
    w *= kept
    w *= np.float32(4 / 3)
    w *= v > np.float32(threshold(0.5))
    return w


def _two_thirds(v: Plane) -> Plane:
    """With z = cbrt(w): z^4 - v z + 2/3 = 0, whose resolvent M^3 - 8/3 M - v^2 has one real root (Ferrari)."""
    kept = np.maximum(v, np.float32(threshold(2 / 3)))
    half_square = kept * kept * np.float32(0.5)
    first = np.cbrt(half_square + np.sqrt(half_square * half_square - np.float32((8 / 9) ** 3)))
    resolvent = first + np.float32(8 / 9) / first
    root = np.sqrt(resolvent)
    z = (root + np.sqrt(2 * kept / root - resolvent)) * np.float32(0.5)
    w = z * z * z
    w *= v > np.float32(threshold(2 / 3))
    return w


def _one(v: Plane) -> Plane:
    return np.maximum(v - np.float32(1), np.float32(0))


def _three_halves(v: Plane) -> Plane:
    """With z = sqrt(w): z^2 + 3/2 z - v = 0, written so that small v keep their digits."""
    z = 2 * v / (np.float32(1.5) + np.sqrt(4 * v + np.float32(2.25)))
    return np.asarray(z * z)


def _newton(v: Plane, alpha: float) -> Plane:
    """Newton's steps down a convex function from the right of its largest root, so that each step falls short of it."""
    if alpha < 1:
        kept = np.maximum(v, np.float32(threshold(alpha)))
        w = kept.copy()
        for _ in range(_NEWTON_STEPS):
            slope = alpha * w ** np.float32(alpha - 1)
            w -= (slope + w - kept) / (np.float32(1) + np.float32(alpha - 1) * slope / w)
        w *= v > np.float32(threshold(alpha))
        return w
    power = np.float32(1 / (alpha - 1))  # z = w^(alpha - 1) makes it z^power + alpha z - v, convex in z
    z = np.minimum(v ** np.float32(alpha - 1), v / np.float32(alpha))
    for _ in range(_NEWTON_STEPS):
        rise = z ** (power - 1)
        z -= (rise * z + np.float32(alpha) * z - v) / (power * rise + np.float32(alpha))
    return np.asarray(np.maximum(z, 0) ** power)


_CLOSED_FORMS: dict[float, Callable[[Plane], Plane]] = {
    0.5: _half,
    2 / 3: _two_thirds,
    1.0: _one,
    1.5: _three_halves,
}

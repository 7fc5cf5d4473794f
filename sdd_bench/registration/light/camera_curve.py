r"""The tone curve of a camera, as an unknown: scene light from display values.

A display value :math:`d` is decoded by sRGB to display light :math:`y(d)`; the camera's own curve stands between that
and scene light :math:`x`. Its slope in log-log is what is unknown:

.. math:: \ln x(d) = \int \exp(b(d')) \, \mathrm{d} \ln y(d') ,

with the *bends* :math:`b` piecewise linear between :data:`KNOTS`. Zero bends are a straight curve: scene light is
display light. The curve rises whatever the bends are. A constant added to :math:`\ln x` is an exposure and cancels
between two pictures of one camera; here ``x(white) = 1``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sdd_bench.images.light import srgb_to_linear

Array = NDArray[np.float64]

KNOTS = np.array([0.0, 0.08, 0.16, 0.26, 0.38, 0.52, 0.66, 0.80, 0.90, 1.0])
"""Display values of the knots: closer where a camera's toe and shoulder are."""
STRAIGHT = (0.0,) * len(KNOTS)
_BLACK = 2.0
"""ln by which display value 0, whose logarithm is not finite, lies below the next point of a grid."""


def hats(display: Array) -> Array:
    """Weight of each knot at ``display``: the same shape with one axis more, of knots; weights sum to 1."""
    return np.stack([np.interp(display, KNOTS, row) for row in np.eye(len(KNOTS))], axis=-1)


def log_light(bends: Array, grid: Array) -> tuple[Array, Array]:
    """Logarithm of scene light on a grid of display values, and its derivatives.

    Args:
        bends: One for each knot.
        grid: Display values, ``(G,)``, from 0 to 1, rising.

    Returns:
        ``(G,)``, 0 at white, and its derivative by each bend, ``(G, K)``.
    """
    light = srgb_to_linear(grid[1:]).astype(np.float64)
    log_display = np.log(np.concatenate([light[:1] * np.exp(-_BLACK), light]))
    weights = hats(grid)
    slope = np.exp(weights @ bends)
    step = np.diff(log_display)
    log = _from_white(0.5 * step * (slope[1:] + slope[:-1]))
    by_bend = slope[:, None] * weights
    return log, _from_white(0.5 * step[:, None] * (by_bend[1:] + by_bend[:-1]))


def _from_white(steps: Array) -> Array:
    """Integral of ``steps`` along the first axis, 0 at the last point."""
    total = np.concatenate([np.zeros_like(steps[:1]), np.cumsum(steps, axis=0)])
    return np.asarray(total - total[-1])

r"""What an unknown tone curve may do to a registration: the error that statistics of the tiles cannot see.

Direct registration takes blur as a sum of light. A camera's own tone curve, or a blur that was computed on display
values, breaks that, and moves every tile a little in the same direction. How much is seen by registering once more in
another encoding, the display values. With the difference :math:`\Delta` of the two results, and the logarithm *u* of
how much more of the tiles the display values leave unexplained (above zero where light explains them better), the
standard errors of the first result are widened by :math:`c(u)\,\Delta`, with

.. math:: c(u) = 0.8\,e^{-\max(u, 0)^2}

as ``tools/bench/intervals.py`` found over four tone curves: the more the pictures say for linear light, the less. An
S-curve on top of sRGB leaves *u* about 1, sRGB alone 1.3 and more.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.arrays import Plane
from sdd_bench.geometry.similarity import Similarity
from sdd_bench.images.light import linear_to_srgb
from sdd_bench.registration.refine import DirectFit, register

_MOST = 0.8


def encoding_error(
    reference: Plane,
    moving: Plane,
    fit: DirectFit,
    *,
    clipped: NDArray[np.uint8],
    moving_clipped: NDArray[np.uint8],
) -> Similarity:
    """Standard errors of the four numbers of ``fit`` that the unknown tone curve adds, in pixels of the planes.

    Args:
        reference: Blurry picture in linear light, ``(H, W)`` with even sides.
        moving: Sharp picture of the same shape, in its own exposure.
        fit: The registration of both.
        clipped: Mask, non-zero where ``reference`` must not be used.
        moving_clipped: Mask, non-zero where ``moving`` must not be used.
    """
    planes = linear_to_srgb(reference), linear_to_srgb(moving)
    other = register(
        *planes, fit.similarity, clipped=clipped, moving_clipped=moving_clipped, from_half=False, tiling=fit.tiling
    )
    if other is None:
        return Similarity(0.0, 0.0, 0.0, 0.0)
    share = _MOST * math.exp(-(max(other.log_unexplained - fit.log_unexplained, 0.0) ** 2))
    step = fit.similarity.inverse() @ other.similarity
    # One direction may agree by chance: half of each number's own difference, half of the mean of all four.
    reach = math.hypot(*reference.shape) / 4
    turn = math.radians(step.rotation_deg)
    differences = np.array([reach * (step.zoom - 1), reach * turn, step.shift_x_px, step.shift_y_px])
    widths = share * np.sqrt((differences**2 + np.mean(differences**2)) / 2)
    return Similarity(widths[0] / reach, math.degrees(widths[1] / reach), float(widths[2]), float(widths[3]))

r"""What an unknown tone curve may do to a registration: the error that statistics of the tiles cannot see.

Direct registration takes blur as a sum of light. A camera's own tone curve, or a blur that was computed on display
values, breaks that, and moves every tile a little in the same direction. Most such curves are about a power of what is
taken for light, :math:`L^\gamma`. Which one is seen by registering twice more, at the exponents 0.7 and 1.3: the share
of the tiles' variance that stays unexplained grows about as :math:`(\ln\gamma - x)^2`, so that three exponents tell
where it is least, :math:`x`. With the change :math:`\theta'` of the result per :math:`\ln\gamma`, on that side, the
standard errors are widened by

.. math:: \sqrt{x^2 + 0.05^2}\;|\theta'|

as ``tools/bench/intervals.py`` found over four tone curves: *x* is -0.04 for sRGB, about -0.2 for an S-curve on top of
it, 0.25 for a log-like curve, and -0.5 and less for a blur of display values. The number allows for what *x* itself may
be off.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.arrays import Plane
from sdd_bench.geometry.similarity import Similarity
from sdd_bench.registration.refine import DirectFit, register

_BELOW, _ABOVE = 0.7, 1.3
"""Exponents that are tried beside 1."""
_LEAST, _MOST = -1.0, 0.4
"""Bounds of *x*: display values are at -0.8."""
_STEPS = 3
"""Steps of a registration at another exponent: all but a fiftieth of the change."""
_UNSURE = 0.05
"""Standard error of *x*."""


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

    def at(exponent: float) -> DirectFit | None:
        blurry, sharp = (np.asarray(cv2.pow(np.maximum(plane, 0), exponent)) for plane in (reference, moving))
        masks = {"clipped": clipped, "moving_clipped": moving_clipped}
        return register(blurry, sharp, fit.similarity, **masks, from_half=False, tiling=fit.tiling, steps=_STEPS)

    below, above = at(_BELOW), at(_ABOVE)
    if below is None or above is None:
        return Similarity(0.0, 0.0, 0.0, 0.0)
    x = best_exponent(below.log_unexplained - fit.log_unexplained, above.log_unexplained - fit.log_unexplained)
    other, by = (below, math.log(_BELOW)) if x < 0 else (above, math.log(_ABOVE))
    step = fit.similarity.inverse() @ other.similarity
    # One direction may agree by chance: half of each number's own change, half of the mean of all four.
    reach = math.hypot(*reference.shape) / 4
    turn = math.radians(step.rotation_deg)
    slopes = np.array([reach * (step.zoom - 1), reach * turn, step.shift_x_px, step.shift_y_px]) / by
    widths = math.hypot(x, _UNSURE) * np.sqrt((slopes**2 + np.mean(slopes**2)) / 2)
    return Similarity(widths[0] / reach, math.degrees(widths[1] / reach), float(widths[2]), float(widths[3]))


def best_exponent(below: float, above: float) -> float:
    r"""Where the unexplained variance is least, as :math:`\ln\gamma`.

    Args:
        below: Logarithm of how many times more stays unexplained at the exponent 0.7 than at 1.
        above: The same at 1.3.

    Example:
        >>> there = [((math.log(exponent) + 0.2) ** 2 + 0.1) / (0.2**2 + 0.1) for exponent in (0.7, 1.3)]
        >>> round(best_exponent(*map(math.log, there)), 6)
        -0.2
    """
    x = np.log((_BELOW, _ABOVE))
    chords = np.expm1((below, above)) / x
    bend = (chords[1] - chords[0]) / (x[1] - x[0])
    if bend < 1e-3:
        return _LEAST if below < above else _MOST
    return float(np.clip((x[0] - chords[0] / bend) / 2, _LEAST, _MOST))

r"""How blurred every place is, from a registered pair alone.

The sharp picture S, brought onto the grid of the blurry one B, is blurred by disks of growing diameter :math:`c_k`, in
linear light and with the exposure of B. Over a window around every place, the disk that leaves the least squared error

.. math:: e_k = \mathrm{mean}_w \big((B - D_{c_k} * g S)^2\big), \quad g = (G * B) / (G * S)

is the blur of that place, by a parabola between its neighbours; G is a wide Gaussian, so light that differs between the
pictures counts little. Where disks of half and of twice the diameter do as well, there is no texture to tell, and the
blur is not known.

A blur map of one picture (:mod:`sdd_bench.defocus.spec`) has to guess what was sharp; here the sharp picture says it.
"""

from __future__ import annotations

import math
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.compiled import compiled
from sdd_bench.core.errors import ImageError
from sdd_bench.core.side_by_side import in_strips
from sdd_bench.images.light import linear_planes
from sdd_bench.optics.kernels import aperture_kernel

Picture = NDArray[np.float32]

DIAMETERS_PX = (0.0, 1.4, 2.0, 2.8, 4.0, 5.6, 8.0, 11.0, 16.0, 22.0, 32.0)
"""Circles of confusion that are tried, in pixels at the size that is worked at."""
MOST_PIXELS = 2_500_000
"""Pictures beyond this size are averaged down by a whole factor first; diameters are then coarser, and faster."""
_GREY = np.array([0.2126, 0.7152, 0.0722], np.float32)
_WINDOW_PX = 13
_LIGHT_SIGMA_PX = 24.0
_LIGHT_STEP_PX = 4
_APART = 2
"""Places in :data:`DIAMETERS_PX` between disks of twice the diameter."""
_ROWS = 32
_LEAST_CONTRAST = 1.6
"""The blur of a place is known where disks of half and of twice its diameter leave this many times its error. It and
the window were chosen on made sets that no figure comes from: more contrast ranks better, and knows fewer places."""


def blur_from_pair(blurry: Picture, sharp: Picture, valid: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
    """Diameter of the circle of confusion at every place, from a blurry picture and the sharp one on its grid.

    Args:
        blurry: ``(H, W, 3)`` float32 sRGB in [0, 1].
        sharp: The same scene, sharp and registered to ``blurry``; same shape.
        valid: ``(H, W)``, where ``sharp`` is known; None for everywhere.

    Returns:
        ``coc_diameter_px``, ``(H, W)`` float32 in pixels of the pictures; NaN where it is not known.

    Raises:
        ImageError: The shapes differ, or the pictures are too small.
    """
    if blurry.shape != sharp.shape or blurry.ndim != 3 or min(blurry.shape[:2]) < 2:
        raise ImageError(
            f"blur_from_pair: blurry is {blurry.shape} and sharp is {sharp.shape}; expected one (H, W, 3), at least "
            "2 px a side."
        )
    height, width = blurry.shape[:2]
    factor = max(1, math.ceil(math.sqrt(height * width / MOST_PIXELS)))
    light, other = (np.ascontiguousarray(linear_planes(picture, factor) @ _GREY) for picture in (blurry, sharp))
    around, beside = (_surroundings(plane) for plane in (light, other))
    gain = np.divide(around, np.maximum(beside, 1e-4, out=beside), out=around)
    other *= cv2.resize(gain, other.shape[::-1], interpolation=cv2.INTER_LINEAR)
    errors = np.empty((len(DIAMETERS_PX), *light.shape), np.float32)
    for diameter, error in zip(DIAMETERS_PX, errors, strict=True):
        apart = cv2.subtract(light, _blurred(other, diameter))
        cv2.blur(cv2.multiply(apart, apart, dst=apart), (_WINDOW_PX, _WINDOW_PX), dst=error)
    diameters = np.empty_like(light)
    work = partial(_best, errors, np.array(DIAMETERS_PX, np.float32), np.float32(factor), diameters)
    in_strips(len(light), work, size=_ROWS, pixels=errors.size)
    whole = cv2.resize(diameters, (width, height), interpolation=cv2.INTER_NEAREST)
    if valid is not None:
        whole[~valid] = np.nan
    return np.asarray(whole, dtype=np.float32)


def _surroundings(plane: Picture) -> Picture:
    """The light around each place, as a picture smaller by :data:`_LIGHT_STEP_PX`: nothing finer is left of it."""
    size = [max(1, side // _LIGHT_STEP_PX) for side in reversed(plane.shape)]
    small = cv2.resize(plane, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(small, (0, 0), _LIGHT_SIGMA_PX / _LIGHT_STEP_PX))


def _blurred(picture: Picture, diameter_px: float) -> Picture:
    kernel = aperture_kernel(diameter_px)
    return np.asarray(cv2.filter2D(picture, -1, kernel, borderType=cv2.BORDER_REFLECT_101))


@compiled
def _best(errors: Picture, table: Picture, factor: np.float32, out: Picture, first: int, last: int) -> None:
    """The diameter at the least of ``errors`` ``(K, H, W)``, by a parabola through its neighbours, times ``factor``.

    NaN where disks of half or of twice the diameter do nearly as well.
    """
    count, _, width = errors.shape
    least, best = np.empty(width, np.float32), np.empty(width, np.int32)
    for y in range(first, last):
        least[:] = errors[0, y]
        best[:] = 0
        for k in range(1, count):
            row = errors[k, y]
            for x in range(width):
                best[x] = k if row[x] < least[x] else best[x]
                least[x] = row[x] if row[x] < least[x] else least[x]
        for x in range(width):
            place, limit = best[x], np.float32(_LEAST_CONTRAST) * least[x]
            below, above = place - _APART, place + _APART
            if (below >= 0 and not errors[below, y, x] > limit) or (above < count and not errors[above, y, x] > limit):
                out[y, x] = np.nan
                continue
            offset = np.float32(0)
            if 0 < place < count - 1:
                left, middle, right = errors[place - 1, y, x], errors[place, y, x], errors[place + 1, y, x]
                curve = left - np.float32(2) * middle + right
                if curve > np.float32(0):
                    offset = (left - right) / max(np.float32(2) * curve, np.float32(1e-12))
                    offset = min(max(offset, np.float32(-0.5)), np.float32(0.5))
            beside = place - 1 if offset < np.float32(0) else min(place + 1, count - 1)
            out[y, x] = factor * (table[place] + abs(offset) * (table[beside] - table[place]))

"""Photographs as small planes of linear light: what registration compares.

Blur, exposure and noise act on light, not on sRGB values, so pictures are made linear before they are averaged down
by a whole factor. Sides are cropped (right, bottom) to a multiple of twice the factor, so that a plane and the plane
of half its size have one centre; :func:`recentre` brings a similarity to the centre of the whole picture.
"""

from __future__ import annotations

import cmath
import math
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.optics.light import srgb_table
from sdd_bench.types import Similarity

Plane = NDArray[np.float32]

_ROWS_PER_STEP = 128
"""Rows of the result made at once: bounds the memory at any picture size."""


def linear_planes(pixels: NDArray[Any], factor: int = 1) -> NDArray[np.float32]:
    """Linear light of a picture, averaged over ``factor`` x ``factor`` pixels.

    Args:
        pixels: sRGB values, ``(H, W, 3)``, uint8 or uint16.
        factor: How many times smaller the result is.

    Returns:
        ``(H', W', 3)`` with even sides: H' the largest even number with ``factor * H' <= H``.
    """
    height, width = (2 * (side // (2 * factor)) for side in pixels.shape[:2])
    table = _table(8 * pixels.dtype.itemsize)
    planes = np.empty((height, width, 3), np.float32)
    for top in range(0, height, _ROWS_PER_STEP):
        rows = min(_ROWS_PER_STEP, height - top)
        strip = pixels[factor * top : factor * (top + rows), : factor * width]
        light: NDArray[Any] = cv2.LUT(strip, table) if strip.dtype == np.uint8 else table[strip]
        planes[top : top + rows] = cv2.resize(light, (width, rows), interpolation=cv2.INTER_AREA)
    return planes


def grey_plane(planes: NDArray[np.float32], weights: tuple[float, float, float]) -> Plane:
    """The weighted sum of the channels, ``(H, W)``."""
    return np.asarray(cv2.transform(planes, np.array([weights], np.float32)))


def halve(plane: Plane) -> Plane:
    """A plane of even sides averaged down by two."""
    height, width = plane.shape[:2]
    return np.asarray(cv2.resize(plane, (width // 2, height // 2), interpolation=cv2.INTER_AREA))


def recentre(similarity: Similarity, by_px: tuple[float, float]) -> Similarity:
    r"""The same mapping about a centre that lies ``by_px`` (x, y) further: :math:`t' = t + (a + ib - 1)\,\delta`."""
    slope = cmath.rect(similarity.zoom, math.radians(similarity.rotation_deg))
    shift = complex(similarity.shift_x_px, similarity.shift_y_px) + (slope - 1) * complex(*by_px)
    return Similarity(similarity.zoom, similarity.rotation_deg, shift.real, shift.imag)


@lru_cache(maxsize=2)
def _table(bit_depth: int) -> NDArray[np.float32]:
    return srgb_table(bit_depth)

r"""Joint bilateral filter: Gaussian in space and in a guide's values, on a coarse grid of both.

.. math:: F_p = \frac{\sum_q G_s(p - q) \, G_r(J_p - J_q) \, f_q}{\sum_q G_s(p - q) \, G_r(J_p - J_q)}

as a blur in the three dimensions (y, x, J): Chen, Paris and Durand, "Real-time Edge-Aware Image Processing with the
Bilateral Grid" (SIGGRAPH 2007). Cells are half a standard deviation wide.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage

from sdd_bench.core.arrays import Plane
from sdd_bench.core.errors import ImageError

_CELLS_PER_SIGMA = 2
_BLUR_CELLS = math.sqrt(_CELLS_PER_SIGMA**2 - 1 / 12 - 1 / 6)
"""Sigma of the blur in cells; entering cells adds the variance of a box, leaving them that of a tent."""


def joint_bilateral(plane: Plane, guide: Plane, *, sigma_s: float, sigma_r: float) -> Plane:
    """Filter a plane by the edges of a guide.

    Args:
        plane: ``(H, W)`` float32.
        guide: ``(H, W)`` float32.
        sigma_s: Standard deviation in space, in pixels.
        sigma_r: Standard deviation in the guide's values.

    Returns:
        ``(H, W)`` float32.

    Raises:
        ImageError: The sizes differ.
    """
    if plane.shape != guide.shape:
        raise ImageError(f"bilateral filter: expected planes of one size, got {plane.shape} and {guide.shape}.")
    rows, columns = (np.arange(n, dtype=np.float32) * (_CELLS_PER_SIGMA / sigma_s) for n in plane.shape)
    values = (guide - guide.min()) * np.float32(_CELLS_PER_SIGMA / sigma_r)
    shape = tuple(math.floor(float(axis.max()) + 0.5) + 2 for axis in (rows, columns, values))
    nearest = np.rint(values).astype(np.int64)
    nearest += np.rint(columns).astype(np.int64) * shape[2]
    nearest += np.rint(rows).astype(np.int64)[:, None] * (shape[1] * shape[2])
    places = [np.broadcast_to(rows[:, None], plane.shape), np.broadcast_to(columns, plane.shape), values]

    def passed(weights: Plane) -> Plane:
        cells = np.bincount(nearest.ravel(), weights.ravel(), math.prod(shape)).reshape(shape).astype(np.float32)
        blurred = ndimage.gaussian_filter(cells, _BLUR_CELLS, mode="constant", truncate=3.0)
        return np.asarray(ndimage.map_coordinates(blurred, places, order=1, mode="nearest"))

    return np.asarray(passed(plane) / np.maximum(passed(np.ones_like(plane)), np.float32(1e-12)), np.float32)

"""Cubic splines: a picture as spline coefficients, sampled where a similarity maps the grid."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
from scipy import ndimage

from sdd_bench.core.arrays import Plane
from sdd_bench.geometry.similarity import Similarity

_ROWS_PER_STEP = 256
"""Rows that a thread fills per step: few enough that a large picture keeps every core busy."""


def spline(plane: Plane) -> Plane:
    """The coefficients of the cubic spline through ``plane``, ``(H, W)``; :func:`sample` takes them.

    Example:
        >>> plane = np.full((4, 4), 0.5, np.float32)  # a constant is its own spline
        >>> bool(np.allclose(spline(plane), plane))
        True
    """
    return np.asarray(ndimage.spline_filter(plane, order=3, output=np.float32, mode="mirror"))


def sample(coefficients: Plane, similarity: Similarity) -> Plane:
    """The picture whose value at p is that of the cubic spline at ``similarity(p)``.

    OpenCV's warps are not precise enough here. They round positions to 1/32 px. Their cubic kernel (a = -0.75, like
    torch's) does not preserve a ramp: it misplaces a picture shifted by a third of a pixel by 0.03 px.

    Args:
        coefficients: Result of :func:`spline`, ``(H, W)``; beyond the border the picture is mirrored.
        similarity: Similarity about the picture's centre.

    Returns:
        The sampled picture, ``(H, W)``.

    Example:
        >>> ramp = np.tile(np.arange(32, dtype=np.float32), (32, 1))
        >>> moved = sample(spline(ramp), Similarity(shift_x_px=0.25))
        >>> round(float(moved[16, 10]), 4)
        10.25
    """
    height, width = coefficients.shape
    affine = similarity.matrix(height, width)[::-1]
    matrix, offset = affine[:, 1::-1], affine[:, 2]  # on (row, column)
    result = np.empty_like(coefficients)

    def fill(top: int) -> None:
        rows = result[top : top + _ROWS_PER_STEP]
        start = offset + matrix @ (top, 0)
        ndimage.affine_transform(coefficients, matrix, start, output=rows, order=3, mode="mirror", prefilter=False)

    with ThreadPoolExecutor(max(1, cv2.getNumThreads())) as pool:
        list(pool.map(fill, range(0, height, _ROWS_PER_STEP)))
    return result

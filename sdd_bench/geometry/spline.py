"""Cubic splines: a picture as coefficients, sampled at a similarity of the grid."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sdd_bench.geometry.similarity import Similarity

Plane = NDArray[np.float32]

_ROWS_PER_STEP = 256
"""Rows that one thread fills: enough of them for every core at any size."""


def spline(plane: Plane) -> Plane:
    """The coefficients of the cubic spline through ``plane``: what :func:`sample` samples."""
    return np.asarray(ndimage.spline_filter(plane, order=3, output=np.float32, mode="mirror"))


def sample(coefficients: Plane, similarity: Similarity) -> Plane:
    """A picture, as :func:`spline` made it, at ``similarity(p)``: its cubic spline, mirrored beyond the border.

    OpenCV's warps are of no use here: they round positions to 1/32 px, and their cubic kernel (a = -0.75, as torch's)
    does not even keep a ramp, which moves a picture shifted by a third of a pixel by 0.03 px.
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

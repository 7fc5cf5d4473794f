"""Canny's edges, one pixel wide, with thresholds that follow from the picture: those of MATLAB's ``edge``.

The strongest 30 % of the gradients are above the high threshold (from a histogram of 64 bins), the low one is 0.4 of
it. A local maximum is told by linear interpolation between neighbours. MATLAB's filters have an even length and shift
edges by half a pixel; these are odd and leave them where they are.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.morphology import thin

from sdd_bench.core.arrays import Plane

Mask = NDArray[np.bool_]

_BINS = 64
_NOT_EDGES = 0.7
"""Share of the pixels that lie below the high threshold."""
_LOW_SHARE = 0.4
"""Low threshold over the high one."""
_EQUAL = np.float32(1e-5)
"""Relative difference up to which two gradients are equal: ten times the rounding of float32."""


def canny(plane: Plane, sigma_px: float) -> Mask:
    """Edges of a plane.

    Args:
        plane: ``(H, W)`` float32.
        sigma_px: Standard deviation of the Gaussian whose derivatives are taken.

    Returns:
        ``(H, W)`` bool. A plane without a gradient has no edges.
    """
    gradient_x, gradient_y = gaussian_gradient(plane, sigma_px, half=4 * math.ceil(sigma_px))
    magnitude = np.hypot(gradient_x, gradient_y)
    largest = float(magnitude.max())
    if largest <= np.finfo(np.float32).eps * max(1.0, float(np.abs(plane).max())):
        return np.zeros(plane.shape, np.bool_)
    magnitude /= largest
    high = _high_threshold(magnitude)
    ridge = _local_maxima(magnitude, gradient_x, gradient_y, above=_LOW_SHARE * high)
    return np.asarray(thin(_connected_to(ridge & (magnitude > high), ridge), max_num_iter=1))


def gaussian_gradient(
    plane: Plane, sigma_px: float, *, half: int, border: int = cv2.BORDER_REPLICATE
) -> tuple[Plane, Plane]:
    """Derivatives along x and y of the plane blurred by a sampled Gaussian.

    Args:
        plane: ``(H, W)`` float32.
        sigma_px: Standard deviation of the Gaussian.
        half: Half-width of the window.
        border: What lies outside the plane, an OpenCV border type.
    """
    x = np.arange(-half, half + 1, dtype=np.float64)
    blur = np.exp(-0.5 * (x / sigma_px) ** 2) / (math.sqrt(2 * math.pi) * sigma_px)
    slope = x / sigma_px**2 * blur  # OpenCV correlates
    along_x = cv2.sepFilter2D(plane, cv2.CV_32F, slope, blur, borderType=border)
    along_y = cv2.sepFilter2D(plane, cv2.CV_32F, blur, slope, borderType=border)
    return np.asarray(along_x), np.asarray(along_y)


def _high_threshold(magnitude: Plane) -> float:
    """Upper end of the first bin up to which more than 70 % of the pixels lie."""
    bins = np.rint(magnitude * np.float32(_BINS - 1)).astype(np.uint8)
    counts = np.cumsum(np.bincount(bins.ravel(), minlength=_BINS))
    first = int(np.searchsorted(counts, _NOT_EDGES * magnitude.size, side="right"))
    return (first + 1) / _BINS


def _local_maxima(magnitude: Plane, gradient_x: Plane, gradient_y: Plane, *, above: float) -> Mask:
    """Pixels ``above`` a threshold and at least as strong as what lies before and behind them along the gradient."""
    height, width = magnitude.shape
    padded = np.pad(magnitude, 1)
    rows, columns = np.nonzero(magnitude > above)
    at = (rows + 1) * (width + 2) + columns + 1
    x, y = gradient_x[rows, columns], gradient_y[rows, columns]
    step_x = np.where(x >= 0, 1, -1)
    step_y = np.where(y >= 0, width + 2, -(width + 2))
    steep = np.abs(y) > np.abs(x)
    straight = np.where(steep, step_y, step_x)
    shares = np.minimum(np.abs(x), np.abs(y)) / np.maximum(np.maximum(np.abs(x), np.abs(y)), np.float32(1e-30))
    flat = padded.ravel()
    ahead = (1 - shares) * flat[at + straight] + shares * flat[at + step_x + step_y]
    behind = (1 - shares) * flat[at - straight] + shares * flat[at - step_x - step_y]
    strength = flat[at]
    # Of two neighbours equal but for rounding, the one on the same side stays at every scale.
    largest = (strength >= ahead * (1 - _EQUAL)) & (strength > behind * (1 + _EQUAL))
    maxima = np.zeros((height, width), np.bool_)
    maxima[rows[largest], columns[largest]] = True
    return maxima


def _connected_to(seeds: Mask, mask: Mask) -> Mask:
    """The 8-connected parts of ``mask`` that hold a seed."""
    n_parts, parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    kept = np.zeros(n_parts, np.bool_)
    kept[parts[seeds]] = True
    kept[0] = False
    return np.asarray(kept[parts])

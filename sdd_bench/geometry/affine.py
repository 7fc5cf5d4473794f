"""Warping a picture by a similarity with OpenCV, and the area where the two pictures overlap."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.geometry.similarity import Similarity

Picture = NDArray[np.float32]


def warp(picture: Picture, similarity: Similarity) -> Picture:
    """The picture whose value at p is that of ``picture`` at ``similarity(p)``.

    Sampling is bilinear and the border is replicated. OpenCV rounds positions to 1/32 px.

    Args:
        picture: ``(H, W)`` or ``(H, W, C)``.
        similarity: Similarity about the picture's centre.

    Example:
        >>> warp(np.array([[1, 2, 4]], np.float32), Similarity(shift_x_px=1.0)).tolist()
        [[2.0, 4.0, 4.0]]
    """
    height, width = picture.shape[:2]
    matrix = similarity.matrix(height, width)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(picture, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE))


def overlap(shape: tuple[int, ...], similarity: Similarity, margin: int = 2) -> NDArray[np.bool_]:
    """Mask of the pixels p for which ``similarity(p)`` is inside the picture, at least ``margin`` pixels from its edge.

    Args:
        shape: Shape of the picture, ``(H, W)`` or ``(H, W, C)``.
        similarity: Similarity about the picture's centre.
        margin: Distance to the edge, in pixels.

    Returns:
        Boolean mask, ``(H, W)``.

    Example:
        >>> overlap((1, 4), Similarity(shift_x_px=1.0), margin=0).tolist()
        [[True, True, True, False]]
    """
    height, width = shape[:2]
    x, y = np.arange(width) - (width - 1) / 2, np.arange(height)[:, None] - (height - 1) / 2
    linear, shift = similarity.linear, similarity.shift
    inside = np.abs(linear.real * x + (shift.real - linear.imag * y)) <= (width - 1) / 2 - margin
    return np.asarray(inside & (np.abs(linear.imag * x + (shift.imag + linear.real * y)) <= (height - 1) / 2 - margin))

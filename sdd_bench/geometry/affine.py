"""A picture warped by a similarity with OpenCV, and where the two pictures overlap."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.geometry.similarity import Similarity

Picture = NDArray[np.float32]


def warp(picture: Picture, similarity: Similarity) -> Picture:
    """``picture`` at ``similarity(p)``, bilinear, to about 1/32 px, border replicated."""
    height, width = picture.shape[:2]
    matrix = similarity.matrix(height, width)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(picture, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE))


def overlap(shape: tuple[int, ...], similarity: Similarity, margin: int = 2) -> NDArray[np.bool_]:
    """Where ``similarity(p)`` lies inside the picture by ``margin`` pixels, ``(H, W)``."""
    height, width = shape[:2]
    q = np.arange(width) - (width - 1) / 2 + 1j * (np.arange(height) - (height - 1) / 2)[:, None]
    there = similarity.linear * q + similarity.shift
    inside = np.abs(there.real) <= (width - 1) / 2 - margin
    return np.asarray(inside & (np.abs(there.imag) <= (height - 1) / 2 - margin))

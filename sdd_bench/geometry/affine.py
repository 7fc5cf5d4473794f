"""A picture warped by a similarity with OpenCV, and where the two pictures overlap."""

from __future__ import annotations

import cmath
import math

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.geometry.similarity import Similarity

Picture = NDArray[np.float32]


def warp(picture: Picture, similarity: Similarity) -> Picture:
    """``picture`` at ``similarity(p)``, bilinear, to about 1/32 px, border replicated."""
    height, width = picture.shape[:2]
    slope = cmath.rect(similarity.zoom, math.radians(similarity.rotation_deg))
    centre = complex((width - 1) / 2, (height - 1) / 2)
    offset = centre + complex(similarity.shift_x_px, similarity.shift_y_px) - slope * centre
    matrix = np.array([[slope.real, -slope.imag, offset.real], [slope.imag, slope.real, offset.imag]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(picture, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE))


def overlap(shape: tuple[int, ...], similarity: Similarity, margin: int = 2) -> NDArray[np.bool_]:
    """Where ``similarity(p)`` lies inside the picture by ``margin`` pixels, ``(H, W)``."""
    height, width = shape[:2]
    slope = cmath.rect(similarity.zoom, math.radians(similarity.rotation_deg))
    q = np.arange(width) - (width - 1) / 2 + 1j * (np.arange(height) - (height - 1) / 2)[:, None]
    there = slope * q + complex(similarity.shift_x_px, similarity.shift_y_px)
    inside = np.abs(there.real) <= (width - 1) / 2 - margin
    return np.asarray(inside & (np.abs(there.imag) <= (height - 1) / 2 - margin))

r"""Repeated texture: whether another shift aligns two pictures as well as the one that was found.

With the correlation *r*, a shift leaves :math:`1 - r^2` of the pictures' detail unexplained. On a wall of equal bricks
every registration is sure, and none is right but by luck.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.arrays import Plane

_LONGEST_PX = 512
"""Longer pictures are shrunk first."""
_COMPARABLE = 0.8
"""Least correlation at another shift, as a share of that at none, that counts."""
_FLOOR = 0.005
"""Share unexplained that sampling leaves of equal pictures."""
_FALLEN = 0.6
"""Share of the correlation found below which it must fall before it rises again."""


def rival(blurry: Plane, aligned: Plane, counted: NDArray[np.bool_], *, reach: float = 0.1) -> float:
    """What no shift leaves unexplained, as a share of what the best other shift does; 0 where none stands out.

    It is about 1 where both are as good.

    Args:
        blurry: Grey picture, ``(H, W)``.
        aligned: The sharp one, registered onto it.
        counted: Pixels that count.
        reach: Longest other shift, as a share of the longer side.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> wall = np.tile(np.kron(np.eye(2), np.ones((8, 8))), (12, 12))
        >>> pair = [np.float32(wall + rng.normal(0, 0.5, wall.shape)) for _ in range(2)]  # what differs is noise
        >>> rival(*pair, np.ones(wall.shape, np.bool_)) > 0.8
        True
        >>> other = rng.random((192, 192), np.float32)
        >>> rival(other, other, np.ones(other.shape, np.bool_)) < 0.5
        True
    """
    height, width = blurry.shape
    factor = min(1.0, _LONGEST_PX / max(height, width))
    size = round(width * factor), round(height * factor)
    share = cv2.resize(counted.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.99
    first, second = (_detail(np.asarray(cv2.resize(p, size, interpolation=cv2.INTER_AREA)), share)
                     for p in (blurry, aligned))  # fmt: skip
    most = max(4, math.ceil(reach * max(size)))
    shape = tuple(cv2.getOptimalDFTSize(side + most) for side in first.shape)

    def spectrum(plane: Plane) -> NDArray[np.complex64]:
        return np.asarray(np.fft.rfft2(plane, shape))

    a, b, a2, b2, m = (spectrum(p) for p in (first, second, first**2, second**2, share.astype(np.float32)))

    def product(x: NDArray[np.complex64], y: NDArray[np.complex64]) -> NDArray[np.floating]:
        full = np.fft.irfft2(np.conj(x) * y, shape)
        return np.asarray(np.roll(full, (most, most), (0, 1))[: 2 * most + 1, : 2 * most + 1])

    power = np.maximum(product(a2, m), 1e-12) * np.maximum(product(m, b2), 1e-12)
    likeness = product(a, b) / np.sqrt(power)
    here = float(likeness[most, most])
    if here <= 0:
        return 0.0
    y, x = np.indices(likeness.shape) - most
    ring = np.hypot(x, y).astype(int)
    highest = np.full(most + 1, -1.0)
    inside = ring <= most
    np.maximum.at(highest, ring[inside], likeness[inside])
    fallen = np.flatnonzero(highest < _FALLEN * here)
    if not len(fallen):
        return 0.0
    there = float(highest[fallen[0] :].max())
    if there < _COMPARABLE * here:
        return 0.0
    return (1 - min(here, 1.0) ** 2 + _FLOOR) / (1 - min(there, 1.0) ** 2 + _FLOOR)


def _detail(plane: Plane, counted: NDArray[np.bool_]) -> Plane:
    band = cv2.GaussianBlur(plane, (0, 0), 2.0) - cv2.GaussianBlur(plane, (0, 0), 8.0)
    return np.asarray((band - band[counted].mean()) * counted if counted.any() else band * 0)

"""The picture of a point out of focus: a disk, or a polygon for a stopped-down iris, antialiased.

Each kernel value is the share of the shape that falls on that pixel. Along x the share is exact: the shapes are convex,
so a horizontal line cuts them in one chord. Along y it is the mean over chords at :data:`_CHORDS` heights per pixel.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.errors import ConfigError

_CHORDS = 64
"""Heights per pixel at which chords are taken: the error is below 0.1 % of the largest value, a quarter of 1/255."""


def aperture_kernel(diameter_px: float, *, blades: int = 0, rotation_deg: float = 0.0) -> NDArray[np.float32]:
    """Blur kernel of a circle of confusion.

    Args:
        diameter_px: Diameter of the disk, in pixels. A disk below one pixel falls on one pixel, so it does not blur.
        blades: 0 for a disk; 3 or more for a regular polygon *with the area of the disk*.
        rotation_deg: Rotation of the polygon; at 0 its first corner points along x.

    Returns:
        Kernel, ``(K, K)`` float32 with K odd, non-negative, with sum 1, centred on the middle pixel.

    Raises:
        ConfigError: The diameter is negative or not finite, or the iris has one or two blades.

    Example:
        >>> aperture_kernel(0.0).tolist()
        [[1.0]]
        >>> kernel = aperture_kernel(9.5)
        >>> kernel.shape, round(float(kernel.sum()), 6)
        ((11, 11), 1.0)
    """
    if not (diameter_px >= 0 and math.isfinite(diameter_px)):
        raise ConfigError(f"a circle of confusion has a diameter of 0 px or more, got {diameter_px}.")
    if blades != 0 and blades < 3:
        raise ConfigError(f"an iris has 0 (round) or at least 3 blades, got {blades}.")
    radius = aperture_reach(diameter_px, blades=blades)
    half = max(0, math.ceil(radius - 0.5))
    if half == 0:
        return np.ones((1, 1), np.float32)
    heights = (np.arange((2 * half + 1) * _CHORDS) + 0.5) / _CHORDS - half - 0.5
    left, right = _polygon_chords(heights, radius, blades, rotation_deg) if blades else _disk_chords(heights, radius)
    columns = np.arange(-half, half + 1)
    covered = np.minimum(right[:, None], columns + 0.5) - np.maximum(left[:, None], columns - 0.5)
    kernel = np.clip(covered, 0.0, 1.0).reshape(2 * half + 1, _CHORDS, -1).sum(axis=1)
    return (kernel / kernel.sum()).astype(np.float32)


def aperture_reach(diameter_px: float, *, blades: int = 0) -> float:
    """Distance from the centre of the kernel to its farthest point, in pixels.

    It is the radius of the disk, or the circumradius of a polygon with the area of the disk: 1.56 times the radius with
    three blades, 1.25 times with four, 1.15 times with five.

    Args:
        diameter_px: Diameter of the disk, in pixels.
        blades: 0 for a disk; 3 or more for a regular polygon.

    Example:
        >>> round(aperture_reach(100.0), 2), round(aperture_reach(100.0, blades=3), 2)
        (50.0, 77.76)
    """
    radius = diameter_px / 2
    if blades:
        radius *= math.sqrt(2 * math.pi / (blades * math.sin(2 * math.pi / blades)))
    return radius


def _disk_chords(y: NDArray[np.float64], radius: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    half_chord = np.sqrt(np.maximum(radius**2 - y**2, 0.0))
    return -half_chord, half_chord


def _polygon_chords(
    y: NDArray[np.float64], radius: float, blades: int, rotation_deg: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The x at which the horizontal lines at ``y`` enter and leave the polygon; outside it, entry >= exit."""
    normals = math.radians(rotation_deg) + (2 * np.arange(blades) + 1) * math.pi / blades
    inner_radius = radius * math.cos(math.pi / blades)
    left, right = np.full_like(y, -radius), np.full_like(y, radius)
    for angle in normals:
        cosine, sine = math.cos(angle), math.sin(angle)
        room = inner_radius - y * sine
        if abs(cosine) < 1e-9:
            right = np.where(room < 0, -radius, right)
        elif cosine > 0:
            right = np.minimum(right, room / cosine)
        else:
            left = np.maximum(left, room / cosine)
    return left, np.maximum(right, left)

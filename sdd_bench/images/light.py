"""Conversion between linear light and sRGB pixel values (IEC 61966-2-1), and the noise of a sensor."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.arrays import Pixels, Plane

_ROWS_PER_STEP = 128
"""Rows of the result computed at once, which bounds the memory at any picture size."""


def linear_planes(pixels: NDArray[Any], factor: int = 1) -> NDArray[np.float32]:
    """Linear light of a picture, averaged over ``factor`` x ``factor`` pixels.

    Args:
        pixels: sRGB values, ``(H, W, 3)``, uint8, uint16, or float in [0, 1], which is rounded to 16 bits.
        factor: Factor by which the result is smaller, a whole number.

    Returns:
        Linear light in [0, 1], ``(H', W', 3)``. H' is the largest even number with ``factor * H' <= H``, W' likewise.

    Example:
        >>> white = np.full((5, 8, 3), 255, np.uint8)
        >>> linear_planes(white, 2).shape, float(linear_planes(white).min())
        ((2, 4, 3), 1.0)
    """
    height, width = (2 * (side // (2 * factor)) for side in pixels.shape[:2])
    table = _table(8 if pixels.dtype == np.uint8 else 16)
    planes = np.empty((height, width, 3), np.float32)
    for top in range(0, height, _ROWS_PER_STEP):
        rows = min(_ROWS_PER_STEP, height - top)
        strip = pixels[factor * top : factor * (top + rows), : factor * width]
        if strip.dtype.kind == "f":
            strip = np.rint(np.clip(strip, 0, 1) * 65535).astype(np.uint16)
        light: NDArray[Any] = cv2.LUT(strip, table) if strip.dtype == np.uint8 else table[strip]
        planes[top : top + rows] = cv2.resize(light, (width, rows), interpolation=cv2.INTER_AREA)
    return planes


def grey_plane(planes: NDArray[np.float32], weights: tuple[float, float, float]) -> Plane:
    """The weighted sum of the channels of an ``(H, W, 3)`` picture, ``(H, W)``.

    Example:
        >>> grey_plane(np.ones((1, 2, 3), np.float32), (0.25, 0.5, 0.25)).tolist()
        [[1.0, 1.0]]
    """
    return np.asarray(cv2.transform(planes, np.array([weights], np.float32)))


def halve(plane: Plane) -> Plane:
    """A plane with even sides averaged over 2 x 2 pixels.

    Example:
        >>> halve(np.array([[1, 2], [3, 6]], np.float32)).tolist()
        [[3.0]]
    """
    height, width = plane.shape[:2]
    return np.asarray(cv2.resize(plane, (width // 2, height // 2), interpolation=cv2.INTER_AREA))


@lru_cache(maxsize=2)
def _table(bit_depth: int) -> NDArray[np.float32]:
    return srgb_table(bit_depth)


def srgb_to_linear(encoded: NDArray[np.floating]) -> NDArray[np.float32]:
    """Linear light in [0, 1] of sRGB values in [0, 1], any shape.

    Example:
        >>> srgb_to_linear(np.array([0.0, 0.5, 1.0])).round(3).tolist() == np.float32([0, 0.214, 1]).tolist()
        True
    """
    values = np.asarray(encoded, dtype=np.float32)
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** np.float32(2.4)).astype(np.float32)


def linear_to_srgb(light: NDArray[np.floating]) -> NDArray[np.float32]:
    """The sRGB values of linear light, any shape; light outside [0, 1] is clipped, as in a sensor.

    Example:
        >>> linear_to_srgb(np.array([-1.0, 1.0, 2.0])).round(4).tolist()
        [0.0, 1.0, 1.0]
    """
    values = np.clip(np.asarray(light, dtype=np.float32), 0.0, 1.0)
    encoded = values ** np.float32(1 / 2.4)
    encoded *= np.float32(1.055)
    encoded -= np.float32(0.055)
    return np.multiply(values, np.float32(12.92), out=encoded, where=values <= 0.0031308)


def srgb_table(bit_depth: int) -> NDArray[np.float32]:
    """Linear light of every pixel value of an 8-bit or 16-bit sRGB picture, ``(2**bit_depth,)``.

    Example:
        >>> table = srgb_table(8)
        >>> len(table), float(table[0]), float(table[255])
        (256, 0.0, 1.0)
    """
    largest = 2**bit_depth - 1
    return srgb_to_linear(np.arange(largest + 1, dtype=np.float64) / largest)


def add_noise(light: NDArray[np.float32], rng: np.random.Generator, *, shot: float, read: float) -> NDArray[np.float32]:
    """Light with the noise of a sensor, whose variance is ``shot**2 * light + read**2``.

    Args:
        light: Linear light, white = 1, any shape.
        rng: Generator of the noise.
        shot: Standard deviation of the photon noise at white, which is 1 / sqrt(full well in electrons).
        read: Standard deviation of the noise in the dark.

    Example:
        >>> light = np.full((200, 200), 0.25, np.float32)
        >>> noisy = add_noise(light, np.random.default_rng(0), shot=0.02, read=0.0)
        >>> round(float(noisy.std()), 3)  # 0.02 * sqrt(0.25)
        0.01
    """
    if shot == 0 and read == 0:
        return light
    noise = rng.standard_normal(light.shape, dtype=np.float32)
    variance = np.maximum(light, 0)
    variance *= np.float32(shot**2)
    variance += np.float32(read**2)
    noise *= np.sqrt(variance, out=variance)
    noise += light
    return noise


def encode_linear(pixels: Pixels) -> Pixels:
    """Samples that hold light itself, uint8 or uint16, encoded as sRGB in the same type.

    Example:
        >>> encode_linear(np.uint16([[[0, 14030, 65535]]])).tolist()
        [[[0, 32771, 65535]]]
    """
    largest = (1 << 8 * pixels.dtype.itemsize) - 1
    table = np.rint(largest * linear_to_srgb(np.arange(largest + 1) / largest)).astype(pixels.dtype)
    return np.asarray(table[pixels])

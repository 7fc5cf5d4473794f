"""From light to pixel values and back: the sRGB transfer functions (IEC 61966-2-1) and a sensor's noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def srgb_to_linear(encoded: NDArray[np.floating]) -> NDArray[np.float32]:
    """sRGB values in [0, 1] to linear light in [0, 1], any shape."""
    values = np.asarray(encoded, dtype=np.float32)
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** np.float32(2.4)).astype(np.float32)


def linear_to_srgb(light: NDArray[np.floating]) -> NDArray[np.float32]:
    """Linear light to sRGB values, any shape; light outside [0, 1] is clipped, as a sensor does."""
    values = np.clip(np.asarray(light, dtype=np.float32), 0.0, 1.0)
    encoded = values ** np.float32(1 / 2.4)
    encoded *= np.float32(1.055)
    encoded -= np.float32(0.055)
    return np.multiply(values, np.float32(12.92), out=encoded, where=values <= 0.0031308)


def srgb_table(bit_depth: int) -> NDArray[np.float32]:
    """Linear light of every pixel value of an 8 or 16-bit sRGB picture."""
    largest = 2**bit_depth - 1
    return srgb_to_linear(np.arange(largest + 1, dtype=np.float64) / largest)


def add_noise(light: NDArray[np.float32], rng: np.random.Generator, *, shot: float, read: float) -> NDArray[np.float32]:
    """Light as a sensor counts it: variance ``shot**2 * light + read**2``.

    Args:
        light: Linear light, white = 1, any shape.
        rng: Where the noise comes from.
        shot: Standard deviation of the photon noise at white (1 / sqrt of the full well in electrons).
        read: Standard deviation of the noise in the dark.
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

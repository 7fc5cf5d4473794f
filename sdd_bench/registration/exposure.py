"""Exposure of a pair: each channel's light in the blurry picture over that in the sharp one, in linear light."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Gain = tuple[float, float, float]

CLIPPED = 0.97
"""From this light on a pixel counts as saturated."""
_BLOCK_PX = 16
_DARKEST = 0.004
"""Blocks darker than this say nothing about a ratio."""
_LEAST_BLOCKS = 8


def exposure_gain(
    blurry: NDArray[np.float32], sharp: NDArray[np.float32], usable: NDArray[np.bool_] | None = None
) -> Gain:
    """Gain per channel between two pictures that lie on one another.

    Means over blocks of 16 x 16 pixels are compared, so that blur and small displacements do not count; the result is
    the median of their ratios, each weighed by the block's light, so that neither a few blocks that changed nor a
    vignette moves it much.

    Args:
        blurry: Linear light, ``(H, W, 3)``.
        sharp: The same shape, on the same grid.
        usable: Pixels that count, ``(H, W)``; None: all. Saturated ones never count.

    Returns:
        Red, green, blue; 1 where too little of the picture is usable.
    """
    counted = ~(saturated(blurry) | saturated(sharp))
    if usable is not None:
        counted &= usable
    share = _blocks(counted.astype(np.float32))
    light, other = (_blocks(picture * counted[..., None]) for picture in (blurry, sharp))
    kept = share > 0.5
    gains = []
    for channel in range(3):
        above, below = light[kept][:, channel], other[kept][:, channel]
        bright = (below > _DARKEST) & (above > _DARKEST / 4)
        if np.count_nonzero(bright) < _LEAST_BLOCKS:
            gains.append(1.0)
            continue
        gains.append(_weighted_median(above[bright] / below[bright], below[bright]))
    return gains[0], gains[1], gains[2]


def saturated(light: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Where any channel of ``(H, W, 3)`` has reached :data:`CLIPPED`, ``(H, W)``."""
    red, green, blue = cv2.split(light)  # NumPy reduces a last axis of three ten times slower
    return np.asarray(cv2.max(cv2.max(red, green), blue) >= CLIPPED)


def _blocks(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    height, width = (max(1, side // _BLOCK_PX) for side in picture.shape[:2])
    rows, columns = min(picture.shape[0], height * _BLOCK_PX), min(picture.shape[1], width * _BLOCK_PX)
    return np.asarray(cv2.resize(picture[:rows, :columns], (width, height), interpolation=cv2.INTER_AREA))


def _weighted_median(values: NDArray[np.float32], weights: NDArray[np.float32]) -> float:
    order = np.argsort(values)
    cumulated = np.cumsum(weights[order], dtype=np.float64)
    return float(values[order][np.searchsorted(cumulated, 0.5 * cumulated[-1])])

"""Exposure ratio of a pair: light of the blurry picture over light of the sharp one, per channel, in linear light."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Gain = tuple[float, float, float]

CLIPPED = 0.97
"""Light from which a pixel counts as saturated."""
_BLOCK_PX = 16
"""Side of a block, large against blur and small displacements."""
_DARKEST = 0.004
"""Light of a block below which noise and black level decide the ratio, not the exposure."""
_LEAST_BLOCKS = 8
"""Fewest blocks that give a gain."""


def exposure_gain(
    blurry: NDArray[np.float32], sharp: NDArray[np.float32], usable: NDArray[np.bool_] | None = None
) -> Gain:
    """Gain per channel between two aligned pictures.

    Means over blocks of 16 x 16 pixels are compared, so that blur and small displacements do not count. The gain is
    the median of the ratios of the blocks, weighted by their light, so that neither a few changed blocks nor a
    vignette moves it much.

    Args:
        blurry: Blurry picture in linear light, ``(H, W, 3)``.
        sharp: Sharp picture of the same shape, on the same grid.
        usable: Pixels that count, ``(H, W)``; None for all. Saturated pixels never count.

    Returns:
        Gains of red, green and blue; 1 where too little of the picture is usable.

    Example:
        >>> sharp = np.full((64, 64, 3), 0.25, np.float32)
        >>> exposure_gain(1.5 * sharp, sharp)
        (1.5, 1.5, 1.5)
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
    """Mask ``(H, W)`` of the pixels of ``(H, W, 3)`` of which any channel has reached :data:`CLIPPED`.

    Example:
        >>> saturated(np.array([[[0.2, 0.3, 0.98], [0.2, 0.3, 0.4]]], np.float32)).tolist()
        [[True, False]]
    """
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

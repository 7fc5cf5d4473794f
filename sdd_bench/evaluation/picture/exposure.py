"""Exposure of a pair, by the definition of ``analyze``: light of the blurry picture over light of the sharp one.

It is the gain of :func:`sdd_bench.registration.exposure.exposure_gain` between the blurry picture and the registered
ground truth, in linear light. Pixel values are encoded: a gain of 1.5 raises their mean by a fifth only.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sdd_bench.flow.warp import valid_mask
from sdd_bench.images.light import linear_planes
from sdd_bench.registration.exposure import exposure_gain

_WORKING_WIDTH = 1024
"""Longer side, in pixels, from which on pictures are shrunk first: that of ``analyze``."""
_GREEN = 1


def green_gain(blurry: NDArray[np.float32], registered: NDArray[np.float32], flow: Tensor) -> float:
    """Exposure gain of the green channel, the one that the summary of ``analyze`` gives.

    Args:
        blurry: sRGB values in [0, 1], ``(H, W, 3)``.
        registered: The sharp picture on the blurry grid, likewise.
        flow: What it was warped by, ``(2, H, W)``; pixels from outside the sharp picture do not count.

    Returns:
        The gain; 1 where too little of the pictures is usable.
    """
    factor = max(1, max(blurry.shape[:2]) // _WORKING_WIDTH)
    light, other = linear_planes(blurry, factor), linear_planes(registered, factor)
    height, width = light.shape[:2]
    valid = valid_mask(flow[None])[0, 0, : factor * height, : factor * width].float().numpy()
    usable = cv2.resize(valid, (width, height), interpolation=cv2.INTER_AREA) > 0.999
    return exposure_gain(light, other, np.asarray(usable))[_GREEN]

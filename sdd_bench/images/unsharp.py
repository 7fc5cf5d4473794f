"""Unsharp masking: the difference from a blurred copy, added. Cameras do it, and any deblurring has to beat it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def unsharp(picture: NDArray[np.float32], *, amount: float = 1.0, sigma_px: float = 2.0) -> NDArray[np.float32]:
    """``picture + amount * (picture - blurred)``, clipped.

    Args:
        picture: ``(H, W)`` or ``(H, W, C)`` float32 in [0, 1].
        amount: How much of the difference is added.
        sigma_px: Standard deviation of the Gaussian that blurs.

    Returns:
        The same shape, float32 in [0, 1].

    Example:
        >>> edge = np.repeat(np.float32([0.25, 0.75]), 8)[None]
        >>> [round(float(value), 2) for value in unsharp(edge, sigma_px=1.0)[0, 6:10]]
        [0.22, 0.1, 0.9, 0.78]
    """
    blurred = cv2.GaussianBlur(picture, (0, 0), sigma_px, borderType=cv2.BORDER_REFLECT)
    return np.clip(picture + np.float32(amount) * (picture - blurred), 0, 1)

r"""Measures that hold registered scores to account: one without flow, and the four inside the valid mask.

``psnr-shift`` needs no flow: the picture is cut into tiles of 512 pixels, and each tile of the prediction is compared
with the ground truth moved by the whole-pixel shift, within 2 px each way, that fits it best. With the squared errors
of the tiles T added up,

.. math:: -10 \log_{10} \frac{\sum_T \min_{|s_x|, |s_y| \le 2} \sum_{p \in T} (P(p) - S(p + s))^2}{3 \sum_T |T|}

A border of 2 px is left out. Against ``raw`` it is the check that no flow can have spoiled, for motion up to 2 px.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.errors import ImageError
from sdd_bench.metrics.checks import check_pair

Picture = NDArray[np.float32]
Mask = NDArray[np.bool_]

TILE_PX, SHIFT_PX = 512, 2


def psnr_after_shift(prediction: Picture, truth: Picture) -> float:
    """PSNR in dB after the best whole-pixel shift of every tile; infinite where all fit exactly.

    Args:
        prediction: ``(H, W, 3)`` float32 RGB in [0, 1], at least 5 pixels a side.
        truth: Same shape.

    Raises:
        ImageError: The shapes differ, or a picture is too small or not finite.

    Example:
        >>> picture = np.random.default_rng(0).random((40, 40, 3), np.float32)
        >>> psnr_after_shift(np.roll(picture, (1, -2), axis=(0, 1)), picture)
        inf
    """
    check_pair(prediction, truth, smallest=2 * SHIFT_PX + 1)
    height, width = truth.shape[:2]
    total, n = 0.0, 0
    for top in range(SHIFT_PX, height - SHIFT_PX, TILE_PX):
        for left in range(SHIFT_PX, width - SHIFT_PX, TILE_PX):
            bottom, right = min(top + TILE_PX, height - SHIFT_PX), min(left + TILE_PX, width - SHIFT_PX)
            tile = prediction[top:bottom, left:right]
            around = truth[top - SHIFT_PX : bottom + SHIFT_PX, left - SHIFT_PX : right + SHIFT_PX]
            total += _least_squares(tile, around)
            n += tile.size
    return -10 * math.log10(total / n) if total > 0 else math.inf


def _least_squares(tile: Picture, around: Picture) -> float:
    """Squared error at the best shift: found by correlation, whose rounding cannot decide, then summed exactly."""
    errors = cv2.matchTemplate(np.ascontiguousarray(around), np.ascontiguousarray(tile), cv2.TM_SQDIFF)
    best = np.argsort(errors, axis=None)[:2]  # rounding of the correlation may exchange the first two
    sums = []
    for place in best.tolist():
        y, x = divmod(place, errors.shape[1])
        difference = tile - around[y : y + tile.shape[0], x : x + tile.shape[1]]
        sums.append(float(np.square(difference).sum(dtype=np.float64)))
    return min(sums)


def psnr_in_mask(prediction: Picture, truth: Picture, valid: Mask) -> float:
    """PSNR in dB over the pixels that the ground truth knows; infinite where all are equal.

    Example:
        >>> picture, valid = np.zeros((8, 8, 3), np.float32), np.ones((8, 8), np.bool_)
        >>> round(psnr_in_mask(picture + np.float32(0.1), picture, valid), 2)
        20.0
    """
    difference = _inside(prediction, truth, valid)
    mse = float(np.square(difference).mean(dtype=np.float64))
    return -10 * math.log10(mse) if mse > 0 else math.inf


def mae_in_mask(prediction: Picture, truth: Picture, valid: Mask) -> float:
    """Mean absolute error over the pixels that the ground truth knows.

    Example:
        >>> picture, valid = np.zeros((8, 8, 3), np.float32), np.ones((8, 8), np.bool_)
        >>> mae_in_mask(picture + np.float32(0.25), picture, valid)
        0.25
    """
    return float(np.abs(_inside(prediction, truth, valid)).mean(dtype=np.float64))


def ssim_in_mask(prediction: Picture, truth: Picture, valid: Mask) -> float:
    """SSIM of scikit-image, the mean over the windows that lie wholly among known pixels.

    Example:
        >>> picture, valid = np.zeros((16, 16, 3), np.float32), np.ones((16, 16), np.bool_)
        >>> ssim_in_mask(picture, picture, valid)
        1.0
    """
    from skimage.metrics import structural_similarity

    _inside(prediction, truth, valid)
    _, values = structural_similarity(prediction, truth, channel_axis=2, data_range=1.0, full=True)
    whole = cv2.erode(valid.astype(np.uint8), np.ones((7, 7), np.uint8), borderValue=0) > 0
    whole[:3], whole[-3:], whole[:, :3], whole[:, -3:] = False, False, False, False
    if not whole.any():
        raise ImageError("ssim-valid: no window of 7x7 pixels lies wholly inside the sharp picture.")
    return float(values[whole].mean())


def _inside(prediction: Picture, truth: Picture, valid: Mask) -> Picture:
    check_pair(prediction, truth)
    if not valid.any():
        raise ImageError("valid mask: no pixel of the ground truth lies inside the sharp picture.")
    return (prediction - truth)[valid]

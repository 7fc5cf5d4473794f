r"""NIQE-style distance from natural pictures, without a reference (after Mittal, Soundararajan, Bovik, SPL 2013).

The luma Y (0 to 255) is normalised by its local mean and deviation, :math:`\hat Y = (Y - \mu) / (\sigma + 1)`. In each
block of 96 pixels, and of 48 in the picture halved, a generalised Gaussian is fitted to :math:`\hat Y` and an
asymmetric one to the products with its four neighbours: 36 numbers a block. With their mean and covariance over a
picture, :math:`(m, C)`, and those of natural pictures, :math:`(m_0, C_0)`,

.. math:: \mathrm{distance} = \sqrt{(m - m_0)^\top \left(\frac{C + C_0}{2}\right)^{+} (m - m_0)}

Lower is more natural. The natural pictures are twelve photographs that this project may use
(``weights/niqe_style.md``), not the authors' set, so figures are ``niqe-style``, and never compare with NIQE's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file
from scipy.special import gamma

from sdd_bench import weights
from sdd_bench.metrics.checks import Picture, check_picture

Array = NDArray[np.float64]
BLOCK = 96
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))
_SHAPES = np.arange(0.2, 10.001, 0.001)
_RATIOS = gamma(2 / _SHAPES) ** 2 / (gamma(1 / _SHAPES) * gamma(3 / _SHAPES))
"""Squared mean modulus over mean square of a generalised Gaussian of each shape; it grows with the shape."""


@dataclass(frozen=True)
class Naturalness:
    """Mean and covariance of the 36 numbers of blocks."""

    mean: Array
    covariance: Array


def niqe_style(picture: Picture) -> float:
    """Distance from natural pictures; lower is more natural.

    Args:
        picture: ``(H, W, 3)`` float RGB in [0, 1], at least 192 pixels a side (four blocks).

    Raises:
        ImageError: It is too small, or holds NaN or infinite values.

    Example:
        >>> noise = np.random.default_rng(0).random((192, 192, 3))
        >>> smooth = cv2.GaussianBlur(noise, (0, 0), 2)
        >>> niqe_style(noise) > 0 and niqe_style(smooth) > 0
        True
    """
    check_picture(picture, "niqe-style", smallest=2 * BLOCK)
    found, natural = naturalness(block_features(picture)), _natural()
    difference = found.mean - natural.mean
    inverse = np.linalg.pinv((found.covariance + natural.covariance) / 2)
    return math.sqrt(max(float(difference @ inverse @ difference), 0.0))


@lru_cache(maxsize=1)
def _natural() -> Naturalness:
    tensors = load_file(weights.path("niqe-style"))
    return Naturalness(tensors["mean"].astype(np.float64), tensors["covariance"].astype(np.float64))


def naturalness(features: Array) -> Naturalness:
    """Mean and covariance over blocks, ``(n, 36)``.

    Example:
        >>> naturalness(np.eye(36)).mean.shape
        (36,)
    """
    return Naturalness(features.mean(axis=0), np.atleast_2d(np.cov(features, rowvar=False)))


def block_features(picture: Picture) -> Array:
    """The 36 numbers of every whole block, ``(n, 36)``.

    Example:
        >>> block_features(np.random.default_rng(0).random((96, 200, 3))).shape
        (2, 36)
    """
    luma = np.asarray(255 * (picture.astype(np.float32) @ _LUMA), dtype=np.float32)
    rows, columns = luma.shape[0] // BLOCK, luma.shape[1] // BLOCK
    luma = luma[: rows * BLOCK, : columns * BLOCK]
    half = cv2.resize(luma, (luma.shape[1] // 2, luma.shape[0] // 2), interpolation=cv2.INTER_AREA)
    return np.concatenate([_features(scale, side) for scale, side in ((luma, BLOCK), (half, BLOCK // 2))], axis=1)


def _features(luma: NDArray[np.float32], side: int) -> Array:
    mean = cv2.GaussianBlur(luma, (7, 7), 7 / 6, borderType=cv2.BORDER_REPLICATE)
    square = cv2.GaussianBlur(luma * luma, (7, 7), 7 / 6, borderType=cv2.BORDER_REPLICATE)
    normal = (luma - mean) / (np.sqrt(np.maximum(square - mean * mean, 0)) + 1)
    blocks = [_blocks(normal, side)]
    blocks += [_blocks(normal * np.roll(normal, shift, axis=(0, 1)), side) for shift in _NEIGHBOURS]
    columns = []
    for number, values in enumerate(blocks):
        shape, left, right = _asymmetric_fit(values)
        if number == 0:
            columns += [shape, (left + right) / 2]
        else:
            skew = (right - left) * gamma(2 / shape) / np.sqrt(gamma(1 / shape) * gamma(3 / shape))
            columns += [shape, skew, left**2, right**2]
    return np.stack(columns, axis=1)


def _blocks(plane: NDArray[np.float32], side: int) -> Array:
    """``(n, side**2)``."""
    rows, columns = plane.shape[0] // side, plane.shape[1] // side
    tiles = plane.reshape(rows, side, columns, side).swapaxes(1, 2)
    return tiles.reshape(rows * columns, -1).astype(np.float64)


def _asymmetric_fit(values: Array) -> tuple[Array, Array, Array]:
    """Shape, and deviation left and right of zero, of an asymmetric generalised Gaussian per row, by its moments."""
    negative, positive = values < 0, values > 0
    square = values**2
    left = np.sqrt((square * negative).sum(axis=1) / np.maximum(negative.sum(axis=1), 1))
    right = np.sqrt((square * positive).sum(axis=1) / np.maximum(positive.sum(axis=1), 1))
    ratio = left / np.maximum(right, 1e-12)
    modulus = np.abs(values).mean(axis=1) ** 2 / np.maximum(square.mean(axis=1), 1e-12)
    wanted = modulus * (ratio**3 + 1) * (ratio + 1) / (ratio**2 + 1) ** 2
    shape = _SHAPES[np.clip(np.searchsorted(_RATIOS, wanted), 0, len(_SHAPES) - 1)]
    return shape, left, right

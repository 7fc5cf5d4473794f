r"""Sharpness and noise of a prediction against its input, where there is no sharp picture.

Both are taken on the same tiles of 32 pixels, chosen on the *input*, so a method cannot choose them: the half with the
most detail, and the fifth with the least. With :math:`E` the mean square of the Laplacian of a Gaussian (sigma 1 px) of
luma over detailed tiles, and :math:`E^0` its median over flat tiles, which is noise,

.. math:: \mathrm{sharpness\ gain} = 10 \log_{10} \frac{E_P - E^0_P}{E_B - E^0_B} \;\text{dB}, \quad
    \mathrm{noise\ gain} = 20 \log_{10} \frac{\sigma_P}{\sigma_B} \;\text{dB}

with the deviation :math:`\sigma` of noise over flat tiles by Immerkaer's mask, which is blind to lines and ramps (CVIU
1996). Sharpness that is no detail of the scene (ringing, halos) counts too: these are descriptions, not scores.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.errors import ImageError
from sdd_bench.metrics.checks import check_pair

Picture = NDArray[np.float32]

TILE_PX = 32
SMALLEST_PX = 5 * TILE_PX
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_MASK = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
_LEAST_SIGMA = 0.25 / 255
"""Noise below a quarter of a level of 8 bits counts as this much, so that a plain picture has a finite gain."""
_LEAST_DETAIL = 1e-8


@dataclass(frozen=True)
class Gains:
    """What a method did to its input."""

    sharpness_gain_db: float
    noise_gain_db: float


def gains_over_input(prediction: Picture, blurry: Picture) -> Gains:
    """Sharpness and noise gain of a prediction.

    Args:
        prediction: ``(H, W, 3)`` float32 RGB in [0, 1], at least 160 pixels a side.
        blurry: Its input, same shape.

    Raises:
        ImageError: The shapes differ, or a picture is too small or not finite.

    Example:
        >>> picture = np.random.default_rng(0).random((160, 160, 3), np.float32)
        >>> gains_over_input(picture, picture)
        Gains(sharpness_gain_db=0.0, noise_gain_db=0.0)
    """
    check_pair(prediction, blurry, smallest=SMALLEST_PX)
    ours, theirs = (_detail(picture) for picture in (prediction, blurry))
    order = np.argsort(theirs, kind="stable")
    flat, detailed = order[: max(1, len(order) // 5)], order[len(order) // 2 :]
    after, before = (
        max(float(tiles[detailed].mean() - np.median(tiles[flat])), _LEAST_DETAIL) for tiles in (ours, theirs)
    )
    noise, noise_before = (max(float(_noise(picture)[flat].mean()), _LEAST_SIGMA) for picture in (prediction, blurry))
    return Gains(10 * math.log10(after / before), 20 * math.log10(noise / noise_before))


def check_same_size(prediction: Picture, blurry: Picture, name: str) -> None:
    """Refuse a prediction that is not of its input's size.

    Raises:
        ImageError: The sizes differ.

    Example:
        >>> check_same_size(np.zeros((4, 4, 3), np.float32), np.zeros((4, 4, 3), np.float32), "a.png")
    """
    if prediction.shape != blurry.shape:
        got, expected = (f"{picture.shape[1]}x{picture.shape[0]}" for picture in (prediction, blurry))
        raise ImageError(f"{name}: is {got} but its input is {expected}; predict at the size of the input.")


def _detail(picture: Picture) -> NDArray[np.float64]:
    """Mean square of the Laplacian of a Gaussian of luma in every whole tile."""
    smooth = cv2.GaussianBlur(picture @ _LUMA, (0, 0), 1.0)
    return _tile_means(np.square(cv2.Laplacian(smooth, cv2.CV_32F)))


def _noise(picture: Picture) -> NDArray[np.float64]:
    """Deviation of noise in every whole tile: sqrt(pi / 2) / 6 times the mean modulus of Immerkaer's mask."""
    response = np.abs(cv2.filter2D(picture @ _LUMA, cv2.CV_32F, _MASK))
    return _tile_means(response) * math.sqrt(math.pi / 2) / 6


def _tile_means(plane: Picture) -> NDArray[np.float64]:
    rows, columns = plane.shape[0] // TILE_PX, plane.shape[1] // TILE_PX
    tiles = plane[: rows * TILE_PX, : columns * TILE_PX].reshape(rows, TILE_PX, columns, TILE_PX)
    return np.asarray(tiles.mean(axis=(1, 3), dtype=np.float64).ravel())

"""From light on the sensor to the picture in a file: noise, mosaic, tone, sharpening, size, JPEG or 16 bits.

Noise enters the linear light, before everything else, so processing colours and sharpens it as it does in a camera.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from sdd_bench.images.light import add_noise, linear_to_srgb
from sdd_bench.images.unsharp import unsharp
from sdd_bench.images.write import encode_jpeg
from sdd_bench.synthesis.options import SynthesisOptions

Picture = NDArray[np.float32]
"""``(H, W, 3)``; sRGB in [0, 1] unless said otherwise."""


@dataclass(frozen=True)
class Sensor:
    """What counts the light."""

    shot_noise: float = 0.0
    """Standard deviation at white."""
    read_noise: float = 0.0
    """Standard deviation in the dark."""
    mosaic: bool = False
    """One colour per pixel (Bayer, RGGB), the others interpolated."""


@dataclass(frozen=True)
class Processing:
    """What a camera makes of the light."""

    gamma: float = 1.0
    """Exponent on sRGB values."""
    contrast: float = 0.0
    """Share of the S-curve ``3 v^2 - 2 v^3``."""
    sharpening: float = 0.0
    """Amount of unsharp masking."""
    sharpening_sigma_px: float = 0.8
    """Its radius."""
    size_px: int | None = None
    """Side of the (square) picture after shrinking; None: as sensed."""


@dataclass(frozen=True)
class Storage:
    """How the blurry picture is kept."""

    jpeg_quality: int | None = None
    """None: without loss."""
    jpeg_half_color: bool = True
    """4:2:0 instead of 4:4:4."""
    bit_depth: int = 8
    """Of what is kept without loss: 8 or 16."""


def draw_sensor(options: SynthesisOptions, rng: np.random.Generator) -> Sensor:
    """A sensor within ``options``."""
    return Sensor(
        rng.uniform(*options.shot_noise), rng.uniform(*options.read_noise), bool(rng.random() < options.mosaic_share)
    )


def draw_processing(side: int, options: SynthesisOptions, rng: np.random.Generator) -> Processing:
    """Processing within ``options`` for pictures of ``side`` pixels."""
    shrink = rng.uniform(*options.resize) if rng.random() < options.resize_share else 1.0
    return Processing(
        gamma=rng.uniform(*options.gamma),
        contrast=rng.uniform(*options.contrast),
        sharpening=rng.uniform(*options.sharpening),
        sharpening_sigma_px=rng.uniform(*options.sharpening_sigma_px),
        size_px=round(side * shrink),
    )


def draw_storage(options: SynthesisOptions, rng: np.random.Generator) -> Storage:
    """Storage within ``options``."""
    if rng.random() < options.jpeg_share:
        low, high = options.jpeg_quality
        return Storage(int(rng.integers(low, high + 1)), bool(rng.random() < 0.5))
    return Storage(bit_depth=16 if rng.random() < options.sixteen_bit_share else 8)


def draw_softness(options: SynthesisOptions, rng: np.random.Generator) -> float:
    """Softness within ``options``, in pixels; where there is none, nothing is drawn."""
    low, high = options.softness_px
    return rng.uniform(low, high) if high else 0.0


def soften(light: NDArray[np.float32], softness_px: float) -> NDArray[np.float32]:
    """Linear light, ``(3, H, W)``, spread by a Gaussian of this standard deviation; mirrored at the border."""
    if not softness_px:
        return light
    soft = [cv2.GaussianBlur(plane, (0, 0), softness_px, borderType=cv2.BORDER_REFLECT) for plane in light]
    return np.asarray(soft, np.float32)


def noise_of(light: NDArray[np.float32], sensor: Sensor, rng: np.random.Generator) -> NDArray[np.float32]:
    """The noise alone that ``sensor`` adds to linear light, any shape."""
    if sensor.shot_noise == 0 and sensor.read_noise == 0:
        return np.zeros_like(light)
    return add_noise(light, rng, shot=sensor.shot_noise, read=sensor.read_noise) - light


def sense(light: NDArray[np.float32], noise: NDArray[np.float32], sensor: Sensor) -> Picture:
    """Linear light ``(3, H, W)`` with its noise as the sensor gives it, clipped at white: linear, ``(H, W, 3)``."""
    counted = np.clip(light + noise, 0, 1).transpose(1, 2, 0)
    return _demosaiced(counted) if sensor.mosaic else np.ascontiguousarray(counted)


def _demosaiced(linear: Picture) -> Picture:
    """One of three colours kept per pixel, the others interpolated (OpenCV, bilinear)."""
    counts = np.empty(linear.shape[:2], np.uint16)
    for channel, (row, column) in ((0, (0, 0)), (1, (0, 1)), (1, (1, 0)), (2, (1, 1))):
        counts[row::2, column::2] = linear[row::2, column::2, channel] * 65535 + 0.5
    # OpenCV names a mosaic by its second row's second and third pixel: RGGB is its "BG".
    return np.asarray(cv2.cvtColor(counts, cv2.COLOR_BayerBG2RGB), np.float32) / np.float32(65535)


def process(linear: Picture, processing: Processing) -> Picture:
    """Linear light to the values of a picture, clipped to [0, 1]."""
    picture = linear_to_srgb(linear)
    if processing.gamma != 1:
        picture = picture ** np.float32(processing.gamma)
    if processing.contrast:
        picture = picture + np.float32(processing.contrast) * (picture * picture * (3 - 2 * picture) - picture)
    if processing.sharpening:
        picture = unsharp(picture, amount=processing.sharpening, sigma_px=processing.sharpening_sigma_px)
    side = processing.size_px
    if side is not None and side != picture.shape[0]:
        picture = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(np.clip(picture, 0, 1), np.float32)


def store(picture: Picture, storage: Storage) -> Picture:
    """The picture as read back from its file."""
    if storage.jpeg_quality is None:
        largest = np.float32(2**storage.bit_depth - 1)
        return np.asarray(np.round(picture * largest) / largest, np.float32)
    pixels = np.asarray(picture * 255 + 0.5, np.uint8)
    file = encode_jpeg(pixels, storage.jpeg_quality, half_color=storage.jpeg_half_color)
    return np.asarray(simplejpeg.decode_jpeg(file), np.float32) / np.float32(255)

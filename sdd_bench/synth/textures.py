"""A bank of textures: periodic tiles with detail at every size, fractal, spotted, striped, bricked, woven or printed.

Tiles are drawn once per scene, and pieces are cut from them at random places. So a large scene costs little more than a
small one.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
"""sRGB picture, ``(H, W, 3)``."""

_GLYPHS = np.array(list("ABCDEFGHKLMNPRSTUVXYZabcdeghknopqrstuvxyz0123456789&%?#+="))


def fractal(height: int, width: int, rng: np.random.Generator, beta: float) -> NDArray[np.float32]:
    """Periodic noise whose amplitude falls as ``1 / frequency**beta``, scaled to [0, 1].

    Args:
        height: Height of the result, in pixels.
        width: Width of the result, in pixels.
        rng: Generator of the noise.
        beta: Exponent; about 1 for photographs of natural scenes.

    Example:
        >>> noise = fractal(32, 48, np.random.default_rng(0), 1.0)
        >>> noise.shape, bool((noise >= 0).all() and (noise <= 1).all())
        ((32, 48), True)
    """
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    radius = np.hypot(fy, fx).astype(np.float32)
    radius[0, 0] = 1.0
    spectrum = np.fft.rfft2(rng.standard_normal((height, width), dtype=np.float32)) / radius**beta
    spectrum[0, 0] = 0
    values = np.fft.irfft2(spectrum, s=(height, width)).astype(np.float32)
    return np.clip(0.5 + values / (5 * values.std() + 1e-9), 0, 1)


def make_bank(rng: np.random.Generator, tile: int, *, count: int = 10) -> list[Bytes]:
    """Draw ``count`` tiles of ``tile`` x ``tile`` pixels, with each kind of texture in turn.

    Example:
        >>> [tile.shape for tile in make_bank(np.random.default_rng(0), 64, count=2)]
        [(64, 64, 3), (64, 64, 3)]
    """
    kinds = (_rough, _spotted, _striped, _printed, _bricked, _rough, _woven, _plain)
    noise = fractal(tile, tile, rng, 1.0)
    bank = []
    for number in range(count):
        value = kinds[number % len(kinds)](tile, rng, np.roll(noise, tuple(rng.integers(tile, size=2)), (0, 1)))
        bank.append(_colored(value, noise, rng))
    return bank


def cut(bank: Sequence[Bytes], height: int, width: int, rng: np.random.Generator) -> Bytes:
    """A piece of a random tile, from a random place; the tile repeats if the piece is larger.

    Example:
        >>> tile = np.zeros((8, 8, 3), np.uint8)
        >>> cut([tile], 20, 5, np.random.default_rng(0)).shape
        (20, 5, 3)
    """
    tile = bank[int(rng.integers(len(bank)))]
    y, x = int(rng.integers(tile.shape[0])), int(rng.integers(tile.shape[1]))
    if y + height > tile.shape[0] or x + width > tile.shape[1]:
        tile = np.tile(tile, (-(-(y + height) // tile.shape[0]), -(-(x + width) // tile.shape[1]), 1))
    return tile[y : y + height, x : x + width]


def _colored(value: NDArray[np.float32], noise: NDArray[np.float32], rng: np.random.Generator) -> Bytes:
    """Two random colours, different enough to be distinguished, mixed by ``value``, and a tint added by ``noise``."""
    dark, light = rng.uniform(0.05, 0.5, 3), rng.uniform(0.55, 1.0, 3)
    tint = rng.uniform(-0.15, 0.15, 3)
    low, high = (dark, light) if rng.random() < 0.5 else (light, dark)
    colors = np.empty((*value.shape, 3), np.uint8)
    for channel in range(3):
        slope, drift = np.float32(255 * (high - low)[channel]), np.float32(255 * tint[channel])
        plane = slope * value + drift * noise + np.float32(255 * (low - tint / 2)[channel] + 0.5)
        colors[..., channel] = np.clip(plane, 0, 255)
    return colors


def _grid(tile: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    y, x = np.mgrid[:tile, :tile].astype(np.float32)
    return y, x


def _rough(tile: int, rng: np.random.Generator, noise: NDArray[np.float32]) -> NDArray[np.float32]:
    return fractal(tile, tile, rng, rng.uniform(0.5, 1.3))


def _spotted(tile: int, rng: np.random.Generator, noise: NDArray[np.float32]) -> NDArray[np.float32]:
    spots = fractal(tile, tile, rng, rng.uniform(0.8, 1.2))
    level = rng.uniform(0.4, 0.6)
    return 0.75 * np.clip((spots - level) * 40 + 0.5, 0, 1).astype(np.float32) + 0.25 * noise


def _striped(tile: int, rng: np.random.Generator, noise: NDArray[np.float32]) -> NDArray[np.float32]:
    y, x = _grid(tile)
    # whole periods in both directions keep the tile periodic
    waves_x, waves_y = rng.integers(-tile // 8, tile // 8, size=2)
    wave = 0.5 + 0.5 * np.sin(2 * np.pi * (waves_x * x + waves_y * y) / tile + 6 * noise)
    if rng.random() < 0.5:
        wave = np.clip(4 * wave - 1.5, 0, 1)
    return (0.7 * wave + 0.3 * noise).astype(np.float32)


def _bricked(tile: int, rng: np.random.Generator, noise: NDArray[np.float32]) -> NDArray[np.float32]:
    y, x = _grid(tile)
    height = tile // int(rng.integers(tile // 40, tile // 8 + 1))
    width = 2 * height
    row = y // height
    along = (x + (row % 2) * height) % width
    mortar = (y % height < max(1, height // 8)) | (along < max(1, height // 8))
    shade = rng.random((tile // height + 2, tile // width + 3)).astype(np.float32)
    brick = shade[row.astype(int), ((x + (row % 2) * height) // width).astype(int)]
    return np.where(mortar, 1.0, 0.35 * brick + 0.45 * noise).astype(np.float32)


def _woven(tile: int, rng: np.random.Generator, noise: NDArray[np.float32]) -> NDArray[np.float32]:
    y, x = _grid(tile)
    pitch = tile / int(rng.integers(tile // 24, tile // 6 + 1))
    over = np.sin(np.pi * x / pitch) ** 2 * np.cos(np.pi * y / pitch) ** 2
    return (0.5 * over + 0.5 * noise).astype(np.float32)


def _plain(tile: int, rng: np.random.Generator, noise: NDArray[np.float32]) -> NDArray[np.float32]:
    return (rng.uniform(0.2, 0.8) + 0.25 * (noise - 0.5)).astype(np.float32)


def _printed(tile: int, rng: np.random.Generator, noise: NDArray[np.float32]) -> NDArray[np.float32]:
    """Lines of random text, from barely readable to headline."""
    page = np.full((tile, tile), 255, np.uint8)
    y = 0
    while y < tile:
        height = int(rng.choice([9, 12, 16, 24, 40]))
        y += int(1.6 * height)
        scale = height / 22.0
        text = "".join(rng.choice(_GLYPHS, size=int(2.2 * tile / height)))
        words = [text[i : i + 6] for i in range(0, len(text), 6)]
        face = int(rng.choice([cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_COMPLEX]))
        cv2.putText(page, " ".join(words), (2, y), face, scale, 20, max(1, height // 12), cv2.LINE_AA)
    return (page / np.float32(255) * (0.85 + 0.15 * noise)).astype(np.float32)

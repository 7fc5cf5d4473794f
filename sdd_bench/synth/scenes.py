"""Scenes that are painted, or cut from sharp photographs: layers of dead leaves in front of a background.

A scene is drawn as 8-bit reflectance and a smooth 1/f illumination; their product is linear light. The dead leaves are
shapes of power-law size, each with its own texture. The background covers everything, also behind the leaves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.images.light import linear_to_srgb, srgb_table
from sdd_bench.optics.defocus import Layer
from sdd_bench.synth.painting import (
    BRIGHTEST,
    Painting,
    SceneKind,
    as_8bit,
    paint_background,
    paint_cluster,
    smooth_edges,
)
from sdd_bench.synth.textures import fractal, make_bank


def draw_scene(
    height: int,
    width: int,
    n_layers: int,
    kind: SceneKind,
    rng: np.random.Generator,
    photographs: Sequence[NDArray[np.generic]] = (),
) -> Iterator[Layer]:
    """Draw a scene, one layer at a time from back to front.

    Args:
        height: Height of the canvas, in pixels.
        width: Width of the canvas, in pixels.
        n_layers: Number of layers, including the background.
        kind: Kind of the background.
        rng: Generator of all random choices.
        photographs: Photographs for :attr:`SceneKind.PHOTO`, sRGB ``(H, W, 3)`` uint8 or uint16. The first is the
            background, and the leaves are cut from all.

    Example:
        >>> layers = list(draw_scene(64, 96, 2, SceneKind.LEAVES, np.random.default_rng(0)))
        >>> [layer.color.shape for layer in layers], layers[0].alpha is None, layers[1].alpha is None
        ([(3, 64, 96), (3, 64, 96)], True, False)
    """
    tile = int(2 ** np.clip(np.floor(np.log2(max(height, width) / 2)), 7, 10))
    bank = [as_8bit(photograph) for photograph in photographs] or make_bank(rng, tile)
    for number in range(n_layers):
        painting = Painting(height, width)
        if number == 0 and kind is SceneKind.PHOTO:
            yield _photo_layer(photographs[0], height, width, rng)
            continue
        if number == 0:
            paint_background(painting, kind, bank, rng)
        else:
            paint_cluster(painting, bank, rng)
        yield _as_layer(painting, rng, plain=kind is SceneKind.PHOTO)


def random_scene(height: int, width: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """A dead-leaves picture, ``(H, W, 3)`` float32 sRGB in [0, 1].

    Example:
        >>> random_scene(64, 96, np.random.default_rng(0)).shape
        (64, 96, 3)
    """
    layer = next(draw_scene(height, width, 1, SceneKind.LEAVES, rng))
    return np.ascontiguousarray(linear_to_srgb(layer.color).transpose(1, 2, 0))


def _as_layer(painting: Painting, rng: np.random.Generator, *, plain: bool) -> Layer:
    """The layer as linear light: reflectance times illumination, smoothed as far as the sampling requires."""
    table = srgb_table(8)
    height, width = painting.alpha.shape
    coarse = fractal(33, 33, rng, 1.5)
    light = cv2.resize(0.5 + 0.5 * coarse, (width, height), interpolation=cv2.INTER_CUBIC) * np.float32(BRIGHTEST)
    opaque = bool((painting.alpha == 255).all())
    coverage = None if opaque else painting.alpha.astype(np.float32) / np.float32(255)
    weight = np.ones_like(light) if plain else np.minimum(light, BRIGHTEST, out=light)
    if coverage is not None:
        weight *= coverage
    color = np.empty((3, height, width), np.float32)
    for channel in range(3):
        color[channel] = smooth_edges(table[painting.color[..., channel]] * weight)
    return Layer(color, None if coverage is None else smooth_edges(coverage))


def _photo_layer(pixels: NDArray[np.generic], height: int, width: int, rng: np.random.Generator) -> Layer:
    """A photograph as the background: a larger one is shrunk to cover the canvas, a smaller one is mirrored on."""
    scale = max(height / pixels.shape[0], width / pixels.shape[1])
    if scale < 1:
        size = (max(width, round(pixels.shape[1] * scale)), max(height, round(pixels.shape[0] * scale)))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    rows = _window(pixels.shape[0], height, rng)
    columns = _window(pixels.shape[1], width, rng)
    covered = pixels[rows[:, None], columns]
    table = srgb_table(8 * pixels.dtype.itemsize)
    return Layer(np.stack([smooth_edges(table[covered[..., channel]]) for channel in range(3)]))


def _window(have: int, want: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """``want`` indices: a random run within 0..have-1; if ``have`` is smaller, 0..have-1 and back, repeated."""
    if have >= want:
        return np.arange(want) + rng.integers(have - want + 1)
    return np.resize(np.concatenate((np.arange(have), np.arange(have)[::-1])), want)

r"""Scenes with depth: surfaces before each other, and where the lens is focused among them.

Depth is the inverse distance, 0 at infinity and 1 for the nearest. A thin lens focused at the inverse distance
:math:`u_f` gives a point at :math:`u` the signed circle of confusion :math:`C (u_f - u)`
(:func:`sdd_bench.optics.coc.signed_coc_px` with :math:`u = 1/s`): linear in :math:`u`, so a plane stays a plane.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.arrays import Plane
from sdd_bench.synthesis.blur import Surface
from sdd_bench.synthesis.options import SynthesisOptions
from sdd_bench.synthesis.sources import Sources

_FARTHEST_OF_BACKGROUND = 0.6
"""The background lies between infinity and this inverse distance, foregrounds from there on."""
_CLIPPED = 0.85
"""Linear light above this is as good as clipped in a photograph: what it was is not known."""
_SHADE = 0.2, 0.8
"""Share of the light that a shadow takes."""
_SUBPIXEL_BITS = 4


def draw_scene(side: int, sources: Sources, options: SynthesisOptions, rng: np.random.Generator) -> list[Surface]:
    """Surfaces of a scene from back to front, ``side`` pixels square, with their circles of confusion."""
    flat = rng.random() < options.flat_share
    n_foregrounds = 0 if flat else int(rng.integers(options.max_foregrounds + 1))
    depths = [_flat(side, rng, 0.0, 1.0) if flat else _background_depth(side, rng)]
    depths += [
        _slanted(side, rng, *np.sort(rng.uniform(_FARTHEST_OF_BACKGROUND, 1.0, 2))) for _ in range(n_foregrounds)
    ]
    depths[1:] = sorted(depths[1:], key=lambda depth: float(depth.mean()))
    cocs = _focused(depths, options, rng)
    gain = (rng.uniform(*options.exposure) * rng.uniform(*options.color_gain, 3)).astype(np.float32)[:, None, None]
    boost = 1 + (options.highlights[1] - 1) * rng.random() ** 3
    boost = max(boost, options.highlights[0])
    surfaces = []
    for number, coc in enumerate(cocs):
        light = highlighted(sources.surface(side), boost) * gain
        if options.shadow_share and rng.random() < options.shadow_share:
            light *= draw_shadow(sources.surface(side), rng.uniform(*options.shadow_softness_px), rng)
        surfaces.append(Surface(light, coc, None if number == 0 else draw_coverage(side, rng)))
    return surfaces


def _focused(depths: list[Plane], options: SynthesisOptions, rng: np.random.Generator) -> list[Plane]:
    """Signed circles of confusion of all surfaces; the largest is the scene's strength of blur."""
    if rng.random() < options.sharp_share:
        return [np.zeros_like(depth) for depth in depths]
    strength = options.max_coc_px * rng.random() ** options.coc_power
    in_focus = rng.random() < options.focus_share
    surface = depths[int(rng.integers(len(depths)))]
    focus = float(rng.choice(surface.ravel())) if in_focus else rng.uniform(-0.2, 1.2)
    largest = max(float(np.abs(focus - depth).max()) for depth in depths)
    scale = strength / max(largest, 0.05)
    return [np.asarray((focus - depth) * scale, np.float32) for depth in depths]


def highlighted(light: NDArray[np.float32], boost: float) -> NDArray[np.float32]:
    """Light with what is clipped in all colours, ``(3, H, W)``, made up to ``boost`` times brighter."""
    clipped = np.clip((light.min(axis=0) - _CLIPPED) / (1 - _CLIPPED), 0, 1)
    return light * (1 + np.float32(boost - 1) * clipped)


def draw_shadow(caster: NDArray[np.float32], softness_px: float, rng: np.random.Generator) -> Plane:
    """Share of the light that is left, ``(H, W)`` in (0, 1]; what is bright in ``caster``, ``(3, H, W)``, shades."""
    brightness = caster.mean(axis=0)
    shade = (brightness > np.median(brightness)).astype(np.float32)
    shade = cv2.GaussianBlur(shade, (0, 0), softness_px, borderType=cv2.BORDER_REFLECT)
    return np.asarray(1 - np.float32(rng.uniform(*_SHADE)) * shade, np.float32)


def _flat(side: int, rng: np.random.Generator, low: float, high: float) -> Plane:
    return np.full((side, side), rng.uniform(low, high), np.float32)


def _slanted(side: int, rng: np.random.Generator, low: float, high: float) -> Plane:
    """A plane turned any way, from ``low`` to ``high``."""
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[:side, :side].astype(np.float32)
    along = np.float32(np.cos(angle)) * x + np.float32(np.sin(angle)) * y
    along -= along.min()
    return np.asarray(low + (high - low) * along / max(float(along.max()), 1.0), np.float32)


def _background_depth(side: int, rng: np.random.Generator) -> Plane:
    """A plane, or hills: smooth, without edges (edges are what foregrounds are for)."""
    low, high = np.sort(rng.uniform(0, _FARTHEST_OF_BACKGROUND, 2))
    if rng.random() < 0.5:
        return _slanted(side, rng, low, high)
    cells = tuple(int(cell) for cell in rng.integers(2, 6, 2))
    hills = cv2.resize(rng.random(cells, np.float32), (side, side), interpolation=cv2.INTER_CUBIC)
    return np.asarray(low + (high - low) * np.clip(hills, 0, 1), np.float32)


def draw_coverage(side: int, rng: np.random.Generator) -> Plane:
    """Where a foreground covers what is behind it, ``(side, side)`` in [0, 1]: things, stalks, or the edge of one."""
    mask = np.zeros((side, side), np.uint8)
    kind = rng.integers(3)
    if kind == 0:
        for _ in range(int(rng.integers(2, 9))):
            _fill(mask, rng.uniform(0, side, 2) + _blob(rng, rng.uniform(0.04, 0.25) * side))
    elif kind == 1:
        for _ in range(int(rng.integers(4, 16))):
            _draw_stalk(mask, rng)
    else:
        centre = rng.uniform(0, side, 2)
        _fill(mask, centre + _blob(rng, rng.uniform(0.3, 0.6) * side))
    return cv2.GaussianBlur(mask.astype(np.float32) / np.float32(255), (5, 5), 0.6)


def _blob(rng: np.random.Generator, radius: float) -> NDArray[np.float64]:
    """Corners of a closed shape about the origin, ``(n, 2)``: an ellipse with bumps, or a polygon."""
    corners = int(rng.choice([3, 4, 5, 64, 64, 64]))
    angles = np.linspace(0, 2 * np.pi, corners, endpoint=False) + rng.uniform(0, 2 * np.pi)
    bumps = 1 + 0.15 * rng.normal() * np.sin(rng.integers(2, 12) * angles + rng.uniform(0, 6))
    points = np.stack((np.cos(angles), np.sin(angles) * rng.uniform(0.4, 1)), 1) * bumps[:, None]
    turn = rng.uniform(0, np.pi)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return np.asarray(radius * points @ rotation.T)


def _draw_stalk(mask: NDArray[np.uint8], rng: np.random.Generator) -> None:
    """A thin curve through the picture: twigs, wires, grass."""
    side = mask.shape[0]
    ends, bend = rng.uniform(-0.2 * side, 1.2 * side, (2, 2)), rng.uniform(-0.3 * side, 0.3 * side, 2)
    t = np.linspace(0, 1, 24)[:, None]
    curve = ends[0] * (1 - t) + ends[1] * t + 4 * t * (1 - t) * bend
    points = np.round(curve * 2**_SUBPIXEL_BITS).astype(np.int32)
    cv2.polylines(mask, [points], False, 255, int(rng.integers(1, 10)), cv2.LINE_AA, _SUBPIXEL_BITS)


def _fill(mask: NDArray[np.uint8], corners: NDArray[np.float64]) -> None:
    points = np.round(corners * 2**_SUBPIXEL_BITS).astype(np.int32)
    cv2.fillPoly(mask, [points], 255, cv2.LINE_AA, _SUBPIXEL_BITS)

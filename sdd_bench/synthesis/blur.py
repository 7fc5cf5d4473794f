r"""Defocus that varies over a layer, and layers over each other.

Each layer is blurred at some levels of its circle of confusion, and every pixel mixes the two levels next to its own:
levels lie closer near the focus, where the shape of the blur changes faster with its size. Light and
coverage are blurred alike and laid over each other from back to front (:mod:`sdd_bench.optics.defocus`), per colour,
since with chromatic aberration even the coverage differs by colour.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.fft import next_fast_len

from sdd_bench.optics.bokeh import Bokeh

Planes = NDArray[np.float32]
"""``(3, H, W)``."""

_LEVEL_STEP = 0.35
_LEVEL_SCALE_PX = 4.0
"""Levels c are evenly spaced in asinh(c / scale): 1.4 px apart near the focus, a third of c far from it."""
_BLURS_PX = 1.0
"""A disk up to one pixel wide falls on one pixel."""


@dataclass(frozen=True)
class Surface:
    """A layer of a scene with a depth of its own at every pixel."""

    light: Planes
    """Linear light, ``(3, H, W)``, not multiplied by the coverage."""
    signed_coc_px: NDArray[np.float32]
    """Circle of confusion, ``(H, W)``; positive behind the focus."""
    coverage: NDArray[np.float32] | None = None
    """``(H, W)`` in [0, 1]; None: opaque everywhere."""


@dataclass(frozen=True)
class Rendered:
    """A scene through a lens, and what is known of it."""

    blurry: Planes
    """Linear light."""
    sharp: Planes
    """Linear light, all in focus."""
    signed_coc_px: NDArray[np.float32]
    """Circle of confusion of what is to be seen where all is in focus, ``(H, W)``."""


def render(surfaces: list[Surface], bokeh: Bokeh) -> Rendered:
    """What the lens shows of surfaces, given from back to front."""
    blurry, sharp = np.zeros_like(surfaces[0].light), np.zeros_like(surfaces[0].light)
    seen = surfaces[0].signed_coc_px
    for surface in surfaces:
        cover = np.ones_like(surface.signed_coc_px) if surface.coverage is None else surface.coverage
        light = surface.light * cover
        sharp = light + (1 - cover) * sharp
        seen = np.where(cover > 0.5, surface.signed_coc_px, seen)
        planes = light if surface.coverage is None else np.concatenate((light, np.broadcast_to(cover, light.shape)))
        blurred = blur_by_map(planes, surface.signed_coc_px, bokeh)
        blurry = blurred if surface.coverage is None else blurred[:3] + (1 - blurred[3:]) * blurry
    return Rendered(blurry, sharp, seen)


def blur_by_map(planes: NDArray[np.float32], signed_coc_px: NDArray[np.float32], bokeh: Bokeh) -> NDArray[np.float32]:
    """Planes, ``(3 n, H, W)`` as n times red, green, blue, each pixel's light spread over its circle of confusion.

    The picture is mirrored at its border.
    """
    low, high = float(signed_coc_px.min()), float(signed_coc_px.max())
    if max(abs(low), abs(high)) + abs(bokeh.fringe_px) <= _BLURS_PX:
        return planes
    ends = math.asinh(low / _LEVEL_SCALE_PX), math.asinh(high / _LEVEL_SCALE_PX)
    levels = _LEVEL_SCALE_PX * np.sinh(np.linspace(*ends, 1 + math.ceil((ends[1] - ends[0]) / _LEVEL_STEP)))
    blurred = _blur_at(planes, [float(level) for level in levels], bokeh)
    if len(levels) == 1:
        return blurred[0]
    place = np.interp(signed_coc_px, levels, np.arange(len(levels))).astype(np.float32)
    mixed = np.zeros_like(planes)
    for number, level in enumerate(blurred):
        mixed += level * np.maximum(1 - np.abs(place - np.float32(number)), 0)
    return mixed


def _blur_at(planes: NDArray[np.float32], levels: list[float], bokeh: Bokeh) -> list[NDArray[np.float32]]:
    """The planes blurred at each level: one Fourier transform of the picture, one back per level."""
    height, width = planes.shape[1:]
    kernels = [[bokeh.kernel(level, channel) for channel in range(3)] for level in levels]
    half = max(kernel.shape[0] // 2 for group in kernels for kernel in group)
    size = next_fast_len(height + 2 * half, real=True), next_fast_len(width + 2 * half, real=True)
    border = (half, size[0] - height - half, half, size[1] - width - half)
    padded = np.stack([cv2.copyMakeBorder(plane, *border, cv2.BORDER_REFLECT) for plane in planes])
    spectrum = torch.fft.rfft2(torch.from_numpy(padded))
    results = []
    for group in kernels:
        sides = group[:1] if bokeh.fringe_px == 0 else group
        points = torch.fft.rfft2(torch.from_numpy(np.stack([_centred(kernel, size) for kernel in sides])))
        mixed = spectrum.unflatten(0, (-1, 3)) * points  # kernels of one colour, or of three
        back = torch.fft.irfft2(mixed.flatten(0, 1), size)[:, half : half + height, half : half + width]
        results.append(back.numpy())
    return results


def _centred(kernel: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """The kernel with its centre at the origin of a periodic plane."""
    half = kernel.shape[0] // 2
    plane = np.zeros(size, np.float32)
    plane[: kernel.shape[0], : kernel.shape[1]] = kernel
    return np.roll(plane, (-half, -half), (0, 1))

"""Where the surfaces of scenes come from: sharp photographs of the user, and pictures made from nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.errors import ImageError
from sdd_bench.images.light import srgb_to_linear
from sdd_bench.images.photograph import read_photograph
from sdd_bench.synth.scenes import random_scene
from sdd_bench.synthesis.options import SynthesisOptions

Bytes = NDArray[np.uint8]

_LONGEST_SIDE_PX = 1800
"""Larger photographs are shrunk when read: their finest detail is noise and demosaicing."""
_MADE_SIDE_PX = 1024
_MADE_COUNT = 12
_REDRAW_EVERY = 24
"""Surfaces cut per picture made anew: drawing one takes as long as making several pairs."""
_DETAIL = 0.008
"""Mean absolute Laplacian of sRGB values below which a piece of a photograph shows sky or its own bokeh."""
_TRIES = 4


@dataclass
class Sources:
    """Pictures that surfaces are cut from; what is made from nothing is renewed bit by bit."""

    photographs: list[Bytes]
    options: SynthesisOptions
    rng: np.random.Generator
    made_count: int = _MADE_COUNT

    def __post_init__(self) -> None:
        self._made: list[Bytes] = []
        self._cut = 0

    def surface(self, side: int) -> NDArray[np.float32]:
        """Linear light of a piece of a picture, ``(3, side, side)``, turned and mirrored at random."""
        if self.photographs and self.rng.random() < self.options.photo_share:
            pixels = self._photographed(side)
        else:
            pixels = self._from_nothing(side)
        pixels = np.rot90(pixels[:, ::-1] if self.rng.random() < 0.5 else pixels, int(self.rng.integers(4)))
        return np.ascontiguousarray(srgb_to_linear(pixels / np.float32(255)).transpose(2, 0, 1))

    def _photographed(self, side: int) -> Bytes:
        piece = self._piece(side)
        for _ in range(_TRIES):
            if _detail(piece) >= _DETAIL:
                break
            piece = self._piece(side)
        return piece

    def _piece(self, side: int) -> Bytes:
        photograph = self.photographs[int(self.rng.integers(len(self.photographs)))]
        shortest = min(photograph.shape[:2])
        scale = max(self.rng.uniform(*self.options.photo_scale), min(1.0, side / shortest))
        need = min(round(side / scale), shortest)
        y, x = (int(self.rng.integers(length - need + 1)) for length in photograph.shape[:2])
        piece = photograph[y : y + need, x : x + need]
        if need > side:
            return np.asarray(cv2.resize(piece, (side, side), interpolation=cv2.INTER_AREA), dtype=np.uint8)
        while piece.shape[0] < side:  # mirrored on, since enlarging would blur
            grow = min(side - piece.shape[0], piece.shape[0])
            piece = cv2.copyMakeBorder(piece, 0, grow, 0, grow, cv2.BORDER_REFLECT)
        return piece

    def _from_nothing(self, side: int) -> Bytes:
        if len(self._made) < self.made_count:
            self._made.append(_make(max(side, _MADE_SIDE_PX), self.rng))
        elif self._cut % _REDRAW_EVERY == 0:
            self._made[int(self.rng.integers(self.made_count))] = _make(max(side, _MADE_SIDE_PX), self.rng)
        self._cut += 1
        picture = self._made[int(self.rng.integers(len(self._made)))]
        y, x = (int(self.rng.integers(length - side + 1)) for length in picture.shape[:2])
        return picture[y : y + side, x : x + side]


def read_photographs(paths: Sequence[Path]) -> list[Bytes]:
    """The pictures as 8-bit sRGB, shrunk to at most 1,800 pixels a side.

    Raises:
        ImageError: A file that is no readable picture.
    """
    return [_as_source(read_photograph(path).pixels, path) for path in paths]


def _as_source(pixels: NDArray[Any], path: Path) -> Bytes:
    if pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ImageError(f"{path}: expected RGB, got shape {pixels.shape}. Convert it, or take it out of the folder.")
    eight_bit = pixels if pixels.dtype == np.uint8 else pixels >> 8
    scale = _LONGEST_SIDE_PX / max(pixels.shape[:2])
    if scale < 1:
        eight_bit = cv2.resize(eight_bit, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(eight_bit, dtype=np.uint8)


def _make(side: int, rng: np.random.Generator) -> Bytes:
    return np.asarray(random_scene(side, side, rng) * 255 + 0.5, dtype=np.uint8)


def _detail(pixels: Bytes) -> float:
    grey = cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    return float(np.abs(cv2.Laplacian(grey, cv2.CV_32F)).mean())

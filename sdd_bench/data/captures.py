"""What a synthetic capture is: the options of a set, and what is drawn from them for each pair.

The camera of a pair takes the scene twice: *sharp* through a pinhole, everything in focus, and *blurry* at full
aperture, focused elsewhere. Moving the focus zooms the picture (:mod:`sdd_bench.optics.coc`); ``zoom_range`` and
``shift_range`` set what the lens does in its stead.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from sdd_bench.config import load
from sdd_bench.errors import ConfigError
from sdd_bench.optics.coc import Lens, breathing_zoom, coc_diameter_px, f_number_for
from sdd_bench.types import Similarity, Split

Range = tuple[float, float]

PRESETS: dict[str, dict[str, Any]] = {
    "sdd": {"width": 4096, "height": 2160},
    "half": {"width": 2048, "height": 1080},
    "small": {"width": 640, "height": 384},
}
"""Picture sizes by name; all else is the same camera at another resolution."""

_SMALLEST_SIDE_PX = 64
_LARGEST_SIDE_PX = 16384
_LARGEST_COC_PX = 256.0
_SPLIT_NUMBER = {Split.TRAIN: 0, Split.VAL: 1, Split.TEST: 2}


@dataclass(frozen=True)
class SynthOptions:
    """A synthetic set. Ranges are (smallest, largest) of what is drawn uniformly for each pair.

    Raises:
        ConfigError: A value out of range; the message names the option.
    """

    width: int = 4096
    height: int = 2160
    n_train: int = 8
    n_test: int = 4
    pairs_per_scene: int = 1
    seed: int = 0
    zoom_range: Range | None = None
    """Zoom of the similarity blurry -> sharp; None: what the lens does (focus breathing)."""
    shift_range: Range | None = None
    """Shift in x and in y, in pixels; None: -0.5 % to 0.5 % of the width."""
    rotation_range: Range = (-0.1, 0.1)
    """In degrees."""
    parallax_range: Range = (0.0, 0.0)
    """Motion of the nearest layer against the farthest, in pixels."""
    coc_range: Range | None = None
    """Largest circle of confusion of a pair, diameter in pixels; None: 0.25 % to 1 % of the width."""
    exposure_range: Range = (0.9, 1.2)
    """Light of blurry over light of sharp."""
    color_cast: float = 0.02
    """Each channel's exposure is off by up to this share."""
    shot_noise: float = 0.007
    """Standard deviation of the photon noise at white, white = 1 in linear light (a full well of 20,000 electrons)."""
    read_noise: float = 0.0005
    """Standard deviation of the noise in the dark."""
    n_layers: int = 4
    """Layers of depth, the background included."""
    depth_range: Range = (1.5, 8.0)
    """Of the nearest and farthest layer, in metres."""
    focal_length_mm: float = 50.0
    sensor_width_mm: float = 36.0
    f_number: float | None = None
    """None: whatever gives the circle of confusion drawn from ``coc_range``."""
    blades: int = 0
    """Of the iris; 0: round."""
    bit_depth: int = 8
    truth: Literal["small", "full"] = "small"
    """full: also the flow, the aligned sharp picture and the map of circles of confusion."""
    photos: Path | None = None
    """A folder of sharp photographs that scenes are made of; None: scenes made from nothing."""

    def __post_init__(self) -> None:
        for name in ("width", "height"):
            self._check(name, _SMALLEST_SIDE_PX, _LARGEST_SIDE_PX)
        for name in ("n_train", "n_test"):
            self._check(name, 0, 10**6)
        if self.n_train + self.n_test == 0:
            raise ConfigError("n_train and n_test are both 0: there is nothing to make.")
        self._check("pairs_per_scene", 1, 10**6)
        self._check("seed", 0, 2**63 - 1)
        smaller = min(self.width, self.height)
        self._check("zoom_range", 0.5, 2.0)
        self._check("shift_range", -smaller / 2, smaller / 2)
        self._check("rotation_range", -45.0, 45.0)
        self._check("parallax_range", 0.0, smaller / 4)
        self._check("coc_range", 0.0, min(_LARGEST_COC_PX, smaller / 2))
        self._check("exposure_range", 0.1, 10.0)
        self._check("color_cast", 0.0, 0.5)
        for name in ("shot_noise", "read_noise"):
            self._check(name, 0.0, 1.0)
        self._check("n_layers", 1, 32)
        self._check("sensor_width_mm", 0.1, 1000.0)
        self._check("focal_length_mm", 0.1, 10_000.0)
        self._check("depth_range", 2 * self.focal_length_mm / 1000, 1e6)
        self._check("f_number", 0.1, math.inf)
        if self.f_number is not None and self.coc_range is not None:
            raise ConfigError("f_number and coc_range exclude each other: each gives the circle of confusion.")
        if self.blades != 0:
            self._check("blades", 3, 64)
        if self.bit_depth not in (8, 16):
            raise ConfigError(f"bit_depth: expected 8 or 16, got {self.bit_depth}.")
        if self.truth not in ("small", "full"):
            raise ConfigError(f"truth: expected small or full, got {self.truth}.")

    def _check(self, name: str, smallest: float, largest: float) -> None:
        """Raise unless the number, or both ends of the range, called ``name`` lie in [smallest, largest]."""
        value = getattr(self, name)
        if value is None:
            return
        ends = value if isinstance(value, tuple) else (value,)
        if not all(smallest <= end <= largest for end in ends):
            raise ConfigError(f"{name}: expected {smallest:g} to {largest:g}, got {' '.join(f'{e:g}' for e in ends)}.")
        if list(ends) != sorted(ends):
            raise ConfigError(f"{name}: expected the smaller value first, got {ends[0]:g} {ends[1]:g}.")


def load_options(
    config: Path | None = None,
    *,
    preset: str | None = None,
    size: str | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> SynthOptions:
    """Options from a TOML file, then a preset's or an explicit size (``"WxH"``), then ``overrides`` that are not None.

    Raises:
        ConfigError: An unknown option or preset, or a value out of range.
    """
    values = dict(overrides or {})
    if preset is not None:
        if preset not in PRESETS:
            raise ConfigError(f"preset {preset}: unknown; known: {', '.join(PRESETS)}.")
        values |= PRESETS[preset]
    if size is not None:
        match = re.fullmatch(r"([0-9]{1,6})x([0-9]{1,6})", size)
        if match is None:
            raise ConfigError(f"size: expected WIDTHxHEIGHT in pixels, like 640x384, got {size!r}.")
        values |= {"width": int(match[1]), "height": int(match[2])}
    return load(SynthOptions, config, values)


@dataclass(frozen=True)
class Capture:
    """One pair's camera: everything but the scene."""

    split: Split
    index: int
    similarity: Similarity
    """Blurry to sharp coordinates."""
    exposure_gain: tuple[float, float, float]
    lens: Lens
    """Of the blurry picture; the sharp one has a pinhole."""
    blurry_focus_m: float
    sharp_focus_m: float
    depths_m: tuple[float, ...]
    """Of the layers, from back to front."""
    coc_px: tuple[float, ...]
    """Diameter of each layer's circle of confusion in the blurry picture."""
    parallax_px: float
    parallax_shift_px: tuple[tuple[float, float], ...]
    """Each layer's shift (x, y) in the sharp picture beside the similarity's."""
    iris_deg: float

    @property
    def name(self) -> str:
        return f"{self.index:04d}"


def random_numbers(options: SynthOptions, split: Split, index: int, purpose: int) -> np.random.Generator:
    """A stream of random numbers of its own for every pair and purpose, whoever makes the pair."""
    return np.random.default_rng([options.seed, _SPLIT_NUMBER[split], index, purpose])


def scene_start(options: SynthOptions, index: int) -> int:
    """The first pair of the scene of pair ``index``."""
    return index - index % options.pairs_per_scene


def draw_capture(options: SynthOptions, split: Split, index: int) -> Capture:
    """Draw the camera of pair ``index`` of ``split``.

    Raises:
        ConfigError: The lens asked for blurs more than can be rendered.
    """
    rng = random_numbers(options, split, index, 0)
    lens = Lens(options.focal_length_mm, options.f_number or 2.8, 1000 * options.sensor_width_mm / options.width)
    depths = _draw_depths(options, random_numbers(options, split, scene_start(options, index), 3))
    blurry_focus, sharp_focus = _draw_focus(options, depths, rng)
    coc_range = options.coc_range or (0.0025 * options.width, 0.01 * options.width)
    largest_px = rng.uniform(*coc_range)
    if options.f_number is None:
        unscaled = coc_diameter_px(depths, blurry_focus, lens)
        worst = depths[int(np.argmax(unscaled))]
        lens = dataclasses.replace(lens, f_number=f_number_for(float(largest_px), worst, blurry_focus, lens))
    coc = coc_diameter_px(depths, blurry_focus, lens)
    if coc.max() > _LARGEST_COC_PX:
        raise ConfigError(
            f"f_number {lens.f_number:g}: a circle of confusion of {coc.max():.0f} px; at most {_LARGEST_COC_PX:g} px "
            "can be rendered. Stop the lens down, or set coc_range."
        )
    zoom = breathing_zoom(blurry_focus, sharp_focus, lens)
    if options.zoom_range is not None:
        zoom = rng.uniform(*options.zoom_range)
    shift_x, shift_y = rng.uniform(*(options.shift_range or (-0.005 * options.width, 0.005 * options.width)), 2)
    similarity = Similarity(float(zoom), float(rng.uniform(*options.rotation_range)), float(shift_x), float(shift_y))
    gain = rng.uniform(*options.exposure_range) * rng.uniform(1 - options.color_cast, 1 + options.color_cast, 3)
    parallax = float(rng.uniform(*options.parallax_range))
    direction = rng.uniform(0, 2 * math.pi)
    return Capture(
        split=split,
        index=index,
        similarity=similarity,
        exposure_gain=(float(gain[0]), float(gain[1]), float(gain[2])),
        lens=lens,
        blurry_focus_m=blurry_focus,
        sharp_focus_m=sharp_focus,
        depths_m=depths,
        coc_px=tuple(float(value) for value in coc),
        parallax_px=parallax,
        parallax_shift_px=_parallax(depths, parallax, direction),
        iris_deg=float(rng.uniform(0, 360)),
    )


def _draw_depths(options: SynthOptions, rng: np.random.Generator) -> tuple[float, ...]:
    """Depths of a scene from back to front, in metres; even in dioptres, as blur is."""
    near, far = options.depth_range
    inner = np.sort(rng.uniform(1 / far, 1 / near, max(0, options.n_layers - 2)))
    return tuple(float(1 / value) for value in [1 / far, *inner, 1 / near][: options.n_layers])


def _draw_focus(options: SynthOptions, depths: tuple[float, ...], rng: np.random.Generator) -> tuple[float, float]:
    """Blurry and sharp focus, in metres.

    The blurry picture is focused on a thing before the background, or somewhere in the nearer two thirds, so that most
    of the picture is out of focus.
    """
    near, far = options.depth_range
    nearest, farthest = 1 / near, 1 / far
    on_layer, layer = rng.random() < 0.5, int(rng.integers(min(1, len(depths) - 1), len(depths)))
    anywhere = rng.uniform(farthest + (nearest - farthest) / 3, nearest)
    if near == far:
        blurry = near / 1.25  # before everything: all is out of focus alike
    elif on_layer and len(depths) > 1:
        blurry = depths[layer]  # exactly there: its circle of confusion is exactly zero
    else:
        blurry = float(1 / anywhere)
    return blurry, float(2 / (nearest + farthest))


def _parallax(depths: tuple[float, ...], parallax_px: float, direction: float) -> tuple[tuple[float, float], ...]:
    """A camera moved sideways shifts each layer by 1/depth; the mean of nearest and farthest stays in place."""
    dioptres = 1 / np.array(depths)
    span = float(np.ptp(dioptres))
    if span == 0 or parallax_px == 0:
        return ((0.0, 0.0),) * len(depths)
    share = (dioptres - (dioptres.min() + dioptres.max()) / 2) / span
    return tuple(
        (float(parallax_px * math.cos(direction) * s), float(parallax_px * math.sin(direction) * s)) for s in share
    )

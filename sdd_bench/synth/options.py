"""Options of a synthetic set.

The camera of a pair takes the scene twice: *sharp* through a pinhole, with everything in focus, and *blurry* at full
aperture, focused elsewhere. Moving the focus zooms the picture (:mod:`sdd_bench.optics.coc`). ``zoom_range`` replaces
this zoom by a random one; ``shift_range`` sets the shift.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sdd_bench.core.config import load, take_strings
from sdd_bench.core.errors import ConfigError
from sdd_bench.core.types import Split
from sdd_bench.optics.tone import tone_curve

Range = tuple[float, float]

PRESETS: dict[str, dict[str, Any]] = {
    "sdd": {"width": 4096, "height": 2160},
    "half": {"width": 2048, "height": 1080},
    "small": {"width": 640, "height": 384},
}
"""Picture sizes by name. Everything else is equal: the same camera at another resolution."""

_SMALLEST_SIDE_PX = 64
_LARGEST_SIDE_PX = 16384
LARGEST_COC_PX = 256.0
"""Diameter of the largest circle of confusion that is rendered, which bounds time, memory and the canvas's margin."""
SPLIT_NUMBER = {Split.TRAIN: 0, Split.VAL: 1, Split.TEST: 2}
"""Number of each split in the seed of its random numbers; another number would give another set."""


@dataclass(frozen=True)
class SynthOptions:
    """Options of a synthetic set. A range is the (smallest, largest) value of a uniform draw for each pair.

    Raises:
        ConfigError: A value is out of range; the message names the option.
    """

    width: int = 4096
    height: int = 2160
    n_train: int = 8
    n_test: int = 4
    pairs_per_scene: int = 1
    seed: int = 0
    zoom_range: Range | None = None
    """Zoom of the similarity from blurry to sharp; None: the focus breathing of the lens."""
    shift_range: Range | None = None
    """Shift in x and in y, in pixels; None: -0.5 % to 0.5 % of the width."""
    rotation_range: Range = (-0.1, 0.1)
    """Rotation in degrees."""
    parallax_range: Range = (0.0, 0.0)
    """Motion of the nearest layer relative to the farthest, in pixels."""
    coc_range: Range | None = None
    """Diameter of the largest circle of confusion of a pair, in pixels; None: 0.25 % to 1 % of the width."""
    exposure_range: Range = (0.9, 1.2)
    """Exposure gain: light of blurry over light of sharp."""
    color_cast: float = 0.02
    """Largest deviation of a channel's exposure gain from that of the picture, as a share: another white balance."""
    tone_curves: tuple[str, ...] = ("none",)
    """Cameras by their tone curve, of :data:`~sdd_bench.optics.tone.CURVES`; each pair is taken with one of them."""
    foreign_curves: bool = False
    """Whether the two pictures of a pair are taken with cameras drawn apart."""
    vignetting_range: Range = (0.0, 0.0)
    """Share of light that the blurry picture loses at its corners, beyond the sharp one."""
    glare_range: Range = (0.0, 0.0)
    """Veiling glare of the blurry picture beyond the sharp one's, as a share of its mean light."""
    shot_noise: float = 0.007
    """Standard deviation of the photon noise at white = 1 in linear light; 0.007 is a full well of 20,000 electrons."""
    read_noise: float = 0.0005
    """Standard deviation of the noise in the dark."""
    n_layers: int = 4
    """Number of layers of depth, including the background."""
    depth_range: Range = (1.5, 8.0)
    """Depths of the nearest and the farthest layer, in metres."""
    focal_length_mm: float = 50.0
    sensor_width_mm: float = 36.0
    f_number: float | None = None
    """F-number of the blurry picture; None: the one that gives the circle of confusion drawn from ``coc_range``."""
    blades: int = 0
    """Number of blades of the iris; 0: round."""
    cats_eye_range: Range = (0.0, 0.0)
    """Shift of the lens barrel's shadow at the picture's corners, in radii of the aperture. It cuts the blur of a point
    on the outer side (behind the focus), so what is out of focus moves, too, by a part of its blur; the truth does not
    count this as misalignment."""
    rim_range: Range = (0.0, 0.0)
    """Spherical aberration: brightness of the rim of a blurred point behind the focus, against its mean, -1 to 1;
    turned before the focus."""
    fringe_range: Range = (0.0, 0.0)
    """Longitudinal chromatic aberration: what red's circle of confusion is larger than green's, and blue's smaller, as
    a share of the pair's largest."""
    sharp_share: float = 0.0
    """Share of pairs with nothing out of focus: what is sharp must stay."""
    sharpening_range: Range = (0.0, 0.0)
    """Amount of unsharp masking by the camera, in both pictures."""
    jpeg_quality: Range | None = None
    """Quality of the JPEG files that the camera writes; None: PNG, without loss."""
    bit_depth: int = 8
    truth: Literal["small", "full"] = "small"
    """Truth files; ``full`` adds the flow, the aligned sharp picture and the map of circles of confusion."""
    photos: Path | None = None
    """Folder of sharp photographs from which scenes are made; None: scenes are painted."""

    def __post_init__(self) -> None:
        take_strings(self, "photos")
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
        self._check("coc_range", 0.0, min(LARGEST_COC_PX, smaller / 2))
        self._check("exposure_range", 0.1, 10.0)
        self._check("color_cast", 0.0, 0.5)
        if not self.tone_curves:
            raise ConfigError("tone_curves: expected at least one name; none is a curve of its own.")
        for curve in self.tone_curves:
            tone_curve(curve)
        self._check("vignetting_range", 0.0, 0.95)
        self._check("glare_range", 0.0, 1.0)
        for name in ("shot_noise", "read_noise", "sharp_share"):
            self._check(name, 0.0, 1.0)
        self._check("cats_eye_range", 0.0, 1.5)
        self._check("rim_range", -1.0, 1.0)
        self._check("fringe_range", 0.0, 0.5)
        self._check("sharpening_range", 0.0, 4.0)
        self._check("jpeg_quality", 1, 100)
        if self.jpeg_quality is not None and self.bit_depth != 8:
            raise ConfigError(f"bit_depth: JPEG files have 8 bits, got {self.bit_depth}; leave jpeg_quality out.")
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
        """Check that the option ``name``, a number or a range, is within [smallest, largest]."""
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
    """Options from a TOML file, changed by ``overrides``, then by a preset, then by an explicit size.

    Args:
        config: TOML file; None: the defaults.
        preset: Name of a picture size, a key of :data:`PRESETS`.
        size: Picture size, ``"WIDTHxHEIGHT"`` in pixels.
        overrides: Values by option; entries that are None are ignored.

    Raises:
        ConfigError: An option or preset is unknown, or a value is out of range.

    Example:
        >>> options = load_options(preset="small", overrides={"seed": 7})
        >>> options.width, options.height, options.seed
        (640, 384, 7)
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

"""What scenes, lens, sensor and processing may look like: ranges that every picture draws its own values from."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from sdd_bench.core.errors import ConfigError

Range = tuple[float, float]


@dataclass(frozen=True)
class SynthesisOptions:
    """Ranges are (smallest, largest), drawn evenly unless said otherwise; shares are probabilities per picture.

    Raises:
        ConfigError: A share outside [0, 1], a range whose ends are swapped or outside what the field allows.
    """

    photo_share: float = 0.6
    """Share of surfaces cut from photographs, where there are any; the others are dead leaves."""
    photo_scale: Range = (0.4, 1.0)
    """Photographs are shrunk by this factor, so that what is meant to be sharp is sharp."""
    exposure: Range = (0.5, 1.1)
    """Gain of the linear light of a scene."""
    color_gain: Range = (0.85, 1.15)
    """Gain of each colour of the linear light: the light of the scene."""
    highlights: Range = (1.0, 6.0)
    """Factor on light that is as good as clipped, so that lamps and reflections make bokeh; drawn towards 1."""
    shadow_share: float = 0.0
    """Share of surfaces under a soft shadow of other shapes, which is as soft in the sharp picture: who learns the
    pairs learns that not all that is soft is out of focus."""
    shadow_softness_px: Range = (1.5, 10.0)
    """Standard deviation of the Gaussian over its edge."""
    max_foregrounds: int = 2
    """Most layers before the background; each hides what is behind it."""
    flat_share: float = 0.25
    """Share of scenes with one depth and no foreground."""

    max_coc_px: float = 32.0
    """Largest circle of confusion. A scene's largest is ``max_coc_px * u**coc_power``, u even in [0, 1]."""
    coc_power: float = 1.3
    """1: all strengths of blur alike; larger: slight blur more often."""
    sharp_share: float = 0.1
    """Share of pictures without any blur: what is sharp must stay."""
    focus_share: float = 0.5
    """Share of the other pictures with a part in focus; in the rest the focus may lie before or behind everything."""

    polygon_share: float = 0.5
    """Share of stopped-down irises; the others are round."""
    blades: tuple[int, int] = (5, 9)
    """Blades of a stopped-down iris."""
    cats_eye: Range = (0.0, 0.6)
    """Shift of the lens barrel's shadow over the aperture, in radii: 0 in a picture's centre, more in its corners."""
    rim: Range = (-0.6, 0.6)
    """Spherical aberration: brightness of the rim of a bokeh disk behind the focus, against its mean; before the focus
    the sign is turned."""
    fringe: Range = (0.0, 0.06)
    """Longitudinal chromatic aberration: red and blue focus this share of the scene's largest circle of confusion
    before and behind green."""

    softness_px: Range = (0.0, 0.0)
    """Standard deviation of the Gaussian that a lens in focus and the filter before the sensor leave on both pictures.
    Who learns the pairs takes off what is out of focus, and leaves a soft lens soft."""

    shot_noise: Range = (0.0, 0.012)
    """Standard deviation of photon noise at white; 0.012 is a full well of 7,000 electrons."""
    read_noise: Range = (0.0, 0.002)
    """Standard deviation of the noise in the dark, white = 1."""
    mosaic_share: float = 0.3
    """Share of pictures sensed behind a Bayer mosaic, whose noise then has the colour and grain of demosaicing."""
    keep_noise: bool = True
    """The sharp picture has the blurry one's noise: who learns the pairs removes blur, and leaves grain alone."""

    gamma: Range = (0.85, 1.15)
    """Exponent on the sRGB values."""
    contrast: Range = (0.0, 0.5)
    """Share of an S-curve mixed into the tone curve."""
    sharpening: Range = (0.0, 0.8)
    """Amount of unsharp masking."""
    sharpening_sigma_px: Range = (0.5, 1.2)
    """Radius of unsharp masking."""
    resize_share: float = 0.4
    """Share of pictures shrunk after processing."""
    resize: Range = (0.66, 1.0)
    """Factor of that shrinking."""
    jpeg_share: float = 0.5
    """Share of blurry pictures stored as JPEG; the sharp picture never is."""
    jpeg_quality: tuple[int, int] = (80, 98)
    """Quality of JPEG files."""
    sixteen_bit_share: float = 0.5
    """Share of the other blurry pictures with 16 bits; the rest have 8."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, tuple) and not value[0] <= value[1]:
                raise ConfigError(f"{field.name}: expected (smallest, largest), got {value}.")
            if field.name.endswith("_share") and not 0 <= value <= 1:
                raise ConfigError(f"{field.name}: expected a share from 0 to 1, got {value}.")
        for name, low, high in _LIMITS:
            value = getattr(self, name)
            ends = value if isinstance(value, tuple) else (value, value)
            if not (low <= ends[0] and ends[1] <= high):
                raise ConfigError(f"{name}: expected {low:g} to {high:g}, got {value}.")


_LIMITS: tuple[tuple[str, float, float], ...] = (
    ("photo_scale", 0.05, 1.0),
    ("exposure", 0.01, 10.0),
    ("color_gain", 0.1, 10.0),
    ("highlights", 1.0, 1000.0),
    ("shadow_softness_px", 0.1, 100.0),
    ("max_foregrounds", 0, 8),
    ("max_coc_px", 0.0, 200.0),
    ("coc_power", 0.1, 10.0),
    ("blades", 3, 20),
    ("cats_eye", 0.0, 1.5),
    ("rim", -1.0, 1.0),
    ("fringe", 0.0, 0.5),
    ("softness_px", 0.0, 10.0),
    ("shot_noise", 0.0, 1.0),
    ("read_noise", 0.0, 1.0),
    ("gamma", 0.2, 5.0),
    ("contrast", 0.0, 1.0),
    ("sharpening", 0.0, 5.0),
    ("sharpening_sigma_px", 0.1, 10.0),
    ("resize", 0.1, 1.0),
    ("jpeg_quality", 1, 100),
)

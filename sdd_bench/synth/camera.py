"""The capture of a scene: depths, focus, aperture and misalignment, drawn at random from the options."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field

import numpy as np

from sdd_bench.core.errors import ConfigError
from sdd_bench.core.types import Split
from sdd_bench.geometry.similarity import Similarity
from sdd_bench.optics.bokeh import Bokeh
from sdd_bench.optics.coc import Lens, breathing_zoom, coc_diameter_px, f_number_for
from sdd_bench.synth.options import LARGEST_COC_PX, SPLIT_NUMBER, SynthOptions


@dataclass(frozen=True)
class Capture:
    """The camera of one pair: everything except the scene."""

    split: Split
    index: int
    similarity: Similarity
    """Map from blurry to sharp coordinates."""
    exposure_gain: tuple[float, float, float]
    lens: Lens
    """Lens of the blurry picture; the sharp one has a pinhole."""
    blurry_focus_m: float
    sharp_focus_m: float
    depths_m: tuple[float, ...]
    """Depths of the layers, from back to front."""
    coc_px: tuple[float, ...]
    """Diameter of each layer's circle of confusion in the blurry picture."""
    parallax_px: float
    parallax_shift_px: tuple[tuple[float, float], ...]
    """Shift (x, y) of each layer in the sharp picture, in addition to that of the similarity."""
    blurry_curve: str = "none"
    """Tone curve of the camera that took the blurry picture."""
    sharp_curve: str = "none"
    vignetting: float = 0.0
    """Share of light that the blurry picture loses at its corners."""
    glare: float = 0.0
    """Veiling glare of the blurry picture, as a share of its mean light."""
    bokeh: Bokeh = field(default_factory=Bokeh)
    """Blur of the lens, with the cat's eye of the picture's corners."""
    sharpening: float = 0.0
    """Amount of unsharp masking."""
    jpeg_quality: int | None = None
    """None: PNG."""

    def signed_coc_px(self, layer: int) -> float:
        """The circle of confusion of a layer; positive behind the focus."""
        return math.copysign(self.coc_px[layer], self.depths_m[layer] - self.blurry_focus_m)

    @property
    def name(self) -> str:
        """Name of the pair, its index with four digits."""
        return f"{self.index:04d}"


def random_numbers(options: SynthOptions, split: Split, index: int, purpose: int) -> np.random.Generator:
    """A separate stream of random numbers for every pair and purpose, the same in every worker.

    Example:
        >>> first, again = (random_numbers(SynthOptions(), Split.TEST, 0, 1).random() for _ in range(2))
        >>> first == again, first == random_numbers(SynthOptions(), Split.TEST, 1, 1).random()
        (True, False)
    """
    return np.random.default_rng([options.seed, SPLIT_NUMBER[split], index, purpose])


def scene_start(options: SynthOptions, index: int) -> int:
    """The index of the first pair that shows the same scene as pair ``index``.

    Example:
        >>> [scene_start(SynthOptions(pairs_per_scene=3), index) for index in range(5)]
        [0, 0, 0, 3, 3]
    """
    return index - index % options.pairs_per_scene


def draw_capture(options: SynthOptions, split: Split, index: int) -> Capture:
    """Draw the camera of pair ``index`` of ``split``.

    Raises:
        ConfigError: The f-number of the options gives more blur than can be rendered.

    Example:
        >>> options = SynthOptions(width=640, height=384, zoom_range=(1.01, 1.01))
        >>> round(draw_capture(options, Split.TEST, 0).similarity.zoom, 6)
        1.01
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
    look = random_numbers(options, split, index, 5)
    if look.random() < options.sharp_share:
        lens = dataclasses.replace(lens, f_number=math.inf)
    coc = coc_diameter_px(depths, blurry_focus, lens)
    if coc.max() > LARGEST_COC_PX:
        raise ConfigError(
            f"f_number {lens.f_number:g}: a circle of confusion of {coc.max():.0f} px; at most {LARGEST_COC_PX:g} px "
            "can be rendered. Stop the lens down, or set coc_range."
        )
    zoom = breathing_zoom(blurry_focus, sharp_focus, lens)
    if options.zoom_range is not None:
        zoom = rng.uniform(*options.zoom_range)
    shift_x, shift_y = rng.uniform(*(options.shift_range or (-0.005 * options.width, 0.005 * options.width)), 2)
    similarity = Similarity(float(zoom), float(rng.uniform(*options.rotation_range)), float(shift_x), float(shift_y))
    gain = rng.uniform(*options.exposure_range) * rng.uniform(1 - options.color_cast, 1 + options.color_cast, 3)
    tone = random_numbers(options, split, index, 4)
    curves = [str(curve) for curve in tone.choice(options.tone_curves, 2)]
    parallax = float(rng.uniform(*options.parallax_range))
    direction = rng.uniform(0, 2 * math.pi)
    bokeh = Bokeh(
        blades=options.blades,
        rotation_deg=float(rng.uniform(0, 360)),
        cats_eye=float(look.uniform(*options.cats_eye_range)),
        rim=float(look.uniform(*options.rim_range)),
        fringe_px=float(look.uniform(*options.fringe_range) * coc.max()),
    )
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
        blurry_curve=curves[0],
        sharp_curve=curves[1] if options.foreign_curves else curves[0],
        vignetting=float(tone.uniform(*options.vignetting_range)),
        glare=float(tone.uniform(*options.glare_range)),
        bokeh=bokeh,
        sharpening=float(look.uniform(*options.sharpening_range)),
        jpeg_quality=None if options.jpeg_quality is None else round(look.uniform(*options.jpeg_quality)),
    )


def _draw_depths(options: SynthOptions, rng: np.random.Generator) -> tuple[float, ...]:
    """Depths of a scene from back to front, in metres; uniform in dioptres, to which blur is proportional."""
    near, far = options.depth_range
    inner = np.sort(rng.uniform(1 / far, 1 / near, max(0, options.n_layers - 2)))
    return tuple(float(1 / value) for value in [1 / far, *inner, 1 / near][: options.n_layers])


def _draw_focus(options: SynthOptions, depths: tuple[float, ...], rng: np.random.Generator) -> tuple[float, float]:
    """Blurry and sharp focus, in metres.

    The blurry picture is focused on a layer in front of the background, or anywhere in the nearer two thirds of the
    range, so that most of the picture is out of focus.
    """
    near, far = options.depth_range
    nearest, farthest = 1 / near, 1 / far
    on_layer, layer = rng.random() < 0.5, int(rng.integers(min(1, len(depths) - 1), len(depths)))
    anywhere = rng.uniform(farthest + (nearest - farthest) / 3, nearest)
    if near == far:
        blurry = near / 1.25  # in front of all layers, which are then equally out of focus
    elif on_layer and len(depths) > 1:
        blurry = depths[layer]  # exactly, so that the layer's circle of confusion is zero
    else:
        blurry = float(1 / anywhere)
    return blurry, float(2 / (nearest + farthest))


def _parallax(depths: tuple[float, ...], parallax_px: float, direction: float) -> tuple[tuple[float, float], ...]:
    """Shift of each layer when the camera moves sideways: linear in 1/depth, zero halfway from nearest to farthest."""
    dioptres = 1 / np.array(depths)
    span = float(np.ptp(dioptres))
    if span == 0 or parallax_px == 0:
        return ((0.0, 0.0),) * len(depths)
    share = (dioptres - (dioptres.min() + dioptres.max()) / 2) / span
    return tuple(
        (float(parallax_px * math.cos(direction) * s), float(parallax_px * math.sin(direction) * s)) for s in share
    )

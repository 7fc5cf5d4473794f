"""One pair on one grid: a scene out of focus as a camera shows it, and the same scene in focus."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.optics.bokeh import Bokeh
from sdd_bench.synthesis import camera
from sdd_bench.synthesis.blur import render
from sdd_bench.synthesis.options import SynthesisOptions
from sdd_bench.synthesis.scene import draw_scene
from sdd_bench.synthesis.sources import Sources


@dataclass(frozen=True)
class SynthesisPair:
    """Pictures of one size, ``(H, W, 3)`` sRGB float32 in [0, 1], pixel on pixel."""

    blurry: NDArray[np.float32]
    sharp: NDArray[np.float32]
    coc_diameter_px: NDArray[np.float32]
    """Blur of what the sharp picture shows, ``(H, W)``, in pixels of these pictures."""


def make_pair(side: int, sources: Sources, options: SynthesisOptions, rng: np.random.Generator) -> SynthesisPair:
    """Draw a scene ``side`` pixels square and photograph it twice; the pair is smaller where processing shrinks it."""
    surfaces = draw_scene(side, sources, options, rng)
    strength = max(float(np.abs(surface.signed_coc_px).max()) for surface in surfaces)
    rendered = render(surfaces, draw_bokeh(strength, options, rng))
    softness_px = camera.draw_softness(options, rng)
    blurry, sharp = (camera.soften(light, softness_px) for light in (rendered.blurry, rendered.sharp))
    sensor, processing = camera.draw_sensor(options, rng), camera.draw_processing(side, options, rng)
    noise = camera.noise_of(blurry, sensor, rng)
    kept = noise if options.keep_noise else np.zeros_like(noise)
    return SynthesisPair(
        camera.store(
            camera.process(camera.sense(blurry, noise, sensor), processing), camera.draw_storage(options, rng)
        ),
        camera.process(camera.sense(sharp, kept, sensor), processing),
        _shrunk(np.abs(rendered.signed_coc_px), processing.size_px or side),
    )


def _shrunk(coc_px: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Circles of confusion of the picture shrunk to ``side``: fewer, and smaller."""
    scale = side / coc_px.shape[0]
    return np.asarray(cv2.resize(coc_px, (side, side), interpolation=cv2.INTER_AREA) * scale, dtype=np.float32)


def draw_bokeh(strength_px: float, options: SynthesisOptions, rng: np.random.Generator) -> Bokeh:
    """A lens within ``options``, for a scene whose largest circle of confusion is ``strength_px``."""
    polygon = rng.random() < options.polygon_share
    return Bokeh(
        blades=int(rng.integers(options.blades[0], options.blades[1] + 1)) if polygon else 0,
        rotation_deg=rng.uniform(0, 360),
        cats_eye=rng.uniform(*options.cats_eye),
        direction_deg=rng.uniform(0, 360),
        rim=rng.uniform(*options.rim),
        fringe_px=float(rng.choice([-1, 1])) * rng.uniform(*options.fringe) * strength_px,
    )

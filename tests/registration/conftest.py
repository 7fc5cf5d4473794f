"""Small synthetic pictures whose misalignment is known."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from sdd_bench.core.types import Split
from sdd_bench.geometry.similarity import Similarity
from sdd_bench.synth.camera import draw_capture, random_numbers
from sdd_bench.synth.options import SynthOptions
from sdd_bench.synth.painting import SceneKind
from sdd_bench.synth.render import canvas_margin, develop, render
from sdd_bench.synth.scenes import draw_scene

_OPTIONS = SynthOptions(
    width=640,
    height=384,
    n_train=0,
    n_test=2,
    zoom_range=(0.98, 1.02),
    shift_range=(-6, 6),
    coc_range=(2, 6),
    exposure_range=(0.8, 1.3),
)


@dataclasses.dataclass(frozen=True)
class KnownPair:
    """Two pictures (384, 640, 3) uint8 and the truth between them."""

    blurry: np.ndarray
    sharp: np.ndarray
    similarity: Similarity
    gain: tuple[float, float, float]


def _make_pair(similarity: Similarity, *, coc_px: float = 5.0, parallax_px: float = 0.0) -> KnownPair:
    """A pair with this misalignment and blur."""
    options = dataclasses.replace(_OPTIONS, parallax_range=(parallax_px, parallax_px), coc_range=(coc_px, coc_px))
    capture = dataclasses.replace(draw_capture(options, Split.TEST, 0), similarity=similarity)
    margin = canvas_margin(capture, 384, 640)
    rng = random_numbers(options, Split.TEST, 0, 1)
    layers = draw_scene(384 + 2 * margin, 640 + 2 * margin, options.n_layers, SceneKind.LEAVES, rng, [])
    rendered = render(capture, layers, 384, 640, margin=margin)
    noise = random_numbers(options, Split.TEST, 0, 2)
    blurry = develop(rendered.blurry, capture.exposure_gain, noise, options)
    return KnownPair(blurry, develop(rendered.sharp, (1, 1, 1), noise, options), similarity, capture.exposure_gain)


@pytest.fixture(scope="session")
def make_pair() -> Callable[..., KnownPair]:
    """Makes a pair: ``make_pair(similarity, coc_px=5.0, parallax_px=0.0)``."""
    return _make_pair


@pytest.fixture(scope="session")
def known_pair() -> KnownPair:
    """A pair with zoom, rotation and shift."""
    return _make_pair(Similarity(1.012, 0.1, 4.3, -2.6))

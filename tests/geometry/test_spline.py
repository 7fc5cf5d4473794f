"""Cubic splines."""

from __future__ import annotations

import numpy as np

from sdd_bench.geometry.similarity import Similarity
from sdd_bench.geometry.spline import sample, spline


def test_sampling_keeps_a_ramp_at_any_fraction_of_a_pixel() -> None:
    ramp = np.add.outer(2.0 * np.arange(80), 3.0 * np.arange(120)).astype(np.float32)
    sampled = sample(spline(ramp), Similarity(1.0, 0.0, 1 / 3, -0.21))
    np.testing.assert_allclose((sampled - ramp)[20:-20, 20:-20], 3 / 3 - 2 * 0.21, atol=1e-3)


def test_sampling_follows_the_convention_of_similarity(rng: np.random.Generator) -> None:
    plane = np.zeros((101, 141), np.float32)
    plane[60, 90] = 1
    # p -> c + 2 (p - c) + (4, -2), c = (70, 50): the point (90, 60) is seen from p = c + ((20, 10) - (4, -2)) / 2
    sampled = sample(spline(plane), Similarity(2.0, 0.0, 4.0, -2.0))
    assert np.unravel_index(sampled.argmax(), sampled.shape) == (56, 78)

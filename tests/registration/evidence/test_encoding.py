"""Intervals allow for a tone curve that nobody knows."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from scipy import ndimage

from sdd_bench.flow.estimator import load_flow
from sdd_bench.geometry.similarity import Similarity
from sdd_bench.images.light import linear_planes, linear_to_srgb, srgb_to_linear
from sdd_bench.registration.evidence.encoding import best_exponent, encoding_error
from sdd_bench.registration.measure import Misalignment, measure
from sdd_bench.registration.refine import register

_DIS = load_flow("dis")


def _disk(diameter: float) -> np.ndarray:
    reach = int(diameter / 2) + 1
    disk = (np.hypot(*np.mgrid[-reach : reach + 1, -reach : reach + 1]) <= diameter / 2).astype(np.float32)
    return disk / disk.sum()


def _scene(seed: int) -> np.ndarray:
    """Display values with deep shadows and bright lights, which a tone curve moves most."""
    rng = np.random.default_rng(seed)
    plane = sum(ndimage.gaussian_filter(rng.standard_normal((256, 384)), s) * s for s in (1.5, 4.0, 12.0))
    edges = (ndimage.gaussian_filter(rng.standard_normal((256, 384)), 9) > 0).astype(np.float64)
    value = np.clip(0.25 + 0.5 * edges + 0.08 * plane / plane.std(), 0.01, 0.95)
    return np.repeat(value[..., None], 3, axis=-1).astype(np.float32)


def _pictures(seed: int, *, on_display: bool) -> list[np.ndarray]:
    """Not moved; out of focus by 10 px, in light or on display values."""
    scene = _scene(seed)
    if on_display:
        blurry = cv2.filter2D(scene, -1, _disk(10))
    else:
        blurry = linear_to_srgb(cv2.filter2D(srgb_to_linear(scene), -1, _disk(10)))
    noise = np.random.default_rng(seed).normal(0, 0.004, (2, *scene.shape))
    noisy = (np.clip(p + n, 0, 1) for p, n in zip((blurry, scene), noise, strict=True))
    return [np.rint(255 * p).astype(np.uint8) for p in noisy]


def _z_scores(found: Misalignment) -> list[float]:
    similarity, error = found.similarity, found.standard_error
    shifts = [similarity.shift_x_px / error.shift_x_px, similarity.shift_y_px / error.shift_y_px]
    return [abs(z) for z in (*shifts, (similarity.zoom - 1) / error.zoom, similarity.rotation_deg / error.rotation_deg)]


@pytest.mark.parametrize("on_display", [False, True])
def test_intervals_hold_the_truth_wherever_the_blur_acted(on_display: bool) -> None:
    scores = [z for seed in range(4) for z in _z_scores(measure(*_pictures(seed, on_display=on_display), _DIS))]
    assert sum(z < 1.96 for z in scores) >= 14


def _added(seed: int, *, on_display: bool) -> float:
    """What the unknown tone curve adds to the standard errors of the shift, px."""
    blurry, sharp = (linear_planes(p)[..., 1].copy() for p in _pictures(seed, on_display=on_display))
    nothing = np.zeros(blurry.shape, np.uint8)
    fit = register(blurry, sharp, Similarity())
    assert fit is not None
    added = encoding_error(blurry, sharp, fit, clipped=nothing, moving_clipped=nothing)
    return math.hypot(added.shift_x_px, added.shift_y_px)


def test_more_is_added_where_the_pictures_say_that_blur_acted_on_display_values() -> None:
    assert 0 < _added(7, on_display=False) < 0.05
    assert _added(7, on_display=True) > _added(7, on_display=False)


@pytest.mark.parametrize(("exponent", "low", "high"), [(1.0, -0.1, 0.1), (1.25, 0.1, 0.4), (0.45, -1.0, -0.35)])
def test_the_exponent_at_which_blur_acted_is_found(exponent: float, low: float, high: float) -> None:
    found = []
    for seed in range(3):
        light = srgb_to_linear(_scene(seed)[..., 0]) ** exponent
        planes = [p ** (1 / exponent) for p in (cv2.filter2D(light, -1, _disk(10)), light)]
        unexplained = []
        for tried in (0.7, 1.0, 1.3):
            fit = register(*(np.asarray(plane**tried, np.float32) for plane in planes), Similarity(), from_half=False)
            assert fit is not None
            unexplained.append(fit.log_unexplained)
        found.append(best_exponent(unexplained[0] - unexplained[1], unexplained[2] - unexplained[1]))
    assert low < min(found) <= max(found) < high


def test_where_no_exponent_is_best_it_is_the_end_that_is_better() -> None:
    assert best_exponent(-1.0, 0.2) == -1.0
    assert best_exponent(0.3, -0.8) == 0.4

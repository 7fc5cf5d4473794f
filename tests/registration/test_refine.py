from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from sdd_bench.geometry.similarity import Similarity
from sdd_bench.geometry.spline import sample, spline
from sdd_bench.registration.refine import ENOUGH_TILES, Tiling, left_over, register
from sdd_bench.registration.tile_fit import fit_tiles
from sdd_bench.registration.tiles import Tiles

_SIZE = 384, 640


def _scene(rng: np.random.Generator) -> np.ndarray:
    plane = sum(ndimage.gaussian_filter(rng.standard_normal(_SIZE), sigma) * sigma for sigma in (1.5, 4.0, 12.0))
    return (0.4 + 0.1 * plane / plane.std()).astype(np.float32)


def _blurry(sharp: np.ndarray, truth: Similarity, radius: float) -> np.ndarray:
    """What ``truth`` maps onto ``sharp``, out of focus."""
    aligned = sample(spline(sharp), truth)
    if radius == 0:
        return aligned
    reach = int(radius) + 1
    disk = np.clip(radius + 0.5 - np.hypot(*np.mgrid[-reach : reach + 1, -reach : reach + 1]), 0, 1)
    return ndimage.convolve(aligned, (disk / disk.sum()).astype(np.float32), mode="mirror")


def _off(found: Similarity, truth: Similarity) -> float:
    return (truth.inverse() @ found).rms_px(*_SIZE)


@pytest.mark.parametrize("radius", [0.0, 3.0, 6.0])
@pytest.mark.parametrize("truth", [Similarity(), Similarity(1.0, 0.0, 1 / 3, -1 / 3), Similarity(1.02, 0.2, 5.2, -3.7)])
def test_a_known_motion_is_found_however_blurred(rng: np.random.Generator, truth: Similarity, radius: float) -> None:
    sharp = _scene(rng)
    start = truth @ Similarity(1.002, 0.05, 0.6, -0.4)
    fit = register(1.3 * _blurry(sharp, truth, radius), sharp, start)
    assert fit is not None
    assert fit.settled
    assert _off(fit.similarity, truth) < 0.01
    assert fit.trusted_share > 0.8
    assert fit.residual_px < 0.05


def test_intervals_hold_the_truth_under_noise(rng: np.random.Generator) -> None:
    truth = Similarity(0.99, -0.1, -2.4, 1.1)
    clean = _scene(rng)
    sharp = clean + rng.normal(0, 0.004, _SIZE).astype(np.float32)
    blurry = _blurry(clean, truth, 4.0) + rng.normal(0, 0.004, _SIZE).astype(np.float32)
    fit = register(blurry, sharp, truth)
    assert fit is not None
    found, error = fit.similarity, fit.standard_error
    for name in ("zoom", "rotation_deg", "shift_x_px", "shift_y_px"):
        assert abs(getattr(found, name) - getattr(truth, name)) < 5 * getattr(error, name), name
    assert 0 < error.zoom < 1e-3
    assert 0 < error.shift_x_px < 0.1


def test_a_part_that_moves_otherwise_does_not_pull_the_rest(rng: np.random.Generator) -> None:
    sharp = _scene(rng)
    blurry = _blurry(sharp, Similarity(), 2.0)
    blurry[100:280, 60:240] = np.roll(blurry, 2, axis=1)[100:280, 60:240]
    fit = register(blurry, sharp, Similarity())
    assert fit is not None
    assert _off(fit.similarity, Similarity()) < 0.02
    assert 0.6 < fit.trusted_share < 0.95


def test_two_pictures_of_nothing_but_noise_are_not_registered(rng: np.random.Generator) -> None:
    noise = rng.normal(0.4, 0.005, (2, *_SIZE)).astype(np.float32)
    assert register(noise[0], noise[1], Similarity()) is None


def test_the_fit_weighs_tiles_by_what_they_know(rng: np.random.Generator) -> None:
    centre = (rng.uniform(-300, 300, 80) + 1j * rng.uniform(-200, 200, 80)).astype(np.complex128)
    poor = np.arange(80) % 2 == 0
    deviation = np.where(poor, 0.5, 0.01)
    moved = (0.002 + 0.001j) * centre + (0.4 - 0.2j)
    noise = deviation * (rng.standard_normal(80) + 1j * rng.standard_normal(80))
    displacement = np.stack(((moved + noise).real, (moved + noise).imag), axis=1)
    tiles = Tiles(centre, displacement, deviation[:, None, None] ** 2 * np.eye(2), np.ones(80), np.ones(80), 80)
    fit = fit_tiles(tiles)
    assert fit is not None
    np.testing.assert_allclose(fit.theta, [0.002, 0.001, 0.4, -0.2], atol=0.01)
    assert np.sqrt(fit.covariance[2, 2]) < 0.006


@pytest.mark.parametrize(("radius", "wide"), [(3.0, False), (12.0, True)])
def test_small_pictures_far_out_of_focus_are_measured_by_larger_tiles(radius: float, wide: bool) -> None:
    """Tiles of 32 px do not hold a blur of 24 px."""
    truth = Similarity(1.004, 0.05, 0.8, -0.6)
    sharp = _scene(np.random.default_rng(3))
    blurry = _blurry(sharp, truth, radius)
    found = register(blurry, sharp, truth)
    assert found is not None
    assert (found.tiling is Tiling.WIDE) is wide
    assert (truth.inverse() @ found.similarity).corner_px(*_SIZE) < 0.15
    if wide:
        smaller = register(blurry, sharp, truth, tiling=Tiling.USUAL)
        assert smaller is not None
        off = [(truth.inverse() @ fit.similarity).rms_px(*_SIZE) for fit in (found, smaller)]
        assert off[0] < off[1]


def test_little_texture_under_noise_is_measured_at_half_size(rng: np.random.Generator) -> None:
    truth = Similarity(1.004, 0.05, 0.8, -0.6)
    plane = ndimage.gaussian_filter(rng.standard_normal(_SIZE), 5.0)
    sharp = (0.4 + 0.02 * plane / plane.std()).astype(np.float32)
    noise = rng.normal(0, 0.03, (2, *_SIZE)).astype(np.float32)
    found = register(_blurry(sharp, truth, 2.0) + noise[0], sharp + noise[1], Similarity(1.003, 0.0, 0.3, -0.3))
    assert found is not None
    assert found.tiling is Tiling.HALVED
    assert found.n_tiles >= ENOUGH_TILES
    off_px = (truth.inverse() @ found.similarity).corner_px(*_SIZE)
    error, reach = found.standard_error, np.hypot(*_SIZE) / 2
    assert off_px < 3 * np.hypot(reach * error.zoom, np.hypot(error.shift_x_px, error.shift_y_px)) < 3


def test_what_is_left_between_clipped_places_is_measured_by_smaller_tiles() -> None:
    truth = Similarity(1.004, 0.05, 0.8, -0.6)
    sharp = _scene(np.random.default_rng(3))
    clipped = np.zeros(_SIZE, np.uint8)
    clipped[:, np.arange(_SIZE[1]) % 40 < 24] = 1
    found = register(_blurry(sharp, truth, 2.0), sharp, truth, clipped=clipped)
    assert found is not None
    assert found.tiling is Tiling.FINE
    assert (truth.inverse() @ found.similarity).corner_px(*_SIZE) < 0.1


def test_far_out_of_focus_a_step_leaves_some_to_the_next(rng: np.random.Generator) -> None:
    sharp = _scene(rng)
    left = []
    for radius in (1.0, 12.0):
        noisy = _blurry(sharp, Similarity(), radius) + rng.normal(0, 0.003, _SIZE).astype(np.float32)
        fit = register(noisy, sharp, Similarity(1.0, 0.0, 0.4, -0.3), from_half=False, tiling=Tiling.WIDE)
        assert fit is not None
        left.append(fit.left_over)
    assert left[0] < 0.05 < left[1] < 0.4


def test_what_a_step_leaves_is_bounded_and_known_from_two() -> None:
    one, half = np.array([0.0, 0.0, 0.2, 0.0]), np.array([0.0, 0.0, 0.1, 0.1])
    assert left_over([one]) == 0.0
    assert left_over([one, half]) == pytest.approx(0.5)
    assert left_over([one, -half]) == 0.0  # it went too far
    assert left_over([one, one]) == 0.7

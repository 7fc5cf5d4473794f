from __future__ import annotations

import numpy as np
from scipy import ndimage

from sdd_bench.geometry.similarity import Similarity
from sdd_bench.geometry.spline import sample, spline
from sdd_bench.registration.tiles import Tiles, measure_tiles, smooth

_BANK = (1.0, 2.0, 4.0)


def _texture(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Band-limited noise: what lies between its pixels is known to a spline."""
    plane = ndimage.gaussian_filter(rng.standard_normal((height, width)), 1.5)
    return (0.4 + 0.15 * plane / plane.std()).astype(np.float32)


def _measure(reference: np.ndarray, moving: np.ndarray, *, keep_noise: bool = False) -> Tiles:
    nothing = np.zeros(reference.shape, np.uint8)
    prepared = smooth(reference), spline(smooth(moving))
    masks = {"clipped": nothing, "moving_clipped": nothing}
    return measure_tiles(*prepared, Similarity(), **masks, tile=32, bank=_BANK, keep_noise=keep_noise)


def test_one_step_finds_a_displacement_to_a_tenth(rng: np.random.Generator) -> None:
    moving = _texture(rng, 320, 320)
    reference = sample(spline(moving), Similarity(1.0, 0.0, 0.3, -0.2))
    tiles = _measure(reference, moving)
    np.testing.assert_allclose(np.median(tiles.displacement, axis=0), [0.3, -0.2], rtol=0.12)


def test_symmetric_blur_gain_and_offset_displace_nothing(rng: np.random.Generator) -> None:
    moving = _texture(rng, 320, 320)
    disk = np.hypot(*np.mgrid[-6:7, -6:7]) <= 5.5
    reference = 1.4 * ndimage.convolve(moving, disk / disk.sum(), mode="mirror").astype(np.float32) + np.float32(0.1)
    tiles = _measure(reference, moving)
    assert len(tiles.centre) >= 20
    assert np.abs(tiles.displacement).mean() < 0.02
    assert np.abs(tiles.displacement.mean(axis=0)).max() < 0.005


def test_without_the_bank_the_same_blur_would_be_less_certain(rng: np.random.Generator) -> None:
    moving = _texture(rng, 320, 320)
    reference = ndimage.gaussian_filter(moving, 3.0)
    blurred, sharp = _measure(reference, moving), _measure(moving, moving)
    assert np.trace(blurred.covariance.mean(axis=0)) > np.trace(sharp.covariance.mean(axis=0))


def test_clipped_tiles_and_the_border_are_left_out(rng: np.random.Generator) -> None:
    plane = _texture(rng, 320, 320)
    clipped = np.zeros(plane.shape, np.uint8)
    clipped[:, :160] = 1
    nothing = np.zeros_like(clipped)
    arguments = smooth(plane), spline(smooth(plane)), Similarity()
    tiles = measure_tiles(*arguments, clipped=clipped, moving_clipped=nothing, tile=32, bank=_BANK)
    assert len(tiles.centre) == tiles.n_inside > 10
    assert tiles.centre.real.min() > 0


def test_noise_is_not_explained_by_other_noise(rng: np.random.Generator) -> None:
    tiles = _measure(*rng.normal(0.5, 0.01, (2, 192, 192)).astype(np.float32))
    assert len(tiles.explained) > 10
    assert tiles.explained.max() < 0.2
    plane = _texture(rng, 192, 192)
    assert _measure(ndimage.gaussian_filter(plane, 3.0), plane).explained.min() > 0.9


def test_a_tile_whose_slopes_are_noise_knows_nothing(rng: np.random.Generator) -> None:
    """A smooth wall is explained, but its counterpart would look the same some pixels off."""
    x = np.linspace(0, 2 * np.pi, 320)
    wall = (0.4 + 0.1 * np.sin(x) * np.cos(x)[:, None]).astype(np.float32)
    noise = rng.normal(0, 0.01, (2, 320, 320)).astype(np.float32)

    def unsure_px(scene: np.ndarray, *, keep_noise: bool = False) -> float:
        tiles = _measure(*(scene + noise), keep_noise=keep_noise)
        return float(np.median(np.sqrt(np.linalg.eigvalsh(tiles.covariance)[:, -1])))

    assert unsure_px(wall) > 1.0
    assert unsure_px(wall, keep_noise=True) < 0.2  # there, too little is left to be sure of
    assert unsure_px(_texture(rng, 320, 320)) < 0.05

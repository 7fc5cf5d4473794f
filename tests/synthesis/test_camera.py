"""Noise, mosaic, tone, sharpening, size and files."""

import numpy as np
import pytest

from sdd_bench.images.light import linear_to_srgb, srgb_to_linear
from sdd_bench.images.photograph import read_photograph, to_float
from sdd_bench.images.write import write_jpeg
from sdd_bench.synthesis import camera
from sdd_bench.synthesis.camera import Processing, Sensor, Storage


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_noise_is_that_of_photons_and_of_reading(rng):
    sensor = Sensor(shot_noise=0.02, read_noise=0.004)
    for level in (0.0, 0.2, 0.8):
        noise = camera.noise_of(np.full((3, 200, 200), level, np.float32), sensor, rng)
        assert noise.std() == pytest.approx(np.sqrt(0.02**2 * level + 0.004**2), rel=0.02)
        assert noise.mean() == pytest.approx(0, abs=2e-4)


def test_a_soft_lens_spreads_a_point_by_its_standard_deviation_and_keeps_the_light(rng):
    light = np.zeros((3, 41, 41), np.float32)
    light[:, 20, 20] = 1
    soft = camera.soften(light, 1.5)
    across = np.arange(41) - 20.0
    np.testing.assert_allclose(soft.sum(axis=(1, 2)), 1, rtol=1e-5)
    np.testing.assert_allclose((soft * across**2).sum(axis=(1, 2)), 1.5**2, rtol=0.02)
    np.testing.assert_allclose((soft * across[:, None] ** 2).sum(axis=(1, 2)), 1.5**2, rtol=0.02)
    assert camera.soften(light, 0.0) is light


def test_noise_enters_before_the_tone_curve_so_shadows_show_more_of_it(rng):
    sensor = Sensor(read_noise=0.004)
    spreads = []
    for level in (0.05, 0.6):
        light = np.full((3, 200, 200), level, np.float32)
        spreads.append(camera.process(camera.sense(light, camera.noise_of(light, sensor, rng), sensor), Processing()))
    dark, bright = (picture.std() for picture in spreads)
    slope = [linear_to_srgb(np.float32([x + 1e-3]))[0] - linear_to_srgb(np.float32([x]))[0] for x in (0.05, 0.6)]
    assert dark / bright == pytest.approx(slope[0] / slope[1], rel=0.05)


def test_a_mosaic_keeps_the_colour_of_plain_surfaces_and_correlates_noise(rng):
    sensor = Sensor(read_noise=0.01, mosaic=True)
    light = np.empty((3, 64, 64), np.float32)
    light[:] = np.float32([0.2, 0.5, 0.7])[:, None, None]
    silent = camera.sense(light, np.zeros_like(light), sensor)
    np.testing.assert_allclose(silent[2:-2, 2:-2], light.transpose(1, 2, 0)[2:-2, 2:-2], atol=1e-4)
    red = camera.sense(light, camera.noise_of(light, sensor, rng), sensor)[..., 0] - 0.2
    assert np.mean(red[:, 1:] * red[:, :-1]) > 0.3 * red.var()


def test_light_beyond_white_is_clipped_before_the_tone_curve():
    light = np.full((3, 4, 4), 3.0, np.float32)
    assert camera.process(camera.sense(light, np.zeros_like(light), Sensor()), Processing()).max() == pytest.approx(1)


def test_neutral_processing_is_srgb(rng):
    linear = rng.random((8, 8, 3), dtype=np.float32)
    np.testing.assert_allclose(srgb_to_linear(camera.process(linear, Processing())), linear, atol=1e-5)


def test_the_tone_curve_is_steeper_in_the_middle_and_keeps_black_grey_and_white():
    values = np.float32([0, 0.25, 0.5, 0.75, 1])
    linear = np.broadcast_to(srgb_to_linear(values)[None, :, None], (1, 5, 3))
    curved = camera.process(linear, Processing(contrast=0.5))[0, :, 0]
    np.testing.assert_allclose(curved[[0, 2, 4]], values[[0, 2, 4]], atol=1e-5)
    assert curved[1] < 0.25
    assert curved[3] > 0.75


def test_sharpening_overshoots_at_an_edge_and_leaves_plain_surfaces():
    values = np.full((32, 32, 3), 0.3, np.float32)
    values[:, 16:] = 0.6
    sharp = camera.process(srgb_to_linear(values), Processing(sharpening=0.8, sharpening_sigma_px=1.0))
    assert sharp[16, 15, 0] < 0.28
    assert sharp[16, 16, 0] > 0.62
    np.testing.assert_allclose(sharp[16, [0, 31], 0], [0.3, 0.6], atol=1e-3)


def test_shrinking_averages_and_gives_the_size_asked_for(rng):
    linear = rng.random((40, 40, 3), dtype=np.float32)
    shrunk = camera.process(linear, Processing(size_px=20))
    np.testing.assert_allclose(shrunk[0, 0], linear_to_srgb(linear)[:2, :2].mean(axis=(0, 1)), atol=1e-5)


def test_files_without_loss_round_to_their_bit_depth(rng):
    picture = rng.random((16, 16, 3), dtype=np.float32)
    for depth in (8, 16):
        error = np.abs(camera.store(picture, Storage(bit_depth=depth)) - picture).max()
        assert 0.2 / 2**depth < error <= 0.51 / (2**depth - 1)


@pytest.mark.parametrize("quality", [40, 80, 95, 96, 100])
def test_a_jpeg_that_is_drawn_is_the_one_that_is_written_and_read(tmp_path, rng, quality):
    pixels = rng.integers(0, 256, (50, 70, 3), dtype=np.uint8)
    write_jpeg(tmp_path / "a.jpg", pixels, quality)
    stored = camera.store(to_float(pixels), Storage(quality))
    np.testing.assert_array_equal(stored, to_float(read_photograph(tmp_path / "a.jpg").pixels))


def test_jpeg_loses_more_at_lower_quality_and_with_half_the_colour(rng):
    picture = np.clip(0.5 + 0.1 * rng.standard_normal((64, 64, 3)), 0, 1).astype(np.float32)
    errors = [np.abs(camera.store(picture, Storage(quality)) - picture).mean() for quality in (98, 80)]
    assert errors[0] < errors[1]
    full = np.abs(camera.store(picture, Storage(98, jpeg_half_color=False)) - picture).mean()
    assert full < errors[0]

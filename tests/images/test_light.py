from __future__ import annotations

import numpy as np
import pytest

from sdd_bench.images.light import (
    add_noise,
    grey_plane,
    halve,
    linear_planes,
    linear_to_srgb,
    srgb_table,
    srgb_to_linear,
)


def _exact(light):
    """IEC 61966-2-1, one value at a time."""
    return 12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055


def test_encoding_is_the_standards():
    light = np.linspace(0, 1, 1001)
    assert linear_to_srgb(light) == pytest.approx([_exact(value) for value in light], abs=1e-6)


@pytest.mark.parametrize("bit_depth", [8, 16])
def test_every_pixel_value_survives_linear_light(bit_depth):
    largest = 2**bit_depth - 1
    back = np.rint(linear_to_srgb(srgb_table(bit_depth)) * largest)
    assert back.tolist() == list(range(largest + 1))


def test_light_beyond_white_and_black_is_clipped():
    assert linear_to_srgb(np.array([-0.5, 1.5])) == pytest.approx([0.0, 1.0], abs=1e-7)


def test_decoding_undoes_encoding():
    light = np.linspace(0, 1, 301)
    assert srgb_to_linear(linear_to_srgb(light)) == pytest.approx(light, abs=1e-6)


@pytest.mark.parametrize("level", [0.0, 0.25, 1.0])
def test_noise_has_the_variance_of_photons_and_readout(level, rng):
    light = np.full((400, 500), level, np.float32)
    noisy = add_noise(light, rng, shot=0.02, read=0.005)
    assert noisy.mean(dtype=np.float64) == pytest.approx(level, abs=2e-4)
    assert noisy.var(dtype=np.float64) == pytest.approx(0.02**2 * level + 0.005**2, rel=0.02)


def test_no_noise_is_no_change(rng):
    light = np.full((4, 4), 0.3, np.float32)
    assert np.array_equal(add_noise(light, rng, shot=0, read=0), light)


@pytest.mark.parametrize(("dtype", "largest"), [(np.uint8, 255), (np.uint16, 65535)])
def test_planes_are_means_of_linear_light_not_of_pixel_values(
    rng: np.random.Generator, dtype: type, largest: int
) -> None:
    pixels = rng.integers(0, largest + 1, (301, 203, 3)).astype(dtype)
    planes = linear_planes(pixels, 3)
    light = srgb_to_linear(pixels / largest)[:300, :198].reshape(100, 3, 66, 3, 3).mean(axis=(1, 3))
    assert planes.shape == (100, 66, 3)
    np.testing.assert_allclose(planes, light, atol=2e-6)


def test_sides_are_even_so_that_half_the_size_has_the_same_centre(rng: np.random.Generator) -> None:
    planes = linear_planes(rng.integers(0, 256, (55, 77, 3)).astype(np.uint8))
    assert planes.shape == (54, 76, 3)
    grey = grey_plane(planes, (0.25, 0.5, 0.25))
    np.testing.assert_allclose(grey, planes @ np.float32([0.25, 0.5, 0.25]), atol=1e-6)
    np.testing.assert_allclose(halve(grey), grey.reshape(27, 2, 38, 2).mean(axis=(1, 3)), atol=1e-6)


def test_a_float_picture_has_the_planes_of_its_pixels(rng: np.random.Generator) -> None:
    pixels = rng.integers(0, 256, (50, 70, 3)).astype(np.uint8)
    as_float = (pixels / 255).astype(np.float32)
    np.testing.assert_allclose(linear_planes(as_float, 2), linear_planes(pixels, 2), atol=1e-6)

from __future__ import annotations

import numpy as np
import pytest

from sdd_bench.images.light import add_noise, linear_to_srgb, srgb_table, srgb_to_linear


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

from __future__ import annotations

import numpy as np
import pytest

from sdd_bench.core.errors import ConfigError
from sdd_bench.images.light import linear_to_srgb
from sdd_bench.optics.tone import (
    CURVES,
    add_glare,
    display_s_curve,
    expose,
    gamma_curve,
    radius_squared,
    s_curve,
    tone_curve,
    vignette,
)


@pytest.mark.parametrize("name", CURVES)
def test_curves_rise_from_black_to_white(name: str) -> None:
    light = np.linspace(0, 1, 4001, dtype=np.float32)
    display = tone_curve(name)(light)
    assert display.dtype == np.float32
    assert display[[0, -1]] == pytest.approx([0, 1], abs=1e-6)
    assert (np.diff(display) > 0).all()


@pytest.mark.parametrize("name", CURVES)
def test_light_beyond_white_is_clipped_by_every_curve(name: str) -> None:
    assert tone_curve(name)(np.float32([-0.2, 1.7])) == pytest.approx([0, 1], abs=1e-6)


def test_curves_differ_from_each_other() -> None:
    light = np.linspace(0.02, 0.9, 50, dtype=np.float32)
    shapes = np.array([curve(light) for curve in CURVES.values()])
    apart = np.abs(shapes[:, None] - shapes[None]).max(axis=2)
    assert apart[~np.eye(len(CURVES), dtype=bool)].min() > 0.005


def test_a_gamma_is_a_power_of_the_encoded_values() -> None:
    light = np.float32([0.05, 0.2, 0.6])
    assert linear_to_srgb(gamma_curve(light, exponent=1.8)) == pytest.approx(light ** (1 / 1.8), abs=1e-5)


def test_the_toe_of_the_s_curve_has_the_contrast_asked_for() -> None:
    dark = np.float32([1e-4, 2e-4])
    slope = np.diff(np.log(s_curve(dark, contrast=1.25, shoulder=0.3))) / np.log(2)
    assert slope == pytest.approx(1.25, abs=0.01)


def test_no_strength_is_no_curve() -> None:
    light = np.linspace(0, 1, 100, dtype=np.float32)
    assert display_s_curve(light, strength=0.0) == pytest.approx(light, abs=1e-5)


def test_an_unknown_curve_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="filmic"):
        tone_curve("sepia")


def test_the_vignette_is_even_and_darkest_at_the_corners() -> None:
    field = vignette(9, 15, strength=0.4)
    assert field[4, 7] == 1
    assert field[0, 0] == pytest.approx(0.6)
    assert np.array_equal(field, field[::-1, ::-1])
    assert np.array_equal(field, field[:, ::-1])


def test_a_vignette_that_blackens_the_corners_is_refused() -> None:
    with pytest.raises(ConfigError, match="less than 1"):
        vignette(8, 8, strength=1.0)


def test_the_radius_of_a_single_pixel_is_zero() -> None:
    assert radius_squared(1, 1) == pytest.approx(0)


def test_glare_adds_a_share_of_the_mean_to_every_pixel(rng: np.random.Generator) -> None:
    light = rng.uniform(0, 1, (3, 20, 30)).astype(np.float32)
    added = add_glare(light, share=0.02) - light
    assert added == pytest.approx(np.broadcast_to(0.02 * light.mean((1, 2))[:, None, None], light.shape), abs=1e-6)


def test_an_exposure_is_lens_then_sensor_then_camera(rng: np.random.Generator) -> None:
    light = rng.uniform(0, 0.9, (3, 12, 16)).astype(np.float32)
    gain = np.float32([1.5, 1.2, 0.8])
    seen = light * vignette(12, 16, strength=0.3)
    seen = gain[:, None, None] * (seen + 0.01 * seen.mean((1, 2))[:, None, None])
    found = expose(light, gain=gain, curve="vivid", vignetting=0.3, glare=0.01)
    assert found == pytest.approx(tone_curve("vivid")(seen), abs=1e-6)
    assert found.max() <= 1


def test_an_exposure_that_changes_nothing_returns_the_light(rng: np.random.Generator) -> None:
    light = rng.uniform(0, 1, (3, 6, 7)).astype(np.float32)
    assert np.array_equal(expose(light), light)

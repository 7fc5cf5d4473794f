from __future__ import annotations

import numpy as np
import pytest

from sdd_bench.geometry.similarity import Similarity
from sdd_bench.images.light import grey_plane, halve, linear_planes, srgb_to_linear


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


def test_a_similarity_about_another_centre_maps_every_point_alike() -> None:
    similarity = Similarity(1.03, 0.4, 5.0, -3.0)
    there = similarity.about((1.5, -0.5))
    slope = 1.03 * np.exp(1j * np.radians(0.4))
    point, delta = 40 - 7j, 1.5 - 0.5j  # from the old centre; the new one lies at delta
    expected = slope * point + complex(5, -3)
    assert delta + slope * (point - delta) + complex(there.shift_x_px, there.shift_y_px) == pytest.approx(expected)
    assert (there.zoom, there.rotation_deg) == (similarity.zoom, similarity.rotation_deg)


def test_a_float_picture_has_the_planes_of_its_pixels(rng: np.random.Generator) -> None:
    pixels = rng.integers(0, 256, (50, 70, 3)).astype(np.uint8)
    as_float = (pixels / 255).astype(np.float32)
    np.testing.assert_allclose(linear_planes(as_float, 2), linear_planes(pixels, 2), atol=1e-6)

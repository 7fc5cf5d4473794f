from __future__ import annotations

import numpy as np
import pytest

from sdd_bench.optics.defocus import Layer, blur, blur_layer, lay_over
from sdd_bench.optics.kernels import aperture_kernel


def _uniform(value, alpha=None):
    shape = (64, 96)
    color = np.full((3, *shape), value, np.float32)
    return Layer(color if alpha is None else color * alpha, alpha)


def _half(shape=(64, 96)):
    """Covers the left half."""
    alpha = np.zeros(shape, np.float32)
    alpha[:, : shape[1] // 2] = 1
    return alpha


def _render(layers, diameters):
    canvas = np.zeros((3, 64, 96), np.float32)
    for layer, diameter in zip(layers, diameters, strict=True):
        lay_over(canvas, blur_layer(layer, aperture_kernel(diameter)))
    return canvas


@pytest.mark.parametrize("diameter", [5.0, 12.0, 30.0, 60.0])
def test_a_point_of_light_becomes_a_disk_of_the_stated_diameter(diameter):
    plane = np.zeros((101, 121), np.float32)
    plane[50, 60] = 1000.0
    disk = blur(plane, aperture_kernel(diameter)).astype(np.float64)
    assert disk.sum() == pytest.approx(1000.0, rel=1e-5)
    y, x = np.mgrid[:101, :121]
    assert (disk * x).sum() / disk.sum() == pytest.approx(60, abs=1e-3)
    assert (disk * y).sum() / disk.sum() == pytest.approx(50, abs=1e-3)
    # pixels wholly within the disk get one share of its area each, those wholly outside nothing
    distance, corner = np.hypot(x - 60, y - 50), np.sqrt(0.5)
    share = 1000.0 / (np.pi * diameter**2 / 4)
    assert disk[distance < diameter / 2 - corner] == pytest.approx(share, rel=2e-3)
    assert disk[distance > diameter / 2 + corner] == pytest.approx(0, abs=1e-3)
    spread = (disk * distance**2).sum() / disk.sum()
    assert spread == pytest.approx(diameter**2 / 8 + 1 / 6, rel=0.002, abs=0.12)


@pytest.mark.parametrize("diameter", [3.0, 10.6, 44.0])
def test_the_energy_of_a_scene_within_the_picture_is_kept(diameter, rng):
    plane = np.zeros((200, 200), np.float32)
    plane[80:120, 80:120] = rng.random((40, 40))
    blurred = blur(plane, aperture_kernel(diameter))
    assert blurred.sum(dtype=np.float64) == pytest.approx(plane.sum(dtype=np.float64), rel=1e-5)


def test_a_plane_in_focus_stays_as_it_is(rng):
    plane = Layer(rng.random((3, 64, 96), dtype=np.float32))
    assert np.array_equal(_render([plane], [0.0]), plane.color)


def test_an_even_plane_stays_even_however_blurred():
    assert _render([_uniform(0.3)], [41.0]) == pytest.approx(0.3, abs=1e-6)


def test_a_bright_blurred_background_does_not_leak_over_an_edge_in_focus():
    canvas = _render([_uniform(100.0), _uniform(0.1, _half())], [30.0, 0.0])
    assert np.array_equal(canvas[:, :, :48], np.full((3, 64, 48), 0.1, np.float32))
    assert canvas[:, :, 48:] == pytest.approx(100.0, rel=1e-5)


def test_a_bright_light_hidden_behind_something_in_focus_stays_hidden():
    background = _uniform(0.2)
    background.color[:, 30:34, 20:24] = 500.0
    canvas = _render([background, _uniform(0.1, _half())], [24.0, 0.0])
    assert np.array_equal(canvas[:, :, :48], np.full((3, 64, 48), 0.1, np.float32))


def test_a_blurred_edge_before_a_sharp_background_is_half_see_through():
    """The foreground's cover is the disk's edge profile; the background shows through it unblurred."""
    background = _uniform(0.0)
    background.color[:, :, ::2] = 1.0  # stripes one pixel wide
    canvas = _render([background, _uniform(0.0, _half())], [0.0, 15.0])
    cover = blur(_half(), aperture_kernel(15.0))
    assert canvas[0] == pytest.approx((1 - cover) * background.color[0], abs=1e-6)
    assert 0.4 < cover[32, 47] < 0.6


def test_colour_does_not_darken_where_a_layer_ends():
    """Premultiplied: a grey object before an equally grey wall is invisible, blurred or not."""
    canvas = _render([_uniform(0.4), _uniform(0.4, _half())], [9.0, 21.0])
    assert canvas == pytest.approx(0.4, abs=1e-5)


def test_a_kernel_is_the_picture_of_a_point_not_its_mirror_image():
    plane = np.zeros((41, 41), np.float32)
    plane[20, 20] = 1
    kernel = aperture_kernel(17.0, blades=3)
    half = kernel.shape[0] // 2
    assert blur(plane, kernel)[20 - half : 21 + half, 20 - half : 21 + half] == pytest.approx(kernel, abs=1e-6)

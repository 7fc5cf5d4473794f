"""Defocus that varies over a picture, and what hides what."""

import numpy as np
import pytest

from sdd_bench.optics.bokeh import Bokeh
from sdd_bench.optics.defocus import Layer, blur, blur_layer, lay_over
from sdd_bench.optics.kernels import aperture_kernel
from sdd_bench.synth.textures import fractal
from sdd_bench.synthesis.blur import Surface, blur_by_map, render


@pytest.fixture
def light():
    return np.random.default_rng(0).random((3, 70, 90), dtype=np.float32)


def _flat(shape, coc):
    return np.full(shape, coc, np.float32)


def test_one_depth_is_one_convolution(light):
    made = blur_by_map(light, _flat((70, 90), 11.0), Bokeh(6, 10.0))
    kernel = aperture_kernel(11.0, blades=6, rotation_deg=10.0)
    np.testing.assert_allclose(made, [blur(plane, kernel) for plane in light], atol=2e-6)


def test_below_one_pixel_nothing_is_changed(light):
    assert blur_by_map(light, _flat((70, 90), 0.9), Bokeh()) is light


def test_colours_are_blurred_by_their_own_circles(light):
    made = blur_by_map(light, _flat((70, 90), -6.0), Bokeh(fringe_px=1.5))
    for channel, diameter in enumerate((4.5, 6.0, 7.5)):
        np.testing.assert_allclose(made[channel], blur(light[channel], aperture_kernel(diameter)), atol=2e-6)


def test_blur_grows_along_a_slanted_plane_and_is_gone_at_the_focus():
    points = np.zeros((3, 41, 400), np.float32)
    points[:, 20, 20::40] = 1
    signed = np.broadcast_to(np.linspace(-20, 20, 400, dtype=np.float32), (41, 400))
    made = blur_by_map(points, np.ascontiguousarray(signed), Bokeh())
    peaks, distances = made[1, 20, 20::40], np.abs(signed[20, 20::40])
    for peak, diameter in zip(peaks, distances, strict=True):  # a disk spreads a point over its area
        if diameter > 4:
            assert peak == pytest.approx(4 / (np.pi * diameter**2), rel=0.15)
    assert peaks[distances < 4].min() > 0.3


def test_a_level_between_two_is_close_to_the_disk_of_its_own_size():
    natural = np.stack([fractal(128, 128, np.random.default_rng(number), 1.0) for number in range(3)])
    signed = np.full((128, 128), 7.0, np.float32)
    signed[0, 0], signed[-1, -1] = 4.0, 12.0  # so that 7 is no level
    made = blur_by_map(natural, signed, Bokeh())
    exact, other = (np.stack([blur(plane, aperture_kernel(size)) for plane in natural]) for size in (7.0, 8.4))
    inner = np.s_[:, 8:-8, 8:-8]
    error, step = (np.abs(picture[inner] - exact[inner]).mean() for picture in (made, other))
    assert error < 0.5 * step  # less than half of what the next level differs


def test_layers_cover_each_other_as_the_compositing_of_optics_says(light):
    cover = np.zeros((70, 90), np.float32)
    cover[20:50, 30:60] = 1
    front, coc = 0.8 * light[:, ::-1], (9.0, -5.0)
    surfaces = [Surface(light, _flat((70, 90), coc[0])), Surface(front, _flat((70, 90), coc[1]), cover)]
    made = render(surfaces, Bokeh())
    canvas = np.zeros_like(light)
    lay_over(canvas, blur_layer(Layer(light), aperture_kernel(9.0)))
    lay_over(canvas, blur_layer(Layer(front * cover, cover), aperture_kernel(5.0)))
    np.testing.assert_allclose(made.blurry, canvas, atol=3e-6)
    np.testing.assert_array_equal(made.sharp, np.where(cover > 0, front, light))
    np.testing.assert_array_equal(made.signed_coc_px, np.where(cover > 0, coc[1], coc[0]))


def test_an_object_in_focus_keeps_its_edge_before_a_blurred_background():
    background, cover = np.zeros((3, 40, 80), np.float32), np.zeros((40, 80), np.float32)
    background[:, :, 42] = 50.0  # a bright line just beside the object
    cover[:, :40] = 1
    surfaces = [
        Surface(background, _flat((40, 80), 15.0)),
        Surface(np.full((3, 40, 80), 0.1, np.float32), _flat((40, 80), 0.0), cover),
    ]
    blurry = render(surfaces, Bokeh()).blurry
    np.testing.assert_allclose(blurry[:, :, :40], 0.1, atol=1e-6)
    assert blurry[:, 20, 40:48].min() > 1


def test_a_blurred_foreground_lets_the_background_through_at_its_edge():
    cover = np.zeros((40, 80), np.float32)
    cover[:, :40] = 1
    surfaces = [
        Surface(np.ones((3, 40, 80), np.float32), _flat((40, 80), 0.0)),
        Surface(np.zeros((3, 40, 80), np.float32), _flat((40, 80), -16.0), cover),
    ]
    edge = render(surfaces, Bokeh()).blurry[1, 20]
    assert edge[20] == pytest.approx(0, abs=1e-5)
    assert edge[60] == pytest.approx(1, abs=1e-5)
    assert 0.4 < edge[39:41].mean() < 0.6

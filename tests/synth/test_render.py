from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import ndimage

from sdd_bench.core.types import Split
from sdd_bench.flow.compose import similarity_flow
from sdd_bench.geometry.similarity import Similarity
from sdd_bench.images.light import srgb_to_linear
from sdd_bench.images.unsharp import unsharp
from sdd_bench.optics.bokeh import Bokeh
from sdd_bench.optics.defocus import Layer
from sdd_bench.synth.camera import draw_capture
from sdd_bench.synth.options import SynthOptions
from sdd_bench.synth.painting import SceneKind
from sdd_bench.synth.render import canvas_margin, develop, render, truth_flow
from sdd_bench.synth.scenes import draw_scene

HEIGHT, WIDTH = 150, 200
MOVED = Similarity(zoom=1.03, rotation_deg=0.7, shift_x_px=4.37, shift_y_px=-2.81)


def _capture(similarity=MOVED, coc_px=(0.0,), parallax=((0.0, 0.0),)):
    capture = draw_capture(SynthOptions(width=WIDTH, height=HEIGHT, n_layers=len(coc_px)), Split.TEST, 0)
    span = float(np.hypot(*np.subtract(parallax[0], parallax[-1])))
    return dataclasses.replace(
        capture, similarity=similarity, coc_px=coc_px, parallax_px=span, parallax_shift_px=parallax
    )


def _waves(x, y):
    """A continuous scene: waves of 5 to 40 pixels."""
    return (
        0.4
        + 0.15 * np.sin(2 * np.pi * (x / 5.1 + y / 23))
        + 0.1 * np.cos(2 * np.pi * (x / 31 - y / 7.3))
        + 0.1 * np.sin(2 * np.pi * (x + y) / 40)
    )


def _plane(capture, function=_waves):
    """``function`` of the blurry coordinates, drawn on the canvas of ``capture``."""
    margin = canvas_margin(capture, HEIGHT, WIDTH)
    y, x = np.mgrid[-margin : HEIGHT + margin, -margin : WIDTH + margin].astype(np.float64)
    return Layer(np.repeat(function(x, y)[None].astype(np.float32), 3, axis=0))


def _render(capture, layers):
    return render(capture, layers, HEIGHT, WIDTH, margin=canvas_margin(capture, HEIGHT, WIDTH))


def _grid():
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float64)
    return x, y


def _blurry_coordinates(similarity, extra=(0.0, 0.0)):
    """Where the pixels of the sharp picture come from; complex numbers, independent of the renderer's matrices."""
    x, y = _grid()
    centre = (WIDTH - 1) / 2 + 1j * (HEIGHT - 1) / 2
    turn = similarity.zoom * np.exp(1j * np.deg2rad(similarity.rotation_deg))
    shift = similarity.shift_x_px + extra[0] + 1j * (similarity.shift_y_px + extra[1])
    source = centre + (x + 1j * y - centre - shift) / turn
    return source.real, source.imag


@pytest.mark.parametrize(
    "similarity",
    [MOVED, Similarity(), Similarity(0.97, -0.3, -11.25, 6.5), Similarity(1.17), Similarity(1.0, 0.0, 0.31, 0.0)],
)
def test_the_sharp_picture_is_the_scene_where_the_similarity_says(similarity):
    capture = _capture(similarity)
    rendered = _render(capture, [_plane(capture)])
    expected = _waves(*_blurry_coordinates(similarity))
    # a contrast of 0.7; shrunk pictures are smoothed a little more, as a sensor does
    assert np.abs(rendered.sharp[0] - expected).max() < (4e-3 if similarity.zoom >= 1 else 2e-2)
    assert rendered.aligned[0] == pytest.approx(_waves(*_grid()), abs=1e-6)


def test_no_part_of_a_pixel_of_shift_is_lost():
    """Least squares of the difference on the scene's gradient leaves less than 1/300 px, with waves of 5 px."""
    similarity = Similarity(shift_x_px=0.31, shift_y_px=-0.17)
    capture = _capture(similarity)
    sharp = _render(capture, [_plane(capture)]).sharp[0].astype(np.float64)
    x, y = _blurry_coordinates(similarity)
    expected = _waves(x, y)
    slopes = [(_waves(x + dx, y + dy) - _waves(x - dx, y - dy)) / 2e-3 for dx, dy in ((1e-3, 0), (0, 1e-3))]
    columns = np.stack([*slopes, expected - expected.mean()], -1).reshape(-1, 3)
    left, *_ = np.linalg.lstsq(columns, (sharp - expected).ravel(), rcond=None)
    assert np.abs(left[:2]).max() < 3e-3


def test_without_misalignment_sharp_is_aligned_and_without_blur_blurry_is_too(rng):
    capture = _capture(Similarity())
    rendered = _render(capture, [_plane(capture)])
    assert rendered.sharp == pytest.approx(rendered.aligned, abs=1e-5)
    assert np.array_equal(rendered.blurry, rendered.aligned)


@pytest.mark.parametrize("coc", [4.0, 13.0, 30.0])
def test_blur_does_not_move_the_picture(coc):
    """A point of light becomes a disk about the place where the aligned picture has the point."""
    capture = _capture(Similarity(1.02), coc_px=(coc,))
    plane = _plane(capture, lambda x, y: 100.0 * ((x == 90) & (y == 70)))
    rendered = _render(capture, [plane])
    x, y = _grid()
    disk = rendered.blurry[0].astype(np.float64)
    assert disk.sum() == pytest.approx(100, rel=1e-4)
    assert (disk * x).sum() / disk.sum() == pytest.approx(90, abs=1e-3)
    assert (disk * y).sum() / disk.sum() == pytest.approx(70, abs=1e-3)
    assert (disk * ((x - 90) ** 2 + (y - 70) ** 2)).sum() / disk.sum() == pytest.approx(coc**2 / 8 + 1 / 6, abs=0.12)


def test_truth_flow_is_the_flow_of_the_similarity():
    capture = _capture()
    flow = truth_flow(capture, np.zeros((HEIGHT, WIDTH), np.uint8))
    assert flow == pytest.approx(similarity_flow(MOVED, HEIGHT, WIDTH).numpy(), abs=1e-5)


def test_truth_flow_warps_sharp_onto_aligned(rng):
    """On a drawn scene, sampled by a quintic spline, where sharp shows the place: RMS below 0.8 % of white."""
    capture = _capture(coc_px=(6.0, 3.0, 0.0))
    margin = canvas_margin(capture, HEIGHT, WIDTH)
    layers = draw_scene(HEIGHT + 2 * margin, WIDTH + 2 * margin, 3, SceneKind.LEAVES, rng)
    rendered = _render(capture, layers)
    x, y = _grid()
    flow = truth_flow(capture, rendered.front)
    sampled = ndimage.map_coordinates(rendered.sharp[1], (y + flow[1], x + flow[0]), order=5, mode="mirror")
    seen = (y + flow[1] > 3) & (y + flow[1] < HEIGHT - 4) & (x + flow[0] > 3) & (x + flow[0] < WIDTH - 4)
    assert np.sqrt(((sampled - rendered.aligned[1])[seen] ** 2).mean()) < 8e-3
    still = np.sqrt(((rendered.sharp[1] - rendered.aligned[1])[seen] ** 2).mean())
    assert still > 5e-2


def test_with_parallax_each_layer_moves_as_its_truth_says():
    shifts = ((-3.25, 1.5), (3.25, -1.5))
    capture = _capture(MOVED, coc_px=(0.0, 0.0), parallax=shifts)
    back = _plane(capture)
    alpha = np.zeros(back.color.shape[1:], np.float32)
    alpha[:, : alpha.shape[1] // 2] = 1
    front = Layer((1 - back.color) * alpha, alpha)
    rendered = _render(capture, [back, front])
    behind = _waves(*_blurry_coordinates(MOVED, shifts[0]))
    before = 1 - _waves(*_blurry_coordinates(MOVED, shifts[1]))
    assert rendered.sharp[0, :, 130:] == pytest.approx(behind[:, 130:], abs=4e-3)
    assert rendered.sharp[0, :, :70] == pytest.approx(before[:, :70], abs=4e-3)
    flow = truth_flow(capture, rendered.front)
    step = (
        flow[:, 75, 20] - flow[:, 75, 180] - (similarity_flow(MOVED, HEIGHT, WIDTH).numpy()[:, 75, [20, 180]] @ (1, -1))
    )
    assert step == pytest.approx(np.subtract(shifts[1], shifts[0]), abs=1e-4)


@pytest.mark.parametrize("similarity", [MOVED, Similarity(0.85, 2.0, 30.0, 20.0), Similarity(1.2, 0.0, -40.0, 0.0)])
def test_the_end_of_the_canvas_is_never_seen(similarity):
    capture = _capture(similarity, coc_px=(22.0,))
    plane = _plane(capture, lambda x, y: np.zeros_like(x))
    for edge in (np.s_[:, 0], np.s_[:, -1], np.s_[:, :, 0], np.s_[:, :, -1]):
        plane.color[edge] = 1.0
    rendered = _render(capture, [plane])
    assert np.abs(rendered.sharp).max() < 1e-5
    assert np.abs(rendered.blurry).max() < 1e-5


@pytest.mark.parametrize("bit_depth", [8, 16])
def test_developing_exposes_in_linear_light_and_rounds(bit_depth):
    light = np.linspace(0, 0.5, 3 * 40 * 50, dtype=np.float32).reshape(3, 40, 50)
    options = SynthOptions(bit_depth=bit_depth)
    pixels = develop(light, (1.4, 1.0, 0.6), None, options)
    assert pixels.dtype == (np.uint8 if bit_depth == 8 else np.uint16)
    back = srgb_to_linear(pixels / np.float32(2**bit_depth - 1)).transpose(2, 0, 1)
    exposed = light * np.array([1.4, 1.0, 0.6], np.float32)[:, None, None]
    assert np.abs(back - exposed).max() < 1.5 / 2**bit_depth


def test_noise_comes_before_clipping_and_encoding(rng):
    light = np.full((3, 200, 200), 0.5, np.float32)
    options = SynthOptions(shot_noise=0.02, read_noise=0.01, bit_depth=16)
    pixels = develop(light, (1, 1, 1), rng, options)
    back = srgb_to_linear(pixels / np.float32(65535))
    assert back.var(axis=(0, 1)) == pytest.approx(0.02**2 * 0.5 + 0.01**2, rel=0.05)
    assert abs(np.corrcoef(back[..., 0].ravel(), back[..., 1].ravel())[0, 1]) < 0.02


@pytest.mark.parametrize("blades", [0, 3, 4, 5])
def test_nothing_beyond_the_margin_is_seen(blades):
    capture = dataclasses.replace(_capture(Similarity(), coc_px=(150.0,)), bokeh=Bokeh(blades=blades))
    margin = canvas_margin(capture, HEIGHT, WIDTH)

    def rendered(extra):
        y, x = np.mgrid[-margin - extra : HEIGHT + margin + extra, -margin - extra : WIDTH + margin + extra]
        ramp = Layer(np.repeat((x + 2.0 * y)[None].astype(np.float32), 3, axis=0))
        return render(capture, [ramp], HEIGHT, WIDTH, margin=margin + extra)

    # the border mirrors the ramp: whoever sees it gets other light, by up to hundreds
    tight, ample = rendered(0), rendered(60)
    assert tight.blurry == pytest.approx(ample.blurry, abs=0.01)
    assert tight.sharp == pytest.approx(ample.sharp, abs=0.01)


def _point(capture, place):
    """A point of light in the dark, where ``place`` = (x, y) is on the blurry picture; one layer."""
    return _plane(capture, lambda x, y: np.where((x == place[0]) & (y == place[1]), 1000.0, 0.0))


def _blurred_point(place, bokeh, *, behind=True, coc_px=21.0):
    capture = _capture(Similarity(), coc_px=(coc_px,))
    focus = capture.depths_m[0] * (0.5 if behind else 2)
    capture = dataclasses.replace(capture, bokeh=bokeh, blurry_focus_m=focus)
    return _render(capture, [_point(capture, place)]).blurry / 1000


def test_the_cats_eye_is_none_in_the_middle_and_cuts_the_outer_side_in_the_corners():
    lens = Bokeh(cats_eye=0.8)
    middle, round_one = (_blurred_point((WIDTH // 2, HEIGHT // 2), each)[1] for each in (lens, Bokeh()))
    assert np.abs(middle - round_one).sum() < 0.15  # of a light of 1; some pixels are off the very centre
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    for place, (inwards_x, inwards_y) in (((20, 20), (1, 1)), ((WIDTH - 21, 20), (-1, 1))):
        for behind, sign in ((True, 1), (False, -1)):
            corner = _blurred_point(place, lens, behind=behind)[1]
            moved_x, moved_y = (corner * (x - place[0])).sum(), (corner * (y - place[1])).sum()
            assert sign * moved_x * inwards_x > 1
            assert sign * moved_y * inwards_y > 1


def test_the_cats_eye_takes_no_light_from_what_is_even():
    capture = dataclasses.replace(_capture(Similarity(), coc_px=(21.0,)), bokeh=Bokeh(cats_eye=0.8))
    grey = _plane(capture, lambda x, y: np.full_like(x, 0.5))  # vignetting is an option of its own
    assert _render(capture, [grey]).blurry == pytest.approx(0.5, abs=1e-4)


def test_the_rim_is_bright_behind_the_focus_and_dark_before_it():
    place = (WIDTH // 2, HEIGHT // 2)
    ring = (place[1], place[0] + 9)
    flat = _blurred_point(place, Bokeh())[1][ring]
    assert _blurred_point(place, Bokeh(rim=0.5), behind=True)[1][ring] > 1.2 * flat
    assert _blurred_point(place, Bokeh(rim=0.5), behind=False)[1][ring] < 0.8 * flat


def test_colours_focus_apart_on_light_and_coverage_alike():
    place = (WIDTH // 2, HEIGHT // 2)
    red, green, blue = _blurred_point(place, Bokeh(fringe_px=4.0), coc_px=16.0)
    widths = [int((plane[place[1]] > 1e-5).sum()) for plane in (red, green, blue)]
    assert widths == pytest.approx([20, 16, 12], abs=1.1)
    # Of a grey leaf before the same grey no fringe is seen: what a colour covers less shows more of what is behind.
    capture = _capture(Similarity(), coc_px=(0.0, 16.0), parallax=((0.0, 0.0),) * 2)
    capture = dataclasses.replace(capture, bokeh=Bokeh(fringe_px=4.0))
    back = _plane(capture, lambda x, y: np.full_like(x, 0.5))
    alpha = np.zeros_like(back.color[0])
    alpha[:, : alpha.shape[1] // 2] = 1
    leaf = Layer(back.color * alpha, alpha)
    assert _render(capture, [back, leaf]).blurry == pytest.approx(0.5, abs=1e-4)


def test_sharpening_is_an_unsharp_mask_of_what_is_shown():
    light = np.repeat(np.repeat(np.float32([0.1, 0.4]), 20)[None, None], 3, axis=0).repeat(9, axis=1)
    plain, sharpened = (develop(light, (1, 1, 1), None, SynthOptions(bit_depth=16), sharpening=s) for s in (0, 0.7))
    expected = unsharp(plain / np.float32(65535), amount=0.7, sigma_px=0.8)
    assert sharpened / np.float32(65535) == pytest.approx(expected, abs=3e-5)
    assert sharpened.max() > plain.max()

"""False colours have their stated meaning; plots are pictures, the same every time."""

import io

import imageio.v3 as iio
import numpy as np
import pytest
from matplotlib.colors import hsv_to_rgb

from sdd_bench.report.plots import (
    error_map,
    flow_colours,
    flow_scale,
    flow_wheel,
    histogram,
    quiver,
    scatter_of_vectors,
    with_flow_key,
)


def constant_flow(x: float, y: float) -> np.ndarray:
    return np.broadcast_to(np.array([x, y], dtype=np.float32)[:, None, None], (2, 4, 6))


def test_no_motion_is_white() -> None:
    assert (flow_colours(constant_flow(0.0, 0.0)) == 255).all()
    assert (flow_colours(constant_flow(0.0, 0.0), max_px=3.0) == 255).all()


@pytest.mark.parametrize("angle_deg", [0, 30, 90, 145, 180, 250, 300, 359])
def test_hue_is_the_direction_and_saturation_the_length(angle_deg: int) -> None:
    angle = np.deg2rad(angle_deg)
    got = flow_colours(constant_flow(2 * np.cos(angle), 2 * np.sin(angle)), max_px=4.0)
    expected = 255 * hsv_to_rgb([angle_deg / 360, 0.5, 1.0])
    np.testing.assert_allclose(got[0, 0], expected, atol=1)


def test_longer_than_full_scale_is_full_colour() -> None:
    assert flow_colours(constant_flow(9.0, 0.0), max_px=4.0)[0, 0].tolist() == [255, 0, 0]


def test_unknown_flow_is_black() -> None:
    flow = np.zeros((2, 3, 3))
    flow[0, 1, 1] = np.nan
    colours = flow_colours(flow)
    assert colours[1, 1].tolist() == [0, 0, 0]
    assert colours[0, 0].tolist() == [255, 255, 255]


def test_the_wheel_is_red_to_the_right_and_white_in_the_middle() -> None:
    wheel = flow_wheel(65)
    assert wheel[32, 64].tolist() == [255, 0, 0]
    assert wheel[32, 32].tolist() == [255, 255, 255]


def test_an_error_map_is_black_where_equal_and_brightest_at_full_scale() -> None:
    truth = np.zeros((4, 4, 3), dtype=np.float32)
    prediction = truth.copy()
    prediction[0, 0] = 0.2
    prediction[0, 1] = 0.9
    colours = error_map(prediction, truth).astype(int)
    assert colours[3, 3].sum() < 10
    assert colours[0, 0].tolist() == colours[0, 1].tolist()
    assert colours[0, 0].sum() > 500
    assert error_map(prediction, truth, max_side=2).shape == (2, 2, 3)


@pytest.mark.parametrize(
    "draw",
    [
        lambda: histogram(np.array([1.0, 2.0, np.nan, np.inf]), label="zoom", mark=1.0),
        lambda: histogram([], label="nothing"),
        lambda: scatter_of_vectors([0.0, 3.0], [1.0, -2.0], labels=["a", "$b"]),
        lambda: scatter_of_vectors([], []),
        lambda: quiver(constant_flow(1.0, 2.0), picture=np.zeros((4, 6, 3), np.uint8)),
        lambda: quiver(constant_flow(0.0, 0.0)),
    ],
)
def test_a_plot_is_a_png_and_the_same_every_time(draw: object) -> None:
    data = draw()  # type: ignore[operator]
    assert data == draw()  # type: ignore[operator]
    picture = iio.imread(io.BytesIO(data))
    assert picture.shape[2] == 4
    assert picture[..., 3].min() == 0


def test_the_key_of_a_flow_stands_below_it_and_says_the_scale() -> None:
    flow = np.zeros((2, 60, 400), np.float32)
    flow[0] = 3.0
    colours = flow_colours(flow)
    keyed, other = (with_flow_key(colours, scale) for scale in (flow_scale(flow), 7.0))
    np.testing.assert_array_equal(keyed[:60], colours)
    assert keyed.shape == other.shape
    assert (keyed[60:] != other[60:]).any()  # the number
    assert keyed[60:].min() < 64  # letters
    assert (keyed[60:, :30].std(axis=-1) > 50).any()  # the wheel
    assert flow_scale(np.full((2, 3, 3), np.nan)) == 0.0


def test_the_key_fits_the_smallest_picture() -> None:
    assert with_flow_key(np.zeros((4, 5, 3), np.uint8), 1.0).shape[1] == 5

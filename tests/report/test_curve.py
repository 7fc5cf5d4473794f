"""Curves of a page."""

import numpy as np

from sdd_bench.report.curve import Curve, curve


def corners(drawing: Curve | None) -> np.ndarray:
    assert drawing is not None
    return np.array([[float(number) for number in corner.split(",")] for corner in drawing.points.split(" ")])


def test_many_points_become_means_of_neighbours() -> None:
    drawing = curve(np.arange(1000), np.arange(1000.0), label="x", most=10)
    found = corners(drawing)
    assert found.shape == (10, 2)
    np.testing.assert_allclose(np.diff(found[:, 1]), -Curve.HEIGHT / 9, atol=0.11)
    assert (found[0, 0], found[-1, 0]) == (0.0, Curve.WIDTH)


def test_what_is_not_finite_is_left_out() -> None:
    drawing = curve([1, 2, 3, 4], [1.0, np.nan, np.inf, 2.0], label="x")
    assert len(corners(drawing)) == 2
    assert curve([1], [np.nan], label="x") is None
    assert curve([], [], label="x") is None


def test_a_level_outside_of_the_values_is_within_the_drawing() -> None:
    drawing = curve([1, 2], [29.0, 30.0], label="PSNR", levels=[(28.0, "blurry input")])
    assert drawing is not None
    assert drawing.levels == ((Curve.HEIGHT, "blurry input 28.00"),)
    assert (drawing.low, drawing.high) == ("28.00", "30.00")


def test_one_value_is_a_level_line() -> None:
    found = corners(curve([5], [1.0], label="x"))
    assert found[:, 1].tolist() == [Curve.HEIGHT / 2] * 2
    assert found[:, 0].tolist() == [0.0, Curve.WIDTH]

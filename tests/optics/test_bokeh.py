"""The picture of a point: its size, its shape and its colours."""

import numpy as np
import pytest

from sdd_bench.optics.bokeh import Bokeh
from sdd_bench.optics.kernels import aperture_kernel


def _grid(kernel):
    half = kernel.shape[0] // 2
    return np.mgrid[-half : half + 1, -half : half + 1]


def test_a_perfect_round_lens_gives_the_disk_on_both_sides_of_the_focus():
    for signed in (9.0, -9.0):
        np.testing.assert_array_equal(Bokeh().kernel(signed), aperture_kernel(9.0))


@pytest.mark.parametrize("lens", [Bokeh(), Bokeh(7, 20.0), Bokeh(cats_eye=0.6, direction_deg=30), Bokeh(rim=0.9)])
def test_every_lens_keeps_the_light_and_never_takes_some_away(lens):
    for signed in (0.0, 0.7, 3.0, -12.5, 30.0):
        kernel = lens.kernel(signed)
        assert kernel.sum() == pytest.approx(1, abs=1e-5)
        assert kernel.min() >= 0


def test_the_cats_eye_is_the_overlap_of_two_disks():
    diameter, shift = 60.0, 0.5
    kernel = Bokeh(cats_eye=shift).kernel(diameter)
    lit = (kernel > 0.5 * kernel.max()).sum()
    # Overlap of unit disks at distance d: 2 acos(d / 2) - d / 2 sqrt(4 - d^2)
    overlap = 2 * np.arccos(shift / 2) - shift / 2 * np.sqrt(4 - shift**2)
    assert lit == pytest.approx(overlap * (diameter / 2) ** 2, rel=0.02)


def test_the_cats_eye_lies_on_its_side_behind_the_focus_and_opposite_before_it():
    y, x = _grid(kernel := Bokeh(cats_eye=0.8, direction_deg=90).kernel(20.0))
    assert (kernel * y).sum() > 1
    assert (kernel * x).sum() == pytest.approx(0, abs=1e-3)
    before = Bokeh(cats_eye=0.8, direction_deg=90).kernel(-20.0)
    np.testing.assert_allclose(before, kernel[::-1, ::-1], atol=1e-7)


def test_the_rim_is_as_bright_as_said_behind_the_focus_and_as_dark_before_it():
    for signed, sign in ((40.0, 1), (-40.0, -1)):
        kernel = Bokeh(rim=0.5).kernel(signed) / aperture_kernel(40.0).max()
        middle = kernel.shape[0] // 2
        assert kernel[middle, middle] == pytest.approx(1 - 0.5 * sign, rel=0.02)
        assert kernel[middle, middle + 19] == pytest.approx(1 + sign * 0.5 * (2 * (19 / 20) ** 2 - 1), rel=0.02)


def test_red_and_blue_focus_before_and_behind_green():
    lens = Bokeh(fringe_px=2.0)
    np.testing.assert_array_equal(lens.kernel(10.0, 0), aperture_kernel(12.0))
    np.testing.assert_array_equal(lens.kernel(10.0, 2), aperture_kernel(8.0))
    np.testing.assert_array_equal(lens.kernel(-10.0, 0), aperture_kernel(8.0))  # the other side: colours swapped

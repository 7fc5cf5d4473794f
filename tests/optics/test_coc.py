from __future__ import annotations

import math

import numpy as np
import pytest

from sdd_bench.core.errors import ConfigError
from sdd_bench.optics.coc import (
    Lens,
    breathing_zoom,
    coc_diameter_px,
    depth_from_coc_m,
    f_number_for,
    image_distance_mm,
    signed_coc_px,
)

LENS = Lens(focal_length_mm=50, f_number=2, pixel_pitch_um=10)


def test_a_worked_example_comes_out():
    # 25 mm aperture, magnification 50 / 1950, half of the light cone: 25 * 0.0256410 * 0.5 mm = 32.05 px of 10 um
    assert coc_diameter_px(4.0, 2.0, LENS) == pytest.approx(25 * 50 / 1950 * 0.5 * 100)


@pytest.mark.parametrize("depth_m", [0.7, 1.5, 2.5, 40.0])
def test_the_circle_is_the_section_of_the_light_cone_by_the_sensor(depth_m):
    sensor, image = image_distance_mm(2.0, LENS), image_distance_mm(depth_m, LENS)
    cone = LENS.focal_length_mm / LENS.f_number * abs(sensor - image) / image
    assert coc_diameter_px(depth_m, 2.0, LENS) == pytest.approx(cone * 1000 / LENS.pixel_pitch_um)


def test_what_is_in_focus_is_exactly_sharp_and_the_sign_tells_the_side():
    near, focus, far = signed_coc_px([1.0, 2.0, 4.0], 2.0, LENS)
    assert near < 0
    assert focus == 0
    assert far > 0


def test_depth_comes_back_from_the_signed_circle():
    depths = np.array([0.5, 1.0, 1.9, 2.5, 10.0, 300.0])
    assert depth_from_coc_m(signed_coc_px(depths, 2.0, LENS), 2.0, LENS) == pytest.approx(depths)
    assert depth_from_coc_m(signed_coc_px(depths, math.inf, LENS), math.inf, LENS) == pytest.approx(depths)


def test_a_circle_larger_than_infinity_gives_has_no_depth():
    largest = float(signed_coc_px(math.inf, 2.0, LENS))
    with pytest.raises(ConfigError, match="at infinity it is"):
        depth_from_coc_m(largest * 1.01, 2.0, LENS)


def test_the_focus_at_infinity_is_the_limit_of_far_focuses():
    assert signed_coc_px(3.0, math.inf, LENS) == pytest.approx(signed_coc_px(3.0, 1e9, LENS), rel=1e-6)
    assert image_distance_mm(math.inf, LENS) == 50


def test_stopping_down_shrinks_the_circle_as_asked():
    number = f_number_for(7.5, 5.0, 2.0, LENS)
    assert coc_diameter_px(5.0, 2.0, Lens(50, number, 10)) == pytest.approx(7.5)
    assert coc_diameter_px(5.0, 2.0, Lens(50, f_number_for(0, 5.0, 2.0, LENS), 10)) == 0


def test_focusing_nearer_makes_the_picture_larger():
    # an object of 100 mm at 3 m is 100 v / 3000 mm on the sensor, whatever is in focus
    on_sensor = [100 * image_distance_mm(focus, LENS) / 3000 for focus in (1.0, 4.0)]
    assert breathing_zoom(1.0, 4.0, LENS) == pytest.approx(on_sensor[1] / on_sensor[0])
    assert breathing_zoom(4.0, 1.0, LENS) > 1 > breathing_zoom(1.0, 4.0, LENS)
    assert breathing_zoom(2.0, 2.0, LENS) == 1


@pytest.mark.parametrize("name", ["focal_length_mm", "f_number", "pixel_pitch_um"])
@pytest.mark.parametrize("value", [0.0, -1.0, math.nan])
def test_an_impossible_lens_is_refused(name, value):
    with pytest.raises(ConfigError, match=name):
        Lens(**{name: value})


def test_a_focus_inside_the_focal_length_and_a_depth_behind_the_camera_are_refused():
    with pytest.raises(ConfigError, match="cannot focus at 0.05 m"):
        image_distance_mm(0.05, LENS)
    with pytest.raises(ConfigError, match="depth must be positive"):
        coc_diameter_px([1.0, -2.0], 2.0, LENS)

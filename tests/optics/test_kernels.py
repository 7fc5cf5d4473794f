from __future__ import annotations

import math

import numpy as np
import pytest

from sdd_bench.core.errors import ConfigError
from sdd_bench.optics.kernels import aperture_kernel, aperture_reach


def _second_moment(kernel):
    """Variance along x and y, and their covariance, in pixels squared."""
    axis = np.arange(kernel.shape[0]) - kernel.shape[0] // 2
    weights = kernel.astype(np.float64)
    return (weights.sum(0) * axis**2).sum(), (weights.sum(1) * axis**2).sum(), (axis[:, None] * axis * weights).sum()


@pytest.mark.parametrize("diameter", [1.5, 2.0, 3.3, 7.0, 12.4, 30.0, 60.0])
def test_a_disk_has_the_second_moment_of_its_diameter(diameter):
    # a disk has d^2 / 16 along each axis, a square pixel adds 1 / 12; taking pixels for points adds up to 0.06
    x, y, xy = _second_moment(aperture_kernel(diameter))
    assert x == pytest.approx(diameter**2 / 16 + 1 / 12, abs=0.06)
    assert y == pytest.approx(x, rel=2e-3)
    assert xy == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("diameter", [3.0, 9.5, 31.0])
def test_inside_the_disk_every_pixel_gets_one_share_of_its_area(diameter):
    kernel = aperture_kernel(diameter)
    middle = kernel[kernel.shape[0] // 2, kernel.shape[0] // 2]
    assert middle == pytest.approx(1 / (math.pi * diameter**2 / 4), rel=1e-3)


@pytest.mark.parametrize("diameter", [0.0, 0.4, 1.0, 2.2, 11.0, 60.0])
@pytest.mark.parametrize("blades", [0, 5, 6])
def test_light_is_neither_made_nor_lost(diameter, blades):
    kernel = aperture_kernel(diameter, blades=blades, rotation_deg=11)
    assert kernel.sum(dtype=np.float64) == pytest.approx(1, abs=1e-6)
    assert kernel.min() >= 0
    assert kernel.shape[0] % 2 == 1


def test_the_disk_is_the_same_from_all_sides():
    kernel = aperture_kernel(14.7)
    assert kernel == pytest.approx(kernel[::-1], abs=1e-7)
    assert kernel == pytest.approx(kernel[:, ::-1], abs=1e-7)
    assert kernel == pytest.approx(kernel.T, abs=2e-5)


def test_a_disk_within_one_pixel_does_not_blur():
    assert aperture_kernel(0.9).tolist() == [[1.0]]


@pytest.mark.parametrize("blades", [3, 5, 6, 8])
def test_a_polygon_has_the_disks_area_and_a_slightly_larger_moment(blades):
    polygon, disk = aperture_kernel(40.0, blades=blades, rotation_deg=17), aperture_kernel(40.0)
    middle = polygon.shape[0] // 2
    assert polygon[middle, middle] == pytest.approx(disk.max(), rel=1e-3)
    # a regular n-gon of area A has A (1 + 2 cos^2 u) / (6 n sin 2u), u = pi / n, along every axis
    u = math.pi / blades
    expected = math.pi * 400 * (1 + 2 * math.cos(u) ** 2) / (6 * blades * math.sin(2 * u))
    x, y, xy = _second_moment(polygon)
    assert x - 1 / 12 == pytest.approx(expected, rel=5e-3)
    assert y - 1 / 12 == pytest.approx(expected, rel=5e-3)
    assert abs(xy) < 5e-3 * expected


def test_a_polygon_turns_by_its_angle():
    kernel = aperture_kernel(31.0, blades=5, rotation_deg=10)
    assert np.abs(kernel - aperture_kernel(31.0, blades=5, rotation_deg=82)).max() < 1e-4 * kernel.max()
    assert np.abs(kernel - aperture_kernel(31.0, blades=5, rotation_deg=46)).max() > 0.5 * kernel.max()


def test_the_first_corner_of_a_polygon_points_along_x():
    columns = np.nonzero(aperture_kernel(30.0, blades=3).sum(axis=0))[0]
    kernel = aperture_kernel(30.0, blades=3)
    assert columns.max() - kernel.shape[0] // 2 > kernel.shape[0] // 2 - columns.min()


def test_impossible_apertures_are_refused():
    for diameter in (-1.0, math.nan, math.inf):
        with pytest.raises(ConfigError, match="diameter"):
            aperture_kernel(diameter)
    with pytest.raises(ConfigError, match="3 blades"):
        aperture_kernel(3.0, blades=2)


@pytest.mark.parametrize("blades", [0, 3, 4, 5, 8])
@pytest.mark.parametrize("rotation_deg", [0.0, 37.0])
def test_the_kernel_lies_within_its_reach_and_touches_it(blades, rotation_deg):
    kernel = aperture_kernel(90.0, blades=blades, rotation_deg=rotation_deg)
    axis = np.arange(kernel.shape[0]) - kernel.shape[0] // 2
    farthest = np.hypot(axis[:, None], axis)[kernel > 0].max()
    assert farthest == pytest.approx(aperture_reach(90.0, blades=blades), abs=1.0)


def test_a_triangle_reaches_farther_than_its_disk():
    # area of a triangle of circumradius R is 3 sqrt(3) / 4 R^2, that of the disk pi r^2
    assert aperture_reach(2.0, blades=3) == pytest.approx(math.sqrt(4 * math.pi / (3 * math.sqrt(3))))

"""Edges are one pixel wide, where the picture changes most, and only where strong ones lead."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import erf

from sdd_bench.defocus.canny import canny, gaussian_gradient


def step(angle_deg: float, *, offset: float = 0.0, sigma: float = 1.5, size: int = 90) -> tuple[np.ndarray, np.ndarray]:
    """A blurred step through the middle, and every pixel's distance from it."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    angle = np.radians(angle_deg)
    distance = (x - offset) * np.cos(angle) + y * np.sin(angle)
    return (0.5 + 0.3 * erf(distance / np.sqrt(2) / sigma)).astype(np.float32), distance


@pytest.mark.parametrize("angle", [0, 10, 30, 45, 80, 90, 135])
@pytest.mark.parametrize("offset", [0.0, 0.3, 0.5])
def test_a_step_gives_one_thin_line_on_it(angle: float, offset: float) -> None:
    plane, distance = step(angle, offset=offset)
    inner = canny(plane, 1.0)[15:-15, 15:-15]
    assert np.abs(distance[15:-15, 15:-15][inner]).max() <= 1
    along_rows = abs(np.cos(np.radians(angle))) >= np.sqrt(0.5)  # the line crosses every row, or every column
    per_line = inner.sum(axis=1 if along_rows else 0)[2:-2]  # at 45 degrees it leaves through the corners
    assert per_line.min() >= 1
    assert per_line.mean() < 1.2


def test_scales_agree_on_where_a_step_between_two_pixels_is() -> None:
    plane, _ = step(0)
    maps = [canny(plane, sigma)[20:-20] for sigma in (1.0, 1.5, 2.0, 2.5)]
    assert np.logical_and.reduce(maps).sum() == maps[0].shape[0]


def test_a_flat_plane_has_no_edges() -> None:
    assert not canny(np.full((40, 50), 0.7, np.float32), 1.0).any()


def test_thresholds_follow_the_picture_and_not_its_contrast() -> None:
    plane, _ = step(20)
    np.testing.assert_array_equal(canny(plane, 1.5), canny(0.1 * plane, 1.5))


def test_weak_edges_stay_only_where_they_lead_to_strong_ones() -> None:
    """Two steps of half the high threshold: one grows into a strong step, the other does not."""
    plane = np.zeros((120, 200), np.float32)
    height = np.linspace(0.35, 1.6, 120)[:, None]
    plane[:, 40:] += height  # weak above, strong below
    plane[:, 120:] += 0.35  # weak everywhere
    plane += 0.2 * np.random.default_rng(0).random((120, 200)).astype(np.float32)
    edges = canny(plane, 1.5)
    assert edges[5:15, 38:42].any()
    assert edges[60:110, 38:42].sum() >= 45


def test_gradients_are_those_of_the_blurred_picture() -> None:
    y, x = np.mgrid[:30, :40].astype(np.float32)
    along_x, along_y = gaussian_gradient(0.3 * x - 0.2 * y, 1.5, half=8)
    np.testing.assert_allclose(along_x[10:-10, 10:-10], 0.3, rtol=1e-3)
    np.testing.assert_allclose(along_y[10:-10, 10:-10], -0.2, rtol=1e-3)

"""Blur at edges: step edges blurred by a known Gaussian."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import erf

from sdd_bench.defocus.edges import LARGEST_SIGMA_PX, consistent_along_edges, edge_blur, sigma_of_ratio


def step(sigma: float, angle_deg: float, offset: float, size: int = 160) -> np.ndarray:
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    angle = np.radians(angle_deg)
    distance = (x - offset) * np.cos(angle) + y * np.sin(angle)
    return (0.5 + 0.3 * erf(distance / np.sqrt(2) / sigma)).astype(np.float32)


def found(plane: np.ndarray, **options: bool) -> np.ndarray:
    """Sigmas well inside the picture."""
    blur, middle = edge_blur(plane, **options), plane.shape[0] / 2
    inner = (np.abs(blur.rows - middle) < middle - 30) & (np.abs(blur.columns - middle) < middle - 30)
    assert inner.sum() > 20
    return blur.sigma_px[inner]


@pytest.mark.parametrize("sigma", [1.0, 1.5, 2.0, 3.0, 4.0])
@pytest.mark.parametrize(
    ("angle", "offset"), [(0, 0.0), (0, 0.25), (0, 0.5), (20, 0.1), (45, 0.0), (45, 0.5), (80, 0.3)]
)
def test_a_step_of_known_blur_is_measured_within_five_percent(sigma: float, angle: float, offset: float) -> None:
    sigmas = found(step(sigma, angle, offset))
    assert np.abs(sigmas / sigma - 1).max() < 0.05


def test_with_a_little_noise_the_median_stays_within_five_percent(rng: np.random.Generator) -> None:
    for sigma in (1.0, 2.0, 4.0):
        plane = step(sigma, 20, 0.1) + 0.002 * rng.standard_normal((160, 160)).astype(np.float32)
        assert np.median(found(plane)) == pytest.approx(sigma, rel=0.05)


def test_gradients_at_the_pixel_alone_are_further_off() -> None:
    """A step half a pixel beside the pixels' centres: what the ridge is for."""
    at_pixel, at_ridge = (np.median(found(step(1.0, 0, 0.0), ridge=ridge)) for ridge in (False, True))
    assert at_pixel > 1.1
    assert at_ridge == pytest.approx(1.0, rel=0.01)


def test_the_closed_form_inverts_the_ratio_and_has_limits() -> None:
    sigma, sigma_2 = np.array([0.3, 1.0, 2.0, 4.5]), np.array([1.25, 1.5, 2.0, 2.5])
    ratio = np.sqrt((sigma**2 + sigma_2**2) / (sigma**2 + 1))
    np.testing.assert_allclose(sigma_of_ratio(ratio.astype(np.float32), sigma_2.astype(np.float32)), sigma, rtol=1e-3)
    limits = sigma_of_ratio(np.array([0.9, 1.0, 1.6], np.float32), np.array([1.5, 1.5, 1.5], np.float32))
    assert limits.tolist() == [LARGEST_SIGMA_PX, LARGEST_SIGMA_PX, 0.0]


def test_the_consistency_system_is_the_published_one(rng: np.random.Generator) -> None:
    """Against a dense solve; two components and a pixel of its own."""
    places = [(1, 1), (1, 2), (2, 3), (3, 3), (3, 4), (7, 7), (8, 6), (5, 1)]
    rows, columns = (np.array(axis, np.intp) for axis in zip(*places, strict=True))
    sigma = rng.uniform(0, 5, len(places)).astype(np.float32)
    n_scales = rng.integers(4, 10, len(places)).astype(np.int8)
    near = np.maximum(abs(rows[:, None] - rows), abs(columns[:, None] - columns)) == 1
    system = np.diag(2 * 10 * near.sum(axis=1) + 1.0 + n_scales) - 2 * 10 * near
    expected = np.linalg.solve(system, (1.0 + n_scales) * sigma)
    ours = consistent_along_edges(rows, columns, sigma, n_scales, (10, 10))
    np.testing.assert_allclose(ours, expected, rtol=1e-4)
    assert ours[-1] == pytest.approx(sigma[-1])


def test_a_plane_without_edges_has_no_blur_to_measure() -> None:
    blur = edge_blur(np.full((50, 60), 0.5, np.float32))
    assert len(blur.rows) == 0
    assert not blur.mask((50, 60)).any()

"""The grid against the sum it stands for."""

from __future__ import annotations

import numpy as np
import pytest

from sdd_bench.core.errors import ImageError
from sdd_bench.defocus.filters.bilateral import joint_bilateral


def test_the_grid_comes_near_the_full_sum(rng: np.random.Generator) -> None:
    plane = rng.random((50, 60)).astype(np.float32)
    guide = np.where(np.arange(60) < 30, 0.2, 0.6) + 0.1 * rng.random((50, 60))
    y, x = np.mgrid[:50, :60]
    expected = np.empty_like(plane)
    for i in range(50):
        for j in range(60):
            weights = np.exp(-((y - i) ** 2 + (x - j) ** 2) / (2 * 25) - (guide - guide[i, j]) ** 2 / (2 * 0.01))
            expected[i, j] = (weights * plane).sum() / weights.sum()
    ours = joint_bilateral(plane, guide.astype(np.float32), sigma_s=5.0, sigma_r=0.1)
    assert np.abs(ours - expected).max() < 0.03 * (plane.max() - plane.min())
    assert np.corrcoef(ours.ravel(), expected.ravel())[0, 1] > 0.99


def test_a_constant_stays_and_an_edge_of_the_guide_holds() -> None:
    guide = np.repeat([0.0, 1.0], 30)[None].repeat(40, axis=0).astype(np.float32)
    np.testing.assert_allclose(joint_bilateral(np.full_like(guide, 7), guide, sigma_s=5, sigma_r=0.1), 7, rtol=1e-5)
    np.testing.assert_allclose(joint_bilateral(guide, guide, sigma_s=5, sigma_r=0.1), guide, atol=1e-3)


def test_sizes_are_checked() -> None:
    with pytest.raises(ImageError, match="one size"):
        joint_bilateral(np.zeros((4, 5), np.float32), np.zeros((5, 5), np.float32), sigma_s=1, sigma_r=1)

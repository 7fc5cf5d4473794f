"""The recursive filter does what its equations say, pixel by pixel."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sdd_bench.core.errors import ConfigError, ImageError
from sdd_bench.defocus.filters.domain_transform import domain_transform


def by_the_equations(planes: np.ndarray, guide: np.ndarray, sigma_s: float, sigma_r: float, n: int) -> np.ndarray:
    out = planes.astype(np.float64)
    for i in range(1, n + 1):
        s = sigma_s * math.sqrt(3) * 2 ** (n - i) / math.sqrt(4**n - 1)
        a = math.exp(-math.sqrt(2) / s)
        for axis in (1, 0):
            lines, edges = np.moveaxis(out, axis, 0).copy(), np.moveaxis(guide.astype(np.float64), axis, 0)
            steps = 1 + sigma_s / sigma_r * np.abs(np.diff(edges, axis=0)).sum(axis=-1)
            for k in range(1, len(lines)):
                lines[k] += a ** steps[k - 1][:, None] * (lines[k - 1] - lines[k])
            for k in range(len(lines) - 2, -1, -1):
                lines[k] += a ** steps[k][:, None] * (lines[k + 1] - lines[k])
            out = np.moveaxis(lines, 0, axis)
    return out


@pytest.mark.parametrize(("sigma_s", "sigma_r", "n"), [(7, 0.5, 5), (30, 3.75, 5), (15, 0.15, 3)])
def test_it_equals_the_equations(sigma_s: float, sigma_r: float, n: int, photo: np.ndarray) -> None:
    guide = photo[:40, :60].astype(np.float32) / 255
    planes = guide[..., :2].copy()
    kept = planes.copy()
    ours = domain_transform(planes, guide, sigma_s=sigma_s, sigma_r=sigma_r, iterations=n)
    np.testing.assert_allclose(ours, by_the_equations(planes, guide, sigma_s, sigma_r, n), atol=2e-6)
    np.testing.assert_array_equal(planes, kept)


def test_a_constant_stays_constant(photo: np.ndarray) -> None:
    guide = photo.astype(np.float32) / 255
    planes = np.full((*guide.shape[:2], 1), 0.3, np.float32)
    np.testing.assert_allclose(domain_transform(planes, guide, sigma_s=20, sigma_r=0.5), 0.3, rtol=1e-6)


def test_nothing_crosses_a_strong_edge_of_the_guide() -> None:
    guide = np.zeros((40, 60, 1), np.float32)
    guide[:, 30:] = 1
    planes = np.zeros((40, 60, 1), np.float32)
    planes[20, 10] = 1
    spread = domain_transform(planes, guide, sigma_s=20, sigma_r=0.05)
    assert spread[:, :30].min() > 1e-6
    assert spread[:, 30:].max() < 1e-6


def test_sizes_and_numbers_are_checked() -> None:
    planes = np.zeros((8, 9, 1), np.float32)
    with pytest.raises(ImageError, match="one size"):
        domain_transform(planes, planes[1:], sigma_s=1, sigma_r=1)
    for wrong in ({"sigma_s": 0, "sigma_r": 1}, {"sigma_s": 1, "sigma_r": -1}):
        with pytest.raises(ConfigError, match="positive"):
            domain_transform(planes, planes, **wrong)
    with pytest.raises(ConfigError, match="iterations"):
        domain_transform(planes, planes, sigma_s=1, sigma_r=1, iterations=0)

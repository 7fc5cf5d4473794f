"""Kernels have the spread their sigma says."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sdd_bench.core.errors import ConfigError
from sdd_bench.deconvolution.kernels import (
    KERNELS,
    coc_from_sigma,
    compact_gaussian_kernel,
    disk_kernel,
    gaussian_kernel,
    sigma_from_coc,
)


def spread(kernel: np.ndarray) -> float:
    """Standard deviation along x."""
    x = np.arange(kernel.shape[1]) - kernel.shape[1] // 2
    return math.sqrt(float((kernel.sum(axis=0) * x**2).sum()))


@pytest.mark.parametrize("name", list(KERNELS))
@pytest.mark.parametrize("sigma", [1.0, 2.3, 5.0])
def test_the_spread_along_an_axis_is_sigma(name: str, sigma: float) -> None:
    kernel = KERNELS[name](sigma)
    pixel = 1 / 12 if name == "disk" else 0  # a disk is integrated over pixels, a Gaussian sampled
    assert spread(kernel) == pytest.approx(math.sqrt(sigma**2 + pixel), rel=0.02)
    assert kernel.sum() == pytest.approx(1, abs=1e-5)
    np.testing.assert_array_equal(kernel, kernel[::-1, ::-1])


def test_the_published_gaussian_is_cut_as_published() -> None:
    assert gaussian_kernel(1.0).shape == (17, 17)
    assert gaussian_kernel(7.0).shape == (101, 101)
    assert gaussian_kernel(0.117).shape == (1, 1)
    assert gaussian_kernel(0.119).shape == (3, 3)


def test_no_blur_is_one_pixel() -> None:
    for kernel_of in KERNELS.values():
        np.testing.assert_array_equal(kernel_of(0.0), np.ones((1, 1)))


def test_a_disk_is_four_sigmas_wide_and_the_relation_inverts() -> None:
    assert disk_kernel(2.0).shape == (9, 9)
    assert sigma_from_coc(coc_from_sigma(1.7)) == pytest.approx(1.7)


def test_the_compact_gaussian_is_the_published_one_nearly() -> None:
    wide, narrow = gaussian_kernel(2.0), compact_gaussian_kernel(2.0)
    off = (wide.shape[0] - narrow.shape[0]) // 2
    assert np.abs(wide[off:-off, off:-off] - narrow).sum() < 1e-3


@pytest.mark.parametrize("sigma", [-1.0, math.nan, math.inf])
def test_an_impossible_sigma_is_refused(sigma: float) -> None:
    for kernel_of in KERNELS.values():
        with pytest.raises(ConfigError, match="sigma"):
            kernel_of(sigma)

"""Hyper-Laplacian, Wiener and Richardson-Lucy against what they are defined as, and against synthetic blur."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage

from sdd_bench.core.errors import ConfigError, ImageError
from sdd_bench.deconvolution.fourier import transfer_function
from sdd_bench.deconvolution.kernels import compact_gaussian_kernel, disk_kernel
from sdd_bench.deconvolution.methods.hyper_laplacian import HyperLaplacian, shrunk_divergence
from sdd_bench.deconvolution.methods.richardson_lucy import RichardsonLucy
from sdd_bench.deconvolution.methods.shrinkage import shrink
from sdd_bench.deconvolution.methods.wiener import Wiener
from sdd_bench.deconvolution.solve import Method, deconvolve
from sdd_bench.metrics.psnr import psnr

SHAPE = (6, 8)


def circulant(kernel: np.ndarray) -> np.ndarray:
    """Matrix of the circular convolution of a plane of SHAPE, laid out in rows."""
    units = np.eye(math.prod(SHAPE)).reshape(-1, *SHAPE)
    return np.stack([ndimage.convolve(unit, kernel, mode="wrap").ravel() for unit in units], axis=1)


def differences(axis: int) -> np.ndarray:
    """Matrix of circular forward differences."""
    units = np.eye(math.prod(SHAPE)).reshape(-1, *SHAPE)
    return np.stack([(np.roll(unit, -1, axis) - unit).ravel() for unit in units], axis=1)


@pytest.fixture
def kernel(rng: np.random.Generator) -> np.ndarray:
    values = rng.random((3, 3)).astype(np.float32)
    return values / values.sum()


@pytest.mark.parametrize("alpha", [0.5, 2 / 3, 1.0, 1.5])
def test_hyper_laplacian_alternates_as_the_paper_says(
    alpha: float, kernel: np.ndarray, rng: np.random.Generator
) -> None:
    """The same rounds with dense matrices in double precision."""
    y, fidelity = rng.random(SHAPE), 50.0
    blur, steps = circulant(kernel), [differences(0), differences(1)]
    x = y.ravel()
    for beta in (1, 2.8284271, 8, 22.627417, 64, 181.01934):
        gradients = [shrink((step @ x).astype(np.float32), beta=beta, alpha=alpha) for step in steps]
        left = blur.T @ blur + beta / fidelity * sum(step.T @ step for step in steps)
        right = blur.T @ y.ravel() + beta / fidelity * sum(step.T @ w for step, w in zip(steps, gradients, strict=True))
        x = np.linalg.solve(left, right)
    solve = HyperLaplacian(fidelity, alpha).bind(transfer_function(kernel, SHAPE), SHAPE)
    np.testing.assert_allclose(solve(y.astype(np.float32)).ravel(), x, atol=2e-4)


def test_strips_of_rows_change_nothing(rng: np.random.Generator) -> None:
    """A plane of several strips, whose gradients wrap around."""
    x = rng.random((77, 20)).astype(np.float32)
    expected = np.zeros_like(x)
    for axis in (0, 1):
        w = shrink(np.roll(x, -1, axis) - x, beta=8.0, alpha=0.5)
        expected += np.roll(w, 1, axis) - w
    np.testing.assert_allclose(shrunk_divergence(x, beta=8.0, alpha=0.5), expected, atol=1e-6)


def test_wiener_minimises_its_energy(kernel: np.ndarray, rng: np.random.Generator) -> None:
    y, ratio = rng.random(SHAPE), 0.1
    blur, steps = circulant(kernel), [differences(0), differences(1)]
    expected = np.linalg.solve(blur.T @ blur + ratio * sum(step.T @ step for step in steps), blur.T @ y.ravel())
    solve = Wiener(ratio).bind(transfer_function(kernel, SHAPE), SHAPE)
    np.testing.assert_allclose(solve(y.astype(np.float32)).ravel(), expected, atol=1e-4)


def test_richardson_lucy_steps_as_defined(kernel: np.ndarray, rng: np.random.Generator) -> None:
    y = 0.1 + 0.8 * rng.random(SHAPE)
    x = y
    for _ in range(4):
        ratio = y / ndimage.convolve(x, kernel, mode="wrap")
        x = x * ndimage.convolve(ratio, kernel[::-1, ::-1], mode="wrap")
    solve = RichardsonLucy(4).bind(transfer_function(kernel, SHAPE), SHAPE)
    np.testing.assert_allclose(solve(y.astype(np.float32)), x, rtol=1e-4)


def test_richardson_lucy_keeps_light_and_makes_no_negative(rng: np.random.Generator) -> None:
    y = rng.random((32, 32)).astype(np.float32) ** 4
    x = RichardsonLucy(10).bind(transfer_function(disk_kernel(1.5), y.shape), y.shape)(y)
    assert x.min() >= 0
    assert x.sum() == pytest.approx(y.sum(), rel=1e-3)


@pytest.mark.parametrize(
    ("method", "gain_db"), [(HyperLaplacian(2000, 2 / 3), 2.0), (Wiener(0.02), 1.5), (RichardsonLucy(20), 1.0)]
)
def test_a_disk_of_8_px_with_one_percent_noise_is_undone(
    method: Method, gain_db: float, scene: np.ndarray, rng: np.random.Generator
) -> None:
    sharp, kernel = scene, disk_kernel(2.0)
    blurry = np.stack([ndimage.convolve(sharp[..., c], kernel, mode="nearest") for c in range(3)], axis=-1)
    blurry = (blurry + 0.01 * rng.standard_normal(blurry.shape)).astype(np.float32)
    restored = np.clip(deconvolve(blurry, kernel, method), 0, 1)
    assert psnr(restored, sharp) > psnr(np.clip(blurry, 0, 1), sharp) + gain_db


def test_a_picture_that_does_not_wrap_does_not_ring_at_its_border(rng: np.random.Generator) -> None:
    ramp = np.broadcast_to(np.linspace(0.1, 0.9, 96, dtype=np.float32)[:, None, None], (96, 64, 3))
    restored = deconvolve(ramp, compact_gaussian_kernel(2.0), HyperLaplacian(2000, 2 / 3))
    assert np.abs(restored - ramp).max() < 0.03


def test_a_kernel_of_one_pixel_returns_the_picture(scene: np.ndarray) -> None:
    np.testing.assert_array_equal(deconvolve(scene, np.ones((1, 1), np.float32), Wiener()), scene)


def test_what_cannot_be_deconvolved_is_refused(scene: np.ndarray) -> None:
    with pytest.raises(ConfigError, match="odd sides"):
        deconvolve(scene, np.ones((2, 3), np.float32), Wiener())
    with pytest.raises(ImageError, match="H, W, C"):
        deconvolve(scene[..., 0], np.ones((3, 3), np.float32), Wiener())
    for wrong in (lambda: HyperLaplacian(fidelity=0), lambda: HyperLaplacian(alpha=3), lambda: Wiener(-1)):
        with pytest.raises(ConfigError, match="expected"):
            wrong()
    with pytest.raises(ConfigError, match="steps"):
        RichardsonLucy(0)
    with pytest.raises(ConfigError, match="largest_beta"):
        HyperLaplacian(largest_beta=1)

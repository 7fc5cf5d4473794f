"""Blur that differs from place to place: the published recipe and the blend without seams."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage

from sdd_bench.core.errors import ImageError
from sdd_bench.deconvolution import spatially_varying
from sdd_bench.deconvolution.kernels import Kernel, compact_gaussian_kernel, disk_kernel, gaussian_kernel
from sdd_bench.deconvolution.methods.hyper_laplacian import HyperLaplacian
from sdd_bench.deconvolution.solve import deconvolve
from sdd_bench.deconvolution.spatially_varying import blend, blend_levels, published, quantised
from sdd_bench.metrics.psnr import psnr

METHOD = HyperLaplacian(2000, 2 / 3)


def constant(sigma: float, picture: np.ndarray) -> np.ndarray:
    return np.full(picture.shape[:2], sigma, np.float32)


def blurred(picture: np.ndarray, kernel: Kernel) -> np.ndarray:
    return np.stack([ndimage.convolve(picture[..., c], kernel, mode="nearest") for c in range(3)], axis=-1)


def ramp_blur(picture: np.ndarray, largest: float) -> tuple[np.ndarray, np.ndarray]:
    """A picture blurred by disks that grow from left to right, and the map of sigma."""
    height, width = picture.shape[:2]
    steps = np.linspace(0, largest, width // 4)
    sigma = np.repeat(steps, 4).astype(np.float32)
    out = picture.copy()
    for step in steps:
        columns = sigma == np.float32(step)
        out[:, columns] = blurred(picture, disk_kernel(float(step)))[:, columns]
    return out, np.broadcast_to(sigma, (height, width)).copy()


def test_a_constant_map_equals_one_plain_deconvolution(scene: np.ndarray) -> None:
    sigma = constant(1.7, scene)
    plain = np.clip(deconvolve(scene, gaussian_kernel(float(sigma[0, 0])), METHOD), 0, 1)
    np.testing.assert_array_equal(published(scene, sigma, METHOD), plain)
    plain = np.clip(deconvolve(scene, compact_gaussian_kernel(float(sigma[0, 0])), METHOD, tapers=1), 0, 1)
    np.testing.assert_array_equal(blend(scene, sigma, METHOD), plain)


def test_a_map_of_zeros_returns_the_picture_bit_for_bit(scene: np.ndarray) -> None:
    for recipe in (published, blend):
        np.testing.assert_array_equal(recipe(scene, constant(0, scene), METHOD), scene)


def test_what_is_in_focus_stays_bit_for_bit_beside_what_is_not(scene: np.ndarray) -> None:
    sigma = constant(0, scene)
    sigma[:, 150:] = 2.0
    restored = blend(scene, sigma, METHOD)
    np.testing.assert_array_equal(restored[:, :150], scene[:, :150])
    assert np.abs(restored[:, 150:] - scene[:, 150:]).max() > 0.01


def test_a_known_blur_of_8_px_with_one_percent_noise_gains_2_db(scene: np.ndarray, rng: np.random.Generator) -> None:
    blurry = (blurred(scene, disk_kernel(2.0)) + 0.01 * rng.standard_normal(scene.shape)).astype(np.float32)
    restored = blend(blurry, constant(2.0, scene), METHOD, kernel_of=disk_kernel)
    assert psnr(restored, scene) > psnr(np.clip(blurry, 0, 1), scene) + 2


def test_a_blur_that_grows_gains_too_and_the_blend_keeps_up_with_the_published_recipe(
    scene: np.ndarray, rng: np.random.Generator
) -> None:
    blurry, sigma = ramp_blur(scene, 2.5)
    blurry = (blurry + 0.01 * rng.standard_normal(blurry.shape)).astype(np.float32)
    ours = psnr(blend(blurry, sigma, METHOD, kernel_of=disk_kernel), scene)
    theirs = psnr(published(blurry, sigma, METHOD, kernel_of=disk_kernel), scene)
    assert ours > psnr(np.clip(blurry, 0, 1), scene) + 1
    assert ours > theirs - 0.2


def test_the_blend_has_no_seams_where_the_published_recipe_has(scene: np.ndarray, rng: np.random.Generator) -> None:
    """Bends of the picture where a level ends, against bends elsewhere.

    Levels follow the number of *distinct* values, so many nearly equal ones (the strip on top) leave few for the rest.
    """
    smooth = ndimage.gaussian_filter(scene, (4, 4, 0))
    sigma = np.tile(np.linspace(0.5, 3, scene.shape[1], dtype=np.float32), (scene.shape[0], 1))
    sigma[:20] = rng.uniform(0.4, 0.5, (20, scene.shape[1]))
    ends = np.diff(quantised(sigma)[50])[1:] != 0

    def seam(restored: np.ndarray) -> float:
        bends = np.abs(np.diff(restored[50:-30], 2, axis=1)).mean(axis=(0, 2))
        return float(bends[ends].mean() / bends[~ends].mean())

    assert seam(published(smooth, sigma, METHOD)) > 2
    assert seam(blend(smooth, sigma, METHOD)) < 1.3


def test_tiles_do_what_whole_pictures_do(scene: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    y, x = np.mgrid[: scene.shape[0], : scene.shape[1]]
    sigma = (1.5 * np.exp(-((x - 120) ** 2 + (y - 90) ** 2) / 35**2)).astype(np.float32)
    monkeypatch.setattr(spatially_varying, "_TILE_PX", 32)
    tiled = blend(scene, sigma, METHOD)
    monkeypatch.setattr(spatially_varying, "_TILE_PX", 1024)
    assert np.abs(tiled - blend(scene, sigma, METHOD)).max() < 2 / 255


def test_quantisation_lowers_to_quantiles_of_distinct_values() -> None:
    sigma = np.array([[0.0] * 500 + [float(value) for value in range(1, 100)]], np.float32)
    found = quantised(sigma)
    edges = [0, *np.quantile(np.arange(100.0), np.arange(1, 33) / 33, method="hazen"), 99]
    assert sorted(set(found.ravel().tolist())) == pytest.approx(sorted(edges), rel=1e-6)
    assert len(edges) == 34
    assert (found <= sigma).all()
    assert quantised(np.full((2, 2), 1.5, np.float32)).tolist() == [[1.5, 1.5], [1.5, 1.5]]


def test_levels_rise_by_about_the_ratio_and_hold_both_ends() -> None:
    levels = blend_levels(0.0, 5.0, 1.25)
    assert (levels[0], levels[-1]) == (0.0, 5.0)
    steps = np.array(levels[2:]) / np.array(levels[1:-1])
    assert steps.max() < 1.25**1.5 + 1e-9
    assert steps.min() > 1.25**0.5 - 1e-9


def test_maps_that_do_not_fit_are_refused(scene: np.ndarray) -> None:
    for recipe in (published, blend):
        with pytest.raises(ImageError, match="one size"):
            recipe(scene, constant(1, scene)[1:], METHOD)
        for wrong in (-0.1, math.nan, math.inf):
            sigma = constant(1, scene)
            sigma[3, 4] = wrong
            with pytest.raises(ImageError, match="negative, infinite or undefined"):
                recipe(scene, sigma, METHOD)


def test_the_number_of_threads_changes_nothing(scene: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    sigma = np.tile(np.linspace(0, 3, scene.shape[1], dtype=np.float32), (scene.shape[0], 1))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    one = blend(scene, sigma, METHOD)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    np.testing.assert_array_equal(blend(scene, sigma, METHOD), one)

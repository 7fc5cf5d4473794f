"""Transfer functions and spectra mean circular convolution and circular differences."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from sdd_bench.deconvolution.fourier import backward, forward, good_length, gradient_power, transfer_function


@pytest.mark.parametrize("shape", [(24, 30), (25, 27), (5, 30)])
def test_a_transfer_function_convolves_circularly(shape: tuple[int, int], rng: np.random.Generator) -> None:
    plane = rng.random(shape, dtype=np.float32)
    kernel = rng.random((5, 7), dtype=np.float32)  # has no symmetry that could hide a flip
    ours = backward(forward(plane) * transfer_function(kernel, shape), shape)
    np.testing.assert_allclose(ours, ndimage.convolve(plane, kernel, mode="wrap"), rtol=1e-4, atol=1e-5)


def test_a_kernel_larger_than_the_plane_wraps_around(rng: np.random.Generator) -> None:
    plane = rng.random((6, 8), dtype=np.float32)
    kernel = rng.random((9, 9), dtype=np.float32)
    tiled = np.tile(plane, (3, 3))
    expected = ndimage.convolve(tiled, kernel, mode="wrap")[6:12, 8:16]
    np.testing.assert_allclose(
        backward(forward(plane) * transfer_function(kernel, (6, 8)), (6, 8)), expected, rtol=1e-4
    )


def test_gradient_power_is_that_of_forward_differences(rng: np.random.Generator) -> None:
    plane = rng.random((12, 15), dtype=np.float32)
    laplacian = sum(2 * plane - np.roll(plane, 1, axis) - np.roll(plane, -1, axis) for axis in (0, 1))
    np.testing.assert_allclose(
        backward(forward(plane) * gradient_power(plane.shape), plane.shape), laplacian, atol=1e-5
    )


def test_good_lengths_have_small_factors_only() -> None:
    for n in (17, 1081, 2049):
        length = good_length(n)
        assert length >= n
        for factor in (2, 3, 5):
            while length % factor == 0:
                length //= factor
        assert length == 1

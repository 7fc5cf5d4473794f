"""The taper leaves the inside alone and makes the ends meet."""

from __future__ import annotations

import numpy as np
import pytest

from sdd_bench.deconvolution.edge_taper import border, taper, taper_weights
from sdd_bench.deconvolution.fourier import good_length, transfer_function
from sdd_bench.deconvolution.kernels import compact_gaussian_kernel

KERNEL = compact_gaussian_kernel(2.0)


def test_weights_are_zero_on_the_edge_and_one_inside() -> None:
    weights = taper_weights(KERNEL, (60, 80))
    for edge in (weights[0], weights[-1], weights[:, 0], weights[:, -1]):
        np.testing.assert_allclose(edge, 0, atol=1e-6)
    reach = KERNEL.shape[0]
    np.testing.assert_allclose(weights[reach:-reach, reach:-reach], 1, atol=1e-6)


def test_weights_are_one_minus_the_autocorrelation_of_the_projection() -> None:
    kernel = np.zeros((3, 3), np.float32)
    kernel[1] = (0.25, 0.5, 0.25)  # projected on y it is a point, which has no neighbours
    autocorrelation = np.array([0.375, 0.25, 0.0625, 0]) / 0.375
    np.testing.assert_allclose(taper_weights(kernel, (20, 20))[10, :4], 1 - autocorrelation, atol=1e-6)


@pytest.mark.parametrize("times", [1, 4])
def test_opposite_ends_come_to_meet(times: int) -> None:
    ramp = np.broadcast_to(np.linspace(0, 1, 80, dtype=np.float32), (60, 80)).copy()
    tapered = taper(ramp, transfer_function(KERNEL, ramp.shape), taper_weights(KERNEL, ramp.shape), times=times)
    jump = np.abs(tapered[:, 0] - tapered[:, -1]).max()
    assert jump < 0.25
    reach = KERNEL.shape[0]
    np.testing.assert_allclose(tapered[reach:-reach, reach:-reach], ramp[reach:-reach, reach:-reach], atol=1e-5)


def test_the_border_holds_the_kernel_and_ends_on_a_good_length() -> None:
    (top, bottom), (left, right) = border((1080, 1999), np.ones((17, 9), np.float32))
    assert (top, left) == (8, 4)
    assert bottom >= 8
    assert right >= 4
    assert (1080 + top + bottom, 1999 + left + right) == (good_length(1096), good_length(2007))

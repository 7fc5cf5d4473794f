"""Convolution by fewer products against the plain one in float64."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sdd_bench.core.winograd import Winograd


def taken(side: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Kernels and biases, the same at every call."""
    generator = torch.Generator().manual_seed(side)
    return torch.randn(24, 20, side, side, generator=generator), torch.randn(24, generator=generator)


@pytest.mark.parametrize(("side", "dilation"), [(3, 1), (3, 2), (3, 5), (5, 1), (5, 2)])
@pytest.mark.parametrize("padding", [(0, 0), (0, 2), (3, 1)])
@pytest.mark.parametrize("size", [(12, 16), (13, 31), (40, 33)])
def test_it_equals_the_plain_convolution(
    side: int, dilation: int, size: tuple[int, int], padding: tuple[int, int]
) -> None:
    if min(full + 2 * pad for full, pad in zip(size, padding, strict=True)) <= (side - 1) * dilation:
        pytest.skip("the picture is smaller than the kernel")
    weight, bias = taken(side)
    picture = torch.rand(*size, 20, generator=torch.Generator().manual_seed(1))
    found = Winograd(weight, bias, padding, dilation=dilation, slope=0.1)(picture.numpy())
    batch = picture.permute(2, 0, 1)[None].double()
    expected = F.conv2d(batch, weight.double(), bias.double(), padding=padding, dilation=dilation)[0]
    expected = F.leaky_relu(expected, 0.1).permute(1, 2, 0)
    torch.testing.assert_close(
        torch.from_numpy(found).double(), expected, atol=2e-5 * float(expected.abs().max()), rtol=0
    )


def test_without_a_slope_nothing_is_below_zero() -> None:
    found = Winograd(*taken(3))(np.random.default_rng(0).random((12, 16, 20), np.float32))
    assert found.min() == 0


def test_threads_change_no_bit() -> None:
    weight, bias = taken(3)
    picture = np.random.default_rng(0).random((90, 61, 20), np.float32)
    convolve, before = Winograd(weight, bias, (1, 1)), torch.get_num_threads()
    try:
        found = []
        for threads in (1, 3):
            torch.set_num_threads(threads)
            found.append(convolve(picture))
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(*found)


@pytest.mark.parametrize("as_they_lie", [True, False])
@pytest.mark.parametrize(("side", "channels"), [(3, 96), (3, 288), (5, 64)])
def test_either_product_gives_the_plain_convolution(
    side: int, channels: int, as_they_lie: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sdd_bench.core.winograd._multiplies_as_they_lie", lambda: as_they_lie)
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(128, channels, side, side, generator=generator)
    picture = torch.rand(41, 70, channels, generator=generator)
    found = Winograd(weight, torch.zeros(128), (1, 1), slope=1.0)(picture.numpy())
    expected = F.conv2d(picture.permute(2, 0, 1)[None].double(), weight.double(), padding=1)[0].permute(1, 2, 0)
    torch.testing.assert_close(
        torch.from_numpy(found).double(), expected, atol=2e-5 * float(expected.abs().max()), rtol=0
    )

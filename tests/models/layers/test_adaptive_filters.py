"""Filters per pixel against their sums written out."""

from collections.abc import Callable

import pytest
import torch
from torch.nn import functional as F

from sdd_bench.models.layers import adaptive_filters
from sdd_bench.models.layers.adaptive_filters import filter_by_pixel, filter_separably


def _direct_separable(x: torch.Tensor, taps: list[torch.Tensor], bias: torch.Tensor) -> torch.Tensor:
    height, width = x.shape[2:]
    rows = [[min(max(y + step, 0), height - 1) for y in range(height)] for step in (-1, 0, 1)]
    columns = [[min(max(c + step, 0), width - 1) for c in range(width)] for step in (-1, 0, 1)]
    x = torch.stack([tap * x[:, :, picked] for tap, picked in zip(taps[:3], rows, strict=True)]).sum(0)
    x = torch.stack([tap * x[:, :, :, picked] for tap, picked in zip(taps[3:], columns, strict=True)]).sum(0)
    return x + bias


def _direct_by_pixel(x: torch.Tensor, kernels: torch.Tensor) -> torch.Tensor:
    side = round(kernels.shape[1] ** 0.5)
    n, channels, height, width = x.shape
    windows = F.unfold(F.pad(x, [side // 2] * 4, mode="replicate"), side).view(n, channels, side**2, height, width)
    return (windows * kernels[:, None]).sum(2)


def _check_gradients(
    found: Callable[..., torch.Tensor], expected: Callable[..., torch.Tensor], *inputs: object
) -> None:
    leaves = [leaf for given in inputs for leaf in (given if isinstance(given, list) else [given])]
    for leaf in leaves:
        leaf.requires_grad_()
    ours, theirs = found(*inputs), expected(*inputs)
    weight = torch.randn_like(ours)
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(
        torch.autograd.grad((ours * weight).sum(), leaves), torch.autograd.grad((theirs * weight).sum(), leaves)
    )


def _random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def test_separable_filters_are_their_sums_and_so_are_their_gradients() -> None:
    torch.manual_seed(0)
    taps = [_random(2, 4, 5, 6) for _ in range(6)]
    _check_gradients(
        lambda x, taps, bias: filter_separably(x, taps[:3], taps[3:], bias),
        _direct_separable,
        _random(2, 4, 5, 6),
        taps,
        _random(2, 4, 5, 6),
    )


@pytest.mark.parametrize("pixels", [12, 1 << 13])
@pytest.mark.parametrize("side", [1, 3, 7])
def test_kernels_per_pixel_are_their_sums_whatever_the_strips(
    side: int, pixels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adaptive_filters, "_STRIP_PIXELS", pixels)
    torch.manual_seed(0)
    _check_gradients(filter_by_pixel, _direct_by_pixel, _random(2, 3, 7, 6), _random(2, side**2, 7, 6))


def test_a_kernel_of_its_centre_alone_returns_the_picture() -> None:
    torch.manual_seed(0)
    picture, kernels = torch.randn(1, 3, 40, 9), torch.zeros(1, 49, 40, 9)
    kernels[:, 24] = 1
    assert torch.equal(filter_by_pixel(picture, kernels), picture)


def test_a_tap_moves_the_picture_the_way_its_place_says() -> None:
    picture = torch.arange(12.0).view(1, 1, 3, 4)
    one, none = torch.ones_like(picture), torch.zeros_like(picture)
    above_left = filter_separably(picture, (one, none, none), (one, none, none), none)
    assert above_left[0, 0].tolist() == [[0, 0, 1, 2], [0, 0, 1, 2], [4, 4, 5, 6]]
    kernels = torch.zeros(1, 9, 3, 4)
    kernels[:, 3 * 0 + 0] = 1
    assert torch.equal(filter_by_pixel(picture, kernels), above_left)

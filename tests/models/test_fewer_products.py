"""Convolutions by fewer products in loaded networks."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from sdd_bench.models.convert import save_weights
from sdd_bench.models.fewer_products import take_fewer_products
from sdd_bench.models.network import load_network
from sdd_bench.models.spec import ModelSpec

TAKEN = {"padding": 1}


def both(layer: nn.Conv2d, size: tuple[int, int] = (13, 21)) -> tuple[Tensor, Tensor, bool]:
    """The layer's result before and after, and whether it changed its way."""
    x = torch.randn(2, layer.in_channels, *size, generator=torch.Generator().manual_seed(1))
    layer.requires_grad_(False)
    plain = layer(x)
    take_fewer_products(layer)
    return plain, layer(x), "forward" in vars(layer)


@pytest.mark.parametrize(
    "options",
    [{"padding": 1}, {"padding": 0}, {"padding": (2, 1)}, {"padding": 3, "dilation": 3}, {"padding": 1, "bias": False}],
)
def test_a_wide_convolution_gives_the_same_by_fewer_products(options: dict[str, int]) -> None:
    plain, found, taken = both(nn.Conv2d(96, 104, 3, **options))
    assert taken
    assert found.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found, plain, rtol=0, atol=2e-5 * float(plain.abs().max()))


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(48, 48, 3, **TAKEN),
        nn.Conv2d(640, 640, 3, **TAKEN),
        nn.Conv2d(96, 96, 3, stride=2, **TAKEN),
        nn.Conv2d(192, 192, 3, groups=2, **TAKEN),
        nn.Conv2d(96, 96, 3, padding_mode="reflect", **TAKEN),
        nn.Conv2d(96, 96, 3, padding="same"),
        nn.Conv2d(96, 96, 3, padding=(1, 2), dilation=(1, 2)),
        nn.Conv2d(96, 96, 5, padding=2),
        nn.Conv2d(128, 128, 1),
    ],
)
def test_what_does_not_gain_or_differs_stays_as_it_is(layer: nn.Conv2d) -> None:
    plain, found, taken = both(layer)
    assert not taken
    assert torch.equal(found, plain)


def test_a_gradient_is_still_found() -> None:
    layer = nn.Conv2d(96, 96, 3, padding=1).requires_grad_(False)
    x = torch.randn(1, 96, 8, 8, requires_grad=True)
    (expected,) = torch.autograd.grad(layer(x).square().sum(), x)
    take_fewer_products(layer)
    (found,) = torch.autograd.grad(layer(x).square().sum(), x)
    torch.testing.assert_close(found, expected)


def test_a_loaded_network_takes_them_in_float32_alone(tmp_path: Path) -> None:
    spec = ModelSpec("unet-folded", options={"width": 96, "blocks": (1,)})
    network, path = spec.build(), tmp_path / "weights.safetensors"
    nn.init.normal_(network.get_parameter("unfold.weight"), std=0.01)
    save_weights(path, network, spec)
    x = torch.rand(1, 3, 40, 56)
    with torch.inference_mode():
        expected = network.eval()(x)
        found = load_network(path).forward(x)
        half = load_network(path, precision="bf16").forward(x)
    assert not torch.equal(found, expected)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(half, expected, rtol=0, atol=3e-2)

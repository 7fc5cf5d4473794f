"""NAFNet against its formulas written out."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sdd_bench.core.errors import ConfigError
from sdd_bench.models.layers import strips
from sdd_bench.models.networks.nafnet import NAFNet, local_mean
from sdd_bench.models.shapes import shapes_of

SMALL = {"width": 4, "encoder": (1, 2), "middle": 1, "decoder": (2, 1)}
SIDD = {"width": 64, "encoder": (2, 2, 4, 8), "middle": 12, "decoder": (2, 2, 2, 2)}


def _norm(module: nn.Module, x: Tensor) -> Tensor:
    mean, variance = x.mean(1, keepdim=True), x.var(1, keepdim=True, unbiased=False)
    return (x - mean) / (variance + 1e-6).sqrt() * module.weight[:, None, None] + module.bias[:, None, None]


def _gate(x: Tensor) -> Tensor:
    half = x.shape[1] // 2
    return x[:, :half] * x[:, half:]


def _block(block: nn.Module, x: Tensor) -> Tensor:
    z = _gate(block.conv2(block.conv1(_norm(block.norm1, x))))
    y = x + block.beta * block.conv3(z * block.sca[1](z.mean((2, 3), keepdim=True)))
    return y + block.gamma * block.conv5(_gate(block.conv4(_norm(block.norm2, y))))


def _direct(network: NAFNet, picture: Tensor) -> Tensor:
    x, skips = network.intro(picture), []
    for stage, down in zip(network.encoders, network.downs, strict=True):
        for block in stage:
            x = _block(block, x)
        skips.append(x)
        x = down(x)
    for block in network.middle_blks:
        x = _block(block, x)
    for up, stage in zip(network.ups, network.decoders, strict=True):
        x = F.pixel_shuffle(up[0](x), 2) + skips.pop()
        for block in stage:
            x = _block(block, x)
    return network.ending(x) + picture


def _random(**options: Any) -> NAFNet:
    torch.manual_seed(0)
    network = NAFNet(**options).double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return network


@pytest.mark.parametrize("numbers", [1 << 23, 400])
def test_the_network_is_its_formulas_whatever_the_strips(numbers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strips, "_STRIP_NUMBERS", numbers)
    network, picture = _random(**SMALL), torch.rand(2, 3, 20, 16, dtype=torch.float64)
    with torch.inference_mode():
        expected, found = _direct(network, picture), network.restore(picture)
        assert float((found - picture).abs().max()) > 1
        torch.testing.assert_close(found, expected)
        assert torch.equal(network(picture), found.clamp(0, 1))


def test_gradients_are_those_of_the_formulas() -> None:
    network, picture = _random(**SMALL), torch.rand(1, 3, 16, 16, dtype=torch.float64)
    parameters = list(network.parameters())
    found = torch.autograd.grad(network.restore(picture).square().sum(), parameters)
    expected = torch.autograd.grad(_direct(network, picture).square().sum(), parameters)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    ("options", "parameters"), [({"width": 32}, 17_111_907), ({"width": 64}, 67_888_835), (SIDD, 115_982_915)]
)
def test_parameters_are_as_many_as_released(options: dict[str, Any], parameters: int) -> None:
    with torch.device("meta"):
        network = NAFNet(**options)
    assert sum(p.numel() for p in network.parameters()) == parameters


def test_names_are_the_released_ones() -> None:
    with torch.device("meta"):
        keys = set(NAFNet(**SMALL).state_dict())  # type: ignore[arg-type]
    layers = [*(f"conv{i}" for i in range(1, 6)), "sca.1", "norm1", "norm2"]
    block = {f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")} | {"beta", "gamma"}
    stages = ("encoders.0.0", "encoders.1.0", "encoders.1.1", "middle_blks.0")
    stages += ("decoders.0.0", "decoders.0.1", "decoders.1.0")
    single = {f"{name}.{kind}" for name in ("intro", "ending", "downs.0", "downs.1") for kind in ("weight", "bias")}
    assert keys == {f"{stage}.{name}" for stage in stages for name in block} | single | {
        "ups.0.0.weight",
        "ups.1.0.weight",
    }


@pytest.mark.parametrize("side", [1, 4, 5, 9, 100])
def test_the_local_mean_is_that_of_the_nearest_window_that_fits(side: int) -> None:
    torch.manual_seed(0)
    x = torch.rand(2, 3, 9, 7, dtype=torch.float64)
    expected = torch.empty_like(x)
    tall, wide = min(side, 9), min(side, 7)
    for row in range(9):
        for column in range(7):
            # A window of even side reaches one pixel farther down and right.
            top = min(max(row - (9 - (10 - tall)) // 2, 0), 9 - tall)
            left = min(max(column - (7 - (8 - wide)) // 2, 0), 7 - wide)
            expected[..., row, column] = x[..., top : top + tall, left : left + wide].mean((2, 3))
    torch.testing.assert_close(local_mean(x, side), expected)


def test_windows_as_large_as_the_picture_change_nothing() -> None:
    whole, local = _random(**SMALL), _random(**SMALL, window=32)
    small, large = (torch.rand(1, 3, side, side, dtype=torch.float64) for side in (32, 48))
    with torch.inference_mode():
        torch.testing.assert_close(local.restore(small), whole.restore(small))
        assert not torch.allclose(local.restore(large), whole.restore(large))


def test_options_are_read_from_shapes() -> None:
    for options in (SMALL, SIDD):
        with torch.device("meta"):
            shapes = shapes_of(NAFNet(**options).state_dict())  # type: ignore[arg-type]
        assert NAFNet.read_options(shapes) == options
    assert NAFNet.read_options({"out.0.weight": (3, 3)}) is None


def test_the_size_multiple_follows_from_the_levels() -> None:
    with torch.device("meta"):
        assert NAFNet().size_multiple == 16
        assert NAFNet(**SMALL).size_multiple == 4  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"width": 0}, "width: expected a whole number"),
        ({"encoder": (1, 1)}, "expected one count of blocks per resolution"),
        ({"encoder": (), "decoder": ()}, "expected one count of blocks per resolution"),
        ({"encoder": (1, 0, 1, 1)}, r"encoder\[1\]: expected a whole number"),
        ({"window": 0}, "window: expected a whole number"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=f"nafnet: {complaint}"):
        NAFNet(**options)

"""The baseline U-Net against the released one's output, and against Table 6."""

from pathlib import Path

import numpy as np
import pytest
import torch
from formula_weights import fill_by_formula
from torch.nn import functional as F

from sdd_bench.models.layers import strips
from sdd_bench.models.networks.unet import UNet, UpConv

PARITY = Path(__file__).parents[2] / "data" / "parity"


def test_the_released_network_is_reproduced() -> None:
    fixture = np.load(PARITY / "unet_jdrl.npz")
    network = fill_by_formula(UNet(released=True))
    with torch.inference_mode():
        output = network(torch.from_numpy(fixture["input0"])).numpy()
    assert np.abs(output - fixture["output0"]).max() <= 1e-5 * np.abs(fixture["output0"]).max()


def test_parameter_counts_are_those_of_table_6_and_of_the_released_code() -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in UNet().parameters()) == 34_515_011
        assert sum(p.numel() for p in UNet(released=True).parameters()) == 31_033_411


def test_bgr_swaps_the_colours_in_and_out() -> None:
    torch.manual_seed(0)
    network = UNet(4, bgr=True).eval()
    picture = torch.rand(1, 3, 32, 48)
    with torch.inference_mode():
        bgr = network(picture)
        network.bgr = False
        rgb = network(picture.flip(1)).flip(1)
    assert torch.equal(bgr, rgb)


@pytest.mark.parametrize("released", [False, True])
def test_output_keeps_the_size_and_stays_in_range(released: bool) -> None:
    torch.manual_seed(0)
    network = UNet(4, released=released)
    output = network(torch.rand(2, 3, 48, 32))
    assert output.shape == (2, 3, 48, 32)
    assert 0 <= float(output.detach().min()) <= float(output.detach().max()) <= 1


def test_dropout_acts_in_training_only() -> None:
    torch.manual_seed(0)
    network, picture = UNet(4), torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        assert not torch.equal(network(picture), network(picture))
        network.eval()
        assert torch.equal(network(picture), network(picture))


@pytest.mark.parametrize("kernel", [2, 3])
def test_an_up_convolution_is_upsampling_then_a_convolution(kernel: int) -> None:
    torch.manual_seed(0)
    module = UpConv(3, 4, kernel).double()
    small = torch.rand(2, 3, 5, 7, dtype=torch.float64, requires_grad=True)
    before = (kernel - 1) // 2
    large = F.pad(F.interpolate(small, scale_factor=2, mode="nearest"), [before, kernel - 1 - before] * 2)
    expected = F.conv2d(large, module.weight, module.bias)
    given = torch.randn_like(expected)
    found = module(small)
    torch.testing.assert_close(found, expected)
    inputs = (small, module.weight, module.bias)
    torch.testing.assert_close(torch.autograd.grad(found, inputs, given), torch.autograd.grad(expected, inputs, given))


@pytest.mark.parametrize("released", [False, True])
@pytest.mark.parametrize("numbers", [1, 1 << 13, 1 << 15])
def test_in_strips_the_output_is_the_same(numbers: int, released: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    network, picture = UNet(4, released=released).eval().double(), torch.rand(1, 3, 144, 80).double()
    with torch.inference_mode():
        whole = network(picture)
        monkeypatch.setattr(strips, "_STRIP_NUMBERS", numbers)
        torch.testing.assert_close(network(picture), whole, rtol=0, atol=1e-12)
    assert float(whole.std()) > 1e-2

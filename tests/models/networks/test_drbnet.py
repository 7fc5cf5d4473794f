"""DRBNet against the released one's output."""

from pathlib import Path

import numpy as np
import pytest
import torch
from formula_weights import fill_by_formula
from receptive_fields import reach_px
from torch import nn

from sdd_bench.core.errors import ConfigError
from sdd_bench.models.networks.drbnet import DRBNet
from sdd_bench.models.shapes import shapes_of

PARITY = Path(__file__).parents[2] / "data" / "parity"


def test_the_released_network_is_reproduced() -> None:
    fixture = np.load(PARITY / "drbnet_single.npz")
    network = fill_by_formula(DRBNet())
    with torch.inference_mode():
        output = network.restore(torch.from_numpy(fixture["input0"])).numpy()
    assert np.abs(output - fixture["output0"]).max() <= 1e-5 * np.abs(fixture["output0"]).max()


def test_pictures_are_brought_to_the_range_of_the_released_network_and_back() -> None:
    torch.manual_seed(0)
    network, picture = DRBNet(2).eval(), torch.rand(1, 3, 16, 24)
    with torch.inference_mode():
        expected = (network.restore(picture * 2 - 1).clamp(-1, 1) + 1) / 2
        assert torch.equal(network(picture), expected)


def test_parameters_and_tensors_are_as_many_as_released() -> None:
    with torch.device("meta"):
        network = DRBNet()
    assert sum(p.numel() for p in network.parameters()) == 11_689_616
    assert len(network.state_dict()) == 138


def test_without_kernels_and_residuals_it_returns_the_means_of_8x8_pixels() -> None:
    network, picture = DRBNet(1).eval(), torch.rand(1, 3, 16, 24)
    for level in range(4):
        for last in (network.get_submodule(f"upconv{level}_kernel.2"), network.get_submodule(f"upconv{level}_res.2.0")):
            assert isinstance(last, nn.Conv2d)
            assert last.bias is not None
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
    with torch.inference_mode():
        output = network(picture)
    means = picture.unflatten(3, (3, 8)).unflatten(2, (2, 8)).mean(dim=(3, 5))
    torch.testing.assert_close(output, means.repeat_interleave(8, 2).repeat_interleave(8, 3))


def test_it_looks_as_far_as_it_says() -> None:
    network = DRBNet(1)
    for axis in (2, 3):
        assert reach_px(network, length=400, axis=axis) == network.receptive_radius_px


def test_kernels_of_every_pixel_are_never_there_at_once() -> None:
    network, rows = DRBNet(1).eval(), []
    network.get_submodule("upconv0_kernel").register_forward_hook(
        lambda _, inputs, output: rows.append(output.shape[2])
    )
    with torch.inference_mode():
        assert network(torch.rand(1, 3, 640, 128)).shape[2] == 640
    assert sum(rows) >= 640
    assert max(rows) < 400


def test_the_width_is_read_from_shapes() -> None:
    with torch.device("meta"):
        shapes = shapes_of(DRBNet(6).state_dict())
    assert DRBNet.read_options(shapes) == {"width": 6}
    assert DRBNet.read_options({"conv1_1.0.weight": (6, 3, 3, 3)}) is None


def test_a_width_out_of_range_is_refused() -> None:
    with pytest.raises(ConfigError, match="drbnet: width: expected a whole number"):
        DRBNet(0)

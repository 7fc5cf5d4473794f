"""DPDNet: its size, Keras's padding, its colours, and how far it looks."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sdd_bench.core.errors import ConfigError
from sdd_bench.models.network import Network
from sdd_bench.models.networks.dpdnet import DPDNet
from sdd_bench.models.outline import outline
from sdd_bench.prediction.tiling import deblur


def test_parameter_counts_are_those_of_the_published_networks() -> None:
    assert sum(p.numel() for p in outline(DPDNet).parameters()) == 31_033_423
    assert sum(p.numel() for p in outline(partial(DPDNet, views=2)).parameters()) == 31_035_151


def test_the_forward_pass_is_the_published_table_written_out() -> None:
    torch.manual_seed(0)
    network = DPDNet(2, bgr=False).double().eval()
    weights = iter(network.state_dict().values())

    def conv(x: torch.Tensor, *, same: bool = False) -> torch.Tensor:
        weight, bias = next(weights), next(weights)
        # Keras pads a 2x2 convolution at the bottom and at the right.
        padded = F.pad(x, (0, 1, 0, 1)) if same else F.pad(x, [weight.shape[2] // 2] * 4)
        return F.conv2d(padded, weight, bias)

    x = picture = torch.rand(1, 3, 32, 48, dtype=torch.float64)
    skips = []
    for level in range(5):
        x = conv(conv(F.max_pool2d(x, 2) if level else x).relu()).relu()
        skips.append(x)
    for skip in skips[3::-1]:
        up = conv(F.interpolate(x, scale_factor=2, mode="nearest"), same=True).relu()
        x = conv(conv(torch.cat((skip, up), dim=1)).relu()).relu()
    expected = conv(conv(x).relu()).sigmoid()
    assert next(weights, None) is None
    with torch.inference_mode():
        torch.testing.assert_close(network(picture), expected)


def test_bgr_swaps_the_colours_of_every_view_and_back() -> None:
    torch.manual_seed(0)
    network = DPDNet(2, views=2).eval()
    left, right = torch.rand(2, 1, 3, 32, 16)
    with torch.inference_mode():
        bgr = network(torch.cat((left, right), dim=1))
        network.bgr = False
        rgb = network(torch.cat((left.flip(1), right.flip(1)), dim=1)).flip(1)
    assert torch.equal(bgr, rgb)


def test_dropout_acts_in_training_only() -> None:
    torch.manual_seed(0)
    network, picture = DPDNet(4), torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        assert not torch.equal(network(picture), network(picture))
        network.eval()
        assert torch.equal(network(picture), network(picture))


def test_a_pixel_reaches_as_far_as_said_and_no_farther() -> None:
    # Positive weights, no bias, no sigmoid: an output is positive exactly where the one lit pixel reaches.
    network = DPDNet(1).double().eval()
    network.out.sigmoid = nn.Identity()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(1 / parameter[0].numel() if parameter.ndim > 1 else 0)
    up = down = 0
    with torch.inference_mode():
        for offset in range(DPDNet.size_multiple):
            lit = 144 + offset
            picture = torch.zeros(1, 3, 304, 304, dtype=torch.float64)
            picture[:, :, lit, lit] = 1
            reached = network(picture)[0].sum(0).nonzero()
            up, down = max(up, lit - int(reached.min())), max(down, int(reached.max()) - lit)
    assert (up, down) == (DPDNet.receptive_radius_px, 108)


def test_tiles_equal_the_whole_picture(rng: np.random.Generator) -> None:
    torch.manual_seed(0)
    module, radius = DPDNet(4).eval(), DPDNet.receptive_radius_px
    network = Network(module, "dpdnet", "", 16, radius, 1, torch.device("cpu"))
    picture = rng.random((330, 420, 3), dtype=np.float32)
    whole = deblur(network, picture)
    assert whole.std() > 1e-3
    assert np.abs(whole - deblur(network, picture, tile=304, overlap=radius)).max() < 1e-5
    assert np.abs(whole - deblur(network, picture, tile=304, overlap=16)).max() > 1e-5


@pytest.mark.parametrize("options", [{"width": 0}, {"dropout": 1.0}, {"dropout": -0.1}, {"views": 3}])
def test_options_out_of_range_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=f"dpdnet: {next(iter(options))}"):
        DPDNet(**options)  # type: ignore[arg-type]

"""Networks without weights."""

import torch
from torch import nn

from sdd_bench.models.networks.unet import UNet
from sdd_bench.models.outline import outline


def test_an_outline_has_the_names_and_shapes_of_the_network_and_no_memory() -> None:
    network = UNet(4)
    drawn = {name: value.shape for name, value in network.state_dict().items()}
    outlined = outline(lambda: UNet(4)).state_dict()
    assert {name: value.shape for name, value in outlined.items()} == drawn
    assert all(value.is_meta for value in outlined.values())


def test_weights_are_drawn_as_ever_afterwards() -> None:
    outline(lambda: nn.Linear(2, 2))
    torch.manual_seed(0)
    assert float(nn.init.normal_(torch.zeros(100)).std()) > 0.5

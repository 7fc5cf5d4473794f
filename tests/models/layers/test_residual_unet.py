"""The body of residual U-Nets, in each network made of it: where it starts, what it sees, what it gives."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch.nn import functional as F

from sdd_bench.models.layers.residual_unet import ResidualUNet
from sdd_bench.models.networks.folded import FoldedUNet
from sdd_bench.models.networks.laplacian import LaplacianUNet

NETWORKS = pytest.mark.parametrize("make", [FoldedUNet, LaplacianUNet])
Make = Callable[..., ResidualUNet]


@NETWORKS
def test_it_starts_next_to_the_identity(make: Make) -> None:
    blurry = F.interpolate(torch.rand(1, 3, 4, 6), scale_factor=8, mode="bilinear")
    with torch.inference_mode():
        assert (make(8).eval()(blurry) - blurry).abs().max() < 0.02


@NETWORKS
def test_every_weight_gets_a_gradient_within_three_steps(make: Make) -> None:
    torch.manual_seed(0)
    network = make(8)
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    for _ in range(3):
        optimizer.zero_grad()
        (network(torch.rand(1, 3, 32, 32)) - torch.rand(1, 3, 32, 32)).square().mean().backward()
        optimizer.step()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in network.parameters())


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (FoldedUNet, {"blocks": (1,), "fold": 2}),
        (FoldedUNet, {"blocks": (2, 1), "fold": 2}),
        (FoldedUNet, {"blocks": (1, 2, 2), "fold": 2}),
        (FoldedUNet, {"blocks": (2,), "fold": 4}),
        (LaplacianUNet, {"blocks": (1,)}),
        (LaplacianUNet, {"blocks": (1, 2)}),
        (LaplacianUNet, {"blocks": (1, 2, 2)}),
    ],
)
def test_no_output_pixel_depends_on_an_input_beyond_the_receptive_radius(
    make: Make, options: dict[str, object]
) -> None:
    torch.manual_seed(0)
    network = make(4, **options).double()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    radius, multiple = network.receptive_radius_px, network.size_multiple
    side = (2 * radius + 3 * multiple) // multiple * multiple
    reached = 0
    for at in range(side // 2, side // 2 + multiple):
        picture = torch.rand(1, 3, side, side, dtype=torch.float64, requires_grad=True)
        network(picture)[0, :, at, at].sum().backward()
        assert picture.grad is not None
        touched = picture.grad[0].abs().sum(0).nonzero()
        reached = max(reached, int((touched - at).abs().max()))
    assert reached <= radius
    assert reached > radius / 2  # the bound is no wild guess


@NETWORKS
def test_outputs_are_pictures_except_while_training(make: Make) -> None:
    network = make(8)
    torch.nn.init.normal_(network.unfold.weight, std=1.0)
    blurry = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        assert network(blurry).max() > 1
        made = network.eval()(blurry)
    assert 0 <= made.min() <= made.max() <= 1

"""The Laplacian U-Net: where it starts, what it sees, how large it is."""

import pytest
import torch
from torch.nn import functional as F

from sdd_bench.models.networks.laplacian import LaplacianUNet, _double, _pyramid
from sdd_bench.models.spec import ModelSpec, estimate_bytes_per_pixel


def test_it_starts_next_to_the_identity():
    blurry = F.interpolate(torch.rand(1, 3, 4, 6), scale_factor=8, mode="bilinear")
    with torch.inference_mode():
        assert (LaplacianUNet(8).eval()(blurry) - blurry).abs().max() < 0.02


def test_every_weight_gets_a_gradient_within_three_steps():
    torch.manual_seed(0)
    network = LaplacianUNet(8)
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    for _ in range(3):
        optimizer.zero_grad()
        (network(torch.rand(1, 3, 32, 32)) - torch.rand(1, 3, 32, 32)).square().mean().backward()
        optimizer.step()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in network.parameters())


@pytest.mark.parametrize("blocks", [(1,), (1, 2), (1, 2, 2)])
def test_no_output_pixel_depends_on_an_input_beyond_the_receptive_radius(blocks):
    torch.manual_seed(0)
    network = LaplacianUNet(4, blocks=blocks).double()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    radius, multiple = network.receptive_radius_px, network.size_multiple
    side = (2 * radius + 3 * multiple) // multiple * multiple
    reached = 0
    for at in range(side // 2, side // 2 + multiple):
        picture = torch.rand(1, 3, side, side, dtype=torch.float64, requires_grad=True)
        network(picture)[0, :, at, at].sum().backward()
        touched = picture.grad[0].abs().sum(0).nonzero()
        reached = max(reached, int((touched - at).abs().max()))
    assert reached <= radius
    assert reached > radius / 2  # the bound is no wild guess


def test_outputs_are_pictures_except_while_training():
    network = LaplacianUNet(8)
    torch.nn.init.normal_(network.unfold.weight, std=1.0)
    blurry = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        assert network(blurry).max() > 1
        made = network.eval()(blurry)
    assert 0 <= made.min() <= made.max() <= 1


def test_it_is_in_the_registry_and_within_eight_megabytes_in_half_precision():
    network = ModelSpec("unet-laplacian").build()
    assert 2 * sum(parameter.numel() for parameter in network.parameters()) < 8e6
    assert network.size_multiple == 8
    assert estimate_bytes_per_pixel(network) < estimate_bytes_per_pixel(ModelSpec("unet-small").build())


def test_gains_turn_up_the_bands_of_the_pyramid():
    network = LaplacianUNet(8).eval()
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    picture = 0.5 + 0.2 * (torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) - 0.5)
    waves = 0.5 + 0.1 * torch.cos(torch.arange(64) * torch.pi).expand(1, 3, 64, 64)  # nothing but the finest band
    flat = torch.full((1, 3, 64, 64), 0.3)
    with torch.inference_mode():
        assert torch.equal(network(picture), picture)
        network.unfold.bias[12:16] = 0.1  # a gain of 1 on the finest band
        assert torch.allclose(network(waves) - 0.5, 2 * (waves - 0.5), atol=1e-5)
        network.unfold.bias[12:16], network.unfold.bias[16:] = 0, 0.1
        assert torch.allclose(network(waves), waves, atol=1e-5)
        assert torch.allclose(network(flat), flat, atol=1e-6)
        assert (network(picture) - picture).std() > 0.005


def test_the_bands_add_up_to_the_picture():
    picture = torch.rand(1, 3, 32, 48)
    finest, middle, coarsest = _pyramid(picture)
    rest = F.avg_pool2d(picture, 8)
    again = _double(_double(_double(rest) + coarsest) + middle) + finest
    assert torch.allclose(again, picture, atol=1e-5)

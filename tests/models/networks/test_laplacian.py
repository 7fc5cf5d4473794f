"""The Laplacian U-Net: where it starts, what it sees, how large it is."""

import torch
from torch.nn import functional as F

from sdd_bench.models.networks.laplacian import LaplacianUNet, _double, _pyramid
from sdd_bench.models.spec import ModelSpec, estimate_bytes_per_pixel


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

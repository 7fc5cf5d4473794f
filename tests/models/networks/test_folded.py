"""The folded U-Net: where it starts, what it sees, how large it is."""

from sdd_bench.models.spec import ModelSpec


def test_it_is_in_the_registry_and_within_eight_megabytes_in_half_precision() -> None:
    network = ModelSpec("unet-folded").build()
    assert 2 * sum(parameter.numel() for parameter in network.parameters()) < 8e6
    assert network.size_multiple == 8

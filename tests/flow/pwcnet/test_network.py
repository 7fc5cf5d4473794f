from pathlib import Path

import numpy as np
import pytest
import torch

from sdd_bench.flow.estimator import bundled_weights
from sdd_bench.flow.pwcnet import network as pwcnet
from sdd_bench.flow.pwcnet.checkpoint import load_pwcnet
from sdd_bench.flow.pwcnet.network import PWCNet

PARITY = Path(__file__).parents[2] / "data" / "parity"


@pytest.mark.parametrize("spelling", ["module", "net"])
def test_the_published_network_gives_the_fixture(published_checkpoint, spelling):
    fixture = np.load(PARITY / "pwcnet.npz")
    network = load_pwcnet(published_checkpoint(spelling))
    with torch.inference_mode():
        flow = network(torch.from_numpy(fixture["input0"]), torch.from_numpy(fixture["input1"]))[-1].numpy()
    assert np.abs(flow - fixture["output0"]).max() <= 1e-5 * np.abs(fixture["output0"]).max()


def test_the_published_network_has_its_published_size():
    assert sum(p.numel() for p in PWCNet().parameters()) == 9_374_274


@pytest.mark.parametrize("normalise", [False, True])
@pytest.mark.parametrize("dense", [False, True])
def test_strips_give_the_flow_of_the_whole_picture(monkeypatch, dense, normalise):
    torch.manual_seed(0)
    network = PWCNet(dense=dense, normalise=normalise)
    a, b = torch.rand(2, 2, 3, 640, 64)
    whole = network(a, b)[-1].detach()
    monkeypatch.setattr(pwcnet, "_PIXELS_PER_STRIP", 1)
    with torch.no_grad():
        strips = network(a, b)[-1]
    torch.testing.assert_close(strips, whole, rtol=1e-4, atol=1e-5)


def test_every_parameter_of_the_trained_variant_gets_a_gradient():
    network = PWCNet(dense=False, normalise=True)
    flows = network(*torch.rand(2, 1, 3, 64, 128))
    assert [tuple(flow.shape[2:]) for flow in flows] == [(1, 2), (2, 4), (4, 8), (8, 16), (16, 32)]
    sum(flow.square().sum() for flow in flows).backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in network.parameters())


def test_the_bundled_weights_are_the_small_normalised_network_and_frozen():
    network = load_pwcnet(bundled_weights())
    assert network.normalise
    assert not any(p.requires_grad for p in network.parameters())
    assert not network.training


@pytest.mark.parametrize("batch", [1, 2])
def test_fewer_products_give_the_same_flow(batch):
    network = load_pwcnet(bundled_weights())
    torch.manual_seed(0)
    a, b = torch.rand(2, batch, 3, 128, 192)
    with torch.no_grad():
        plain = network(a, b)[-1]
        network.take_fewer_products()
        fewer = network(a, b)[-1]
    assert not torch.equal(fewer, plain)  # else they were not taken
    torch.testing.assert_close(fewer, plain, rtol=1e-4, atol=1e-5)


def test_a_gradient_is_never_by_fewer_products():
    network = load_pwcnet(bundled_weights())
    network.take_fewer_products()
    picture = torch.rand(1, 3, 64, 64, requires_grad=True)
    network(picture, torch.rand(1, 3, 64, 64))[-1].sum().backward()
    assert picture.grad.abs().sum() > 0

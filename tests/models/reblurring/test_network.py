"""The reblurring network against the released one's outputs."""

from pathlib import Path

import numpy as np
import pytest
import torch
from formula_weights import fill_by_formula

from sdd_bench.models.reblurring.free import free_reblur
from sdd_bench.models.reblurring.isotropic import isotropic_reblur
from sdd_bench.models.reblurring.network import PredictionNetwork, ReblurKernels, ReblurNetwork

PARITY = Path(__file__).parents[2] / "data" / "parity"


def test_the_released_isotropic_network_is_reproduced() -> None:
    fixture = np.load(PARITY / "reblur_isotropic.npz")
    network = fill_by_formula(ReblurNetwork())
    with torch.inference_mode():
        output = network(torch.from_numpy(fixture["input0"]), torch.from_numpy(fixture["input1"])).numpy()
    assert np.abs(output - fixture["output0"]).max() <= 1e-5 * np.abs(fixture["output0"]).max()
    assert sum(p.numel() for p in network.parameters()) == 474_987


def test_the_released_free_kernels_are_reproduced() -> None:
    fixture = np.load(PARITY / "reblur_free15.npz")
    network = fill_by_formula(PredictionNetwork(225), prefix="kpn.")
    deblurred, blurry = torch.from_numpy(fixture["input0"]), torch.from_numpy(fixture["input1"])
    with torch.inference_mode():
        output = free_reblur(deblurred, network(deblurred, blurry)).numpy()
    assert np.abs(output - fixture["output0"]).max() <= 1e-5 * np.abs(fixture["output0"]).max()


@pytest.mark.parametrize("kernels", list(ReblurKernels))
def test_every_form_keeps_size_and_passes_gradients_to_both_networks_and_the_picture(kernels: ReblurKernels) -> None:
    torch.manual_seed(0)
    network = ReblurNetwork(kernels=kernels, width=8)
    deblurred = torch.rand(1, 3, 40, 24, requires_grad=True)
    reblurred = network(deblurred, torch.rand(1, 3, 40, 24))
    assert reblurred.shape == deblurred.shape
    reblurred.square().sum().backward()
    assert deblurred.grad is not None
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in network.parameters())


def test_recomputing_changes_no_gradient() -> None:
    pictures = torch.rand(2, 1, 3, 24, 24, generator=torch.Generator().manual_seed(1))
    gradients = []
    for recompute in (False, True):
        torch.manual_seed(0)
        network = ReblurNetwork(width=8, recompute=recompute)
        network(*pictures).square().sum().backward()
        gradients.append([p.grad for p in network.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_the_single_kernel_is_the_largest_of_the_isotropic_ones() -> None:
    torch.manual_seed(0)
    network = ReblurNetwork(kernels=ReblurKernels.SINGLE, width=8)
    deblurred, blurry = torch.rand(1, 3, 20, 20), torch.rand(1, 3, 20, 20)
    with torch.inference_mode():
        seeds = torch.cat((torch.randn(1, 27, 20, 20), network.kpn(deblurred, blurry)), dim=1)
        weights = torch.zeros(1, 8, 20, 20)
        weights[:, -1] = 1
        torch.testing.assert_close(network(deblurred, blurry), isotropic_reblur(deblurred, seeds, weights))

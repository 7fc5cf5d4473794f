"""LPIPS as a loss: the figures of the metric, and gradients that lower them."""

from __future__ import annotations

import pytest
import torch

from sdd_bench.core.errors import ConfigError
from sdd_bench.metrics.batches import lpips_of_batch
from sdd_bench.training.config import TrainConfig
from sdd_bench.training.perceptual import PerceptualDistance, load_perceptual


@pytest.mark.parametrize("size", [(31, 31), (64, 48), (57, 90)])
def test_it_is_the_metric(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    a, b = torch.rand(2, 3, 3, *size)
    assert PerceptualDistance()(a, b).item() == pytest.approx(lpips_of_batch(a, b).mean().item(), rel=1e-4)


def test_a_step_along_its_gradient_lowers_it() -> None:
    torch.manual_seed(0)
    distance, (a, b) = PerceptualDistance(), torch.rand(2, 1, 3, 64, 64)
    a.requires_grad_(True)
    before = distance(a, b)
    before.backward()  # type: ignore[no-untyped-call]
    assert a.grad is not None
    assert distance((a - 0.2 * a.grad / a.grad.abs().mean() / 255).detach(), b) < before
    assert not any(parameter.requires_grad for parameter in distance.parameters())


def test_equal_pictures_have_a_finite_gradient() -> None:
    a = torch.zeros(1, 3, 40, 40, requires_grad=True)
    loss = PerceptualDistance()(a, torch.zeros(1, 3, 40, 40))
    loss.backward()
    assert loss == 0
    assert a.grad is not None
    assert bool(a.grad.isfinite().all())


def test_too_small_a_crop_is_refused() -> None:
    with pytest.raises(ConfigError, match="31 pixels or more, got 30"):
        PerceptualDistance()(torch.zeros(1, 3, 30, 40), torch.zeros(1, 3, 30, 40))


def test_it_is_loaded_where_it_has_a_weight() -> None:
    assert load_perceptual(TrainConfig(), torch.device("cpu")) is None
    assert load_perceptual(TrainConfig(perceptual_weight=0.02), torch.device("cpu")) is not None

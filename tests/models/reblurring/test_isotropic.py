"""The factorised isotropic blur against Eq. 7-9 written out."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from sdd_bench.models.reblurring.isotropic import isotropic_reblur


def kernels_of_eq_7(seeds: Tensor, size_index: int) -> Tensor:
    """Softmax of Eq. 7 over the window, one map per kernel position: (N, (2i-1)^2, H, W) from (N, i, H, W)."""
    radius = size_index - 1
    values = []
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            rho = (dy * dy + dx * dx) ** 0.5
            low = int(rho)
            if rho > radius:
                values.append(torch.zeros_like(seeds[:, 0]))
            elif rho == low:
                values.append(seeds[:, low])
            else:
                values.append((low + 1 - rho) * seeds[:, low] + (rho - low) * seeds[:, low + 1])
    return torch.stack(values, 1).softmax(1)


def direct_form(image: Tensor, seeds: Tensor, weights: Tensor) -> Tensor:
    n, c, h, w = image.shape
    out = weights[:, :1] * image
    offset = 0
    for i in range(2, weights.shape[1] + 1):
        kernels = kernels_of_eq_7(seeds[:, offset : offset + i].abs(), i)
        windows = F.unfold(F.pad(image, [i - 1] * 4), 2 * i - 1).view(n, c, -1, h, w)
        out = out + weights[:, i - 1 : i] * (windows * kernels[:, None]).sum(2)
        offset += i
    return out


@pytest.mark.parametrize(("levels", "size"), [(8, (19, 23)), (3, (9, 8)), (2, (5, 7))])
def test_values_and_gradients_equal_the_direct_form(levels: int, size: tuple[int, int]) -> None:
    torch.manual_seed(levels)
    image = torch.rand(2, 3, *size, requires_grad=True)
    seeds = torch.randn(2, sum(range(2, levels + 1)), *size, requires_grad=True)
    weights = torch.randn(2, levels, *size).softmax(1).requires_grad_()
    probe = torch.randn(2, 3, *size)
    results = []
    for form in (isotropic_reblur, direct_form):
        out = form(image, seeds, weights)
        results.append((out, *torch.autograd.grad((out * probe).sum(), (image, seeds, weights))))
    for ours, direct in zip(*results, strict=True):
        torch.testing.assert_close(ours, direct, rtol=1e-5, atol=1e-5)


def test_strips_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    inputs = (torch.rand(1, 3, 33, 20), torch.randn(1, 35, 33, 20), torch.rand(1, 8, 33, 20).softmax(1))
    whole = isotropic_reblur(*inputs)
    monkeypatch.setattr("sdd_bench.models.reblurring.isotropic._STRIP_PIXELS", {"cpu": 100})
    torch.testing.assert_close(isotropic_reblur(*inputs), whole)


def test_channels_last_inputs_give_the_same() -> None:
    torch.manual_seed(0)
    inputs = (torch.rand(1, 3, 16, 20), torch.randn(1, 35, 16, 20), torch.rand(1, 8, 16, 20).softmax(1))
    last = [x.to(memory_format=torch.channels_last) for x in inputs]
    torch.testing.assert_close(isotropic_reblur(*last), isotropic_reblur(*inputs))


def test_autocast_does_not_reach_the_blur() -> None:
    torch.manual_seed(0)
    inputs = (torch.rand(1, 3, 16, 20), torch.randn(1, 35, 16, 20), torch.rand(1, 8, 16, 20).softmax(1))
    with torch.autocast("cpu", torch.bfloat16):
        blurred = isotropic_reblur(*inputs)
    assert torch.equal(blurred, isotropic_reblur(*inputs))


def test_a_constant_picture_stays_constant_inside() -> None:
    torch.manual_seed(0)
    blurred = isotropic_reblur(
        torch.ones(1, 3, 32, 32), torch.randn(1, 35, 32, 32), torch.rand(1, 8, 32, 32).softmax(1)
    )
    torch.testing.assert_close(blurred[..., 7:-7, 7:-7], torch.ones(1, 3, 18, 18))


def test_a_symmetric_picture_is_not_moved() -> None:
    """Isotropic kernels keep a point where it is: the blurred point equals its own four rotations."""
    point = torch.zeros(1, 1, 31, 31)
    point[..., 15, 15] = 1.0
    seeds = torch.linspace(0, 3, 35)[None, :, None, None].expand(1, 35, 31, 31)
    blurred = isotropic_reblur(point, seeds, torch.full((1, 8, 31, 31), 0.125))
    for turns in range(1, 4):
        torch.testing.assert_close(blurred.rot90(turns, (2, 3)), blurred)


def test_large_seeds_do_not_overflow() -> None:
    blurred = isotropic_reblur(torch.rand(1, 3, 9, 9), torch.full((1, 35, 9, 9), 1e4), torch.full((1, 8, 9, 9), 0.125))
    assert bool(blurred.isfinite().all())


def test_a_sharply_peaked_kernel_is_next_to_the_identity() -> None:
    """Its other logits lie 25 below the peak: a share of 1e-11 each, which must not be raised."""
    impulse = torch.zeros(1, 3, 17, 17)
    impulse[..., 8, 8] = 1
    seeds = torch.zeros(1, 8, 17, 17)
    seeds[:, 0] = 25  # 15x15: the centre against the seven rings around it
    seeds = torch.cat((torch.zeros(1, 27, 17, 17), seeds), dim=1)
    weights = torch.zeros(1, 8, 17, 17)
    weights[:, 7] = 1
    blurred = isotropic_reblur(impulse, seeds, weights)
    torch.testing.assert_close(blurred, direct_form(impulse.double(), seeds.double(), weights.double()).float())
    blurred[..., 8, 8] = 0
    assert 0 < float(blurred.max()) < 1e-9

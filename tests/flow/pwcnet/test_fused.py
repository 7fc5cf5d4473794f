"""The compiled passes against the same passes as torch expressions."""

import numpy as np
import pytest
import torch

from sdd_bench.flow.pwcnet import fused, unfused
from sdd_bench.flow.pwcnet.fused import CELL
from sdd_bench.images.light import srgb_to_linear

SIZES = [(64, 96), (61, 94), (17, 1100), (300, 260)]


def planes(k: int, size: tuple[int, int], seed: int = 0) -> torch.Tensor:
    return torch.rand(k, *size, generator=torch.Generator().manual_seed(seed))


def cells(k: int, size: tuple[int, int], seed: int = 1) -> torch.Tensor:
    return planes(k, (-(-size[0] // CELL), -(-size[1] // CELL)), seed)


@pytest.mark.parametrize("size", SIZES)
def test_every_pass_over_pixels_equals_its_torch_expression(size):
    pictures, target, steps = planes(4, size), planes(1, size, 2)[0], 3 * cells(2, size)
    taps = torch.tensor([0.1, 0.2, 0.4, 0.2, 0.1])
    flow = 40 * (planes(2, size, 3) - 0.5)
    for name, arguments in {
        "blur": (pictures, taps),
        "warp": (target, flow, steps),
        "spread": (steps, size),
        "product_sums": (pictures, target),
        "step_sums": (pictures[0], target),
        "equalise": (pictures, cells(5, size)),
    }.items():
        found, expected = (getattr(form, name)(*arguments) for form in (fused, unfused))
        # Positions of a warp are rounded to 1e-4 px at most.
        atol = 1e-4 if name == "warp" else 2e-6
        torch.testing.assert_close(found, expected, atol=atol, rtol=1e-5, msg=lambda text, name=name: f"{name}: {text}")


def test_nearly_collinear_regressors_are_solved_alike():
    pictures = planes(1, (120, 160)) + 1e-2 * planes(4, (120, 160), 5)
    sums = fused.product_sums(pictures, planes(1, (120, 160), 7)[0])
    ridge = torch.tensor([1e-5] * 4 + [1e-7]).view(5, 1, 1)
    found, expected = fused.solve(sums, ridge), unfused.solve(sums, ridge)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    varying = ridge * (1 + cells(5, (120, 160)))
    torch.testing.assert_close(fused.solve(sums, varying), unfused.solve(sums, varying), atol=1e-4, rtol=1e-4)


def test_a_whole_number_of_pixels_is_copied_and_the_border_replicated():
    picture = planes(1, (40, 50))[0]
    flow = torch.zeros(2, 40, 50)
    flow[0] = 3
    moved = fused.warp(picture, flow, torch.zeros(2, 10, 13))
    assert torch.equal(moved[:, :-3], picture[:, 3:])
    assert torch.equal(moved[:, -3:], picture[:, -1:].expand(-1, 3))


def test_threads_change_no_bit():
    pictures, target = planes(4, (300, 260)), planes(1, (300, 260), 2)[0]
    one = [fused.product_sums(pictures, target), fused.blur(pictures, torch.tensor([0.25, 0.5, 0.25]))]
    torch.set_num_threads(3)
    three = [fused.product_sums(pictures, target), fused.blur(pictures, torch.tensor([0.25, 0.5, 0.25]))]
    assert all(torch.equal(a, b) for a, b in zip(one, three, strict=True))


def test_some_sums_of_a_step_are_those_among_all():
    picture, target = planes(1, (61, 294))[0], planes(1, (61, 294), 2)[0]
    whole = fused.step_sums(picture, target)
    only = ((0, 0), (1, 1), (3, 5), (5, 5))
    for form in (fused, unfused):
        torch.testing.assert_close(form.step_sums(picture, target, only), whole[[0, 5, -3, -1]], atol=2e-6, rtol=1e-5)


def test_luminance_is_linear_light_around_its_middle():
    values = torch.linspace(0, 1, 256)
    found = fused.luminance(values.expand(3, 1, -1))[0].numpy() / fused.GAIN + 0.5
    np.testing.assert_allclose(found, srgb_to_linear(values.numpy()), atol=0.006)
    assert found[0] == pytest.approx(0, abs=1e-6)
    assert found[-1] == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("size", SIZES)
def test_luminance_does_not_depend_on_how_channels_lie(size):
    picture = planes(3, size)
    beside = picture.permute(1, 2, 0).contiguous().permute(2, 0, 1)
    torch.testing.assert_close(fused.luminance(picture), unfused.luminance(picture), atol=1e-6, rtol=0)
    assert torch.equal(fused.luminance(beside), fused.luminance(picture))

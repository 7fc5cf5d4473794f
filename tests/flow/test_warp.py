from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from sdd_bench.core.errors import ImageError
from sdd_bench.core.types import Interpolation, WarpMode
from sdd_bench.flow.compose import similarity_flow
from sdd_bench.flow.warp import backwarp, valid_mask
from sdd_bench.geometry.similarity import Similarity

PARITY = Path(__file__).parents[1] / "data" / "parity"


@pytest.mark.parametrize("interpolation", Interpolation)
def test_zero_flow_returns_the_picture_bit_for_bit(interpolation):
    picture = torch.rand(2, 3, 37, 41)
    assert torch.equal(backwarp(picture, torch.zeros(2, 2, 37, 41), interpolation=interpolation), picture)


@pytest.mark.parametrize("interpolation", Interpolation)
def test_whole_pixels_are_copied_exactly_and_the_border_is_replicated(interpolation):
    picture = torch.rand(1, 3, 20, 30)
    flow = torch.tensor([5.0, -3.0]).view(1, 2, 1, 1).expand(1, 2, 20, 30)
    rows, columns = (torch.arange(20) - 3).clamp(min=0), (torch.arange(30) + 5).clamp(max=29)
    assert torch.equal(backwarp(picture, flow, interpolation=interpolation), picture[:, :, rows][:, :, :, columns])


def test_a_linear_picture_is_sampled_exactly_between_pixels():
    y, x = torch.meshgrid(torch.arange(24.0), torch.arange(32.0), indexing="ij")
    plane = (0.25 * x + 0.5 * y)[None, None]
    flow = torch.tensor([0.25, 0.75]).view(1, 2, 1, 1).expand(1, 2, 24, 32)
    warped = backwarp(plane, flow)
    torch.testing.assert_close(warped[..., :-1, :-1], plane[..., :-1, :-1] + 0.25 * 0.25 + 0.5 * 0.75)


@pytest.mark.parametrize("period", [4, 6, 12])
def test_a_sine_halfway_between_pixels_keeps_what_the_formula_of_its_kernel_leaves(period):
    """Halfway, a wave is left with the mean of the cosines of its phase at the pixels, by their weights."""
    x = torch.arange(96, dtype=torch.float64)
    wave = torch.sin(2 * torch.pi * x / period).expand(1, 1, 8, 96)
    moved = torch.sin(2 * torch.pi * (x + 0.5) / period).expand(1, 1, 8, 96)[..., 3:-3]
    flow = torch.zeros(1, 2, 8, 96, dtype=torch.float64)
    flow[:, 0] = 0.5
    away = np.array([0.5, 1.5, 2.5])
    weights = np.sinc(away) * np.sinc(away / 3)
    waves = np.cos(2 * np.pi * away / period)
    kept = {"linear": waves[0], "lanczos": (weights * waves).sum() / weights.sum()}
    for interpolation in Interpolation:
        warped = backwarp(wave, flow, interpolation=interpolation)[..., 3:-3]
        torch.testing.assert_close(warped, kept[interpolation] * moved)
    assert abs(1 - kept["lanczos"]) < abs(1 - kept["linear"]) / 3


def test_lanczos_repeats_the_border_and_brings_in_nothing_else():
    """A picture that is one value stays that value, however far outside the flow leads."""
    picture, flow = torch.full((1, 3, 9, 11), 0.7), 20 * torch.randn(1, 2, 9, 11)
    torch.testing.assert_close(backwarp(picture, flow, interpolation=Interpolation.LANCZOS), picture)
    ramp = torch.arange(11.0).expand(1, 1, 9, 11)
    far = backwarp(ramp, torch.full((1, 2, 9, 11), 30.5), interpolation=Interpolation.LANCZOS)
    assert bool((far == 10).all())


def test_a_photograph_warped_forth_and_back_by_lanczos_is_nearer_to_itself(photo):
    sharp = torch.from_numpy(photo).permute(2, 0, 1)[None].float() / 255
    there = torch.full((1, 2, *sharp.shape[2:]), 0.4)
    left = {}
    for interpolation in Interpolation:
        back = backwarp(backwarp(sharp, there, interpolation=interpolation), -there, interpolation=interpolation)
        left[interpolation] = (back - sharp)[..., 4:-4, 4:-4].square().mean()
    assert left["lanczos"] < 0.3 * left["linear"]


def test_the_released_warp_is_linear_alone():
    with pytest.raises(ImageError, match="is linear, got lanczos"):
        backwarp(torch.rand(1, 3, 8, 8), torch.zeros(1, 2, 8, 8), mode="released", interpolation="lanczos")


def test_backwarp_undoes_a_known_zoom(photo):
    sharp = torch.from_numpy(photo).permute(2, 0, 1)[None].float() / 255
    zoom = similarity_flow(Similarity(zoom=1.02, shift_x_px=1.5), *sharp.shape[2:])[None]
    back = similarity_flow(Similarity(zoom=1 / 1.02, shift_x_px=-1.5 / 1.02), *sharp.shape[2:])[None]
    there_and_back = backwarp(backwarp(sharp, zoom), back)
    moved = (backwarp(sharp, zoom) - sharp)[..., 16:-16, 16:-16].abs().mean()
    left = (there_and_back - sharp)[..., 16:-16, 16:-16].abs().mean()
    assert left < 0.35 * moved


@pytest.mark.parametrize("interpolation", Interpolation)
def test_strips_without_gradients_equal_the_whole_with_gradients(interpolation):
    picture, flow = torch.rand(1, 3, 1100, 16), 4 * torch.randn(1, 2, 1100, 16)
    whole = backwarp(picture.requires_grad_(), flow, interpolation=interpolation)
    with torch.no_grad():
        assert torch.equal(backwarp(picture, flow, interpolation=interpolation), whole.detach())


@pytest.mark.parametrize("interpolation", Interpolation)
def test_gradients_reach_the_picture_and_the_flow(interpolation):
    picture = torch.rand(1, 2, 5, 6, dtype=torch.float64, requires_grad=True)
    flow = (0.8 * torch.rand(1, 2, 5, 6, dtype=torch.float64) + 0.1).requires_grad_()
    assert torch.autograd.gradcheck(partial(backwarp, interpolation=interpolation), (picture, flow))


@pytest.mark.parametrize(("mode", "interpolation"), [("exact", "linear"), ("exact", "lanczos"), ("released", "linear")])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 3e38])
@pytest.mark.parametrize("direction", [0, 1])
def test_a_flow_that_is_not_finite_disturbs_its_own_pixels_alone(mode, interpolation, value, direction):
    picture, flow = torch.rand(1, 3, 12, 15), torch.zeros(1, 2, 12, 15)
    calm = backwarp(picture, flow, mode=mode, interpolation=interpolation)
    flow[0, direction, 4, 5] = value
    warped = backwarp(picture, flow, mode=mode, interpolation=interpolation)
    elsewhere = torch.ones(12, 15, dtype=torch.bool)
    elsewhere[4, 5] = False
    assert torch.equal(warped[..., elsewhere], calm[..., elsewhere])
    assert warped[0, :, 4, 5].isnan().all() == np.isnan(value)
    assert not valid_mask(flow)[0, 0, 4, 5]


def test_nan_of_a_picture_reaches_the_pixels_that_interpolate_it_and_no_other():
    picture = torch.rand(1, 1, 8, 8)
    picture[0, 0, 3, 3] = float("nan")
    reached = backwarp(picture, torch.zeros(1, 2, 8, 8)).isnan()[0, 0].nonzero().tolist()
    assert reached == [[2, 2], [2, 3], [3, 2], [3, 3]]


def test_released_warp_equals_the_authors_code():
    fixture = np.load(PARITY / "warp_released.npz")
    picture, flow, expected = (torch.from_numpy(fixture[key]) for key in ("input0", "input1", "output0"))
    warped = backwarp(picture, flow, mode=WarpMode.RELEASED)
    assert (warped - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_released_warp_moves_the_picture_even_at_zero_flow(photo):
    picture = torch.from_numpy(photo).permute(2, 0, 1)[None].float() / 255
    warped = backwarp(picture, torch.zeros(1, 2, *picture.shape[2:]), mode=WarpMode.RELEASED)
    assert (warped - picture).abs().mean() > 1e-3


def test_valid_mask_is_false_where_the_border_was_replicated():
    flow = torch.zeros(1, 2, 4, 6)
    flow[:, 0] = 2
    expected = torch.ones(1, 1, 4, 6, dtype=torch.bool)
    expected[..., 4:] = False
    assert torch.equal(valid_mask(flow), expected)


@pytest.mark.parametrize("shape", [(1, 3, 8, 8), (2, 2, 8, 8), (2, 8, 8)])
def test_a_flow_that_does_not_belong_to_the_picture_is_refused(shape):
    with pytest.raises(ImageError, match="expected moving"):
        backwarp(torch.rand(1, 3, 8, 8), torch.zeros(shape))

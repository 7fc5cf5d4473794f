from pathlib import Path

import numpy as np
import pytest
import torch

from sdd_bench.core.errors import ImageError
from sdd_bench.core.types import WarpMode
from sdd_bench.flow.compose import similarity_flow
from sdd_bench.flow.warp import backwarp, valid_mask
from sdd_bench.geometry.similarity import Similarity

PARITY = Path(__file__).parents[1] / "data" / "parity"


def test_zero_flow_returns_the_picture_bit_for_bit():
    picture = torch.rand(2, 3, 37, 41)
    assert torch.equal(backwarp(picture, torch.zeros(2, 2, 37, 41)), picture)


def test_whole_pixels_are_copied_exactly_and_the_border_is_replicated():
    picture = torch.rand(1, 3, 20, 30)
    flow = torch.tensor([5.0, -3.0]).view(1, 2, 1, 1).expand(1, 2, 20, 30)
    rows, columns = (torch.arange(20) - 3).clamp(min=0), (torch.arange(30) + 5).clamp(max=29)
    assert torch.equal(backwarp(picture, flow), picture[:, :, rows][:, :, :, columns])


def test_a_linear_picture_is_sampled_exactly_between_pixels():
    y, x = torch.meshgrid(torch.arange(24.0), torch.arange(32.0), indexing="ij")
    plane = (0.25 * x + 0.5 * y)[None, None]
    flow = torch.tensor([0.25, 0.75]).view(1, 2, 1, 1).expand(1, 2, 24, 32)
    warped = backwarp(plane, flow)
    torch.testing.assert_close(warped[..., :-1, :-1], plane[..., :-1, :-1] + 0.25 * 0.25 + 0.5 * 0.75)


def test_backwarp_undoes_a_known_zoom(photo):
    sharp = torch.from_numpy(photo).permute(2, 0, 1)[None].float() / 255
    zoom = similarity_flow(Similarity(zoom=1.02, shift_x_px=1.5), *sharp.shape[2:])[None]
    back = similarity_flow(Similarity(zoom=1 / 1.02, shift_x_px=-1.5 / 1.02), *sharp.shape[2:])[None]
    there_and_back = backwarp(backwarp(sharp, zoom), back)
    moved = (backwarp(sharp, zoom) - sharp)[..., 16:-16, 16:-16].abs().mean()
    left = (there_and_back - sharp)[..., 16:-16, 16:-16].abs().mean()
    assert left < 0.35 * moved


def test_strips_without_gradients_equal_the_whole_with_gradients():
    picture, flow = torch.rand(1, 3, 1100, 16), 4 * torch.randn(1, 2, 1100, 16)
    whole = backwarp(picture.requires_grad_(), flow)
    with torch.no_grad():
        assert torch.equal(backwarp(picture, flow), whole.detach())


def test_gradients_reach_the_picture_and_the_flow():
    picture = torch.rand(1, 2, 5, 6, dtype=torch.float64, requires_grad=True)
    flow = (torch.rand(1, 2, 5, 6, dtype=torch.float64) + 0.1).requires_grad_()
    assert torch.autograd.gradcheck(backwarp, (picture, flow))


@pytest.mark.parametrize("mode", WarpMode)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 3e38])
@pytest.mark.parametrize("direction", [0, 1])
def test_a_flow_that_is_not_finite_disturbs_its_own_pixels_alone(mode, value, direction):
    picture, flow = torch.rand(1, 3, 12, 15), torch.zeros(1, 2, 12, 15)
    calm = backwarp(picture, flow, mode=mode)
    flow[0, direction, 4, 5] = value
    warped = backwarp(picture, flow, mode=mode)
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

"""The warp of a picture against that of tensors."""

import numpy as np
import pytest
import torch

from sdd_bench.core.types import WarpMode
from sdd_bench.flow.warp import backwarp, valid_mask
from sdd_bench.flow.warp_picture import backwarp_picture, valid_mask_of_picture


@pytest.fixture
def picture(rng: np.random.Generator) -> np.ndarray:
    return rng.random((61, 90, 3), np.float32)


@pytest.mark.parametrize("mode", list(WarpMode))
def test_it_equals_the_warp_of_tensors(picture: np.ndarray, rng: np.random.Generator, mode: WarpMode) -> None:
    flow = torch.from_numpy((20 * rng.standard_normal((2, 61, 90))).astype(np.float32))
    flow[0, 7, 9] = torch.nan
    flow[1, 3, 2] = torch.inf
    batch = torch.from_numpy(picture.transpose(2, 0, 1).copy())[None]
    expected = backwarp(batch, flow[None], mode=mode)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(backwarp_picture(picture, flow, mode=mode), expected, atol=1e-6)


def test_whole_pixels_are_copied_and_the_border_repeated(picture: np.ndarray) -> None:
    flow = torch.zeros(2, 61, 90)
    flow[0] = 3
    moved = backwarp_picture(picture, flow)
    assert np.array_equal(moved[:, :-3], picture[:, 3:])
    assert (moved[:, -3:] == picture[:, -1:]).all()


def test_views_are_read_as_they_are(picture: np.ndarray) -> None:
    flow = torch.full((2, 61, 90), 0.25)
    assert np.array_equal(backwarp_picture(picture[..., ::-1], flow), backwarp_picture(picture, flow)[..., ::-1])


def test_the_mask_of_a_picture_is_that_of_tensors(rng: np.random.Generator) -> None:
    flow = torch.from_numpy((20 * rng.standard_normal((2, 61, 90))).astype(np.float32))
    flow[0, 7, 9], flow[1, 3, 2] = torch.nan, torch.inf
    found = valid_mask_of_picture(flow)
    assert np.array_equal(found, valid_mask(flow[None])[0, 0].numpy())
    assert 0 < found.mean() < 1

"""A transformed flow still joins the transformed pictures."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from sdd_bench.flow.warp import backwarp
from sdd_bench.prepared.transforms import Transform, centre_crop, random_transform

ALL = [Transform(0, 0, 6, 6, *rest) for rest in itertools.product((0, 1), (0, 1), range(4))]


@pytest.mark.parametrize("transform", ALL)
def test_a_point_and_where_its_flow_leads_move_together(transform: Transform, rng: np.random.Generator) -> None:
    """Number the pixels; follow the flow by whole pixels before and after: the same numbers must meet."""
    size = 6
    numbers = np.arange(size * size).reshape(size, size)
    target_y, target_x = rng.integers(0, size, (2, size, size))
    grid_y, grid_x = np.mgrid[:size, :size]
    flow = np.stack([target_x - grid_x, target_y - grid_y]).astype(np.float32)
    leads_to = numbers[target_y, target_x]

    turned = transform.apply(numbers[..., None])[..., 0]
    turned_flow = transform.apply_flow(flow).round().astype(int)
    found = turned[grid_y + turned_flow[1], grid_x + turned_flow[0]]
    np.testing.assert_array_equal(found, transform.apply(leads_to[..., None])[..., 0])


@pytest.mark.parametrize(("flip_x", "flip_y", "quarter_turns"), [(1, 0, 0), (0, 1, 3), (1, 1, 1), (0, 0, 2)])
def test_warping_and_transforming_commute(
    flip_x: int, flip_y: int, quarter_turns: int, photo: np.ndarray, rng: np.random.Generator
) -> None:
    size = 64
    moving = photo[:size, :size].astype(np.float32) / 255
    y, x = np.mgrid[:size, :size].astype(np.float32)
    flow = np.stack([1.5 * np.sin(y / 9) + 0.3, 1.2 * np.cos(x / 7) - 0.4]).astype(np.float32)
    transform = Transform(0, 0, size, size, flip_x, flip_y, quarter_turns)

    def warp(picture: np.ndarray, by: np.ndarray) -> np.ndarray:
        planes = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None]
        warped = backwarp(planes, torch.from_numpy(np.ascontiguousarray(by))[None])
        return warped[0].numpy().transpose(1, 2, 0)

    np.testing.assert_allclose(
        warp(transform.apply(moving), transform.apply_flow(flow)), transform.apply(warp(moving, flow)), atol=1e-5
    )


def test_known_vectors() -> None:
    flow = np.zeros((2, 4, 4), np.float32)
    flow[0], flow[1] = 3, 1
    assert Transform(0, 0, 4, 4, 1).apply_flow(flow)[:, 0, 0].tolist() == [-3, 1]
    assert Transform(0, 0, 4, 4, 0, 1).apply_flow(flow)[:, 0, 0].tolist() == [3, -1]
    assert Transform(0, 0, 4, 4, 0, 0, 1).apply_flow(flow)[:, 0, 0].tolist() == [1, -3]
    assert Transform(1, 0, 2, 3).apply_flow(flow).shape == (2, 2, 3)
    assert Transform(1, 0, 2, 3, 0, 0, 1).apply_flow(flow).shape == (2, 3, 2)


def test_random_transforms_cover_everything_and_stay_inside() -> None:
    drawn = [random_transform(np.random.default_rng(seed), 10, 7) for seed in range(400)]
    assert {t.y for t in drawn} == {t.x for t in drawn} == {0, 1, 2, 3}
    assert {t[4:] for t in drawn} == set(itertools.product((0, 1), (0, 1), range(4)))
    assert all((t.height, t.width) == (7, 7) for t in drawn)


def test_the_centre_is_in_the_middle() -> None:
    assert centre_crop(512, 256) == Transform(128, 128, 256, 256)
    assert centre_crop(5, 5) == Transform(0, 0, 5, 5)

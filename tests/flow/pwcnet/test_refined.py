"""Sizes at which large pictures are looked at, and what is found of a motion there."""

import cv2
import numpy as np
import pytest
import torch

from sdd_bench.flow.estimator import load_flow
from sdd_bench.flow.pwcnet.refined import RefinedFlow


def large(shift: tuple[float, float] = (0.0, 0.0)) -> torch.Tensor:
    """A textured picture ``(1, 3, 720, 1400)``, moved."""
    rng = np.random.default_rng(3)
    scene = np.zeros((760, 1440, 3), np.float32)
    for step in (2, 8, 32):
        noise = rng.standard_normal((-(-760 // step), -(-1440 // step), 3)).astype(np.float32)
        scene += step**0.5 * cv2.resize(noise, (1440, 760), interpolation=cv2.INTER_CUBIC)
    matrix = np.array([[1, 0, shift[0] - 20], [0, 1, shift[1] - 20]], np.float32)
    moved = cv2.warpAffine(scene, matrix, (1400, 720), flags=cv2.INTER_CUBIC)
    return torch.from_numpy((0.5 + 0.03 * moved).clip(0, 1)).permute(2, 0, 1)[None].contiguous()


@pytest.mark.parametrize(
    ("side", "expected"),
    [(640, [1.0]), (1344, [1.0]), (1792, [2.0, 1.0]), (2048, [16 / 7, 1.0]), (4096, [32 / 7, 16 / 7, 1.0])],
)
def test_large_pictures_are_seen_smaller(side: int, expected: list[float]) -> None:
    flow = load_flow()
    assert isinstance(flow, RefinedFlow)
    assert flow._scales(torch.empty(1, 3, 600, 1).expand(1, 3, 600, side)) == pytest.approx(expected)


def test_the_motion_of_a_large_picture_is_found_to_a_fraction_of_a_pixel() -> None:
    found = load_flow().estimate(large(), large((6.0, -3.0)))[0, :, 40:-40, 40:-40]
    error = torch.hypot(found[0] - 6.0, found[1] + 3.0)
    assert float(error.mean()) < 0.05


@pytest.mark.parametrize("shift", [(0.0, 0.0), (1.0, 0.5)])
def test_a_small_motion_of_a_large_picture_is_found_below_full_size(shift: tuple[float, float]) -> None:
    flow = load_flow()
    assert isinstance(flow, RefinedFlow)
    found = flow.estimate_small(large(), large(shift))[0, :, 40:-40, 40:-40]
    error = torch.hypot(found[0] - shift[0], found[1] - shift[1])
    assert float(error.mean()) < 0.05

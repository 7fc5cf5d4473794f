"""Sizes at which large pictures are looked at, and what is found of a motion there."""

import cv2
import numpy as np
import pytest
import torch

from sdd_bench.flow.estimator import load_flow
from sdd_bench.flow.pwcnet.refined import RefinedFlow
from sdd_bench.geometry.fit import fit_similarity
from sdd_bench.images.light import linear_to_srgb


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


def lit_tiles(coc_px: float) -> torch.Tensor:
    """Bright and dark tiles as a camera takes them, ``(1, 3, 256, 384)`` at 8 bits, so far out of focus."""
    rng = np.random.default_rng(2)
    light = np.full((256, 384), 0.02, np.float32)
    for _ in range(40):
        x, y, w, h = *rng.integers(0, (384, 256)), *rng.integers(8, 40, 2)
        light[y : y + h, x : x + w] = rng.choice([0.02, 0.9, 0.4])
    light = cv2.GaussianBlur(light, (0, 0), 0.7)
    if coc_px:
        reach = int(coc_px / 2) + 1
        disc = (np.hypot(*np.mgrid[-reach : reach + 1, -reach : reach + 1]) <= coc_px / 2).astype(np.float32)
        light = cv2.filter2D(light, -1, disc / disc.sum(), borderType=cv2.BORDER_REFLECT_101)
    return torch.from_numpy(np.rint(255 * linear_to_srgb(light)) / 255).expand(1, 3, -1, -1).contiguous()


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("coc_px", [6.0, 14.0])
def test_contrasty_edges_far_out_of_focus_stay_where_they_are(coc_px: float, swap: bool) -> None:
    """By sRGB values the middle of such an edge moves: flows of 0.7 and 1.4 px, drifts of 0.2 to 0.6 px."""
    flow = load_flow()
    assert isinstance(flow, RefinedFlow)
    pair = lit_tiles(coc_px), lit_tiles(0)
    for estimate in (flow.estimate, flow.estimate_small):
        found = estimate(*(pair[::-1] if swap else pair))[0].numpy()
        assert np.hypot(*found).mean() < 0.15
        assert fit_similarity(found, robust=True).rms_px < 0.03

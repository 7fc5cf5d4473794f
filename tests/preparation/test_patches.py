"""sdd_bench.preparation.patches against DPDNet's recipe written out directly."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from sdd_bench.core.errors import ImageError
from sdd_bench.core.types import Window
from sdd_bench.preparation.patches import SOBEL_SIZES, choose, gradient_sums, sharpness, windows


def direct_sums(sharp: np.ndarray, boxes: list[Window]) -> np.ndarray:
    """The recipe: every patch cut out, made grey and filtered by itself."""
    sums = []
    for w in boxes:
        patch = np.ascontiguousarray(sharp[w.y : w.y + w.height, w.x : w.x + w.width])
        grey = cv2.cvtColor(patch, cv2.COLOR_RGB2GRAY)
        gradients = [[cv2.Sobel(grey, cv2.CV_64F, *d, ksize=k) for d in ((1, 0), (0, 1))] for k in SOBEL_SIZES]
        sums.append([np.sqrt(dx**2 + dy**2).sum() for dx, dy in gradients])
    return np.array(sums)


def direct_sharpness(sharp: np.ndarray, boxes: list[Window]) -> np.ndarray:
    sums = direct_sums(sharp, boxes)
    return np.prod((sums - sums.min(axis=0)) / (sums.max(axis=0) - sums.min(axis=0)), axis=1)


def test_the_sdd_preset_gives_60_windows_and_keeps_42() -> None:
    found = windows(1080, 2048, patch=512, overlap=0.7)
    assert len(found) == 60
    assert len(choose(np.arange(60.0))) == 42
    assert sorted({w.y for w in found}) == [0, 153, 306, 459, 568]
    assert sorted({w.x for w in found})[-2:] == [1530, 1536]


def test_the_dpdd_preset_gives_28_windows_and_keeps_20() -> None:
    found = windows(1120, 1680, patch=512, overlap=0.6)
    assert len(found) == 28
    assert len(choose(np.arange(28.0))) == 20
    assert found[1] == Window(0, 204, 512, 512)


def test_windows_lie_inside_and_reach_every_edge() -> None:
    for height, width, patch, overlap in ((100, 257, 32, 0.7), (64, 64, 64, 0.5), (65, 64, 64, 0.0), (30, 41, 10, 0.9)):
        found = windows(height, width, patch=patch, overlap=overlap)
        assert len(set(found)) == len(found)
        assert all(0 <= w.y <= height - patch and 0 <= w.x <= width - patch for w in found)
        assert max(w.y for w in found) == height - patch
        assert max(w.x for w in found) == width - patch


def test_the_stride_is_not_a_pixel_short_by_floating_point() -> None:
    assert [w.x for w in windows(10, 13, patch=10, overlap=0.9)] == [0, 1, 2, 3]


def test_a_picture_smaller_than_the_patch_is_refused() -> None:
    with pytest.raises(ImageError, match="640x400 holds no patch of 512x512"):
        windows(400, 640)


def test_choose_drops_the_least_sharp_and_sorts_the_rest() -> None:
    assert choose(np.array([0.5, 0.1, 0.9, 0.0, 0.3, 0.2, 0.8, 0.4, 0.7, 0.6])).tolist() == [0, 2, 4, 6, 7, 8, 9]
    assert choose(np.array([0.5, 0.1]), drop=0.3).tolist() == [0, 1]
    assert choose(np.zeros(4), drop=0.5).tolist() == [2, 3]


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(
    ("patch", "overlap"), [(64, 0.7), (96, 0.6), (128, 0.5), (15, 0.2), (14, 0.0), (13, 0.0), (256, 0.7)]
)
def test_sharpness_equals_the_recipe(photo: np.ndarray, bits: int, patch: int, overlap: float) -> None:
    sharp = photo if bits == 8 else photo.astype(np.uint16) * 257 - (photo.astype(np.uint16) >> 1)
    boxes = windows(*sharp.shape[:2], patch=patch, overlap=overlap)
    np.testing.assert_allclose(gradient_sums(sharp, boxes), direct_sums(sharp, boxes), rtol=1e-12)
    if len(boxes) > 1:
        expected = direct_sharpness(sharp, boxes)
        found = sharpness(sharp, boxes)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-15)
        assert choose(found).tolist() == choose(expected).tolist()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_chosen_set_equals_the_recipe_on_noise_and_edges(rng: np.random.Generator, dtype: type) -> None:
    top = np.iinfo(dtype).max
    noise = rng.integers(0, top, (240, 330, 3), dtype=dtype, endpoint=True)
    edges = np.where(np.add.outer(np.arange(240) // 7, np.arange(330) // 11) % 2, top, 0).astype(dtype)
    ramp = (np.linspace(0, top, 330) * np.linspace(0.2, 1, 240)[:, None]).astype(dtype)
    for sharp in (noise, np.dstack([edges, ramp, noise[..., 0]])):
        boxes = windows(240, 330, patch=64, overlap=0.7)
        assert choose(sharpness(sharp, boxes)).tolist() == choose(direct_sharpness(sharp, boxes)).tolist()


def test_sums_are_right_for_windows_on_no_grid_and_of_unequal_size(photo: np.ndarray) -> None:
    boxes = [
        Window(0, 0, 256, 384),
        Window(3, 17, 40, 90),
        Window(100, 5, 14, 30),
        Window(7, 9, 5, 60),
        Window(9, 9, 1, 1),
    ]
    np.testing.assert_allclose(gradient_sums(photo, boxes), direct_sums(photo, boxes), rtol=1e-12)


def test_sharpness_does_not_depend_on_the_number_of_threads(photo: np.ndarray) -> None:
    boxes = windows(*photo.shape[:2], patch=64)
    before = cv2.getNumThreads()
    try:
        found = []
        for n_threads in (1, 2, 3):
            cv2.setNumThreads(n_threads)
            found.append(sharpness(photo, boxes).tobytes())
    finally:
        cv2.setNumThreads(before)
    assert found[0] == found[1] == found[2]


def test_patches_that_are_all_alike_score_alike() -> None:
    boxes = windows(64, 64, patch=32, overlap=0.5)
    assert set(sharpness(np.full((64, 64, 3), 90, np.uint8), boxes)) == {1.0}
    assert sharpness(np.zeros((64, 64, 3), np.uint8), []).shape == (0,)


def test_a_window_outside_the_picture_is_refused(photo: np.ndarray) -> None:
    with pytest.raises(ImageError, match="not inside a picture of 384x256"):
        sharpness(photo, [Window(250, 0, 32, 32)])

"""SSIM against scikit-image."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from sdd_bench.core.errors import ImageError
from sdd_bench.metrics.ssim import ssim


def _reference(a: np.ndarray, b: np.ndarray) -> float:
    return float(structural_similarity(a.astype(np.float64), b.astype(np.float64), data_range=1, channel_axis=-1))


@pytest.mark.parametrize("size", [(7, 7), (7, 40), (64, 256), (65, 257), (130, 300), (256, 384)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ssim_equals_scikit_image_at_any_size(
    photo: np.ndarray, rng: np.random.Generator, size: tuple[int, int], dtype: type
) -> None:
    truth = (photo[: size[0], : size[1]] / 255).astype(dtype)
    prediction = np.clip(cv2.GaussianBlur(truth, (0, 0), 1.5) + 0.02 * rng.standard_normal(truth.shape), 0, 1)
    assert ssim(prediction.astype(dtype), truth) == pytest.approx(_reference(prediction.astype(dtype), truth), abs=1e-8)


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_flat_pictures_lose_no_digits(level: float) -> None:
    """Variances are differences of large numbers here, which float32 does not survive."""
    truth = np.full((64, 64, 3), level, np.float32)
    truth[:, 32:] = 1 - level
    prediction = truth + np.float32(1e-3)
    assert ssim(prediction, truth) == pytest.approx(_reference(prediction, truth), abs=1e-9)


def test_opposite_pictures_score_below_zero(rng: np.random.Generator) -> None:
    truth = rng.random((32, 32, 3), dtype=np.float32)
    assert ssim(1 - truth, truth) == pytest.approx(_reference(1 - truth, truth), abs=1e-9)
    assert ssim(1 - truth, truth) < -0.5


def test_views_into_larger_pictures_are_read_as_they_are(photo: np.ndarray) -> None:
    whole = (photo / 255).astype(np.float32)
    a, b = whole[10:90, 20:150, ::-1], whole[11:91, 20:150, ::-1]
    assert ssim(a, b) == ssim(a.copy(), b.copy())


def test_the_number_of_threads_changes_no_bit(photo: np.ndarray) -> None:
    a = (photo / 255).astype(np.float32)
    b = np.ascontiguousarray(a[::-1])
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = ssim(a, b)
        torch.set_num_threads(4)
        assert ssim(a, b) == one
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize(("height", "width"), [(6, 40), (40, 6), (1, 1)])
def test_pictures_smaller_than_the_window_are_refused(height: int, width: int) -> None:
    picture = np.zeros((height, width, 3), np.float32)
    with pytest.raises(ImageError, match=f"expected at least 7x7 pixels, got {width}x{height}"):
        ssim(picture, picture)

"""Sharpness and noise gain: known changes give known figures."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sdd_bench.core.errors import ImageError
from sdd_bench.evaluation.no_truth.gains import check_same_size, gains_over_input


@pytest.fixture
def blurry(rng: np.random.Generator) -> NDArray[np.float32]:
    """Detail on the left, a plain right, and noise of 0.01 everywhere; (256, 320, 3)."""
    detail = cv2.GaussianBlur(rng.random((256, 320)).astype(np.float32), (0, 0), 1.5)
    detail = 0.5 + 1.5 * (detail - 0.5)
    detail[:, 200:] = 0.5
    return (np.repeat(detail[..., None], 3, axis=2) + rng.normal(0, 0.01, (256, 320, 1))).astype(np.float32)


def test_the_input_itself_gains_nothing(blurry: NDArray[np.float32]) -> None:
    gains = gains_over_input(blurry, blurry)
    assert (gains.sharpness_gain_db, gains.noise_gain_db) == (0.0, 0.0)


def test_twice_the_contrast_is_six_decibels_of_both(blurry: NDArray[np.float32]) -> None:
    gains = gains_over_input(0.5 + 2 * (blurry - 0.5), blurry)
    assert gains.sharpness_gain_db == pytest.approx(6.02, abs=0.05)
    assert gains.noise_gain_db == pytest.approx(6.02, abs=0.05)


def test_noise_is_no_sharpness(blurry: NDArray[np.float32], rng: np.random.Generator) -> None:
    noisy = blurry + rng.normal(0, 0.03, (256, 320, 1)).astype(np.float32)
    gains = gains_over_input(noisy, blurry)
    assert gains.noise_gain_db == pytest.approx(10.0, abs=0.6)  # sqrt(0.01^2 + 0.03^2) / 0.01
    assert abs(gains.sharpness_gain_db) < 0.6


def test_an_unsharp_mask_sharpens_and_a_blur_does_not(blurry: NDArray[np.float32]) -> None:
    soft = cv2.GaussianBlur(blurry, (0, 0), 1.5)
    assert gains_over_input(blurry + (blurry - soft), blurry).sharpness_gain_db > 2
    gains = gains_over_input(soft, blurry)
    assert gains.sharpness_gain_db < -5
    assert gains.noise_gain_db < -10


def test_other_and_small_sizes_are_refused(blurry: NDArray[np.float32]) -> None:
    with pytest.raises(ImageError, match="at least 160x160"):
        gains_over_input(blurry[:100], blurry[:100])
    with pytest.raises(ImageError, match="a.png: is 320x100 but its input is 320x256"):
        check_same_size(blurry[:100], blurry, "a.png")

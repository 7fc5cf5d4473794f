"""Measures that check registered scores: known shifts, known masks, and scikit-image."""

from __future__ import annotations

import math

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from sdd_bench.core.errors import ImageError
from sdd_bench.evaluation.extras.checks_on_registration import (
    mae_in_mask,
    psnr_after_shift,
    psnr_in_mask,
    ssim_in_mask,
)
from sdd_bench.metrics.psnr import psnr


@pytest.fixture
def truth(rng: np.random.Generator) -> np.ndarray:
    return rng.random((60, 700, 3)).astype(np.float32)


@pytest.mark.parametrize("shift", [(0, 0), (2, -2), (-1, 2)])
def test_a_shift_of_whole_pixels_within_reach_is_forgiven(truth: np.ndarray, shift: tuple[int, int]) -> None:
    moved = np.roll(truth, shift, axis=(0, 1))
    assert psnr_after_shift(moved, truth) == math.inf
    wrong = moved + np.float32(0.1)
    assert psnr_after_shift(wrong, truth) == pytest.approx(20.0, abs=1e-4)


def test_a_shift_beyond_reach_is_not(truth: np.ndarray) -> None:
    moved = np.roll(truth, 3, axis=1)
    assert psnr_after_shift(moved, truth) < psnr(moved, truth) + 1


def test_every_tile_has_a_shift_of_its_own(truth: np.ndarray) -> None:
    halves = np.concatenate([np.roll(truth, 1, axis=0)[:, :514], np.roll(truth, -2, axis=0)[:, 514:]], axis=1)
    assert psnr_after_shift(halves, truth) == math.inf


def test_only_pixels_of_the_mask_count(truth: np.ndarray) -> None:
    valid = np.zeros(truth.shape[:2], np.bool_)
    valid[:, :300] = True
    prediction = truth.copy()
    prediction[:, :300] += np.float32(0.1)
    prediction[:, 300:] = 0
    assert psnr_in_mask(prediction, truth, valid) == pytest.approx(20.0, abs=1e-4)
    assert mae_in_mask(prediction, truth, valid) == pytest.approx(0.1, abs=1e-6)
    own = structural_similarity(prediction[:, :300], truth[:, :300], channel_axis=2, data_range=1.0)
    assert ssim_in_mask(prediction, truth, valid) == pytest.approx(own, abs=1e-6)


def test_an_empty_mask_has_no_score(truth: np.ndarray) -> None:
    nothing = np.zeros(truth.shape[:2], np.bool_)
    for function in (psnr_in_mask, mae_in_mask, ssim_in_mask):
        with pytest.raises(ImageError, match="valid mask"):
            function(truth, truth, nothing)
    nothing[:4] = True
    with pytest.raises(ImageError, match="no window"):
        ssim_in_mask(truth, truth, nothing)

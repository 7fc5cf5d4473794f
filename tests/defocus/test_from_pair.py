"""Blur from a registered pair: against known blur, and where nothing can be known."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from scipy.stats import spearmanr

from sdd_bench.core.errors import ImageError
from sdd_bench.defocus.from_pair import blur_from_pair
from sdd_bench.evaluation.regions import region_medians
from sdd_bench.images.light import linear_to_srgb, srgb_to_linear
from sdd_bench.images.photograph import read_photograph, to_float
from sdd_bench.optics.kernels import aperture_kernel
from sdd_bench.synth.options import SynthOptions
from sdd_bench.synth.run import synthesize

Picture = NDArray[np.float32]


@pytest.fixture
def sharp(rng: np.random.Generator) -> Picture:
    """Texture of all sizes, (192, 256, 3)."""
    noise = rng.random((192, 256, 3)).astype(np.float32)
    picture = noise + 2 * cv2.GaussianBlur(noise, (0, 0), 2) + 8 * cv2.GaussianBlur(noise, (0, 0), 8)
    return np.asarray((picture - picture.min()) / np.ptp(picture), dtype=np.float32)


def defocused(sharp: Picture, diameter_px: float, gain: float = 1.0) -> Picture:
    light = cv2.filter2D(srgb_to_linear(sharp), -1, aperture_kernel(diameter_px), borderType=cv2.BORDER_REFLECT_101)
    return linear_to_srgb(gain * light)


@pytest.mark.parametrize("diameter_px", [0.0, 3.0, 7.0, 13.0])
@pytest.mark.parametrize("gain", [1.0, 0.8])
def test_one_disk_is_found_whatever_the_exposure(sharp: Picture, diameter_px: float, gain: float) -> None:
    found = blur_from_pair(defocused(sharp, diameter_px, gain), sharp)
    assert np.isfinite(found).mean() > 0.9
    assert float(np.nanmedian(found)) == pytest.approx(diameter_px, abs=max(0.4, 0.07 * diameter_px))


def test_a_plain_wall_and_what_is_not_valid_have_no_level(sharp: Picture) -> None:
    plain = np.full_like(sharp, 0.5)
    assert np.isnan(blur_from_pair(plain, plain)).all()
    valid = np.zeros(sharp.shape[:2], np.bool_)
    valid[:, :100] = True
    found = blur_from_pair(defocused(sharp, 4.0), sharp, valid)
    assert np.isnan(found[:, 100:]).all()
    assert np.isfinite(found[:, :100]).mean() > 0.8


def test_two_halves_keep_their_own(sharp: Picture) -> None:
    blurry = sharp.copy()
    blurry[:, 128:] = defocused(sharp, 8.0)[:, 128:]
    found = blur_from_pair(blurry, sharp)
    assert float(np.nanmedian(found[:, :112])) < 1.0
    assert float(np.nanmedian(found[:, 144:])) == pytest.approx(8.0, abs=0.6)


def test_other_sizes_are_refused(sharp: Picture) -> None:
    with pytest.raises(ImageError, match="blurry is"):
        blur_from_pair(sharp[:-1], sharp)
    with pytest.raises(ImageError, match="at least 2 px a side"):
        blur_from_pair(sharp[:1], sharp[:1])


def test_regions_of_synthetic_captures_are_ordered_as_their_truth(tmp_path: Path) -> None:
    """Aligned here; ``tools/bench/blur_levels.py`` does the same after registration, on more pictures."""
    still = {"zoom_range": (1.0, 1.0), "shift_range": (0.0, 0.0), "rotation_range": (0.0, 0.0)}
    options = SynthOptions(width=640, height=384, n_train=0, n_test=4, coc_range=(2, 12), truth="full", seed=7, **still)
    synthesize(tmp_path, options)
    found, true = [], []
    for index in range(4):
        blurry, sharp = (
            to_float(read_photograph(tmp_path / path).pixels)
            for path in (f"test/blur/{index:04d}.png", f"truth/test/{index:04d}_aligned.png")
        )
        found.append(region_medians(blur_from_pair(blurry, sharp)).ravel())
        true.append(region_medians(tifffile.imread(tmp_path / f"truth/test/{index:04d}_coc.tiff")).ravel())
    measured, truth = np.concatenate(found), np.concatenate(true)
    known = np.isfinite(measured)
    assert known.mean() > 0.8
    assert spearmanr(measured[known], truth[known]).statistic >= 0.9

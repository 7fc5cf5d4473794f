"""What geometry and light each cost a pair of known similarity and exposure."""

import cv2
import numpy as np
import pytest

from sdd_bench.geometry.affine import warp
from sdd_bench.geometry.similarity import Similarity
from sdd_bench.images.light import linear_to_srgb, srgb_to_linear
from sdd_bench.metrics.psnr import psnr
from sdd_bench.registration.light.pair import light_of_pair, transfer_of_pair
from sdd_bench.registration.light.transfer import Match
from sdd_bench.synth.scenes import random_scene

SIMILARITY = Similarity(zoom=1.01, shift_x_px=5.0, shift_y_px=-3.0)
GAINS = (0.7, 0.75, 0.8)


def pixels(display: np.ndarray, depth: int = 8) -> np.ndarray:
    return np.rint((2**depth - 1) * np.clip(display, 0, 1)).astype(f"uint{depth}")


@pytest.fixture(scope="module")
def pair() -> tuple[np.ndarray, np.ndarray]:
    """Blurry and sharp, 8 bits; the blurry one darker."""
    sharp = np.clip(random_scene(288, 384, np.random.default_rng(3)), 0.1, 0.8)
    light = cv2.GaussianBlur(srgb_to_linear(warp(sharp, SIMILARITY)), (0, 0), 2.0) * np.float32(GAINS)
    return pixels(linear_to_srgb(light)), pixels(sharp)


def test_geometry_comes_first_and_light_then(pair: tuple[np.ndarray, np.ndarray]) -> None:
    found = light_of_pair(*pair, SIMILARITY)
    np.testing.assert_allclose(found.transfer.gains, GAINS, rtol=0.02)
    assert found.geometry_db is not None
    assert found.light_db is not None
    assert found.geometry_db > 0.5
    assert found.light_db > 3
    inside = (slice(12, -12), slice(12, -12))
    blurry, sharp = (part.astype(np.float32) / 255 for part in pair)
    matched = found.transfer.apply(warp(sharp, SIMILARITY))
    assert found.matched_db == pytest.approx(psnr(matched[inside], blurry[inside]), abs=0.4)


def test_without_exposure_difference_light_gains_nothing(pair: tuple[np.ndarray, np.ndarray]) -> None:
    blurry, sharp = pair
    bright = pixels(linear_to_srgb(srgb_to_linear(blurry.astype(np.float32) / 255) / np.float32(GAINS)))
    found = light_of_pair(bright, sharp, SIMILARITY)
    np.testing.assert_allclose(found.transfer.gains, 1, atol=0.02)
    assert abs(found.light_db or 0) < 0.1


def test_sixteen_bits_are_as_good(pair: tuple[np.ndarray, np.ndarray]) -> None:
    fine = [part.astype(np.uint16) * 257 for part in pair]
    np.testing.assert_allclose(transfer_of_pair(*fine, SIMILARITY).gains, GAINS, rtol=0.02)


def test_none_measures_geometry_alone(pair: tuple[np.ndarray, np.ndarray]) -> None:
    found = light_of_pair(*pair, SIMILARITY, match=Match.NONE)
    assert found.transfer.model is Match.NONE
    assert found.light_db == 0

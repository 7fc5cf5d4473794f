"""What is said of pairs whose roles are the wrong way round, and what is not said of those that are right."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from scipy import ndimage

from sdd_bench.registration.evidence.roles import SAME, SWAPPED, detail_ratio, note_on_roles


@pytest.fixture
def scene() -> np.ndarray:
    rng = np.random.default_rng(3)
    plane = sum(ndimage.gaussian_filter(rng.standard_normal((192, 256, 3)), (s, s, 0)) * s for s in (1.0, 4.0, 12.0))
    return np.clip(120 + 40 * plane / plane.std(), 0, 255).astype(np.uint8)


def _defocused(picture: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(picture, (0, 0), 2.5)


def test_swapped_roles_are_named_whatever_the_exposure(scene: np.ndarray) -> None:
    darker = (0.6 * _defocused(scene)).astype(np.uint8)
    assert note_on_roles(scene, darker) == SWAPPED
    assert note_on_roles(darker, scene) == ""
    assert note_on_roles(scene.astype(np.uint16) * 257, darker.astype(np.uint16) * 257) == SWAPPED


def test_noise_does_not_make_a_blurry_picture_sharp(scene: np.ndarray) -> None:
    noise = np.random.default_rng(4).normal(0, 6, scene.shape)
    noisy = np.clip(_defocused(scene) + noise, 0, 255).astype(np.uint8)
    assert note_on_roles(noisy, scene) == ""


def test_a_copy_is_named_and_a_still_pair_is_not(scene: np.ndarray) -> None:
    assert note_on_roles(scene, scene.copy()) == SAME
    other = scene.copy()
    other[0, 0, 0] ^= 1
    assert note_on_roles(scene, other) == ""


def test_flat_pictures_have_no_roles() -> None:
    grey = np.full((64, 64, 3), 90, np.uint8)
    assert note_on_roles(grey, grey + 1) == ""


@pytest.mark.parametrize("size", [(1, 1), (1, 100), (100, 1), (2, 2)])
def test_nothing_is_known_of_the_detail_of_a_few_pixels(size: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)
    assert detail_ratio(picture, picture[::-1]) == 1.0

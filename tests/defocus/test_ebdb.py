"""The map that grows out of the edges."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from sdd_bench.defocus.ebdb import ebdb, luma

_LUMA_OF_GREY = 219 / 255, 16 / 255


def picture_of(light: np.ndarray) -> np.ndarray:
    """The grey RGB picture in which ``ebdb`` sees ``light``: its power 2.4 and its video range undone."""
    share, black = _LUMA_OF_GREY
    return np.repeat(((light ** (1 / 2.4) - black) / share)[..., None], 3, axis=-1).astype(np.float32)


def boards(rng: np.random.Generator) -> np.ndarray:
    """A checkerboard of random greys, (128, 256), squares of 32 pixels."""
    return rng.uniform(0.1, 0.6, (4, 8)).repeat(32, axis=0).repeat(32, axis=1)


@pytest.mark.parametrize("sigma", [1.0, 2.0, 3.0])
def test_a_picture_blurred_alike_gets_that_sigma_everywhere(sigma: float, rng: np.random.Generator) -> None:
    found = ebdb(picture_of(ndimage.gaussian_filter(boards(rng), sigma)))
    assert found.dtype == np.float32
    assert found.shape == (128, 256)
    assert np.median(found) == pytest.approx(sigma, rel=0.1)
    assert (np.abs(found / sigma - 1) < 0.35).mean() > 0.9


def test_a_half_out_of_focus_is_told_from_the_other(rng: np.random.Generator) -> None:
    light = boards(rng)
    light[:, 128:] = ndimage.gaussian_filter(light, 3)[:, 128:]
    light[:, :128] = ndimage.gaussian_filter(light, 0.8)[:, :128]
    found = ebdb(picture_of(light))
    assert np.median(found[:, :96]) < 1.2
    assert np.median(found[:, 160:]) > 2.4


def test_a_flat_picture_has_no_blur_and_nothing_is_out_of_range(photo: np.ndarray) -> None:
    assert not ebdb(np.full((64, 80, 3), 0.4, np.float32)).any()
    found = ebdb(photo.astype(np.float32) / 255)
    assert np.isfinite(found).all()
    assert found.min() >= 0
    assert found.max() <= 5


def test_luma_has_video_range_and_the_usual_weights() -> None:
    np.testing.assert_allclose(luma(np.zeros((1, 1, 3), np.float32)), 16 / 255, rtol=1e-6)
    np.testing.assert_allclose(luma(np.ones((1, 1, 3), np.float32)), 235 / 255, rtol=1e-6)
    green = np.array([[[0, 1, 0]]], np.float32)
    np.testing.assert_allclose(luma(green), (16 + 128.553) / 255, rtol=1e-6)

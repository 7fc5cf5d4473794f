"""sdd_bench.images.resize."""

from __future__ import annotations

import numpy as np
import pytest

from sdd_bench.core.errors import ConfigError, ImageError
from sdd_bench.images.resize import parse_resize, resize_area


@pytest.mark.parametrize("text", ["none", "0.5", "1680x1120", "0.333333333333333"])
def test_text_survives_parsing(text: str) -> None:
    assert str(parse_resize(text)) == text


def test_sizes_are_those_of_the_presets() -> None:
    assert parse_resize("0.5").size(4096, 2160) == (2048, 1080)
    assert parse_resize("1680x1120").size(6720, 4480) == (1680, 1120)
    assert parse_resize("none").size(7, 5) == (7, 5)
    assert parse_resize(" 1.0 ").size(7, 5) == (7, 5)
    assert parse_resize("0.5").size(5, 1) == (3, 1)


@pytest.mark.parametrize("text", ["", "0", "1.5", "-1", "half", "100x", "0x5", "nan", "1e-1", "12x3x4"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="expected none, a factor above 0 and up to 1"):
        parse_resize(text)


def test_enlarging_is_refused() -> None:
    with pytest.raises(ImageError, match="1680x1120 would enlarge a picture of 1600x1200"):
        resize_area(np.zeros((1200, 1600, 3), np.uint8), parse_resize("1680x1120"))


def test_quarter_size_is_the_mean_of_sixteen(rng: np.random.Generator) -> None:
    """Bilinear sampling would see four of them."""
    pixels = rng.random((20, 32, 3)).astype(np.float32)
    means = pixels.astype(np.float64).reshape(5, 4, 8, 4, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(resize_area(pixels, parse_resize("0.25")), means, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_half_size_is_the_mean_of_four(rng: np.random.Generator, dtype: type) -> None:
    pixels = (rng.random((20, 30, 3)) * (1 if dtype is np.float32 else np.iinfo(dtype).max)).astype(dtype)
    found = resize_area(pixels, parse_resize("0.5"))
    means = pixels.astype(np.float64).reshape(10, 2, 15, 2, 3).mean(axis=(1, 3))
    assert found.dtype == dtype
    np.testing.assert_allclose(found, means, atol=0.5 if dtype is not np.float32 else 1e-6)


def test_centres_are_half_pixels_so_the_picture_does_not_move() -> None:
    ramp = np.broadcast_to(np.arange(90, dtype=np.float32)[None, :, None], (60, 90, 3))
    found = resize_area(np.ascontiguousarray(ramp), parse_resize("40x30"))
    np.testing.assert_allclose(found[0, 1:-1, 0], ((np.arange(40) + 0.5) * 90 / 40 - 0.5)[1:-1], atol=0.05)


def test_no_resize_returns_the_picture_itself(photo: np.ndarray) -> None:
    assert resize_area(photo, parse_resize("none")) is photo
    assert resize_area(photo, parse_resize("384x256")) is photo

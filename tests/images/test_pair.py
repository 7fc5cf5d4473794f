"""The two pictures of a pair."""

from __future__ import annotations

import struct
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from picture_files import TURNS, chunk, exif_block, png, put

from sdd_bench.core.errors import ImageError
from sdd_bench.images.pair import read_headers, read_pair


def test_a_pair_keeps_its_order_and_depth(tmp_path: Path, small: np.ndarray, small16: np.ndarray) -> None:
    paths = put(tmp_path / "a.png", png(small, 2, 8)), put(tmp_path / "b.png", png(small16, 2, 16))
    blurry, sharp = read_pair(*paths)
    np.testing.assert_array_equal(blurry.pixels, small)
    np.testing.assert_array_equal(sharp.pixels, small16)


def test_both_pictures_of_a_pair_are_turned(tmp_path: Path, small: np.ndarray) -> None:
    paths = [put(tmp_path / f"{n}.png", png(small, 2, 8, chunk(b"eXIf", exif_block(6)))) for n in "ab"]
    for photograph in read_pair(*paths):
        np.testing.assert_array_equal(photograph.pixels, np.rot90(small, -1))
        assert photograph.message == "EXIF orientation 6 applied"


@pytest.mark.parametrize("tag", [3, 6])
def test_a_tag_on_one_picture_alone_is_judged_by_the_pictures(tmp_path: Path, small: np.ndarray, tag: int) -> None:
    tagged = put(tmp_path / "tagged.png", png(small, 2, 8, chunk(b"eXIf", exif_block(tag))))
    wavering = put(tmp_path / "same.png", png(small, 2, 8))
    blurry, sharp = read_pair(tagged, wavering)
    np.testing.assert_array_equal(blurry.pixels, sharp.pixels)
    assert f"differ (blurry {tag}, sharp 1): the sharp one's applied to both" in blurry.message
    upright = put(tmp_path / "upright.png", png(np.ascontiguousarray(TURNS[tag](small)), 2, 8))
    blurry, sharp = read_pair(tagged, upright)
    np.testing.assert_array_equal(blurry.pixels, sharp.pixels)
    assert f"differ (blurry {tag}, sharp 1): each its own" in blurry.message


def test_a_pair_of_linear_light_and_srgb_is_refused(tmp_path: Path, small16: np.ndarray) -> None:
    gamma = chunk(b"gAMA", struct.pack(">I", 100_000))
    linear = put(tmp_path / "linear.png", png(small16, 2, 16, gamma))
    encoded = put(tmp_path / "encoded.png", png(small16, 2, 16))
    for paths in ((linear, encoded), (encoded, linear)):
        with pytest.raises(ImageError, match=r"linear\.png: says that it holds linear light .* encoded\.png is"):
            read_pair(*paths)
    assert all("linear light" in photograph.message for photograph in read_pair(linear, linear))


def test_a_pair_of_two_sizes_is_refused(tmp_path: Path, small: np.ndarray) -> None:
    paths = put(tmp_path / "a.png", png(small, 2, 8)), put(tmp_path / "b.png", png(small[:-1], 2, 8))
    with pytest.raises(
        ImageError, match="a.png: blurry is 60x40 but sharp .b.png. is 60x39; a pair must share one size"
    ):
        read_pair(*paths)


def test_headers_refuse_just_the_pairs_of_two_sizes_that_reading_refuses(tmp_path: Path, small: np.ndarray) -> None:
    """Of every two orientations, as stored and turned upright before."""
    files = {
        (tag, turned): put(
            tmp_path / f"{tag}{turned}.png",
            png(np.ascontiguousarray(np.rot90(small)) if turned else small, 2, 8, chunk(b"eXIf", exif_block(tag))),
        )
        for tag, turned in product((1, 3, 6), (False, True))
    }
    refused = 0
    for pair in product(files.values(), files.values()):
        said = []
        for read in (read_headers, read_pair):
            try:
                read(*pair)
                said.append("")
            except ImageError as error:
                said.append(str(error))
        assert said[0] == said[1]
        refused += said[0] != ""
    assert 0 < refused < 18

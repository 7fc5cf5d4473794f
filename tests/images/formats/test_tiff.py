"""TIFF."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from picture_files import bad_strip, put, tiff
from PIL import Image

from sdd_bench.core.errors import ImageError
from sdd_bench.images.photograph import read_header, read_photograph


@pytest.mark.parametrize("compression", [None, "zlib", "packbits", "lzw"])
def test_tiff_of_8_and_16_bits_is_read_bit_for_bit(
    tmp_path: Path, small: np.ndarray, small16: np.ndarray, compression: str | None
) -> None:
    path = tmp_path / "a.tif"
    for pixels in (small, small16):
        if compression in ("lzw", "packbits"):
            code = {"lzw": 5, "packbits": 32773}[compression]
            assert cv2.imwrite(str(path), pixels[..., ::-1], [cv2.IMWRITE_TIFF_COMPRESSION, code])
        else:
            tifffile.imwrite(path, pixels, photometric="rgb", compression=compression)
        photograph = read_photograph(path)
        np.testing.assert_array_equal(photograph.pixels, pixels)
        assert photograph.message == ""
        assert read_header(path).bit_depth == photograph.bit_depth == 8 * pixels.itemsize


def test_tiff_kinds_are_converted_and_said(tmp_path: Path, small: np.ndarray, small16: np.ndarray) -> None:
    path = tmp_path / "a.tiff"
    tifffile.imwrite(path, small16[..., 0], photometric="minisblack")
    grey = read_photograph(path)
    np.testing.assert_array_equal(grey.pixels, np.repeat(small16[..., :1], 3, axis=2))
    assert grey.message == "grey to RGB"
    tifffile.imwrite(path, small[..., 0], photometric="miniswhite")
    inverted = read_photograph(path)
    np.testing.assert_array_equal(inverted.pixels[..., 1], 255 - small[..., 0])
    assert inverted.message == "white-is-zero inverted; grey to RGB"
    tifffile.imwrite(path, np.moveaxis(small16, -1, 0), photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(read_photograph(path).pixels, small16)
    with_alpha = np.dstack([small16, np.full((40, 60), 65535, np.uint16)])
    tifffile.imwrite(path, with_alpha, photometric="rgb", extrasamples=["unassalpha"])
    assert read_photograph(path).message == "opaque alpha dropped"
    tifffile.imwrite(path, small[..., 0] > 128, photometric="minisblack")
    assert read_photograph(path).message == "1-bit grey widened to 8; grey to RGB"
    colors = np.arange(768, dtype=np.uint16).reshape(3, 256) * 85
    tifffile.imwrite(path, small[..., 0], photometric="palette", colormap=colors)
    palette = read_photograph(path)
    np.testing.assert_array_equal(palette.pixels, (colors.T >> 8).astype(np.uint8)[small[..., 0]])
    assert palette.message == "palette to RGB"


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate"])
def test_compressed_tiff_kinds_are_converted_alike(tmp_path: Path, small: np.ndarray, compression: str) -> None:
    path = tmp_path / "a.tif"
    grey = Image.fromarray(small[..., 0])
    grey.save(path, compression=compression)
    np.testing.assert_array_equal(read_photograph(path).pixels, np.repeat(small[..., :1], 3, axis=2))
    grey.save(path, compression=compression, tiffinfo={262: 0})
    assert read_photograph(path).message == "white-is-zero inverted; grey to RGB"
    palette = Image.fromarray(small).quantize(50)
    palette.save(path, compression=compression)
    np.testing.assert_array_equal(read_photograph(path).pixels, np.asarray(palette.convert("RGB")))
    Image.fromarray(np.dstack([small, np.full((40, 60), 255, np.uint8)])).save(path, compression=compression)
    photograph = read_photograph(path)
    np.testing.assert_array_equal(photograph.pixels, small)
    assert photograph.message == "opaque alpha dropped"


def test_a_tiff_with_a_thumbnail_is_one_picture(tmp_path: Path, small: np.ndarray) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(small[::4, ::4], photometric="rgb", subfiletype=1)
        writer.write(small, photometric="rgb")
    np.testing.assert_array_equal(read_photograph(path).pixels, small)


def test_damaged_lzw_with_8_bits_is_refused(tmp_path: Path, small: np.ndarray) -> None:
    with pytest.raises(ImageError, match="a.tif: its pixels cannot be decoded"):
        read_photograph(put(tmp_path / "a.tif", bad_strip(small, 5)))


def test_a_fourth_channel_that_is_not_said_to_be_alpha_is_named(tmp_path: Path, small: np.ndarray) -> None:
    four = np.dstack([small, np.full(small.shape[:2], 7, np.uint8)])
    path = put(tmp_path / "a.tif", tiff(four, extrasamples=["unspecified"]))
    with pytest.raises(ImageError, match="4 samples a pixel, of which the last is not said to be alpha"):
        read_photograph(path)


def test_a_strip_that_unpacks_to_more_than_its_rows_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    bomb = zlib.compress(bytes(1 << 28), 9)
    data = tiff(np.zeros((64, 64, 3), np.uint8), compression="zlib", rowsperstrip=64)
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        tags = {tag.code: tag for tag in file.pages[0].tags}
        at, size = tags[273].valueoffset, tags[279].valueoffset
    data = bytearray(data)
    struct.pack_into("<I", data, at, len(data))
    struct.pack_into("<I", data, size, len(bomb))
    tracemalloc.start()
    with pytest.raises(ImageError, match="unpack to more than the"):
        read_photograph(put(tmp_path / "a.tif", bytes(data) + bomb))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6

"""Orientation and exposure as files state them."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from picture_files import TURNS, chunk, exif_block, jpeg, png, put
from PIL import Image

from sdd_bench.images.formats.tags import FileBytes, TagError, directories
from sdd_bench.images.photograph import read_header, read_photograph


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_in_every_format(tmp_path: Path, small: np.ndarray, orientation: int) -> None:
    upright = TURNS[orientation](small)
    put(tmp_path / "a.png", png(small, 2, 8, chunk(b"eXIf", exif_block(orientation))))
    tifffile.imwrite(tmp_path / "b.tif", small, photometric="rgb", extratags=[(274, "H", 1, orientation, True)])
    Image.fromarray(small).save(tmp_path / "c.tif", compression="tiff_lzw", tiffinfo={274: orientation})
    put(tmp_path / "d.jpg", jpeg(small, exif=b"Exif\0\0" + exif_block(orientation)))
    for path in sorted(tmp_path.iterdir()):
        photograph, header = read_photograph(path), read_header(path)
        difference = np.abs(photograph.pixels.astype(int) - upright)
        assert difference.max() == 0 or (path.suffix == ".jpg" and difference.mean() < 8)
        assert (header.height, header.width) == upright.shape[:2]
        expected = "" if orientation == 1 else f"EXIF orientation {orientation} applied"
        assert photograph.message == expected


def test_opencv_agrees_about_orientation(tmp_path: Path, small: np.ndarray) -> None:
    for orientation in range(1, 9):
        path = put(tmp_path / "a.jpg", jpeg(small, exif=b"Exif\0\0" + exif_block(orientation)))
        np.testing.assert_array_equal(read_photograph(path).pixels, cv2.imread(str(path))[..., ::-1])


def test_exposure_is_read_from_exif(tmp_path: Path, small: np.ndarray) -> None:
    exif = read_photograph(put(tmp_path / "a.jpg", jpeg(small, exif=b"Exif\0\0" + exif_block(1)))).exif
    assert (exif.f_number, exif.focal_length_mm) == (1.8, 50.0)
    assert exif.exposure_s == pytest.approx(1 / 250)
    assert read_photograph(put(tmp_path / "b.jpg", jpeg(small))).exif.f_number is None


def test_damaged_exif_does_not_cost_the_picture(tmp_path: Path, small: np.ndarray) -> None:
    for block in (b"", b"II*\0", exif_block(6)[:20], b"II*\0\x08\0\0\0\xff\xff" + bytes(8)):
        photograph = read_photograph(put(tmp_path / "a.png", png(small, 2, 8, chunk(b"eXIf", block))))
        assert photograph.pixels.shape == small.shape


@pytest.mark.parametrize("values", [(float("inf"),), (1e300, 1e-300)])
def test_exif_numbers_that_are_not_finite_count_as_absent(
    tmp_path: Path, small: np.ndarray, values: tuple[float, ...]
) -> None:
    tag = (33437, "d", len(values), values if len(values) > 1 else values[0], True)
    tifffile.imwrite(tmp_path / "a.tif", small, photometric="rgb", extratags=[tag])
    assert read_photograph(tmp_path / "a.tif").exif.f_number is None


def test_damaged_exif_of_a_jpeg_is_passed_over_silently(tmp_path: Path, small: np.ndarray) -> None:
    block = exif_block(6)
    for damaged in (block[:20], block[:60], block.replace(b"\x87\x69\0\4", b"\x87\x69\0\5")):
        photograph = read_photograph(put(tmp_path / "a.jpg", jpeg(small, exif=b"Exif\0\0" + damaged)))
        assert sorted(photograph.pixels.shape) == [3, 40, 60]


UNCALIBRATED = "uncalibrated (as a rule Adobe RGB)"


@pytest.mark.parametrize(("index", "said"), [("R98", UNCALIBRATED), ("R03", "Adobe RGB"), (None, UNCALIBRATED)])
def test_a_color_space_that_exif_alone_states_is_said(
    tmp_path: Path, small: np.ndarray, index: str | None, said: str
) -> None:
    exif = Image.Exif()
    fields = {40961: 65535}
    if index is not None:
        fields[40965] = {1: index}
    exif[34665] = fields
    photograph = read_photograph(put(tmp_path / "a.jpg", jpeg(small, exif=exif.tobytes())))
    assert photograph.message == f"the color space {said} is not sRGB, its colors are kept as stored"


def test_tags_whose_values_overlap_do_not_fill_the_memory() -> None:
    """Thousands of tags that all name the same bytes: what a directory holds is never more than its file."""
    count, length = 2000, 100_000
    entries = b"".join(struct.pack("<HHII", 60_000 + n % 5000, 1, length, 8) for n in range(count))
    data = b"II*\0" + struct.pack("<I", 8 + length) + bytes(length) + struct.pack("<H", count) + entries + bytes(4)
    with pytest.raises(TagError, match="overlap"):
        directories(data)


def test_bytes_of_a_file_are_those_of_a_read_and_an_error_once_it_is_shorter(tmp_path: Path) -> None:
    path = tmp_path / "a"
    content = bytes(range(200))
    path.write_bytes(content)
    with open(path, "rb") as file:
        data = FileBytes(file)
        for place in (slice(0, 4), slice(190, 300), slice(5, 2), slice(2**63, 2**64), slice(None)):
            assert data[place] == content[place]
        assert (len(data), data[7], bytes(data)) == (200, 7, content)
        os.truncate(path, 100)
        assert data[:100] == content[:100]
        with pytest.raises(OSError, match="shorter"):
            data[:101]

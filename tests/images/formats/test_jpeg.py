"""JPEG: damage that decoders only warn of is an error, and what is merely untidy is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from picture_files import jpeg, put

from sdd_bench.core.errors import ImageError
from sdd_bench.images.photograph import read_photograph


@pytest.fixture
def scan(photo: np.ndarray) -> tuple[bytes, int]:
    """A JPEG, and the byte at which its compressed pixels begin."""
    data = jpeg(photo)
    return data, data.index(b"\xff\xda") + 14


def test_a_scan_cut_and_closed_by_an_end_marker_is_damaged(tmp_path: Path, scan: tuple[bytes, int]) -> None:
    data, start = scan
    cut = put(tmp_path / "cut.jpg", data[: start + (len(data) - start) // 3] + b"\xff\xd9")
    with pytest.raises(ImageError, match=r"cut\.jpg: .*premature end of data segment\. The file is truncated"):
        read_photograph(cut)


def test_a_lost_sector_in_the_scan_is_damage(tmp_path: Path, scan: tuple[bytes, int]) -> None:
    data, start = scan
    lost = put(tmp_path / "lost.jpg", data[: start + 700] + bytes(512) + data[start + 1212 :])
    with pytest.raises(ImageError, match=r"lost\.jpg: its compressed pixels are zeros from byte \d+ on"):
        read_photograph(lost)


@pytest.mark.parametrize("optimize", [False, True])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_plain_surface_is_no_damage(tmp_path: Path, optimize: bool, progressive: bool) -> None:
    """Its codes may all be zeros, when the tables of the file are made for it."""
    plain = np.full((1600, 1600, 3), 128, np.uint8)
    data = jpeg(plain, optimize=optimize, progressive=progressive)
    assert np.ptp(read_photograph(put(tmp_path / "plain.jpg", data)).pixels) == 0


def test_bytes_between_segments_and_padding_before_the_end_are_passed_over(
    tmp_path: Path, scan: tuple[bytes, int]
) -> None:
    data, _ = scan
    whole = read_photograph(put(tmp_path / "a.jpg", data)).pixels
    tables = data.index(b"\xff\xdb")
    for untidy in (data[:tables] + b"\x12" + data[tables:], data[:-2] + bytes(8) + data[-2:], data + b"more"):
        np.testing.assert_array_equal(read_photograph(put(tmp_path / "b.jpg", untidy)).pixels, whole)


def test_pixels_after_the_last_one_are_damage(tmp_path: Path, scan: tuple[bytes, int]) -> None:
    data, start = scan
    longer = put(tmp_path / "a.jpg", data[:-2] + data[start : start + 500].replace(b"\xff", b"\x01") + data[-2:])
    with pytest.raises(ImageError, match="extraneous bytes"):
        read_photograph(longer)

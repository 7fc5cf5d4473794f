"""PNG."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
from picture_files import chunk, png, put

from sdd_bench.images.photograph import read_header, read_photograph


def test_odd_chunks_of_a_png_are_read_silently(
    tmp_path: Path, small: np.ndarray, capfd: pytest.CaptureFixture[str]
) -> None:
    odd = chunk(b"iCCP", b"x\0\0" + zlib.compress(b"odd")), chunk(b"gAMA", bytes(4)), chunk(b"tEXt", b"no zero")
    photograph = read_photograph(put(tmp_path / "a.png", png(small, 2, 8, *odd)))
    np.testing.assert_array_equal(photograph.pixels, small)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_grey_png_spans_the_full_range(tmp_path: Path, bits: int) -> None:
    ramp = np.arange(min(1 << bits, 256))
    if bits == 16:
        pixels = (ramp * 257)[None].astype(np.uint16)
    else:
        digits = (ramp[:, None] >> np.arange(bits - 1, -1, -1)) & 1
        pixels = np.packbits(digits.ravel())[None]
    photograph = read_photograph(put(tmp_path / "g.png", png(pixels, 0, bits, width=len(ramp))))
    top = 65535 if bits == 16 else 255
    np.testing.assert_array_equal(photograph.pixels[0, :, 2], ramp * top // (len(ramp) - 1))
    assert photograph.message.endswith("grey to RGB")


def test_palette_and_opaque_alpha_of_png_are_said(tmp_path: Path, small: np.ndarray, small16: np.ndarray) -> None:
    colors = chunk(b"PLTE", bytes(range(12)))
    photograph = read_photograph(put(tmp_path / "p.png", png(small[..., 0] % 4, 3, 8, colors)))
    np.testing.assert_array_equal(photograph.pixels[..., 2], 3 * (small[..., 0] % 4) + 2)
    assert photograph.message == "palette to RGB"
    opaque = chunk(b"tRNS", b"\xff\xff")
    assert (
        "opaque alpha" in read_photograph(put(tmp_path / "p.png", png(small[..., 0] % 4, 3, 8, colors, opaque))).message
    )
    rgba = np.dstack([small16, np.full((40, 60), 65535, np.uint16)])
    photograph = read_photograph(put(tmp_path / "a.png", png(rgba, 6, 16)))
    np.testing.assert_array_equal(photograph.pixels, small16)
    assert photograph.message == "opaque alpha dropped"
    grey = np.dstack([small[..., 0], np.full((40, 60), 255, np.uint8)])
    assert read_photograph(put(tmp_path / "g.png", png(grey, 4, 8))).message == "grey to RGB; opaque alpha dropped"


def test_an_unused_transparent_color_is_opaque(tmp_path: Path, small: np.ndarray) -> None:
    bright = np.maximum(small, 1)
    photograph = read_photograph(put(tmp_path / "k.png", png(bright, 2, 8, chunk(b"tRNS", bytes(6)))))
    np.testing.assert_array_equal(photograph.pixels, bright)
    assert "alpha" in photograph.message


def test_png_of_8_and_16_bits_is_read_bit_for_bit(tmp_path: Path, small: np.ndarray, small16: np.ndarray) -> None:
    for pixels in (small, small16):
        path = put(tmp_path / "a.png", png(pixels, 2, 8 * pixels.itemsize))
        photograph = read_photograph(path)
        np.testing.assert_array_equal(photograph.pixels, pixels)
        assert (photograph.bit_depth, photograph.message) == (8 * pixels.itemsize, "")
        header = read_header(path)
        assert (header.width, header.height, header.bit_depth) == (60, 40, 8 * pixels.itemsize)

"""PNG."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from picture_files import chunk, png, put

from sdd_bench.core.errors import ImageError
from sdd_bench.images.light import linear_to_srgb
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


@pytest.mark.parametrize("step", [1, -1])
def test_a_png_whose_pixels_do_not_fit_its_size_is_refused(tmp_path: Path, small: np.ndarray, step: int) -> None:
    rows = b"".join(b"\0" + row.tobytes() for row in small)
    header = struct.pack(">IIBBBBB", small.shape[1], small.shape[0] + step, 8, 2, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    with pytest.raises(ImageError, match="damaged"):
        read_photograph(put(tmp_path / "a.png", b"\x89PNG\r\n\x1a\n" + b"".join(parts)))


def test_bytes_behind_the_end_of_the_compressed_pixels_are_damage(tmp_path: Path, small: np.ndarray) -> None:
    rows = b"".join(b"\0" + row.tobytes() for row in small)
    header = struct.pack(">IIBBBBB", small.shape[1], small.shape[0], 8, 2, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows) + bytes(50)), chunk(b"IEND", b"")]
    with pytest.raises(ImageError, match=f"are {len(rows) + 50} bytes, not the {len(rows)} of its size"):
        read_photograph(put(tmp_path / "a.png", b"\x89PNG\r\n\x1a\n" + b"".join(parts)))


@pytest.mark.parametrize("size", [(1, 1), (5, 9), (33, 31), (2, 40)])
def test_interlaced_png_of_any_size_is_read(tmp_path: Path, small: np.ndarray, size: tuple[int, int]) -> None:
    pixels = small[: size[0], : size[1]]
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    rows = b"".join(b"\0" + row.tobytes() for x, y, dx, dy in passes for row in pixels[y::dy, x::dx] if row.size)
    header = struct.pack(">IIBBBBB", size[1], size[0], 8, 2, 0, 0, 1)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    path = put(tmp_path / "a.png", b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    np.testing.assert_array_equal(read_photograph(path).pixels, pixels)


def test_linear_light_is_encoded_and_said(tmp_path: Path, small16: np.ndarray) -> None:
    gamma = chunk(b"gAMA", struct.pack(">I", 100_000))
    photograph = read_photograph(put(tmp_path / "a.png", png(small16, 2, 16, gamma)))
    expected = 65535 * linear_to_srgb(small16 / 65535)
    np.testing.assert_allclose(photograph.pixels, expected, atol=0.51)
    assert photograph.message == "linear light (gAMA 1.0) encoded as sRGB"
    srgb = chunk(b"sRGB", b"\0")
    assert read_photograph(put(tmp_path / "b.png", png(small16, 2, 16, gamma, srgb))).message == ""

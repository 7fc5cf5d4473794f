"""sdd_bench.images.photograph: what is read, what is said, what is refused."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from sdd_bench.core.errors import ConfigError, ImageError, OutputError
from sdd_bench.images.pair import read_pair
from sdd_bench.images.photograph import read_header, read_photograph, to_float
from sdd_bench.images.write import from_float, write_image, write_png


@pytest.fixture
def small(photo: np.ndarray) -> np.ndarray:
    """(40, 60, 3) uint8."""
    return np.ascontiguousarray(photo[:40, :60])


@pytest.fixture
def small16(small: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(40, 60, 3) uint16 that uses its low bits."""
    return small.astype(np.uint16) * 256 + rng.integers(0, 256, small.shape, dtype=np.uint16)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(pixels: np.ndarray, color: int, bits: int, *chunks: bytes, width: int | None = None) -> bytes:
    """A PNG made by hand: rows of bytes as given, extra chunks before the pixels."""
    header = struct.pack(">IIBBBBB", width or pixels.shape[1], pixels.shape[0], bits, color, 0, 0, 0)
    big = pixels.astype(">u2") if bits == 16 else pixels
    rows = b"".join(b"\0" + row.tobytes() for row in big)
    parts = [chunk(b"IHDR", header), *chunks, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def exif_block(orientation: int) -> bytes:
    """EXIF with an orientation, f/1.8, 50 mm and 1/250 s."""
    exif = Image.Exif()
    exif[274] = orientation
    exif[34665] = {33437: 1.8, 37386: 50.0, 33434: 1 / 250}
    return exif.tobytes().removeprefix(b"Exif\0\0")


def put(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def jpeg(pixels: np.ndarray, **options: object) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=95, **options)
    return out.getvalue()


# Reading


def test_png_of_8_and_16_bits_is_read_bit_for_bit(tmp_path: Path, small: np.ndarray, small16: np.ndarray) -> None:
    for pixels in (small, small16):
        path = put(tmp_path / "a.png", png(pixels, 2, 8 * pixels.itemsize))
        photograph = read_photograph(path)
        np.testing.assert_array_equal(photograph.pixels, pixels)
        assert (photograph.bit_depth, photograph.message) == (8 * pixels.itemsize, "")
        header = read_header(path)
        assert (header.width, header.height, header.bit_depth) == (60, 40, 8 * pixels.itemsize)


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


def test_odd_chunks_of_a_png_are_read_silently(
    tmp_path: Path, small: np.ndarray, capfd: pytest.CaptureFixture[str]
) -> None:
    odd = chunk(b"iCCP", b"x\0\0" + zlib.compress(b"odd")), chunk(b"gAMA", bytes(4)), chunk(b"tEXt", b"no zero")
    photograph = read_photograph(put(tmp_path / "a.png", png(small, 2, 8, *odd)))
    np.testing.assert_array_equal(photograph.pixels, small)
    assert capfd.readouterr() == ("", "")


def test_a_tiff_with_a_thumbnail_is_one_picture(tmp_path: Path, small: np.ndarray) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(small[::4, ::4], photometric="rgb", subfiletype=1)
        writer.write(small, photometric="rgb")
    np.testing.assert_array_equal(read_photograph(path).pixels, small)


def test_jpeg_and_bmp_are_read_as_opencv_reads_them(tmp_path: Path, small: np.ndarray) -> None:
    photograph = read_photograph(put(tmp_path / "a.jpg", jpeg(small)))
    np.testing.assert_array_equal(photograph.pixels, cv2.imread(str(tmp_path / "a.jpg"))[..., ::-1])
    assert photograph.message == ""
    assert read_photograph(put(tmp_path / "g.jpeg", jpeg(small[..., 0]))).message == "grey to RGB"
    Image.fromarray(small).save(tmp_path / "a.bmp")
    np.testing.assert_array_equal(read_photograph(tmp_path / "a.bmp").pixels, small)
    Image.fromarray(small).quantize(16).save(tmp_path / "p.bmp")
    assert read_photograph(tmp_path / "p.bmp").message == "palette to RGB"


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


TURNS = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: np.rot90(a, 2),
    4: lambda a: a[::-1],
    5: lambda a: np.swapaxes(a, 0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.swapaxes(np.rot90(a, 2), 0, 1),
    8: lambda a: np.rot90(a, 1),
}


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


def test_a_color_profile_other_than_srgb_is_said(tmp_path: Path, small: np.ndarray) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    other = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    for profile, expected in ((srgb, ""), (other, "not sRGB, its colors are kept as stored"), (b"odd", "unnamed")):
        put(tmp_path / "a.jpg", jpeg(small, icc_profile=profile))
        put(tmp_path / "b.png", png(small, 2, 8, chunk(b"iCCP", b"name\0\0" + zlib.compress(profile))))
        tifffile.imwrite(tmp_path / "c.tif", small, photometric="rgb", iccprofile=profile)
        for path in sorted(tmp_path.iterdir()):
            message = read_photograph(path).message
            assert expected in message
            assert bool(message) == bool(expected)


# Pairs


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


def test_a_pair_of_two_sizes_is_refused(tmp_path: Path, small: np.ndarray) -> None:
    paths = put(tmp_path / "a.png", png(small, 2, 8)), put(tmp_path / "b.png", png(small[:-1], 2, 8))
    with pytest.raises(
        ImageError, match="a.png: blurry is 60x40 but sharp .b.png. is 60x39; a pair must share one size"
    ):
        read_pair(*paths)


# Refusals


def _bmp(small: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(small).save(out, "BMP")
    return out.getvalue()


def _tiff(pixels: np.ndarray, **options: object) -> bytes:
    out = io.BytesIO()
    tifffile.imwrite(out, pixels, **{"photometric": "rgb", **options})
    return out.getvalue()


def _pillow(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def _flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def _bad_files(a: np.ndarray) -> dict[str, tuple[str, bytes, str]]:
    whole, a16 = png(a, 2, 8), a.astype(np.uint16) * 257
    clear = np.dstack([a, np.full(a.shape[:2], 200, np.uint8)])
    animated = chunk(b"acTL", struct.pack(">II", 3, 0))
    huge = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0))
    huge += chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    cmyk = Image.fromarray(a).convert("CMYK")
    key = chunk(b"tRNS", struct.pack(">3H", *a[5, 5].tolist()))
    gray_key = chunk(b"tRNS", struct.pack(">H", int(a[5, 5, 0])))
    half_clear = chunk(b"PLTE", bytes(range(12))) + chunk(b"tRNS", b"\xff\x80")
    return {
        "empty": ("a.png", b"", "0 bytes; expected a picture"),
        "text": ("a.png", b"hello, this is no picture", "no picture format that is known. Convert it"),
        "other suffix": ("a.png", jpeg(a), "suffix says PNG but the content is JPEG. Rename it to a.jpg"),
        "gif": ("a.jpg", _pillow(Image.fromarray(a), "GIF"), "suffix says JPEG but the content is GIF. Convert it"),
        "no suffix of a picture": ("a.txt", whole, "the suffix .txt is no picture"),
        "png cut in its pixels": ("a.png", whole[: len(whole) // 2], "chunk IDAT should end at byte"),
        "png cut before its end": ("a.png", whole[:-12], "without the IEND chunk"),
        "png with a flipped bit": ("a.png", _flip(whole, 900), "chunk IDAT at byte 33 does not match its checksum"),
        "png of its signature alone": ("a.png", whole[:8], "without the IEND chunk"),
        "png without pixels": ("a.png", whole[:33] + chunk(b"IEND", b""), "no IDAT chunk"),
        "png of no known kind": ("a.png", png(a, 5, 8), "color type 5 with 8 bits does not exist"),
        "png without its palette": ("a.png", png(a[..., 0], 3, 8), "a palette picture without its palette"),
        "png of no pixels": ("a.png", png(a[:0], 2, 8), "declares 60x0 pixels"),
        "animated png": ("a.png", png(a, 2, 8, animated), "an animation of 3 pictures"),
        "half clear png": ("a.png", png(clear, 6, 8), "partly transparent"),
        "png with a clear color": ("a.png", png(a, 2, 8, key), "partly transparent"),
        "grey png with a clear level": ("a.png", png(a[..., 0], 0, 8, gray_key), "partly transparent"),
        "png with a clear palette entry": ("a.png", png(a[..., 0] % 4, 3, 8, half_clear), "partly transparent"),
        "bomb": ("a.png", huge, "60000x60000 is 3,600,000,000 pixels, more than the 200,000,000 allowed"),
        "jpeg cut in its pixels": ("a.jpg", jpeg(a)[:-200], "without the end marker"),
        "jpeg cut in its header": ("a.jpg", jpeg(a)[:100], "before the pixels of a JPEG"),
        "cmyk jpeg": ("a.jpg", _pillow(cmyk, "JPEG"), "a CMYK picture; expected RGB or grey"),
        "tiff cut in its pixels": ("a.tif", _tiff(a)[:-100], "its header declares pixels up to byte"),
        "tiff cut in its tags": ("a.tif", _tiff(a)[:60], "the file ends before the value of tag 258"),
        "tiff with pixels missing": ("a.tif", _missing_rows(a), "declares 7200 bytes of pixels, but only"),
        "tiff with strips missing": ("a.tif", _fewer_strips(a), "declares 20 strips or tiles of pixels, but only 10"),
        "tiff whose offsets are floats": ("a.tif", _retyped(_tiff(a), 273, 11), "its pixels cannot be decoded"),
        "tiff whose width is no number": (
            "a.tif",
            _retyped(_tiff(a), 256, 11, b"\0\0\xc0\x7f"),
            "declares 0x40 pixels",
        ),
        "tiff whose rows are a text": ("a.tif", _retyped(_tiff(a), 278, 2), "its pixels cannot be decoded"),
        "tiff whose rows are a ratio": ("a.tif", _retyped(_tiff(a), 278, 5), "its pixels cannot be decoded"),
        "big tiff that points nowhere": ("a.tif", _nowhere(a), "the file ends inside its tags"),
        "tiff with bad deflate": ("a.tif", _bad_strip(a, 8), "its pixels cannot be decoded"),
        "tiff with bad lzw": ("a.tif", _bad_strip(a16, 5), "its compressed pixels are damaged"),
        "cmyk tiff": ("a.tif", _pillow(cmyk, "TIFF"), "a CMYK picture; expected RGB or grey"),
        "float tiff": ("a.tif", _tiff(a / np.float32(255)), "float samples of 32 bits, whose scale is not stated"),
        "32-bit tiff": ("a.tif", _tiff(a.astype(np.uint32)), "samples of 32/32/32 bits"),
        "signed tiff": ("a.tif", _tiff(a.astype(np.int16)), "signed samples of 16 bits"),
        "multi-page tiff": ("a.tif", _tiff(np.stack([a, a])), "a TIFF of 2 pages"),
        "tiff of 5 samples": ("a.tif", _tiff(np.dstack([clear, a[..., 0]])), "5 samples of 8 bits a pixel"),
        "jpeg in tiff": ("a.tif", _pillow(Image.fromarray(a), "TIFF", compression="jpeg"), "compression 7|YCbCr"),
        "half clear tiff": ("a.tif", _tiff(clear, extrasamples=["unassalpha"]), "partly transparent"),
        "bmp cut in its pixels": ("a.bmp", _bmp(a)[:-100], "its header declares 7254 bytes, the file has 7154"),
        "bmp cut in its header": ("a.bmp", _bmp(a)[:20], "less than the header of a BMP"),
    }


def _missing_rows(a: np.ndarray) -> bytes:
    """A TIFF whose strip is said to be shorter than its rows."""
    data = _tiff(a)
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        tag = file.pages[0].tags[279]
    return data[: tag.valueoffset] + struct.pack("<H", 3000) + data[tag.valueoffset + 2 :]


def _retyped(data: bytes, number: int, kind: int, value: bytes = b"") -> bytes:
    """A TIFF one of whose tags is said to be of another type, and to hold ``value``."""
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        at = file.pages[0].tags[number].offset
    value = value or data[at + 8 : at + 12]
    return data[: at + 2] + struct.pack("<H", kind) + data[at + 4 : at + 8] + value + data[at + 12 :]


def _nowhere(a: np.ndarray) -> bytes:
    data = _tiff(a, bigtiff=True)
    return data[:8] + b"\xff" * 8 + data[16:]


def _fewer_strips(a: np.ndarray) -> bytes:
    """A TIFF of 10 strips that is said to be of half the rows a strip."""
    data = _tiff(a, rowsperstrip=4, compression="zlib")
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        at = file.pages[0].tags[278].valueoffset
    return data[:at] + b"\2" + data[at + 1 :]


def _bad_strip(a: np.ndarray, compression: int) -> bytes:
    _, encoded = cv2.imencode(".tif", a, [cv2.IMWRITE_TIFF_COMPRESSION, compression])
    data = encoded.tobytes()
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        start = file.pages[0].dataoffsets[0]
    return data[: start + 50] + b"\xff" * 200 + data[start + 250 :]


BAD = sorted(_bad_files(np.random.default_rng(1).integers(0, 256, (40, 60, 3), dtype=np.uint8)))


@pytest.mark.parametrize("case", BAD)
def test_bad_file_is_refused_with_its_name_and_silently(
    tmp_path: Path, case: str, capfd: pytest.CaptureFixture[str]
) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    name, data, message = _bad_files(pixels)[case]
    path = put(tmp_path / name, data)
    with pytest.raises(ImageError, match=message) as caught:
        read_photograph(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert capfd.readouterr() == ("", "")


def test_damaged_lzw_with_8_bits_is_refused(tmp_path: Path, small: np.ndarray) -> None:
    with pytest.raises(ImageError, match="a.tif: its pixels cannot be decoded"):
        read_photograph(put(tmp_path / "a.tif", _bad_strip(small, 5)))


def test_at_least_twelve_bad_files_are_tried() -> None:
    assert len(BAD) >= 12


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    (tmp_path / "file").write_bytes(b"x")
    cases = {
        "missing.png": "no such file. Check the path",
        "file/a.png": "no such file",
        "folder.png": "a folder; expected a picture",
        "pipe.png": "a device or pipe",
        "loop.png": "cannot be read",
    }
    for name, message in cases.items():
        for read in (read_photograph, read_header):
            with pytest.raises(ImageError, match=message):
                read(tmp_path / name)


def test_the_header_of_a_damaged_file_is_refused(tmp_path: Path, small: np.ndarray) -> None:
    for name, data, message in (
        ("a.png", png(small, 2, 8)[:-20], "IDAT should end"),
        ("b.tif", b"II*\0\x10\0\0\0", "ends inside its tags"),
        ("c.jpg", jpeg(small)[:30], "before the pixels"),
    ):
        with pytest.raises(ImageError, match=message):
            read_header(put(tmp_path / name, data))


def test_the_pixel_limit_can_be_set(tmp_path: Path, small: np.ndarray) -> None:
    path = put(tmp_path / "a.png", png(small, 2, 8))
    assert read_photograph(path, max_pixels=2400).pixels.shape == small.shape
    for read in (read_photograph, read_header):
        with pytest.raises(ImageError, match="60x40 is 2,400 pixels, more than the 2,399 allowed"):
            read(path, max_pixels=2399)


def test_a_picture_over_pillows_own_limit_is_read_when_allowed(tmp_path: Path) -> None:
    before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, 1000
    try:
        assert read_photograph(put(tmp_path / "a.jpg", jpeg(np.zeros((60, 80, 3), np.uint8)))).bit_depth == 8
    finally:
        Image.MAX_IMAGE_PIXELS = before


# Floats and writing


def test_floats_and_integers_convert_both_ways_without_loss() -> None:
    for dtype, bits in ((np.uint8, 8), (np.uint16, 16)):
        top = np.iinfo(dtype).max
        pixels = np.linspace(0, top, 3 * (top + 1)).reshape(-1, 1, 3).astype(dtype)
        floats = to_float(pixels)
        assert floats.dtype == np.float32
        assert (floats.min(), floats.max()) == (0, 1)
        np.testing.assert_array_equal(from_float(floats, bits), pixels)
    np.testing.assert_array_equal(from_float(np.array([[[-1.0, 2.0, 0.5]]]), 8), [[[0, 255, 128]]])


def test_from_float_refuses_what_no_integer_can_hold() -> None:
    with pytest.raises(ImageError, match="NaN"):
        from_float(np.full((2, 2, 3), np.nan, np.float32), 8)
    with pytest.raises(ConfigError, match="bit_depth is 12; expected 8 or 16"):
        from_float(np.zeros((2, 2, 3), np.float32), 12)


@pytest.mark.parametrize("name", ["a.png", "deep/er/a.tif"])
def test_written_pictures_are_read_back_bit_for_bit(
    tmp_path: Path, small: np.ndarray, small16: np.ndarray, name: str
) -> None:
    for pixels in (small, small16):
        write_image(tmp_path / name, pixels)
        first = (tmp_path / name).read_bytes()
        photograph = read_photograph(tmp_path / name)
        np.testing.assert_array_equal(photograph.pixels, pixels)
        assert photograph.message == ""
        write_image(tmp_path / name, pixels)
        assert (tmp_path / name).read_bytes() == first
    assert [path.name for path in (tmp_path / name).parent.iterdir()] == [Path(name).name]


def test_png_compression_can_be_chosen(tmp_path: Path, small: np.ndarray) -> None:
    for level in (0, 1, 9):
        write_png(tmp_path / f"{level}.png", small, compression=level)
        np.testing.assert_array_equal(read_photograph(tmp_path / f"{level}.png").pixels, small)
    assert (tmp_path / "9.png").stat().st_size < (tmp_path / "0.png").stat().st_size


def test_what_cannot_be_written_is_refused(tmp_path: Path, small: np.ndarray) -> None:
    with pytest.raises(ImageError, match=r"a.png: expected \(H, W, 3\) uint8 or uint16 to write, got \(40, 60\)"):
        write_png(tmp_path / "a.png", small[..., 0])
    with pytest.raises(ImageError, match="of float32. Convert it by from_float"):
        write_png(tmp_path / "a.png", to_float(small))
    with pytest.raises(ConfigError, match=r"written as .png or .tiff, not as .gif"):
        write_image(tmp_path / "a.gif", small)
    (tmp_path / "b.png").mkdir()
    (tmp_path / "b.png" / "in the way").write_text("")
    with pytest.raises(OutputError, match="b.png: something else is in the way"):
        write_png(tmp_path / "b.png", small)


# Real photographs


def test_real_photographs_are_read_as_opencv_reads_them(data_root: Path) -> None:
    paths = [next(iter(sorted((data_root / folder).rglob(f"*{suffix}")))) for folder, suffix in (("photos", ".png"),)]
    paths += sorted((data_root / "aperture" / "vabd").rglob("*.*"))[:2]
    for path in paths:
        np.testing.assert_array_equal(read_photograph(path).pixels, cv2.imread(str(path))[..., ::-1])

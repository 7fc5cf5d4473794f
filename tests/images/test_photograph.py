"""sdd_bench.images.photograph: what is read, what is said, what is refused."""

from __future__ import annotations

import io
import os
import re
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from picture_files import bad_strip, bmp, chunk, jpeg, png, put, retyped, tiff
from PIL import Image, ImageCms

import sdd_bench.images
from sdd_bench.core.errors import ConfigError, ImageError
from sdd_bench.images.metadata import Metadata, read_metadata
from sdd_bench.images.photograph import read_header, read_photograph, to_float
from sdd_bench.images.write import from_float

# Reading


def test_jpeg_and_bmp_are_read_as_opencv_reads_them(tmp_path: Path, small: np.ndarray) -> None:
    photograph = read_photograph(put(tmp_path / "a.jpg", jpeg(small)))
    np.testing.assert_array_equal(photograph.pixels, cv2.imread(str(tmp_path / "a.jpg"))[..., ::-1])
    assert photograph.message == ""
    assert read_photograph(put(tmp_path / "g.jpeg", jpeg(small[..., 0]))).message == "grey to RGB"
    Image.fromarray(small).save(tmp_path / "a.bmp")
    np.testing.assert_array_equal(read_photograph(tmp_path / "a.bmp").pixels, small)
    Image.fromarray(small).quantize(16).save(tmp_path / "p.bmp")
    assert read_photograph(tmp_path / "p.bmp").message == "palette to RGB"


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


# Refusals


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
        "no suffix of a picture": ("a.txt", whole, "the suffix .txt is of no picture that is read"),
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
        "tiff cut in its pixels": ("a.tif", tiff(a)[:-100], "its header declares pixels up to byte"),
        "tiff cut in its tags": ("a.tif", tiff(a)[:60], "the file ends before the value of tag 258"),
        "tiff with pixels missing": ("a.tif", _missing_rows(a), "declares 7200 bytes of pixels, but only"),
        "tiff with strips missing": ("a.tif", _fewer_strips(a), "declares 20 strips or tiles of pixels, but only 10"),
        "tiff whose offsets are floats": ("a.tif", retyped(tiff(a), 273, 11), "its pixels cannot be decoded"),
        "tiff whose width is no number": (
            "a.tif",
            retyped(tiff(a), 256, 11, b"\0\0\xc0\x7f"),
            "declares 0x40 pixels",
        ),
        "tiff whose rows are a text": ("a.tif", retyped(tiff(a), 278, 2), "its pixels cannot be decoded"),
        "tiff whose rows are a ratio": ("a.tif", retyped(tiff(a), 278, 5), "its pixels cannot be decoded"),
        "big tiff that points nowhere": ("a.tif", _nowhere(a), "the file ends inside its tags"),
        "tiff with bad deflate": ("a.tif", bad_strip(a, 8), "its compressed pixels are damaged"),
        "tiff with bad lzw": ("a.tif", bad_strip(a16, 5), "its compressed pixels are damaged"),
        "cmyk tiff": ("a.tif", _pillow(cmyk, "TIFF"), "a CMYK picture; expected RGB or grey"),
        "float tiff": ("a.tif", tiff(a / np.float32(255)), "float samples of 32 bits, whose scale is not stated"),
        "32-bit tiff": ("a.tif", tiff(a.astype(np.uint32)), "samples of 32/32/32 bits"),
        "signed tiff": ("a.tif", tiff(a.astype(np.int16)), "signed samples of 16 bits"),
        "multi-page tiff": ("a.tif", tiff(np.stack([a, a])), "a TIFF of 2 pages"),
        "tiff of 5 samples": ("a.tif", tiff(np.dstack([clear, a[..., 0]])), "5 samples of 8 bits a pixel"),
        "jpeg in tiff": ("a.tif", _pillow(Image.fromarray(a), "TIFF", compression="jpeg"), "compression 7|YCbCr"),
        "half clear tiff": ("a.tif", tiff(clear, extrasamples=["unassalpha"]), "partly transparent"),
        "bmp cut in its pixels": ("a.bmp", bmp(a)[:-100], "its header declares 7254 bytes, the file has 7154"),
        "bmp cut in its header": ("a.bmp", bmp(a)[:20], "less than the header of a BMP"),
    }


def _missing_rows(a: np.ndarray) -> bytes:
    """A TIFF whose strip is said to be shorter than its rows."""
    data = tiff(a)
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        tag = file.pages[0].tags[279]
    return data[: tag.valueoffset] + struct.pack("<H", 3000) + data[tag.valueoffset + 2 :]


def _nowhere(a: np.ndarray) -> bytes:
    data = tiff(a, bigtiff=True)
    return data[:8] + b"\xff" * 8 + data[16:]


def _fewer_strips(a: np.ndarray) -> bytes:
    """A TIFF of 10 strips that is said to be of half the rows a strip."""
    data = tiff(a, rowsperstrip=4, compression="zlib")
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        at = file.pages[0].tags[278].valueoffset
    return data[:at] + b"\2" + data[at + 1 :]


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


# Real photographs


def test_real_photographs_are_read_as_opencv_reads_them(data_root: Path) -> None:
    paths = [next(iter(sorted((data_root / folder).rglob(f"*{suffix}")))) for folder, suffix in (("photos", ".png"),)]
    paths += sorted((data_root / "aperture" / "vabd").rglob("*.*"))[:2]
    for path in paths:
        np.testing.assert_array_equal(read_photograph(path).pixels, cv2.imread(str(path))[..., ::-1])


@pytest.mark.parametrize("kind", [".png", ".jpg", ".tif", ".bmp"])
def test_a_picture_that_is_emptied_while_its_header_is_read_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    path, read = tmp_path / f"a{kind}", os.pread
    content = cv2.imencode(kind, np.zeros((64, 64, 3), np.uint8))[1].tobytes()

    def emptied(file: int, n_bytes: int, start: int) -> bytes:
        os.truncate(path, 0)
        return read(file, n_bytes, start)

    monkeypatch.setattr(os, "pread", emptied)
    path.write_bytes(content)
    with pytest.raises(ImageError, match=f"{re.escape(str(path))}.*shorter"):
        read_header(path)
    path.write_bytes(content)
    assert read_metadata(path) == Metadata()


def test_no_picture_is_mapped_into_memory() -> None:
    """Another program that makes it shorter would end this one by SIGBUS."""
    folder = Path(sdd_bench.images.__file__).parent
    assert [path.name for path in folder.rglob("*.py") if "mmap" in path.read_text("utf-8")] == []

"""TIFF: reading the directory, checking that the payload is whole, and decoding its pixels."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import tifffile
from PIL import TiffImagePlugin

from sdd_bench.core.arrays import Pixels
from sdd_bench.core.errors import ImageError
from sdd_bench.images.formats.decoders import opencv
from sdd_bench.images.formats.header import GREY, GREY_ALPHA, PALETTE, RGB, RGB_ALPHA, Header, refuse, truncated
from sdd_bench.images.formats.tags import (
    ORIENTATION,
    Buffer,
    Directory,
    TagError,
    directories,
    exif_of,
    layout_of,
)

_PIECE = 1 << 20
_RGB = 2
"""Value of PhotometricInterpretation for RGB."""


def decode_tiff(path: Path, data: bytes, header: Header) -> tuple[Pixels, list[str]]:
    """Decode a TIFF file; for the arguments see :func:`~sdd_bench.images.decode.decode`.

    Returns:
        Pixels, (H, W) or (H, W, C) uint8 or uint16, and notes on what was converted.

    Raises:
        ImageError: The pixels or the palette are damaged.

    Example:
        >>> file = io.BytesIO()
        >>> tifffile.imwrite(file, np.array([[0, 5]], np.uint8), photometric="miniswhite")
        >>> path, data = Path("grey.tif"), file.getvalue()
        >>> pixels, notes = decode_tiff(path, data, tiff_header(path, data, whole=True))
        >>> pixels.tolist(), notes
        ([[255, 250]], ['white-is-zero inverted'])
    """
    number, page = tiff_page(path, data)
    if _COMPRESSIONS[page.first(COMPRESSION, 1)] == "Deflate":
        _check_inflated(path, data, page)
    if page.first(COMPRESSION, 1) == LZW:
        pixels = _lzw(path, _plain_tiff(data, number), header)
    else:
        pixels = _tifffile(data, number)
    if page.first(PLANAR, 1) == 2 and pixels.ndim == 3 and pixels.shape[0] <= 4:
        pixels = np.moveaxis(pixels, 0, -1)
    notes = []
    if header.stored_bits == 1:
        pixels = pixels.astype(np.uint8) * np.uint8(255)
        notes.append("1-bit grey widened to 8")
    if page.first(PHOTOMETRIC) == WHITE_IS_ZERO:
        pixels = np.invert(pixels)
        notes.append("white-is-zero inverted")
    if header.kind == PALETTE:
        colors = page.integers(COLOR_MAP)
        if len(colors) != 3 * 256:
            raise truncated(path, f"its palette has {len(colors)} entries, not 768")
        pixels = (np.array(colors).reshape(3, 256).T >> 8).astype(np.uint8)[pixels]
        notes.append("palette to RGB")
    return pixels, notes


def _check_inflated(path: Path, data: bytes, page: Directory) -> None:
    """Unpack the strips or tiles one by one, none further than a picture of this size can need."""
    width, height = page.first(_TILE_WIDTH, page.first(WIDTH)), page.first(_TILE_HEIGHT, page.first(HEIGHT))
    most = (width * max(page.integers(BITS) or (1,)) * page.first(SAMPLES, 1) // 8 + 1) * height
    offsets = (at for tag in _OFFSETS for at in page.integers(tag))
    sizes = (size for tag in BYTE_COUNTS for size in page.integers(tag))
    for at, size in zip(offsets, sizes, strict=True):
        part, total = zlib.decompressobj(), 0
        tail = data[at : at + size]
        try:
            while tail and not part.eof and total <= most:
                total += len(part.decompress(tail, _PIECE))
                tail = part.unconsumed_tail
        except zlib.error as error:
            raise truncated(path, f"its compressed pixels are damaged ({error})") from error
        if total > most:
            raise truncated(path, f"its compressed pixels unpack to more than the {most} bytes of its size")


def _lzw(path: Path, data: bytearray, header: Header) -> Pixels:
    """Decode LZW, which tifffile alone cannot: 16 bits with OpenCV, 8 bits with Pillow, which both notice damage."""
    if header.stored_bits == 16:
        pixels = opencv(path, data, alpha=header.kind == RGB_ALPHA)
        return pixels[..., 0] if header.kind == GREY and pixels.ndim == 3 else pixels
    with TiffImagePlugin.TiffImageFile(io.BytesIO(data)) as image:
        image.load()
        return np.asarray(image)


def _tifffile(data: bytes, number: int) -> Pixels:
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        pixels: Pixels = file.pages[number].asarray(maxworkers=1)
        return pixels


def _plain_tiff(data: bytes, number: int) -> bytearray:
    """The TIFF with directory ``number`` alone, marked upright and black-is-zero, so that libtiff changes no pixel."""
    layout, plain = layout_of(data), bytearray(data)
    step = struct.calcsize(layout.count_code)
    at = layout.first
    for _ in range(number + 1):
        here = at
        (count,) = struct.unpack_from(layout.count_code, data, here)
        end = here + step + count * layout.entry_size
        (at,) = struct.unpack_from(layout.pointer_code, data, end)
    struct.pack_into(layout.pointer_code, plain, 8 if layout.big else 4, here)
    struct.pack_into(layout.pointer_code, plain, end, 0)
    for entry in range(here + step, end, layout.entry_size):
        (tag,) = struct.unpack_from(layout.endian + "H", data, entry)
        value = entry + (12 if layout.big else 8)
        (old,) = struct.unpack_from(layout.endian + "H", data, value)
        if tag == ORIENTATION or (tag == PHOTOMETRIC and old != _RGB):
            struct.pack_into(layout.endian + "H", plain, value, 1)
    return plain


# Baseline TIFF tags.
SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 254, 256, 257, 258, 259, 262
SAMPLES, PLANAR, COLOR_MAP, SAMPLE_FORMAT = 277, 284, 320, 339
_OFFSETS, BYTE_COUNTS = (273, 324), (279, 325)
_EXTRA_SAMPLES, _UNSPECIFIED = 338, 0
_STRIP_ROWS, _TILE_WIDTH, _TILE_HEIGHT, _ICC = 278, 322, 323, 34675
WHITE_IS_ZERO = 0
NO_COMPRESSION, LZW = 1, 5
_COMPRESSIONS = {NO_COMPRESSION: "none", LZW: "LZW", 8: "Deflate", 32946: "Deflate", 32773: "PackBits"}
_PHOTOMETRICS = {4: "a transparency mask", 5: "a CMYK picture", 6: "a YCbCr picture", 8: "a CIE Lab picture"}


def tiff_page(path: Path, data: Buffer) -> tuple[int, Directory]:
    """Number and directory of the only picture of a TIFF file; reduced copies and masks beside it do not count.

    Raises:
        ImageError: The directories are cut off, or the file holds no or several pictures.

    Example:
        >>> file = io.BytesIO()
        >>> tifffile.imwrite(file, np.zeros((2, 3), np.uint8))
        >>> number, page = tiff_page(Path("black.tif"), file.getvalue())
        >>> number, page.first(WIDTH), page.first(HEIGHT)
        (0, 3, 2)
    """
    try:
        pages = directories(data)
    except TagError as error:
        raise truncated(path, str(error)) from error
    pictures = [(number, page) for number, page in enumerate(pages) if not page.first(SUBFILE) & 0b101]
    if len(pictures) != 1:
        got = f"{len(pictures)} pages" if pictures else "no full-size page"
        raise refuse(path, f"a TIFF of {got}", "Save one picture per file.")
    return pictures[0]


def _n_segments(page: Directory) -> int:
    """Number of strips or tiles that the sides of the picture require."""
    width, height = page.first(WIDTH), page.first(HEIGHT)
    across, down = page.first(_TILE_WIDTH, width), page.first(_TILE_HEIGHT, page.first(_STRIP_ROWS, height))
    planes = page.first(SAMPLES, 1) if page.first(PLANAR, 1) == 2 else 1
    return planes * -(-width // max(across, 1)) * -(-height // max(down, 1))


def missing_payload(page: Directory, n_bytes: int, *, exact: bool = True) -> str:
    """What the payload of ``page`` lacks of what its tags declare; empty if nothing.

    Args:
        page: Directory of the picture.
        n_bytes: Size of the file.
        exact: Whether to trust the tags that call the pixels uncompressed and give their width. In the RAW files of
            some makers these tags are wrong.

    Example:
        >>> page = Directory({WIDTH: (4,), HEIGHT: (2,), BITS: (8,), 273: (100,), 279: (8,)}, {})
        >>> missing_payload(page, 108), missing_payload(page, 104)
        ('', 'its header declares pixels up to byte 108, the file has 104')
    """
    offsets = [at for tag in _OFFSETS for at in page.integers(tag)]
    sizes = [size for tag in BYTE_COUNTS for size in page.integers(tag)]
    if len(offsets) != len(sizes) or not sizes:
        return f"{len(offsets)} strips or tiles of pixels but {len(sizes)} sizes of them" if exact else ""
    if exact and len(sizes) < (n_segments := _n_segments(page)):
        return f"its header declares {n_segments} strips or tiles of pixels, but only {len(sizes)} are there"
    end = max(at + size for at, size in zip(offsets, sizes, strict=True))
    if end > n_bytes:
        return f"its header declares pixels up to byte {end}, the file has {n_bytes}"
    bits = page.integers(BITS) or (1,)
    row_bytes = (page.first(WIDTH) * bits[0] * page.first(SAMPLES, 1) + 7) // 8
    expected = row_bytes * page.first(HEIGHT)
    if exact and page.first(COMPRESSION, 1) == NO_COMPRESSION and sum(sizes) < expected:
        return f"its header declares {expected} bytes of pixels, but only {sum(sizes)} are there"
    return ""


def tiff_header(path: Path, data: Buffer, whole: bool) -> Header:
    """Read the header of a TIFF file; for the arguments see :func:`~sdd_bench.images.decode.parse_header`.

    Raises:
        ImageError: The file is damaged, is of a kind that cannot be read, or (with ``whole``) lacks pixels.

    Example:
        >>> file = io.BytesIO()
        >>> tifffile.imwrite(file, np.zeros((2, 3), np.uint16))
        >>> header = tiff_header(Path("black.tif"), file.getvalue(), whole=True)
        >>> header.width, header.height, header.kind, header.stored_bits
        (3, 2, 'grey', 16)
    """
    _, page = tiff_page(path, data)
    bits, samples = page.integers(BITS) or (1,), page.first(SAMPLES, 1)
    photometric, compression = page.first(PHOTOMETRIC, -1), page.first(COMPRESSION, 1)
    if photometric in (32803, 34892):
        raise ImageError(f"{path}: a RAW file with the suffix of a TIFF. Rename it to {path.stem}.dng.")
    if photometric not in (0, 1, 2, 3):
        raise refuse(path, _PHOTOMETRICS.get(photometric, f"TIFF colors of kind {photometric}"), "Convert it to sRGB.")
    if compression not in _COMPRESSIONS:
        known = ", ".join(sorted(set(_COMPRESSIONS.values())))
        raise refuse(path, f"TIFF compression {compression}", f"Save it with one of {known}.")
    sample_format = page.first(SAMPLE_FORMAT, 1)
    if sample_format != 1:
        name = {2: "signed", 3: "float"}.get(sample_format, f"format {sample_format}")
        raise refuse(path, f"{name} samples of {bits[0]} bits, whose scale is not stated")
    if set(bits) not in ({1}, {8}, {16}) or (bits[0] == 1 and (photometric > 1 or samples > 1)):
        few = [*map(str, bits[:8]), *(["..."] if len(bits) > 8 else [])]
        raise refuse(path, f"samples of {'/'.join(few)} bits")
    base = 3 if photometric == 2 else 1
    if samples == base + 1 and page.first(_EXTRA_SAMPLES, _UNSPECIFIED) == _UNSPECIFIED:
        raise refuse(
            path,
            f"{samples} samples a pixel, of which the last is not said to be alpha",
            "Save it with 3 channels (the tag ExtraSamples says what a fourth one is).",
        )
    if samples not in (base, base + 1) or (photometric == 3 and (samples != 1 or bits[0] != 8)):
        raise refuse(path, f"{samples} samples of {bits[0]} bits a pixel")
    if compression == LZW and (page.first(PLANAR, 1) != 1 or samples == 2 or bits[0] == 1):
        raise refuse(path, "LZW with 1 bit, separate planes or grey and alpha", "Save it without compression.")
    if whole and (lack := missing_payload(page, len(data))):
        raise truncated(path, lack)
    kind = PALETTE if photometric == 3 else {1: GREY, 2: GREY_ALPHA, 3: RGB, 4: RGB_ALPHA}[samples]
    depth = 16 if bits[0] == 16 else 8
    orientation, exif = exif_of(page, data)
    profile = page.texts.get(_ICC, b"")
    return Header("TIFF", page.first(WIDTH), page.first(HEIGHT), depth, kind, bits[0], orientation, exif, profile)

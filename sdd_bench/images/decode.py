"""Pixels of PNG, JPEG, TIFF and BMP files whose header and completeness were checked.

Each format goes to the decoder that reads it right, quietly, and notices damage: PNG to OpenCV, JPEG and BMP to Pillow
(whose libjpeg-turbo is OpenCV's), TIFF to tifffile, except LZW (of which libtiff says on the terminal that it is
damaged).
"""

from __future__ import annotations

import io
import logging
import struct
from pathlib import Path

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import BmpImagePlugin, JpegImagePlugin, TiffImagePlugin

from sdd_bench.errors import ImageError
from sdd_bench.images import headers
from sdd_bench.images.headers import Header, refuse, truncated
from sdd_bench.images.tags import ORIENTATION, layout_of

Pixels = NDArray[np.generic]

# Every failure of OpenCV is raised as an ImageError; its own lines on the terminal would only be in the way.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

# So are those of tifffile, for which the terminal is the last resort.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

_RGB = 2
_TRANSPARENT = ("partly transparent", "Flatten it onto its background.")
_QUIET_CHUNKS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})


def decode(path: Path, data: bytes, header: Header) -> tuple[Pixels, list[str]]:
    """Decode the picture as it is stored (orientation not applied).

    Args:
        path: For messages.
        data: The whole file.
        header: What :func:`~sdd_bench.images.headers.parse_header` read from it.

    Returns:
        (H, W, 3) uint8 or uint16 RGB, and what was converted.

    Raises:
        ImageError: The pixels are damaged, or partly transparent.
    """
    decoder = {"PNG": _png, "JPEG": _pillow, "BMP": _pillow, "TIFF": _tiff}[header.format]
    try:
        pixels, notes = decoder(path, data, header)
    except ImageError:
        raise
    except Exception as error:  # damage leads a decoder anywhere
        raise truncated(path, f"its pixels cannot be decoded ({error!r})") from error
    size = (header.stored_height, header.stored_width)
    if pixels.shape[:2] != size or pixels.dtype not in (np.uint8, np.uint16):
        got = f"{pixels.shape[1]}x{pixels.shape[0]} of {pixels.dtype}"
        raise truncated(path, f"declares {size[1]}x{size[0]} pixels but decodes to {got}")
    return _to_rgb(path, pixels, notes)


def full_scale(pixels: Pixels) -> int:
    """The largest value of an unsigned picture: 255 or 65535."""
    return (1 << 8 * pixels.dtype.itemsize) - 1


def _to_rgb(path: Path, pixels: Pixels, notes: list[str]) -> tuple[Pixels, list[str]]:
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.shape[2] in (2, 4):
        if pixels[..., -1].min() != full_scale(pixels):
            raise refuse(path, *_TRANSPARENT)
        pixels = pixels[..., :-1]
        notes = [*notes, "opaque alpha dropped"]
    if pixels.shape[2] == 1:
        pixels = np.repeat(pixels, 3, axis=2)
        notes = [*notes, *([] if "grey to RGB" in notes else ["grey to RGB"])]
    return np.ascontiguousarray(pixels), notes


def opencv(path: Path, data: bytes | bytearray, *, alpha: bool = False) -> Pixels:
    """Decode with OpenCV: the one place where colours are BGR.

    Returns:
        (H, W, 3) RGB, or (H, W, 4) RGBA with ``alpha``, in the file's own bit depth.
    """
    flags = cv2.IMREAD_UNCHANGED if alpha else cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise truncated(path, f"OpenCV cannot decode its pixels ({error.err or error.msg})") from error
    if pixels is None:
        raise truncated(path, "its compressed pixels are damaged")
    if pixels.ndim == 2:
        return pixels
    return cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA if pixels.shape[2] == 4 else cv2.COLOR_BGR2RGB, dst=pixels)


def _png(path: Path, data: bytes, header: Header) -> tuple[Pixels, list[str]]:
    chunks = list(headers.png_chunks(path, data, crc=False))
    key = next((data[start:end] for kind, start, end in chunks if kind == b"tRNS"), None)
    if header.kind == headers.PALETTE and not any(kind == b"PLTE" for kind, _, _ in chunks):
        raise truncated(path, "a palette picture without its palette")
    if any(kind not in _QUIET_CHUNKS for kind, _, _ in chunks):
        # libpng comments on odd profiles and texts on the terminal.
        kept = [data[start - 8 : end + 4] for kind, start, end in chunks if kind in _QUIET_CHUNKS]
        data = b"".join([headers.PNG_SIGNATURE, *kept])
    # OpenCV knows the transparent colour of a palette or RGB picture, but not the level of a grey one.
    is_grey = header.kind == headers.GREY
    alpha = header.kind in (headers.GREY_ALPHA, headers.RGB_ALPHA) or (key is not None and not is_grey)
    pixels = opencv(path, data, alpha=alpha)
    notes = []
    if is_grey and key is not None and len(key) == 2:
        clear = int.from_bytes(key, "big") * full_scale(pixels) // ((1 << header.stored_bits) - 1)
        if (pixels == clear).any():
            raise refuse(path, *_TRANSPARENT)
    if header.kind == headers.PALETTE:
        notes.append("palette to RGB")
    elif header.kind in (headers.GREY, headers.GREY_ALPHA):
        bits = f"{header.stored_bits}-bit " if header.stored_bits < 8 else ""
        notes.append(f"{bits}grey to RGB")
    return pixels, notes


def _pillow(path: Path, data: bytes, header: Header) -> tuple[Pixels, list[str]]:
    is_jpeg = header.format == "JPEG"
    opener = JpegImagePlugin.JpegImageFile if is_jpeg else BmpImagePlugin.BmpImageFile
    with opener(io.BytesIO(_plain_jpeg(path, data) if is_jpeg else data)) as image:
        image.load()
        notes = ["palette to RGB"] if image.mode == "P" else []
        bits = {"1": "L", "P": "RGB", "RGBX": "RGB"}
        if image.mode not in ("L", "RGB", "RGBA", *bits):
            raise refuse(path, f"{header.format} colors of kind {image.mode}")
        if image.mode == "1":
            notes = ["1-bit grey widened to 8"]
        return np.asarray(image.convert(bits[image.mode]) if image.mode in bits else image), notes


def _plain_jpeg(path: Path, data: bytes) -> bytes:
    """A JPEG without EXIF and other extras, about which Pillow would warn where they are damaged."""
    segments = list(headers.jpeg_segments(path, data))
    kept = [data[start - 4 : end] for marker, start, end in segments if not 0xE1 <= marker <= 0xED]
    return b"".join([b"\xff\xd8", *kept, data[segments[-1][2] :]])


def _tiff(path: Path, data: bytes, header: Header) -> tuple[Pixels, list[str]]:
    number, page = headers.tiff_page(path, data)
    if page.first(headers.COMPRESSION, 1) == headers.LZW:
        pixels = _lzw(path, _plain_tiff(data, number), header)
    else:
        pixels = _tifffile(data, number)
    if page.first(headers.PLANAR, 1) == 2 and pixels.ndim == 3 and pixels.shape[0] <= 4:
        pixels = np.moveaxis(pixels, 0, -1)
    notes = []
    if header.stored_bits == 1:
        pixels = pixels.astype(np.uint8) * np.uint8(255)
        notes.append("1-bit grey widened to 8")
    if page.first(headers.PHOTOMETRIC) == headers.WHITE_IS_ZERO:
        pixels = np.invert(pixels)
        notes.append("white-is-zero inverted")
    if header.kind == headers.PALETTE:
        colors = page.integers(headers.COLOR_MAP)
        if len(colors) != 3 * 256:
            raise truncated(path, f"its palette has {len(colors)} entries, not 768")
        pixels = (np.array(colors).reshape(3, 256).T >> 8).astype(np.uint8)[pixels]
        notes.append("palette to RGB")
    return pixels, notes


def _lzw(path: Path, data: bytearray, header: Header) -> Pixels:
    """Decode LZW, which tifffile alone does not: 16 bits by OpenCV, 8 by Pillow, as these notice damage."""
    if header.stored_bits == 16:
        pixels = opencv(path, data, alpha=header.kind == headers.RGB_ALPHA)
        return pixels[..., 0] if header.kind == headers.GREY and pixels.ndim == 3 else pixels
    with TiffImagePlugin.TiffImageFile(io.BytesIO(data)) as image:
        image.load()
        return np.asarray(image)


def _tifffile(data: bytes, number: int) -> Pixels:
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        pixels: Pixels = file.pages[number].asarray(maxworkers=1)
        return pixels


def _plain_tiff(data: bytes, number: int) -> bytearray:
    """A TIFF with the one directory ``number``, upright and black-is-zero, so that libtiff changes no pixel."""
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
        if tag == ORIENTATION or (tag == headers.PHOTOMETRIC and old != _RGB):
            struct.pack_into(layout.endian + "H", plain, value, 1)
    return plain

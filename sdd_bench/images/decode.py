"""Pixels of PNG, JPEG, TIFF and BMP files whose header and completeness were checked.

Each format has a decoder that reads it correctly, notices damage and prints nothing: OpenCV for PNG, simplejpeg for
JPEG (with the same libjpeg-turbo as OpenCV), Pillow for BMP, tifffile for TIFF. TIFF with LZW is the exception: libtiff
decodes it, through OpenCV or Pillow, and reports damage on the terminal.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sdd_bench.core.arrays import Pixels
from sdd_bench.core.errors import ImageError, reason_of
from sdd_bench.images.formats.bmp import bmp_header, decode_bmp
from sdd_bench.images.formats.decoders import full_scale
from sdd_bench.images.formats.header import SUFFIXES, TRANSPARENT, TRUNCATED, Header, format_of, refuse, truncated
from sdd_bench.images.formats.jpeg import decode_jpeg, jpeg_header
from sdd_bench.images.formats.png import decode_png, png_header
from sdd_bench.images.formats.tags import (
    Buffer,
)
from sdd_bench.images.formats.tiff import decode_tiff, tiff_header


def decode(path: Path, data: bytes, header: Header) -> tuple[Pixels, list[str]]:
    """Decode the picture as it is stored (orientation not applied).

    Args:
        path: Name of the file for messages.
        data: Bytes of the whole file.
        header: Header that :func:`parse_header` read from ``data``.

    Returns:
        Pixels, (H, W, 3) uint8 or uint16 RGB, and notes on what was converted.

    Raises:
        ImageError: The pixels are damaged, or partly transparent.

    Example:
        >>> import cv2
        >>> data = cv2.imencode(".png", np.full((2, 3), 7, np.uint8))[1].tobytes()
        >>> path = Path("grey.png")
        >>> pixels, notes = decode(path, data, parse_header(path, data, whole=True))
        >>> pixels.shape, notes
        ((2, 3, 3), ['grey to RGB'])
    """
    decoders = {"PNG": decode_png, "JPEG": decode_jpeg, "BMP": decode_bmp, "TIFF": decode_tiff}
    decoder = decoders[header.format]
    try:
        pixels, notes = decoder(path, data, header)
    except ImageError:
        raise
    except Exception as error:  # a decoder of damaged data may raise anything
        raise truncated(path, f"its pixels cannot be decoded ({reason_of(error)})") from error
    size = (header.stored_height, header.stored_width)
    if pixels.shape[:2] != size or pixels.dtype not in (np.uint8, np.uint16):
        got = f"{pixels.shape[1]}x{pixels.shape[0]} of {pixels.dtype}"
        raise truncated(path, f"declares {size[1]}x{size[0]} pixels but decodes to {got}")
    return _to_rgb(path, pixels, notes)


def _to_rgb(path: Path, pixels: Pixels, notes: list[str]) -> tuple[Pixels, list[str]]:
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.shape[2] in (2, 4):
        if pixels[..., -1].min() != full_scale(pixels):
            raise refuse(path, *TRANSPARENT)
        pixels = pixels[..., :-1]
        notes = [*notes, "opaque alpha dropped"]
    if pixels.shape[2] == 1:
        pixels = np.repeat(pixels, 3, axis=2)
        notes = [*notes, *([] if "grey to RGB" in notes else ["grey to RGB"])]
    return np.ascontiguousarray(pixels), notes


def parse_header(path: Path, data: Buffer, *, whole: bool) -> Header:
    """Read the header of a PNG, JPEG, TIFF or BMP file.

    Args:
        path: Path that ``data`` comes from; its suffix must fit the content.
        data: Bytes of the file.
        whole: Whether to check also that every byte that the header declares is present.

    Raises:
        ImageError: The file is not a picture, has another format than its suffix says, is of a kind that cannot be
            read, or is not whole.

    Example:
        >>> import cv2
        >>> data = cv2.imencode(".png", np.zeros((2, 3, 3), np.uint16))[1].tobytes()
        >>> header = parse_header(Path("black.png"), data, whole=True)
        >>> header.width, header.height, header.bit_depth
        (3, 2, 16)
    """
    wanted = next((name for name, suffixes in SUFFIXES.items() if path.suffix.lower() in suffixes), None)
    if wanted is None:
        known = ", ".join(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)
        raise ImageError(
            f"{path}: the suffix {path.suffix or '(none)'} is of no picture that is read; expected one of {known} or "
            "RAW. Convert it to PNG or TIFF."
        )
    found = format_of(data)
    if found != wanted:
        what = found or "no picture format that is known"
        step = f"Rename it to {path.stem}{SUFFIXES[found][0]}." if found in SUFFIXES else "Convert it to PNG or TIFF."
        raise ImageError(f"{path}: the suffix says {wanted} but the content is {what}. {step}")
    parse = {"PNG": png_header, "JPEG": jpeg_header, "TIFF": tiff_header, "BMP": bmp_header}[wanted]
    header = parse(path, data, whole)
    if header.stored_width < 1 or header.stored_height < 1:
        raise ImageError(f"{path}: declares {header.stored_width}x{header.stored_height} pixels. {TRUNCATED}")
    return header

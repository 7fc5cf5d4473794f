"""Files of pictures made byte by byte, sound and damaged."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import tifffile
from PIL import Image


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


def bmp(small: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(small).save(out, "BMP")
    return out.getvalue()


def tiff(pixels: np.ndarray, **options: object) -> bytes:
    out = io.BytesIO()
    tifffile.imwrite(out, pixels, **{"photometric": "rgb", **options})
    return out.getvalue()


def retyped(data: bytes, number: int, kind: int, value: bytes = b"") -> bytes:
    """A TIFF one of whose tags is said to be of another type, and to hold ``value``."""
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        at = file.pages[0].tags[number].offset
    value = value or data[at + 8 : at + 12]
    return data[: at + 2] + struct.pack("<H", kind) + data[at + 4 : at + 8] + value + data[at + 12 :]


def bad_strip(a: np.ndarray, compression: int) -> bytes:
    _, encoded = cv2.imencode(".tif", a, [cv2.IMWRITE_TIFF_COMPRESSION, compression])
    data = encoded.tobytes()
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        start = file.pages[0].dataoffsets[0]
    return data[: start + 50] + b"\xff" * 200 + data[start + 250 :]


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

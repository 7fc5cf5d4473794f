"""JPEG: reading the header, and checking that the file is whole."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from sdd_bench.images.formats.header import GREY, RGB, Header, refuse, truncated
from sdd_bench.images.formats.tags import (
    Buffer,
    Exif,
    read_exif,
)


def plain_jpeg(path: Path, data: bytes) -> bytes:
    """The JPEG without EXIF and other extras, because Pillow warns about damaged ones.

    Example:
        >>> exif = b"\\xff\\xe1\\x00\\x04??"  # a segment of 4 bytes, of which 2 are its length
        >>> scan = b"\\xff\\xda\\x00\\x02"
        >>> plain_jpeg(Path("a.jpg"), b"\\xff\\xd8" + exif + scan + b"pixels")
        b'\\xff\\xd8\\xff\\xda\\x00\\x02pixels'
    """
    segments = list(jpeg_segments(path, data))
    kept = [data[start - 4 : end] for marker, start, end in segments if not 0xE1 <= marker <= 0xED]
    return b"".join([b"\xff\xd8", *kept, data[segments[-1][2] :]])


_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_BARE = frozenset({0x01, *range(0xD0, 0xD9)})


def jpeg_segments(path: Path, data: Buffer) -> Iterator[tuple[int, int, int]]:
    """Marker, and start and end of the payload, of every segment up to the first scan.

    Raises:
        ImageError: The file ends or has no segment before its first scan.

    Example:
        >>> data = b"\\xff\\xd8" + b"\\xff\\xe1\\x00\\x04??" + b"\\xff\\xda\\x00\\x02"
        >>> [(hex(marker), start, end) for marker, start, end in jpeg_segments(Path("a.jpg"), data)]
        [('0xe1', 6, 8), ('0xda', 12, 12)]
    """
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF or marker in _JPEG_BARE:
            at += 1 if marker == 0xFF else 2
            continue
        end = at + 2 + struct.unpack_from(">H", data, at + 2)[0]
        if end > len(data):
            break
        yield marker, at + 4, end
        if marker == 0xDA:
            return
        at = end
    raise truncated(path, f"ends or loses its way at byte {at}, before the pixels of a JPEG")


def jpeg_header(path: Path, data: Buffer, whole: bool) -> Header:
    """Read the header of a JPEG file; for the arguments see :func:`~sdd_bench.images.decode.parse_header`.

    Raises:
        ImageError: The file is damaged, is not 8-bit grey or RGB, or (with ``whole``) has no end marker.

    Example:
        >>> import cv2, numpy
        >>> data = cv2.imencode(".jpg", numpy.zeros((2, 3), numpy.uint8))[1].tobytes()
        >>> header = jpeg_header(Path("black.jpg"), data, whole=True)
        >>> header.width, header.height, header.kind
        (3, 2, 'grey')
    """
    width = height = channels = scan = 0
    orientation, exif, profile = 1, Exif(), b""
    for marker, start, end in jpeg_segments(path, data):
        if marker in _JPEG_FRAMES and end - start >= 6:
            bits, height, width, channels = struct.unpack_from(">BHHB", data, start)
            if bits != 8:
                raise refuse(path, f"a JPEG with {bits} bits")
        elif marker == 0xE1 and data[start : start + 6] == b"Exif\0\0":
            orientation, exif = read_exif(bytes(data[start + 6 : end]))
        elif marker == 0xE2 and data[start : start + 12] == b"ICC_PROFILE\0":
            profile += data[start + 14 : end]
        elif marker == 0xDA:
            scan = end
    if channels not in (1, 3):
        raise refuse(path, "a CMYK picture" if channels == 4 else f"{channels} channels", "Convert it to sRGB.")
    if whole and data.find(b"\xff\xd9", scan) < 0:
        raise truncated(path, f"ends at byte {len(data)} without the end marker of a whole JPEG")
    return Header("JPEG", width, height, 8, GREY if channels == 1 else RGB, 8, orientation, exif, profile)

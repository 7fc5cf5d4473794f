"""JPEG: reading the header, checking that the file is whole, and decoding its pixels."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import simplejpeg

from sdd_bench.core.arrays import Pixels
from sdd_bench.core.errors import reason_of
from sdd_bench.images.formats.header import GREY, RGB, Header, refuse, truncated
from sdd_bench.images.formats.tags import (
    Buffer,
    Exif,
    read_exif,
    unpack,
)


def decode_jpeg(path: Path, data: bytes, header: Header) -> tuple[Pixels, list[str]]:
    """Decode a JPEG file; for the arguments see :func:`~sdd_bench.images.decode.decode`.

    The decoder is libjpeg-turbo, as in OpenCV and Pillow, but its warnings of lost pixels are errors.

    Returns:
        Pixels, (H, W) or (H, W, 3) uint8, and notes on what was converted.

    Raises:
        ImageError: The compressed pixels are damaged or end too early.

    Example:
        >>> import cv2, numpy
        >>> path, data = Path("grey.jpg"), cv2.imencode(".jpg", numpy.full((2, 3), 9, numpy.uint8))[1].tobytes()
        >>> decode_jpeg(path, data, jpeg_header(path, data, whole=True))[0].tolist()
        [[9, 9, 9], [9, 9, 9]]
    """
    if at := _zeroed(path, data):
        raise truncated(path, f"its compressed pixels are zeros from byte {at} on, as of a lost sector of a disk")
    space = "GRAY" if header.kind == GREY else "RGB"
    segments = list(jpeg_segments(path, data))
    kept = (data[start - 4 : end] for _, start, end in segments)
    data = b"".join([b"\xff\xd8", *kept, data[segments[-1][2] :]])  # without stray bytes between the segments
    try:
        pixels = simplejpeg.decode_jpeg(data, colorspace=space)
    except ValueError as error:
        stray = re.search(r"(\d+) extraneous bytes before marker", str(error))
        if stray is None or int(stray[1]) > _MOST_STRAY_BYTES:
            raise truncated(path, reason_of(error)) from error
        pixels = simplejpeg.decode_jpeg(data, colorspace=space, strict=False)
    return (pixels[..., 0] if header.kind == GREY else pixels), []


def _zeroed(path: Path, data: bytes) -> int:
    """The byte at which the scan of a baseline JPEG holds zeros that are no picture; 0 if there are none.

    Zeros are valid codes, so a decoder takes them for pixels. A long run of them means the shortest codes of the file's
    own tables. Where these say "no change, end of block", it is a plain surface; where not, nothing a camera saw.
    """
    codes: list[int] = []
    for marker, start, end in jpeg_segments(path, data):
        if marker in _JPEG_FRAMES and marker > 0xC1:
            return 0  # progressive, arithmetic: zeros are common in the scans that refine
        while marker == 0xC4 and end - start >= 17:
            counts = data[start + 1 : start + 17]
            codes += data[start + 17 : min(start + 18, end)]
            start += 17 + sum(counts)
        scan = end
    found = data.find(bytes(_LOST_SECTOR), scan)
    return found if found > 0 and any(codes) else 0


_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_BARE = frozenset({0x00, 0x01, *range(0xD0, 0xD9)})
_MOST_STRAY_BYTES = 64
"""Bytes between segments that belong to none: some cameras pad there. More of them are pixels that lost their way."""
_LOST_SECTOR = 256
"""Zeros in a row that no longer come from a picture; sectors of disks have 512 bytes."""


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
    while at + 4 <= len(data):
        marker = data[at + 1]
        if data[at] != 0xFF or marker == 0xFF or marker in _JPEG_BARE:  # stray bytes, padding, no payload
            at += 1
            continue
        end = at + 2 + unpack(">H", data, at + 2)[0]
        if end > len(data):
            break
        yield marker, at + 4, end
        if marker == 0xDA:
            return
        at = end
    raise truncated(path, f"ends at byte {len(data)}, before the pixels of a JPEG")


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
            bits, height, width, channels = unpack(">BHHB", data, start)
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
    if whole and bytes(data).find(b"\xff\xd9", scan) < 0:
        raise truncated(path, f"ends at byte {len(data)} without the end marker of a whole JPEG")
    return Header("JPEG", width, height, 8, GREY if channels == 1 else RGB, 8, orientation, exif, profile)

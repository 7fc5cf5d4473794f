"""BMP: reading the header, and checking that the file is whole."""

from __future__ import annotations

import struct
from pathlib import Path

from sdd_bench.images.formats.header import PALETTE, RGB, Header, refuse, truncated
from sdd_bench.images.formats.tags import Buffer


def bmp_header(path: Path, data: Buffer, whole: bool) -> Header:
    """Read the header of a BMP file; for the arguments see :func:`~sdd_bench.images.decode.parse_header`.

    Raises:
        ImageError: The file is damaged, of an unknown kind, or (with ``whole``) shorter than its header declares.

    Example:
        >>> import cv2, numpy
        >>> data = cv2.imencode(".bmp", numpy.zeros((2, 3, 3), numpy.uint8))[1].tobytes()
        >>> header = bmp_header(Path("black.bmp"), data, whole=True)
        >>> header.width, header.height, header.stored_bits
        (3, 2, 24)
    """
    if len(data) < 26:
        raise truncated(path, f"{len(data)} bytes are less than the header of a BMP")
    offset, size = struct.unpack_from("<II", data, 10)
    code = "<HHHH" if size == 12 else "<iiHHI"
    if 18 + struct.calcsize(code) > len(data):
        raise truncated(path, "ends inside the header of a BMP")
    width, height, _, bits, *rest = struct.unpack_from(code, data, 18)
    if bits not in (1, 4, 8, 16, 24, 32):
        raise truncated(path, f"a BMP with {bits} bits per pixel does not exist")
    compression = rest[0] if rest else 0
    if compression not in (0, 1, 2, 3, 6):
        raise refuse(path, f"BMP compression {compression}")
    payload = (width * bits + 31) // 32 * 4 * abs(height)
    if whole and compression in (0, 3, 6) and offset + payload > len(data):
        raise truncated(path, f"its header declares {offset + payload} bytes, the file has {len(data)}")
    return Header("BMP", width, abs(height), 8, PALETTE if bits <= 8 else RGB, bits)

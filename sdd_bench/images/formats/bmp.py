"""BMP: reading the header, checking that the file is whole, and decoding its pixels."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
from PIL import BmpImagePlugin

from sdd_bench.core.arrays import Pixels
from sdd_bench.images.formats.header import PALETTE, RGB, Header, refuse, truncated
from sdd_bench.images.formats.tags import Buffer, unpack


def decode_bmp(path: Path, data: bytes, header: Header) -> tuple[Pixels, list[str]]:
    """Decode a BMP file; for the arguments see :func:`~sdd_bench.images.decode.decode`.

    Returns:
        Pixels, (H, W) or (H, W, C) uint8, and notes on what was converted.

    Raises:
        ImageError: The colours are of a kind that cannot be read.

    Example:
        >>> import cv2
        >>> data = cv2.imencode(".bmp", np.uint8([[[255, 0, 0]]]))[1].tobytes()  # OpenCV writes BGR: blue
        >>> decode_bmp(Path("blue.bmp"), data, Header("BMP", 1, 1, 8))[0].tolist()
        [[[0, 0, 255]]]
    """
    try:
        image = BmpImagePlugin.BmpImageFile(io.BytesIO(data))
    except OSError as error:
        if "Unsupported" in str(error):
            raise refuse(path, f"BMP of a rare kind ({error})") from error
        raise
    with image:
        image.load()
        notes = ["palette to RGB"] if image.mode == "P" else []
        bits = {"1": "L", "P": "RGB", "RGBX": "RGB"}
        if image.mode not in ("L", "RGB", "RGBA", *bits):
            raise refuse(path, f"BMP colors of kind {image.mode}")
        if image.mode == "1":
            notes = ["1-bit grey widened to 8"]
        return np.asarray(image.convert(bits[image.mode]) if image.mode in bits else image), notes


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
    offset, size = unpack("<II", data, 10)
    code = "<HHHH" if size == 12 else "<iiHHI"
    if 18 + struct.calcsize(code) > len(data):
        raise truncated(path, "ends inside the header of a BMP")
    width, height, _, bits, *rest = unpack(code, data, 18)
    if bits not in (1, 4, 8, 16, 24, 32):
        raise truncated(path, f"a BMP with {bits} bits per pixel does not exist")
    compression = rest[0] if rest else 0
    if compression not in (0, 1, 2, 3, 6):
        raise refuse(path, f"BMP compression {compression}")
    payload = (width * bits + 31) // 32 * 4 * abs(height)
    if whole and compression in (0, 3, 6) and offset + payload > len(data):
        raise truncated(path, f"its header declares {offset + payload} bytes, the file has {len(data)}")
    return Header("BMP", width, abs(height), 8, PALETTE if bits <= 8 else RGB, bits)

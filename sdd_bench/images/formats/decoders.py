"""Decoding pixels with OpenCV and Pillow, without their messages on the terminal."""

from __future__ import annotations

import io
import logging
from pathlib import Path

import cv2
import numpy as np
from PIL import BmpImagePlugin, JpegImagePlugin

from sdd_bench.core.arrays import Pixels
from sdd_bench.images.formats.header import Header, refuse, truncated
from sdd_bench.images.formats.jpeg import plain_jpeg

# Every failure of OpenCV is raised as an ImageError, so its own lines on the terminal would only repeat it.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

# The same holds for tifffile, which logs to the terminal when nothing else handles its records.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


def full_scale(pixels: Pixels) -> int:
    """The largest value of the picture's unsigned type: 255 or 65535.

    Example:
        >>> full_scale(np.zeros((2, 2), np.uint16))
        65535
    """
    return (1 << 8 * pixels.dtype.itemsize) - 1


def opencv(path: Path, data: bytes | bytearray, *, alpha: bool = False) -> Pixels:
    """Decode with OpenCV. This is the only place where colours are read as BGR.

    Args:
        path: Name of the file for messages.
        data: Bytes of the whole file.
        alpha: Whether to keep an alpha channel, and a grey picture as (H, W).

    Returns:
        (H, W, 3) RGB, or (H, W, 4) RGBA with ``alpha``, in the file's own bit depth.

    Raises:
        ImageError: The pixels are damaged.

    Example:
        >>> data = cv2.imencode(".png", np.uint8([[[255, 0, 0]]]))[1].tobytes()  # OpenCV writes BGR: blue
        >>> opencv(Path("blue.png"), data).tolist()
        [[[0, 0, 255]]]
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


def decode_with_pillow(path: Path, data: bytes, header: Header) -> tuple[Pixels, list[str]]:
    """Decode a JPEG or BMP file with Pillow; for the arguments see :func:`~sdd_bench.images.decode.decode`.

    Returns:
        Pixels, (H, W) or (H, W, C) uint8, and notes on what was converted.

    Raises:
        ImageError: The colours are of a kind that cannot be read.

    Example:
        >>> data = cv2.imencode(".bmp", np.uint8([[[255, 0, 0]]]))[1].tobytes()  # OpenCV writes BGR: blue
        >>> decode_with_pillow(Path("blue.bmp"), data, Header("BMP", 1, 1, 8))[0].tolist()
        [[[0, 0, 255]]]
    """
    is_jpeg = header.format == "JPEG"
    opener = JpegImagePlugin.JpegImageFile if is_jpeg else BmpImagePlugin.BmpImageFile
    with opener(io.BytesIO(plain_jpeg(path, data) if is_jpeg else data)) as image:
        image.load()
        notes = ["palette to RGB"] if image.mode == "P" else []
        bits = {"1": "L", "P": "RGB", "RGBX": "RGB"}
        if image.mode not in ("L", "RGB", "RGBA", *bits):
            raise refuse(path, f"{header.format} colors of kind {image.mode}")
        if image.mode == "1":
            notes = ["1-bit grey widened to 8"]
        return np.asarray(image.convert(bits[image.mode]) if image.mode in bits else image), notes

"""The libraries that decode pixels, quietly: OpenCV and Pillow."""

from __future__ import annotations

import io
import logging
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import BmpImagePlugin, JpegImagePlugin

from sdd_bench.images.formats.header import Header, refuse, truncated
from sdd_bench.images.formats.jpeg import plain_jpeg

Pixels = NDArray[np.generic]

# Every failure of OpenCV is raised as an ImageError; its own lines on the terminal would only be in the way.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

# So are those of tifffile, for which the terminal is the last resort.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


def full_scale(pixels: Pixels) -> int:
    """The largest value of an unsigned picture: 255 or 65535."""
    return (1 << 8 * pixels.dtype.itemsize) - 1


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


def decode_with_pillow(path: Path, data: bytes, header: Header) -> tuple[Pixels, list[str]]:
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

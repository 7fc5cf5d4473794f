"""Decoding pixels with OpenCV, without its messages on the terminal."""

from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np

from sdd_bench.core.arrays import Pixels
from sdd_bench.images.formats.header import truncated

# Every failure of OpenCV is raised as an ImageError, so its own lines on the terminal would only repeat it.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

# The same holds for tifffile, which logs to the terminal when nothing else handles its records.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


_NO_MEMORY = -4
"""OpenCV's code for memory that it could not get, which says nothing about the file."""


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
        if error.code == _NO_MEMORY:
            raise MemoryError(f"{path}: {error.err}") from error
        raise truncated(path, f"OpenCV cannot decode its pixels ({error.err or error.msg})") from error
    if pixels is None:
        raise truncated(path, "its compressed pixels are damaged")
    if pixels.ndim == 2:
        return pixels
    return cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA if pixels.shape[2] == 4 else cv2.COLOR_BGR2RGB, dst=pixels)

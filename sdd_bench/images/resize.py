"""Resizing by area averaging with half-pixel centres: each new pixel is the mean of the area it covers.

Pictures only get smaller, because area averaging does not define how to enlarge.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import cv2

from sdd_bench.core.arrays import Pixels
from sdd_bench.core.errors import ConfigError, ImageError


@dataclass(frozen=True)
class Resize:
    """A new size: both sides times ``factor``, or ``width`` x ``height``; the old size if no field is set."""

    factor: float | None = None
    width: int | None = None
    height: int | None = None

    def size(self, width: int, height: int) -> tuple[int, int]:
        """The new (width, height) of a picture; sides are rounded to the nearest pixel, halves up.

        Raises:
            ImageError: The new size is larger than the picture.

        Example:
            >>> Resize(factor=0.5).size(4095, 2160), Resize().size(640, 384)
            ((2048, 1080), (640, 384))
        """
        if self.factor is not None:
            return max(1, int(width * self.factor + 0.5)), max(1, int(height * self.factor + 0.5))
        if self.width is None or self.height is None:
            return width, height
        if self.width > width or self.height > height:
            raise ImageError(
                f"resize {self} would enlarge a picture of {width}x{height}; area averaging only makes pictures "
                "smaller. Choose a smaller size, a factor, or none."
            )
        return self.width, self.height

    def __str__(self) -> str:
        if self.factor is not None:
            return f"{self.factor:.15g}"
        return "none" if self.width is None else f"{self.width}x{self.height}"


def parse_resize(text: str) -> Resize:
    """Read ``none``, a factor like ``0.5``, or WIDTHxHEIGHT like ``1680x1120``.

    Raises:
        ConfigError: The text is anything else, or the factor is not in (0, 1].

    Example:
        >>> parse_resize("0.5").size(4096, 2160)
        (2048, 1080)
    """
    text = text.strip().lower()
    if text == "none":
        return Resize()
    if match := re.fullmatch(r"([1-9][0-9]{0,5})x([1-9][0-9]{0,5})", text):
        return Resize(width=int(match[1]), height=int(match[2]))
    if re.fullmatch(r"[0-9]*\.?[0-9]+", text) and 0 < float(text) <= 1:
        return Resize(factor=float(text)) if float(text) < 1 else Resize()
    raise ConfigError(
        f"resize is {text!r}; expected none, a factor above 0 and up to 1 like 0.5, or WIDTHxHEIGHT like 1680x1120."
    )


def resize_area(pixels: Pixels, resize: Resize) -> Pixels:
    """Resize a picture.

    Args:
        pixels: Picture, (H, W, 3), uint8, uint16 or float32.
        resize: New size.

    Returns:
        The picture in its own dtype; the same array if the size does not change.

    Raises:
        ImageError: The new size is larger than the picture.

    Example:
        >>> import numpy as np
        >>> resize_area(np.array([[0, 2], [4, 6]], np.float32), Resize(factor=0.5)).tolist()
        [[3.0]]
    """
    height, width = pixels.shape[:2]
    size = resize.size(width, height)
    if size == (width, height):
        return pixels
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)

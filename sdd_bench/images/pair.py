"""Reading the two pictures of a pair, so that they differ only where the captures do."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from sdd_bench.core.arrays import Pixels
from sdd_bench.core.errors import ImageError
from sdd_bench.images.formats.header import Header
from sdd_bench.images.photograph import (
    MAX_PIXELS,
    RAW_SUFFIXES,
    Photograph,
    Stored,
    read_header,
    read_stored,
    turn_upright,
)
from sdd_bench.images.raw import RawOptions

_THUMBNAIL = (96, 96)
"""Size of the copies that are compared: large enough to tell orientations apart, small enough to be fast."""


def read_pair(
    blurry_path: Path, sharp_path: Path, *, max_pixels: int = MAX_PIXELS, raw: RawOptions | None = None
) -> tuple[Photograph, Photograph]:
    """Read the two pictures of a pair so that they differ only where the captures do.

    White balance: both RAW pictures get that of the sharp one.

    Orientation: both pictures come from one camera that did not move. If their EXIF tags differ, either one file was
    turned upright before, or the camera's tilt sensor wavered. The blurry picture is then turned by its own tag or by
    that of the sharp one, whichever makes the two pictures agree. The message of the blurry picture says so.

    Args:
        blurry_path: Path of the blurry picture.
        sharp_path: Path of the sharp picture.
        max_pixels: Limit on the pixels of a picture; larger ones are refused before they are decoded.
        raw: Options for developing RAW files.

    Returns:
        The blurry and the sharp picture, of one size.

    Raises:
        ImageError: A picture cannot be read (see :func:`read_photograph`), or the sizes differ.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     paths = Path(folder, "blurry.png"), Path(folder, "sharp.png")
        ...     _ = [cv2.imwrite(str(path), np.zeros((2, 3, 3), np.uint8)) for path in paths]
        ...     [photograph.pixels.shape for photograph in read_pair(*paths)]
        [(2, 3, 3), (2, 3, 3)]
    """
    options = raw or RawOptions()
    blurry_is_raw = blurry_path.suffix.lower() in RAW_SUFFIXES
    if blurry_is_raw or cv2.getNumThreads() < 2:
        sharp = read_stored(sharp_path, max_pixels, options)
        if sharp.white_balance is not None:
            options = dataclasses.replace(options, white_balance=sharp.white_balance)
        blurry = read_stored(blurry_path, max_pixels, options)
    else:
        with ThreadPoolExecutor(1) as pool:
            coming = pool.submit(read_stored, sharp_path, max_pixels, options)
            blurry = read_stored(blurry_path, max_pixels, options)
            sharp = coming.result()
    _check_kinds(blurry_path, sharp_path, blurry, sharp)
    photographs = _upright_pair(blurry, sharp)
    _check_sizes(blurry_path, sharp_path, *(photograph.pixels.shape[1::-1] for photograph in photographs))
    return photographs


def read_headers(blurry_path: Path, sharp_path: Path, *, max_pixels: int = MAX_PIXELS) -> tuple[Header, Header]:
    """What the two files of a pair declare, blurry and sharp; nothing is decoded.

    Raises:
        ImageError: The headers show that :func:`read_pair` would refuse the pair.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     paths = Path(folder, "blurry.png"), Path(folder, "sharp.png")
        ...     _ = [cv2.imwrite(str(path), np.zeros((2, 3, 3), np.uint8)) for path in paths]
        ...     [(header.width, header.height) for header in read_headers(*paths)]
        [(3, 2), (3, 2)]
    """
    blurry, sharp = (read_header(path, max_pixels=max_pixels) for path in (blurry_path, sharp_path))
    _check_kinds(blurry_path, sharp_path, blurry, sharp)
    own, common = (blurry.width, blurry.height), (sharp.width, sharp.height)
    turned = dataclasses.replace(blurry, orientation=sharp.orientation)  # which of two tags counts, the pixels say
    if (turned.width, turned.height) != common:
        _check_sizes(blurry_path, sharp_path, own, common)
    return blurry, sharp


def _check_kinds(blurry_path: Path, sharp_path: Path, blurry: Stored | Header, sharp: Stored | Header) -> None:
    if blurry.is_linear != sharp.is_linear:
        linear, encoded = (blurry_path, sharp_path) if blurry.is_linear else (sharp_path, blurry_path)
        raise ImageError(
            f"{linear}: says that it holds linear light (gAMA 1.0), but {encoded.name} is encoded as sRGB; a pair must "
            "be of one kind. Save both the same way, or correct the tag that is wrong."
        )


def _check_sizes(blurry_path: Path, sharp_path: Path, blurry: tuple[int, ...], sharp: tuple[int, ...]) -> None:
    """Refuse pictures of two sizes, each width and height."""
    if blurry != sharp:
        a, b = (f"{width}x{height}" for width, height in (blurry, sharp))
        raise ImageError(
            f"{blurry_path}: blurry is {a} but sharp ({sharp_path.name}) is {b}; a pair must share one size. "
            "Crop it, or drop it from the set."
        )


def _upright_pair(blurry: Stored, sharp: Stored) -> tuple[Photograph, Photograph]:
    own, common = blurry.orientation, sharp.orientation
    if own == common:
        return blurry.upright(own), sharp.upright(common)
    upright = sharp.upright(common)
    alikes = {turn: _likeness(turn_upright(blurry.pixels, turn), upright.pixels) for turn in (own, common)}
    # If both fit equally well, the file's own tag counts.
    turn = common if alikes[common] > alikes[own] else own
    why = "each its own" if turn == own else "the sharp one's applied to both"
    note = f"EXIF orientations of the pair differ (blurry {own}, sharp {common}): {why}, as the pictures agree so"
    return blurry.upright(turn, [note]), upright


def _likeness(a: Pixels, b: Pixels) -> float:
    """Correlation of two small grey copies; -2, below any correlation, if the sizes differ."""
    if a.shape != b.shape:
        return -2.0
    small = [cv2.resize(pixels, _THUMBNAIL, interpolation=cv2.INTER_AREA).mean(axis=2).ravel() for pixels in (a, b)]
    small = [values - values.mean() for values in small]
    scale = float(np.linalg.norm(small[0]) * np.linalg.norm(small[1]))
    return float(small[0] @ small[1]) / scale if scale > 0 else 0.0

"""Photographs from files and back: (H, W, 3) RGB, 8-bit as uint8 and 16-bit as uint16.

What is converted (grey, palette, opaque alpha, orientation) and what is worth knowing (a profile other than sRGB) is
said in ``message``; what is damaged or has no clear meaning is an :class:`~sdd_bench.errors.ImageError`.
"""

from __future__ import annotations

import dataclasses
import errno
import mmap
import stat
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray

from sdd_bench.errors import ConfigError, ImageError
from sdd_bench.files import sealed
from sdd_bench.images.decode import decode, full_scale
from sdd_bench.images.headers import SUFFIXES, Header, parse_header
from sdd_bench.images.profiles import is_srgb, profile_name
from sdd_bench.images.raw import RawOptions, WhiteBalance, develop, raw_size
from sdd_bench.images.tags import Exif

__all__ = [
    "IMAGE_SUFFIXES",
    "MAX_PIXELS",
    "RAW_SUFFIXES",
    "Exif",
    "Header",
    "Photograph",
    "RawOptions",
    "from_float",
    "read_header",
    "read_pair",
    "read_photograph",
    "to_float",
    "write_image",
    "write_png",
]

Pixels = NDArray[np.generic]

MAX_PIXELS = 200_000_000
"""Larger pictures are refused unless the caller allows them: 0.6 GB as 8-bit RGB."""

IMAGE_SUFFIXES = frozenset(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)
# fmt: off
RAW_SUFFIXES = frozenset({
    ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".iiq", ".kdc", ".mef", ".mos", ".mrw",
    ".nef", ".nrw", ".orf", ".pef", ".qtk", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f",
})
# fmt: on
_COLOR_CHANNELS = 3
_THUMBNAIL = (96, 96)


@dataclass(frozen=True)
class Photograph:
    """A picture as read."""

    pixels: Pixels
    """(H, W, 3) uint8 or uint16 RGB, upright."""
    message: str = ""
    """What was converted or is worth knowing; empty for plain sRGB."""
    exif: Exif = dataclasses.field(default_factory=Exif)

    @property
    def bit_depth(self) -> int:
        """8 or 16."""
        return 8 * self.pixels.dtype.itemsize


@dataclass(frozen=True)
class _Stored:
    """A picture as it is in the file, not yet upright."""

    pixels: Pixels
    orientation: int
    notes: list[str]
    exif: Exif
    white_balance: WhiteBalance | None = None

    def upright(self, orientation: int, notes: Sequence[str] = ()) -> Photograph:
        turned = [f"EXIF orientation {orientation} applied"] if orientation != 1 else []
        message = "; ".join([*self.notes, *turned, *notes])
        return Photograph(_turn(self.pixels, orientation), message, self.exif)


def read_header(path: Path, *, max_pixels: int = MAX_PIXELS) -> Header:
    """Size (upright) and bit depth of a picture, without decoding it.

    Raises:
        ImageError: As :func:`read_photograph`, as far as the header shows it.
    """
    _check_file(path)
    with _reading(path):
        if path.suffix.lower() in RAW_SUFFIXES:
            header = Header("RAW", *raw_size(path), 16, stored_bits=16)
        else:
            with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                header = parse_header(path, data, whole=False)
    _check_pixels(path, header, max_pixels)
    return header


def read_photograph(path: Path, *, max_pixels: int = MAX_PIXELS, raw: RawOptions | None = None) -> Photograph:
    """Read a picture, upright, in its own bit depth.

    Args:
        path: PNG, TIFF, JPEG, BMP, or RAW.
        max_pixels: Larger pictures are refused before they are decoded.
        raw: How RAW is developed.

    Raises:
        ImageError: Missing, empty, truncated, too large, another format than its suffix says, or of unclear meaning.
    """
    stored = _read(path, max_pixels, raw or RawOptions())
    return stored.upright(stored.orientation)


def read_pair(
    blurry_path: Path, sharp_path: Path, *, max_pixels: int = MAX_PIXELS, raw: RawOptions | None = None
) -> tuple[Photograph, Photograph]:
    """Read the two pictures of a pair so that they differ only where the captures do.

    RAW: both get the white balance of the sharp one. Orientation: both pictures come from one camera that did not move,
    so where their EXIF tags differ, either one file was turned upright before, or the camera's tilt sensor wavered;
    the reading under which the two pictures agree is taken, and said.

    Args:
        blurry_path: The blurry picture.
        sharp_path: The sharp picture.
        max_pixels: Larger pictures are refused before they are decoded.
        raw: How RAW is developed.

    Returns:
        Blurry and sharp, of one size.

    Raises:
        ImageError: As :func:`read_photograph`; or the sizes differ.
    """
    options = raw or RawOptions()
    blurry_is_raw = blurry_path.suffix.lower() in RAW_SUFFIXES
    if blurry_is_raw or cv2.getNumThreads() < 2:
        sharp = _read(sharp_path, max_pixels, options)
        if sharp.white_balance is not None:
            options = dataclasses.replace(options, white_balance=sharp.white_balance)
        blurry = _read(blurry_path, max_pixels, options)
    else:
        with ThreadPoolExecutor(1) as pool:
            coming = pool.submit(_read, sharp_path, max_pixels, options)
            blurry = _read(blurry_path, max_pixels, options)
            sharp = coming.result()
    photographs = _upright_pair(blurry, sharp)
    a, b = (f"{pixels.shape[1]}x{pixels.shape[0]}" for pixels in (photograph.pixels for photograph in photographs))
    if a != b:
        raise ImageError(
            f"{blurry_path}: blurry is {a} but sharp ({sharp_path.name}) is {b}; a pair must share one size. "
            "Crop it, or drop it from the set."
        )
    return photographs


def to_float(pixels: Pixels) -> NDArray[np.float32]:
    """uint8 or uint16 samples as float32 in [0, 1] (divided by 255 or 65535)."""
    return np.divide(pixels, np.float32(full_scale(pixels)), dtype=np.float32)


def from_float(pixels: NDArray[np.floating], bit_depth: int) -> Pixels:
    """Samples in [0, 1] as uint8 or uint16: clipped, then rounded to the nearest.

    Raises:
        ConfigError: ``bit_depth`` is neither 8 nor 16.
        ImageError: A sample is NaN.
    """
    if bit_depth not in (8, 16):
        raise ConfigError(f"bit_depth is {bit_depth}; expected 8 or 16.")
    if np.isnan(pixels).any():
        raise ImageError("a picture with NaN cannot be stored as integers; the network that made it diverged.")
    dtype = np.uint8 if bit_depth == 8 else np.uint16
    return np.rint(np.clip(pixels, 0, 1) * np.float32(np.iinfo(dtype).max)).astype(dtype)


def write_png(path: Path, pixels: Pixels, *, compression: int = 1) -> None:
    """Write (H, W, 3) uint8 or uint16 RGB as a PNG of the same depth, as a whole or not at all.

    Args:
        path: The file; its folder is made.
        pixels: The picture.
        compression: zlib level, 0 (fast, large) to 9. At 1 only runs are sought, which for photographs is smaller and
            faster than what zlib does at its level 1.

    Raises:
        ImageError: ``pixels`` is no such picture.
        OutputError: The place cannot be written.
    """
    _check_writable(path, pixels)
    bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    strategy = cv2.IMWRITE_PNG_STRATEGY_RLE if compression == 1 else cv2.IMWRITE_PNG_STRATEGY_DEFAULT
    options = [cv2.IMWRITE_PNG_COMPRESSION, compression, cv2.IMWRITE_PNG_STRATEGY, strategy]
    _, encoded = cv2.imencode(".png", bgr, options)
    with sealed(path) as partial:
        partial.write_bytes(encoded.tobytes())


def write_image(path: Path, pixels: Pixels) -> None:
    """Write (H, W, 3) uint8 or uint16 RGB as PNG or TIFF, by the suffix.

    Raises:
        ConfigError: Another suffix.
        ImageError: ``pixels`` is no such picture.
        OutputError: The place cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix == ".png":
        write_png(path, pixels)
    elif suffix in SUFFIXES["TIFF"]:
        _check_writable(path, pixels)
        with sealed(path) as partial:
            tifffile.imwrite(partial, pixels, photometric="rgb", compression="zlib", metadata=None, software=False)
    else:
        raise ConfigError(f"{path}: pictures are written as .png or .tiff, not as {suffix or 'a file without suffix'}.")


def _check_writable(path: Path, pixels: Pixels) -> None:
    if pixels.ndim != 3 or pixels.shape[2] != _COLOR_CHANNELS or pixels.dtype not in (np.uint8, np.uint16):
        got = f"{pixels.shape} of {pixels.dtype}"
        raise ImageError(f"{path}: expected (H, W, 3) uint8 or uint16 to write, got {got}. Convert it by from_float.")


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn the operating system's refusal to read ``path`` into an :class:`ImageError`."""
    try:
        yield
    except OSError as error:
        raise ImageError(f"{path}: cannot be read ({error.strerror}). Check the disk and the rights.") from error


def _check_file(path: Path) -> None:
    try:
        status = path.stat()
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            raise ImageError(f"{path}: no such file. Check the path, or remove it from the list of pairs.") from error
        raise ImageError(f"{path}: cannot be read ({error.strerror}). Check the disk and the rights.") from error
    if stat.S_ISDIR(status.st_mode):
        raise ImageError(f"{path}: a folder; expected a picture. Name a file in it.")
    if not stat.S_ISREG(status.st_mode):
        raise ImageError(f"{path}: neither a file nor a folder (a device or pipe); expected a picture.")
    if status.st_size == 0:
        raise ImageError(f"{path}: 0 bytes; expected a picture. Copy it again from its source.")


def _check_pixels(path: Path, header: Header, max_pixels: int) -> None:
    n_pixels = header.stored_width * header.stored_height
    if n_pixels > max_pixels:
        raise ImageError(
            f"{path}: {header.width}x{header.height} is {n_pixels:,} pixels, more than the {max_pixels:,} allowed. "
            "Raise the limit (max_pixels) if the picture is genuine."
        )


def _read(path: Path, max_pixels: int, options: RawOptions) -> _Stored:
    _check_file(path)
    if path.suffix.lower() in RAW_SUFFIXES:
        with _reading(path):
            raw = develop(path, options, max_pixels=max_pixels)
        return _Stored(raw.pixels, raw.orientation, [raw.message], raw.exif, raw.white_balance)
    with _reading(path):
        data = path.read_bytes()
    header = parse_header(path, data, whole=True)
    _check_pixels(path, header, max_pixels)
    pixels, notes = decode(path, data, header)
    if header.profile and not is_srgb(name := profile_name(header.profile)):
        notes = [*notes, f"the color profile {name} is not sRGB, its colors are kept as stored"]
    return _Stored(pixels, header.orientation, notes, header.exif)


def _turn(pixels: Pixels, orientation: int) -> Pixels:
    """Undo an EXIF orientation."""
    if orientation in (2, 3):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4):
        pixels = pixels[::-1]
    if orientation > 4:
        pixels = np.swapaxes(pixels, 0, 1)
        if orientation in (6, 7):
            pixels = pixels[:, ::-1]
        if orientation in (7, 8):
            pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def _upright_pair(blurry: _Stored, sharp: _Stored) -> tuple[Photograph, Photograph]:
    own, common = blurry.orientation, sharp.orientation
    if own == common:
        return blurry.upright(own), sharp.upright(common)
    upright = sharp.upright(common)
    alikes = {turn: _likeness(_turn(blurry.pixels, turn), upright.pixels) for turn in (own, common)}
    # On equal terms a file's own tag counts.
    turn = common if alikes[common] > alikes[own] else own
    why = "each its own" if turn == own else "the sharp one's applied to both"
    note = f"EXIF orientations of the pair differ (blurry {own}, sharp {common}): {why}, as the pictures agree so"
    return blurry.upright(turn, [note]), upright


def _likeness(a: Pixels, b: Pixels) -> float:
    """Correlation of two small grey copies; below any when the sizes differ."""
    if a.shape != b.shape:
        return -2.0
    small = [cv2.resize(pixels, _THUMBNAIL, interpolation=cv2.INTER_AREA).mean(axis=2).ravel() for pixels in (a, b)]
    small = [values - values.mean() for values in small]
    scale = float(np.linalg.norm(small[0]) * np.linalg.norm(small[1]))
    return float(small[0] @ small[1]) / scale if scale > 0 else 0.0

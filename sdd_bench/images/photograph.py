"""Photographs read from files: (H, W, 3) RGB, 8-bit as uint8 and 16-bit as uint16.

The ``message`` of a photograph says what was converted (grey, palette, opaque alpha, orientation) and what else is
worth knowing (a profile other than sRGB). A file that is damaged or has no clear meaning is an
:class:`~sdd_bench.core.errors.ImageError`.
"""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.arrays import Pixels
from sdd_bench.core.errors import ImageError, UnreadableError
from sdd_bench.images.decode import decode, parse_header
from sdd_bench.images.formats.decoders import full_scale
from sdd_bench.images.formats.header import SUFFIXES, Header
from sdd_bench.images.formats.profiles import is_srgb, profile_name
from sdd_bench.images.formats.tags import Exif, FileBytes
from sdd_bench.images.light import encode_linear
from sdd_bench.images.raw import RawOptions, WhiteBalance, develop, raw_size

MAX_PIXELS = 200_000_000
"""Pixels of a picture, at most, unless the caller allows more: 0.6 GB as 8-bit RGB."""

IMAGE_SUFFIXES = frozenset(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)
# fmt: off
RAW_SUFFIXES = frozenset({
    ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".iiq", ".kdc", ".mef", ".mos", ".mrw",
    ".nef", ".nrw", ".orf", ".pef", ".qtk", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f",
})


@dataclass(frozen=True)
class Photograph:
    """A picture as read."""

    pixels: Pixels
    """(H, W, 3) uint8 or uint16 RGB, upright."""
    message: str = ""
    """Notes on what was converted or is worth knowing; empty for plain sRGB."""
    exif: Exif = dataclasses.field(default_factory=Exif)
    sha256: str = ""
    """Digest of the bytes of the file that were decoded."""

    @property
    def bit_depth(self) -> int:
        """Bits per sample, 8 or 16."""
        return 8 * self.pixels.dtype.itemsize


@dataclass(frozen=True)
class Stored:
    """A picture as it is in the file, not yet upright."""

    pixels: Pixels
    orientation: int
    notes: list[str]
    exif: Exif
    white_balance: WhiteBalance | None = None
    sha256: str = ""
    is_linear: bool = False
    """Whether the file holds light itself; ``pixels`` are encoded as sRGB by then."""

    def upright(self, orientation: int, notes: Sequence[str] = ()) -> Photograph:
        """The photograph after undoing the EXIF ``orientation``, with ``notes`` added to its message.

        Example:
            >>> stored = Stored(np.zeros((2, 3, 3), np.uint8), 6, [], Exif())
            >>> photograph = stored.upright(6)
            >>> photograph.pixels.shape, photograph.message
            ((3, 2, 3), 'EXIF orientation 6 applied')
        """
        turned = [f"EXIF orientation {orientation} applied"] if orientation != 1 else []
        message = "; ".join([*self.notes, *turned, *notes])
        return Photograph(turn_upright(self.pixels, orientation), message, self.exif, self.sha256)


def read_header(path: Path, *, max_pixels: int = MAX_PIXELS) -> Header:
    """Size (upright) and bit depth of a picture, without decoding it.

    Raises:
        ImageError: The header shows that :func:`read_photograph` would refuse the file.

    Example:
        >>> import cv2, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = cv2.imwrite(f"{folder}/a.png", np.zeros((2, 3, 3), np.uint8))
        ...     header = read_header(Path(folder, "a.png"))
        >>> header.format, header.width, header.height, header.bit_depth
        ('PNG', 3, 2, 8)
    """
    _check_file(path)
    with _reading(path):
        if path.suffix.lower() in RAW_SUFFIXES:
            header = Header("RAW", *raw_size(path), 16, stored_bits=16)
        else:
            with open(path, "rb") as file:
                header = parse_header(path, FileBytes(file), whole=False)
    _check_pixels(path, header, max_pixels)
    return header


def read_photograph(path: Path, *, max_pixels: int = MAX_PIXELS, raw: RawOptions | None = None) -> Photograph:
    """Read a picture, upright, in its own bit depth.

    Args:
        path: Path of a PNG, TIFF, JPEG, BMP or RAW file.
        max_pixels: Limit on the pixels; a larger picture is refused before it is decoded.
        raw: Options for developing RAW files.

    Raises:
        ImageError: The file is missing, empty, truncated or too large, has another format than its suffix says, or its
            meaning is not clear.

    Example:
        >>> import cv2, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = cv2.imwrite(f"{folder}/a.png", np.full((2, 3), 7, np.uint8))
        ...     photograph = read_photograph(Path(folder, "a.png"))
        >>> photograph.pixels.shape, photograph.message
        ((2, 3, 3), 'grey to RGB')
    """
    stored = read_stored(path, max_pixels, raw or RawOptions())
    return stored.upright(stored.orientation)


def to_float(pixels: Pixels) -> NDArray[np.float32]:
    """Samples as float32 in [0, 1]: uint8 divided by 255, uint16 by 65535.

    Example:
        >>> to_float(np.array([0, 51, 255], np.uint8)).tolist() == np.float32([0, 0.2, 1]).tolist()
        True
    """
    return np.divide(pixels, np.float32(full_scale(pixels)), dtype=np.float32)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what keeps this process from reading ``path`` into an :class:`UnreadableError`."""
    try:
        yield
    except OSError as error:
        raise UnreadableError(f"{path}: cannot be read ({error.strerror}). Check the disk and the rights.") from error
    except MemoryError as error:
        raise UnreadableError(f"{path}: memory ran out while it was read. Run again with fewer --jobs.") from error


def _check_file(path: Path) -> None:
    try:
        status = path.stat()
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            raise ImageError(f"{path}: no such file. Check the path, or remove it from the list of pairs.") from error
        raise UnreadableError(f"{path}: cannot be read ({error.strerror}). Check the disk and the rights.") from error
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
            "Make it smaller; in Python, max_pixels allows more."
        )


def read_stored(path: Path, max_pixels: int, options: RawOptions) -> Stored:
    """Read a picture as :func:`read_photograph` does, but leave it turned as it is in the file.

    Example:
        >>> import cv2, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = cv2.imwrite(f"{folder}/a.png", np.zeros((2, 3, 3), np.uint8))
        ...     stored = read_stored(Path(folder, "a.png"), MAX_PIXELS, RawOptions())
        >>> stored.pixels.shape, stored.orientation
        ((2, 3, 3), 1)
    """
    _check_file(path)
    with _reading(path):
        return _stored(path, path.read_bytes(), max_pixels, options)  # read once: what is hashed is what is decoded


def _stored(path: Path, data: bytes, max_pixels: int, options: RawOptions) -> Stored:
    sha256 = hashlib.sha256(data).hexdigest()
    if path.suffix.lower() in RAW_SUFFIXES:
        raw = develop(path, data, options, max_pixels=max_pixels)
        return Stored(raw.pixels, raw.orientation, [raw.message], raw.exif, raw.white_balance, sha256)
    header = parse_header(path, data, whole=True)
    _check_pixels(path, header, max_pixels)
    pixels, notes = decode(path, data, header)
    if header.is_linear:
        pixels = encode_linear(pixels)
        notes = [*notes, "linear light (gAMA 1.0) encoded as sRGB"]
    color_space = profile_name(header.profile) if header.profile else header.exif.color_space
    if color_space and not is_srgb(color_space):
        what = "profile" if header.profile else "space"
        notes = [*notes, f"the color {what} {color_space} is not sRGB, its colors are kept as stored"]
    return Stored(pixels, header.orientation, notes, header.exif, None, sha256, header.is_linear)


def read_photograph_bytes(path: Path, data: bytes, *, max_pixels: int = MAX_PIXELS) -> Photograph:
    """A picture whose file is in memory, such as a cell of a table; else as :func:`read_photograph`.

    Args:
        path: Name for messages, whose suffix fits the content.
        data: Bytes of the whole file.
        max_pixels: Limit on the pixels.

    Raises:
        ImageError: The bytes are no whole picture.

    Example:
        >>> import cv2
        >>> data = cv2.imencode(".png", np.zeros((2, 3, 3), np.uint8))[1].tobytes()
        >>> read_photograph_bytes(Path("row 1.png"), data).pixels.shape
        (2, 3, 3)
    """
    stored = _stored(path, data, max_pixels, RawOptions())
    return stored.upright(stored.orientation)


def check_unchanged(path: Path, photograph: Photograph, sha256: str) -> None:
    """Check that a picture is the one that was hashed before.

    Raises:
        UnreadableError: It was replaced in between.

    Example:
        >>> check_unchanged(Path("a.png"), Photograph(np.zeros((1, 1, 3), np.uint8), sha256="0123"), "0123")
    """
    if photograph.sha256 != sha256:
        raise UnreadableError(f"{path}: changed while it was in use. Run again when nothing writes it.")


def turn_upright(pixels: Pixels, orientation: int) -> Pixels:
    """Undo an EXIF orientation, 1 to 8.

    Example:
        >>> turn_upright(np.array([[1, 2], [3, 4]]), 6).tolist()  # the camera was turned by a quarter
        [[3, 1], [4, 2]]
    """
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

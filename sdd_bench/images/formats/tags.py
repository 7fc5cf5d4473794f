"""Tag directories of TIFF files. EXIF blocks and most RAW formats consist of them, too.

Every read is bounds-checked and no pixel is decoded, so a directory can be read from any file, whole or not.
"""

from __future__ import annotations

import errno
import math
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, overload

Values = tuple[int | float, ...]

# Tag numbers of TIFF 6.0 and EXIF.
ORIENTATION = 274
_SUB_DIRECTORIES = 330
_EXIF_DIRECTORY = 34665
_F_NUMBER, _EXPOSURE_TIME, _FOCAL_LENGTH = 33437, 33434, 37386
_COLOR_SPACE, _UNCALIBRATED = 40961, 65535
_INTEROPERABILITY, _INTEROPERABILITY_INDEX, _ADOBE_RGB = 40965, 1, b"R03"
_MAX_DIRECTORIES = 4096
"""Directories in a chain, at most: more than any camera writes, and an end for a damaged chain."""

# The struct code of each field type; a rational is two numbers.
_CODES = {1: "B", 2: "s", 3: "H", 4: "I", 5: "II", 6: "b", 7: "s", 8: "h", 9: "i", 10: "ii", 11: "f", 12: "d"}
_CODES |= {13: "I", 16: "Q", 17: "q", 18: "Q"}

# TIFF, BigTIFF, and the TIFF-like RAW files of Panasonic and Olympus.
_VERSIONS = frozenset({42, 43, 0x55, 0x4F52, 0x5352})


class FileBytes:
    """The bytes of an open file, each read when it is asked for: of a large file its header alone.

    A mapped file would end the process where another program makes the file shorter meanwhile (SIGBUS).

    Args:
        file: Stays open while its bytes are read.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryFile() as file:
        ...     _ = file.write(b"abcdef")
        ...     file.flush()
        ...     data = FileBytes(file)
        ...     len(data), data[0], data[2:4], data[4:99]
        (6, 97, b'cd', b'ef')
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file.fileno()
        self._size = os.fstat(self._file).st_size

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, place: int) -> int: ...

    @overload
    def __getitem__(self, place: slice) -> bytes: ...

    def __getitem__(self, place: int | slice) -> int | bytes:
        if isinstance(place, int):
            return self._read(place, 1)[0]
        start, stop, _ = place.indices(self._size)
        return self._read(start, max(0, stop - start))

    def __bytes__(self) -> bytes:
        return self[:]

    def _read(self, start: int, size: int) -> bytes:
        found = os.pread(self._file, size, start)
        if len(found) < size:
            raise OSError(errno.ESTALE, "it became shorter while it was read")
        return found


Buffer = bytes | FileBytes


class TagError(ValueError):
    """The data end inside the directories, or hold none."""


@dataclass(frozen=True)
class Directory:
    """One image file directory. Each tag has either numbers, all finite, or bytes."""

    numbers: dict[int, Values]
    texts: dict[int, bytes]

    def first(self, tag: int, default: int = 0) -> int:
        """The first number of ``tag`` as an integer.

        Example:
            >>> Directory({256: (640,)}, {}).first(256), Directory({}, {}).first(257, default=1)
            (640, 1)
        """
        values = self.numbers.get(tag)
        return int(values[0]) if values else default

    def integers(self, tag: int) -> tuple[int, ...]:
        """All numbers of ``tag``; empty if it is absent.

        Example:
            >>> Directory({258: (8, 8, 8)}, {}).integers(258)
            (8, 8, 8)
        """
        return tuple(int(value) for value in self.numbers.get(tag, ()))


@dataclass(frozen=True)
class Layout:
    """Byte order and widths of the numbers of a TIFF-like file.

    Example:
        >>> Layout("<", big=False, first=8).pointer_code, Layout("<", big=True, first=16).pointer_code
        ('<I', '<Q')
    """

    endian: str
    big: bool
    first: int
    """Byte at which the first directory starts."""

    @property
    def count_code(self) -> str:
        """Struct code of the number of entries of a directory."""
        return self.endian + ("Q" if self.big else "H")

    @property
    def entry_size(self) -> int:
        """Bytes of an entry of a directory."""
        return 20 if self.big else 12

    @property
    def pointer_code(self) -> str:
        """Struct code of a position in the file."""
        return self.endian + ("Q" if self.big else "I")


def layout_of(data: Buffer) -> Layout:
    """Byte order and kind of a TIFF-like file.

    Raises:
        TagError: The file is not TIFF-like.

    Example:
        >>> layout_of(b"II*\\0" + struct.pack("<I", 8))
        Layout(endian='<', big=False, first=8)
    """
    endian = {b"II": "<", b"MM": ">"}.get(data[:2])
    if endian is None or len(data) < 8:
        raise TagError("no TIFF header")
    version = unpack(endian + "H", data, 2)[0]
    if version not in _VERSIONS:
        raise TagError(f"unknown TIFF version {version}")
    big = version == 43
    return Layout(endian, big, _unpack(endian + ("Q" if big else "I"), data, 8 if big else 4)[0])


def directories(data: Buffer) -> list[Directory]:
    """The directories of the main chain, in order.

    Raises:
        TagError: The file ends before a directory or a value does, or the chain has a loop.

    Example:
        >>> entry = struct.pack("<HHIHH", 256, 3, 1, 640, 0)  # tag, type (a short), count, value, padding
        >>> directories(b"II*\\0" + struct.pack("<IH", 8, 1) + entry + bytes(4))
        [Directory(numbers={256: (640,)}, texts={})]
    """
    layout = layout_of(data)
    found, at, seen = [], layout.first, set[int]()
    while at:
        if at in seen or len(seen) >= _MAX_DIRECTORIES:
            raise TagError("the chain of directories does not end")
        seen.add(at)
        directory, at = _directory(data, layout, at)
        found.append(directory)
    if not found:
        raise TagError("no directory")
    return found


def all_directories(data: Buffer) -> Iterator[Directory]:
    """The directories of the main chain, each followed by its sub-directories, in which RAW files keep the picture.

    Raises:
        TagError: See :func:`directories`.

    Example:
        >>> entry = struct.pack("<HHIHH", 256, 3, 1, 640, 0)  # tag, type (a short), count, value, padding
        >>> len(list(all_directories(b"II*\\0" + struct.pack("<IH", 8, 1) + entry + bytes(4))))
        1
    """
    layout = layout_of(data)
    for directory in directories(data):
        yield directory
        for at in directory.integers(_SUB_DIRECTORIES):
            yield _directory(data, layout, at)[0]


@dataclass(frozen=True)
class Exif:
    """What the camera recorded about the exposure; ``None`` for what it did not record."""

    f_number: float | None = None
    focal_length_mm: float | None = None
    exposure_s: float | None = None
    color_space: str = ""
    """What is stated in place of sRGB; empty for sRGB, or where nothing is stated."""


def read_exif(data: Buffer) -> tuple[int, Exif]:
    """Orientation (1 to 8; 1 is upright) and exposure data of an EXIF block; damaged tags count as absent.

    Example:
        >>> entry = struct.pack("<HHIHH", ORIENTATION, 3, 1, 6, 0)  # tag, type (a short), count, value, padding
        >>> orientation, exif = read_exif(b"II*\\0" + struct.pack("<IH", 8, 1) + entry + bytes(4))
        >>> orientation, exif.f_number
        (6, None)
    """
    try:
        main = _directory(data, layout := layout_of(data), layout.first)[0]
    except TagError:
        return 1, Exif()
    return exif_of(main, data)


def exif_of(main: Directory, data: Buffer) -> tuple[int, Exif]:
    """Orientation and exposure data as :func:`read_exif` gives them, from the directory ``main`` of a TIFF file.

    Example:
        >>> exif_of(Directory({ORIENTATION: (8,), _F_NUMBER: (56, 10)}, {}), b"")
        (8, Exif(f_number=5.6, focal_length_mm=None, exposure_s=None, color_space=''))
    """
    fields = main
    if at := main.first(_EXIF_DIRECTORY):
        try:
            fields = _directory(data, layout_of(data), at)[0]
        except TagError:
            fields = main
    orientation = main.first(ORIENTATION, 1)
    exif = Exif(
        f_number=_ratio(fields, _F_NUMBER),
        focal_length_mm=_ratio(fields, _FOCAL_LENGTH),
        exposure_s=_ratio(fields, _EXPOSURE_TIME),
        color_space=_color_space(fields, data),
    )
    return (orientation if 1 <= orientation <= 8 else 1), exif


def _color_space(fields: Directory, data: Buffer) -> str:
    """Adobe RGB is stated in EXIF by "uncalibrated" and the index R03 in a directory of its own."""
    if fields.first(_COLOR_SPACE, 1) != _UNCALIBRATED:
        return ""
    try:
        at = fields.first(_INTEROPERABILITY)
        index = _directory(data, layout_of(data), at)[0].texts.get(_INTEROPERABILITY_INDEX, b"") if at else b""
    except TagError:
        index = b""
    return "Adobe RGB" if index.startswith(_ADOBE_RGB) else "uncalibrated (as a rule Adobe RGB)"


def _ratio(directory: Directory, tag: int) -> float | None:
    """The positive number of a tag, stored as a fraction or not; None if it is absent or not positive."""
    number, divisor = (*(directory.numbers.get(tag) or (0,)), 1)[:2]
    ratio = number / divisor if number > 0 and divisor > 0 else math.inf
    return ratio if 0 < ratio < math.inf else None


def _directory(data: Buffer, layout: Layout, at: int) -> tuple[Directory, int]:
    (count,) = _unpack(layout.count_code, data, at)
    start = at + struct.calcsize(layout.count_code)
    numbers: dict[int, Values] = {}
    texts: dict[int, bytes] = {}
    left = len(data)  # values that do not overlap fit into the file
    for entry in range(start, start + count * layout.entry_size, layout.entry_size):
        tag, kind = _unpack(layout.endian + "HH", data, entry)
        (n,) = _unpack(layout.pointer_code, data, entry + 4)
        if kind not in _CODES:
            continue
        code = _CODES[kind]
        size = n * struct.calcsize("=" + code)
        value = entry + 4 + struct.calcsize(layout.pointer_code)
        if size > layout.entry_size - (value - entry):
            (value,) = _unpack(layout.pointer_code, data, value)
        if value + size > len(data):
            raise TagError(f"the file ends before the value of tag {tag}")
        left -= size
        if left < 0:
            raise TagError("the values of its tags overlap")
        if code == "s":
            texts[tag] = bytes(data[value : value + size])
        else:
            values = _unpack(f"{layout.endian}{n * len(code)}{code[0]}", data, value)
            if all(map(math.isfinite, values)):
                numbers[tag] = values
    following = start + count * layout.entry_size
    return Directory(numbers, texts), _unpack(layout.pointer_code, data, following)[0]


def unpack(code: str, data: Buffer, at: int) -> tuple[Any, ...]:
    """The values of a struct ``code`` from byte ``at`` on.

    Raises:
        struct.error: The data end before.

    Example:
        >>> unpack(">H", b"\\0\\1\\2", 1)
        (258,)
    """
    return struct.unpack(code, data[at : at + struct.calcsize(code)])


def _unpack(code: str, data: Buffer, at: int) -> tuple[int, ...]:
    try:
        return unpack(code, data, at)
    except (struct.error, OverflowError) as error:
        raise TagError("the file ends inside its tags") from error

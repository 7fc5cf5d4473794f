"""What a photograph's file says beside its pixels, for pictures made from it: EXIF tags and the ICC profile.

Tags that tell how the old file stored its pixels (strips, thumbnails, orientation, size, mosaic) are left out: they
would be wrong of the new one. So is what cannot be read: a damaged tag spoils no picture.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from sdd_bench.core.errors import ImageError
from sdd_bench.images.decode import parse_header
from sdd_bench.images.formats.header import format_of
from sdd_bench.images.formats.jpeg import jpeg_segments
from sdd_bench.images.formats.png import png_chunks
from sdd_bench.images.formats.tags import Buffer, FileBytes

_EXIF_DIRECTORY, _GPS_DIRECTORY = 34665, 34853
_KEPT = frozenset({270, 271, 272, 282, 283, 296, 305, 306, 315, 316, 18246, 18249, 33432, *range(40091, 40096)})
"""Of the main directory: description, maker, model, resolution, software, time, artist, host, ratings, copyright,
titles."""
_LEFT_OUT = frozenset({37500, 40962, 40963, 40965})
"""Of the EXIF directory: notes of the maker (full of positions in the old file), size, interoperability."""
_LONGEST_BYTES = 1 << 16


@dataclass(frozen=True)
class Metadata:
    """Blocks as they stand in files; empty where there is none."""

    exif: bytes = b""
    """EXIF: a TIFF structure, without the name that JPEG puts before it."""
    profile: bytes = b""
    """ICC profile of RGB pixels."""


def read_metadata(path: Path) -> Metadata:
    """EXIF tags and ICC profile of a PNG, JPEG, TIFF, BMP or RAW file; nothing of files that are none of these.

    The profile of a grey picture is left out: pictures are read as RGB. RAW files are developed to sRGB and have none.

    Example:
        >>> import tempfile
        >>> exif = Image.Exif()
        >>> exif[271], exif[274] = "Maker", 6  # the second is the orientation: pictures are read upright
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Image.new("RGB", (2, 3)).save(f"{folder}/a.jpg", exif=exif)
        ...     found = read_metadata(Path(folder, "a.jpg"))
        >>> again = Image.Exif()
        >>> again.load(found.exif)
        >>> dict(again), found.profile
        ({271: 'Maker'}, b'')
    """
    try:
        with open(path, "rb") as file:
            data = FileBytes(file)
            return Metadata(_exif(path, data), _profile(path, data))
    except OSError:  # no such file, or one that became shorter
        return Metadata()


def _profile(path: Path, data: Buffer) -> bytes:
    try:
        profile = parse_header(path, data, whole=False).profile
    except ImageError:  # RAW, or what reading the pixels complains of
        return b""
    return profile if profile[16:20] == b"RGB " else b""


def _exif(path: Path, data: Buffer) -> bytes:
    found = Image.Exif()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow remarks on damaged tags, and leaves them out
            found.load_from_fp(io.BytesIO(_tiff_structure(path, data)))
            camera = {tag: value for tag, value in found.get_ifd(_EXIF_DIRECTORY).items() if tag not in _LEFT_OUT}
            place = found.get_ifd(_GPS_DIRECTORY)
            main = {tag: value for tag, value in found.items() if tag in _KEPT}
            return _block(_writable(main), _writable(camera), _writable(place))
    except MemoryError:
        raise
    except Exception:  # Pillow may raise anything on what is no directory
        return b""


def _tiff_structure(path: Path, data: Buffer) -> bytes:
    """The bytes that hold the directories: the EXIF block of JPEG and PNG, all of TIFF and RAW."""
    kind = format_of(data)
    if kind == "JPEG":
        for marker, start, end in jpeg_segments(path, data):
            if marker == 0xE1 and data[start : start + 6] == b"Exif\0\0":
                return bytes(data[start + 6 : end])
        return b""
    if kind == "PNG":
        return next(
            (bytes(data[start:end]) for name, start, end in png_chunks(path, data, crc=False) if name == b"eXIf"), b""
        )
    return bytes(data)


def _writable(tags: Mapping[int, Any]) -> dict[int, Any]:
    """The tags that can be written again, one by one, since one that cannot would take the others with it."""
    kept = {}
    for tag, value in tags.items():
        with suppress(Exception):
            if len(_block({tag: value}, {}, {})) < _LONGEST_BYTES:
                kept[tag] = value
    return kept


def _block(main: Mapping[int, Any], camera: Mapping[int, Any], place: Mapping[int, Any]) -> bytes:
    exif = Image.Exif()
    exif.update(main)
    if camera:
        exif[_EXIF_DIRECTORY] = dict(camera)
    if place:
        exif[_GPS_DIRECTORY] = dict(place)
    return exif.tobytes().removeprefix(b"Exif\0\0") if len(exif) else b""

"""Names of embedded ICC profiles. Colours are kept as stored, so a profile other than sRGB must be reported."""

from __future__ import annotations

import struct


def profile_name(profile: bytes) -> str:
    """The description of an ICC profile, without control characters; ``unnamed`` if it has none.

    The description is the ``desc`` tag: ASCII text in version 2 profiles, UTF-16 in version 4.

    Example:
        >>> table = struct.pack(">I4sII", 1, b"desc", 144, 17)  # one tag, its offset and size
        >>> profile_name(bytes(128) + table + b"desc" + bytes(4) + struct.pack(">I", 5) + b"sRGB\\0")
        'sRGB'
    """
    try:
        (count,) = struct.unpack_from(">I", profile, 128)
        for entry in range(132, 132 + 12 * min(count, 256), 12):
            tag, offset, size = struct.unpack_from(">4sII", profile, entry)
            if tag == b"desc":
                return "".join(filter(str.isprintable, _text(profile[offset : offset + size]))) or "unnamed"
    except struct.error:
        pass
    return "unnamed"


def is_srgb(name: str) -> bool:
    """Whether a profile of this name is one of the many variants of sRGB.

    Example:
        >>> is_srgb("sRGB IEC61966-2.1"), is_srgb("Adobe RGB (1998)")
        (True, False)
    """
    return "srgb" in name.lower()


def _text(tag: bytes) -> str:
    if tag[:4] == b"mluc":
        length, offset = struct.unpack_from(">II", tag, 20)
        return tag[offset : offset + length].decode("utf-16-be", "replace").strip("\0 ")
    (length,) = struct.unpack_from(">I", tag, 8)
    return tag[12 : 12 + length].decode("latin-1").strip("\0 ")

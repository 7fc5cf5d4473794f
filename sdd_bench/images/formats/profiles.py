"""Names of embedded ICC profiles: colours are kept as stored, so a profile other than sRGB has to be said."""

from __future__ import annotations

import struct


def profile_name(profile: bytes) -> str:
    """The description of an ICC profile, without control characters; ``unnamed`` when it has none.

    Reads the ``desc`` tag: ASCII text in version 2 profiles, UTF-16 in version 4.
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
    """Whether a profile of this name is one of the many that are sRGB.

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

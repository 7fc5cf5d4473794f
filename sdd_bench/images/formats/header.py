"""What a picture file declares before it is decoded, and the errors for files that lack some of their bytes.

Decoders disagree about damaged files: some fill missing pixels with grey, some print to the terminal. So the bytes are
checked first: PNG chunks with their CRC up to IEND, the end marker of JPEG, the payload that TIFF and BMP declare.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from sdd_bench.core.errors import ImageError
from sdd_bench.images.formats.tags import Buffer, Exif

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


TRANSPARENT = ("partly transparent", "Flatten it onto its background.")


GREY, GREY_ALPHA, PALETTE, RGB, RGB_ALPHA = "grey", "grey with alpha", "palette", "RGB", "RGB with alpha"
TRUNCATED = "The file is truncated or damaged: copy it again from its source, or leave the pair out."

SUFFIXES = {"PNG": (".png",), "JPEG": (".jpg", ".jpeg"), "TIFF": (".tif", ".tiff"), "BMP": (".bmp",)}
_SIGNATURES = {
    PNG_SIGNATURE: "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"BM": "BMP",
    b"GIF8": "GIF",
    b"8BPS": "Photoshop",
    b"%PDF": "PDF",
    b"RIFF": "WebP or another RIFF format",
    b"\x76\x2f\x31\x01": "OpenEXR",
    b"\0\0\0\x0cjP  ": "JPEG 2000",
    b"PK\x03\x04": "a zip archive",
    b"\x89HDF": "HDF5",
}


@dataclass(frozen=True)
class Header:
    """What a picture file declares."""

    format: str
    stored_width: int
    stored_height: int
    bit_depth: int
    """Bits of a sample after reading: 8 or 16."""
    kind: str = RGB
    stored_bits: int = 8
    orientation: int = 1
    """EXIF orientation, 1 to 8; 1 is upright."""
    exif: Exif = field(default_factory=Exif)
    profile: bytes = b""
    """Embedded ICC profile."""
    is_linear: bool = False
    """Whether the samples are said to be light itself, not encoded as sRGB."""

    @property
    def width(self) -> int:
        """Width of the upright picture."""
        return self.stored_height if self.orientation > 4 else self.stored_width

    @property
    def height(self) -> int:
        """Height of the upright picture."""
        return self.stored_width if self.orientation > 4 else self.stored_height


def format_of(data: Buffer) -> str | None:
    """Name of the format whose signature ``data`` starts with; ``None`` if the signature is not known.

    Example:
        >>> format_of(PNG_SIGNATURE + bytes(8)), format_of(b"RIFF" + bytes(8)), format_of(b"text")
        ('PNG', 'WebP or another RIFF format', None)
    """
    start = data[:12]
    if start[4:8] == b"ftyp" and start[8:12] != b"crx ":  # Canon's CR3 is RAW
        return "HEIF, AVIF or a film"
    return next((name for signature, name in _SIGNATURES.items() if start.startswith(signature)), None)


def refuse(path: Path, got: str, step: str = "Save it as RGB with 8 or 16 bits.") -> ImageError:
    """The error for a picture whose meaning is not clear.

    Example:
        >>> print(refuse(Path("a.tif"), "float samples"))
        a.tif: float samples; expected RGB or grey with 8 or 16 bits. Save it as RGB with 8 or 16 bits.
    """
    return ImageError(f"{path}: {got}; expected RGB or grey with 8 or 16 bits. {step}")


def truncated(path: Path, what: str) -> ImageError:
    """The error for a file that is not whole.

    Example:
        >>> print(truncated(Path("a.png"), "ends at byte 9"))  # doctest: +ELLIPSIS
        a.png: ends at byte 9. The file is truncated or damaged: copy it again ...
    """
    return ImageError(f"{path}: {what}. {TRUNCATED}")

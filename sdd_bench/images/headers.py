"""What a picture file declares before it is decoded, and whether its bytes are all there.

Decoders disagree about damaged files: some fill what is missing with grey, some print to the terminal. So the bytes are
checked first: PNG chunks with their CRC up to IEND, the end marker of JPEG, the payload that TIFF and BMP declare.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sdd_bench.errors import ImageError
from sdd_bench.images.tags import Buffer, Directory, Exif, TagError, directories, exif_of, read_exif

GREY, GREY_ALPHA, PALETTE, RGB, RGB_ALPHA = "grey", "grey with alpha", "palette", "RGB", "RGB with alpha"
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TRUNCATED = "The file is truncated or damaged: copy it again from its source, or leave the pair out."

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
    """Of a sample once read: 8 or 16."""
    kind: str = RGB
    stored_bits: int = 8
    orientation: int = 1
    """EXIF orientation, 1 to 8; 1 is upright."""
    exif: Exif = field(default_factory=Exif)
    profile: bytes = b""
    """Embedded ICC profile."""

    @property
    def width(self) -> int:
        """Of the upright picture."""
        return self.stored_height if self.orientation > 4 else self.stored_width

    @property
    def height(self) -> int:
        """Of the upright picture."""
        return self.stored_width if self.orientation > 4 else self.stored_height


def format_of(data: Buffer) -> str | None:
    """Name of the format that ``data`` starts like; ``None`` when it is none of those known."""
    start = data[:12]
    if start[4:8] == b"ftyp" and start[8:12] != b"crx ":  # Canon's CR3 is RAW
        return "HEIF, AVIF or a film"
    return next((name for signature, name in _SIGNATURES.items() if start.startswith(signature)), None)


def parse_header(path: Path, data: Buffer, *, whole: bool) -> Header:
    """Read the header of a PNG, JPEG, TIFF or BMP file.

    Args:
        path: Where ``data`` comes from; its suffix must suit the content.
        data: The file's bytes.
        whole: Check also that every byte that the header declares is there.

    Raises:
        ImageError: Not a picture, another format than the suffix says, a kind that is not read, or not whole.
    """
    wanted = next((name for name, suffixes in SUFFIXES.items() if path.suffix.lower() in suffixes), None)
    if wanted is None:
        known = ", ".join(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)
        raise ImageError(f"{path}: the suffix {path.suffix or '(none)'} is no picture; expected one of {known} or RAW.")
    found = format_of(data)
    if found != wanted:
        what = found or "no picture format that is known"
        step = f"Rename it to {path.stem}{SUFFIXES[found][0]}." if found in SUFFIXES else "Convert it to PNG or TIFF."
        raise ImageError(f"{path}: the suffix says {wanted} but the content is {what}. {step}")
    parse = {"PNG": _png, "JPEG": _jpeg, "TIFF": _tiff, "BMP": _bmp}[wanted]
    header = parse(path, data, whole)
    if header.stored_width < 1 or header.stored_height < 1:
        raise ImageError(f"{path}: declares {header.stored_width}x{header.stored_height} pixels. {_TRUNCATED}")
    return header


def refuse(path: Path, got: str, step: str = "Save it as RGB with 8 or 16 bits.") -> ImageError:
    """The error for a picture whose meaning is not clear."""
    return ImageError(f"{path}: {got}; expected RGB or grey with 8 or 16 bits. {step}")


def truncated(path: Path, what: str) -> ImageError:
    """The error for a file that is not whole."""
    return ImageError(f"{path}: {what}. {_TRUNCATED}")


def png_chunks(path: Path, data: Buffer, *, crc: bool) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end (of the payload) of every chunk up to IEND.

    Raises:
        ImageError: The file ends before IEND, or a checksum is wrong.
    """
    at = len(PNG_SIGNATURE)
    while True:
        if at + 12 > len(data):
            raise truncated(path, f"ends at byte {len(data)} without the IEND chunk of a whole PNG")
        length, kind = struct.unpack_from(">I4s", data, at)
        name, end = kind.decode("latin-1"), at + 8 + length
        if end + 4 > len(data):
            raise truncated(path, f"chunk {name} should end at byte {end + 4}, the file at {len(data)}")
        if crc and zlib.crc32(memoryview(data)[at + 4 : end]) != struct.unpack_from(">I", data, end)[0]:
            raise truncated(path, f"chunk {name} at byte {at} does not match its checksum")
        yield kind, at + 8, end
        if kind == b"IEND":
            return
        at = end + 4


def _png(path: Path, data: Buffer, whole: bool) -> Header:
    width = height = bits = color = 0
    n_frames, n_data, orientation, exif, profile = 1, 0, 1, Exif(), b""
    for index, (kind, start, end) in enumerate(png_chunks(path, data, crc=whole)):
        if (index == 0) != (kind == b"IHDR"):
            raise truncated(path, "a PNG starts with one IHDR chunk, this does not")
        if kind == b"IHDR":
            if end - start != 13:
                raise truncated(path, f"IHDR has {end - start} bytes, not 13")
            width, height, bits, color = struct.unpack_from(">IIBB", data, start)
        elif kind == b"IDAT":
            n_data += end - start
            if not whole:
                break  # chunks are small: to look at them all would be to read the file
        elif kind == b"acTL" and end - start >= 4:
            n_frames = struct.unpack_from(">I", data, start)[0]
        elif kind == b"eXIf":
            orientation, exif = read_exif(bytes(data[start:end]))
        elif kind == b"iCCP":
            profile = _inflated(bytes(data[start:end]))
    if n_frames > 1:
        raise refuse(path, f"an animation of {n_frames} pictures", "Save one picture a file.")
    if n_data == 0:
        raise truncated(path, "no IDAT chunk, so no pixels")
    kinds = {0: GREY, 2: RGB, 3: PALETTE, 4: GREY_ALPHA, 6: RGB_ALPHA}
    depths = {0: (1, 2, 4, 8, 16), 3: (1, 2, 4, 8)}.get(color, (8, 16))
    if color not in kinds or bits not in depths:
        raise truncated(path, f"PNG color type {color} with {bits} bits does not exist")
    return Header("PNG", width, height, 16 if bits == 16 else 8, kinds[color], bits, orientation, exif, profile)


def _inflated(chunk: bytes) -> bytes:
    """The ICC profile of an iCCP chunk; empty when it is damaged."""
    try:
        return zlib.decompressobj().decompress(chunk[chunk.index(b"\0") + 2 :], 1 << 24)
    except (ValueError, zlib.error):
        return b""


_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_BARE = frozenset({0x01, *range(0xD0, 0xD9)})


def jpeg_segments(path: Path, data: Buffer) -> Iterator[tuple[int, int, int]]:
    """Marker, start and end (of the payload) of every segment up to the first scan."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF or marker in _JPEG_BARE:
            at += 1 if marker == 0xFF else 2
            continue
        end = at + 2 + struct.unpack_from(">H", data, at + 2)[0]
        if end > len(data):
            break
        yield marker, at + 4, end
        if marker == 0xDA:
            return
        at = end
    raise truncated(path, f"ends or loses its way at byte {at}, before the pixels of a JPEG")


def _jpeg(path: Path, data: Buffer, whole: bool) -> Header:
    width = height = channels = scan = 0
    orientation, exif, profile = 1, Exif(), b""
    for marker, start, end in jpeg_segments(path, data):
        if marker in _JPEG_FRAMES and end - start >= 6:
            bits, height, width, channels = struct.unpack_from(">BHHB", data, start)
            if bits != 8:
                raise refuse(path, f"a JPEG with {bits} bits")
        elif marker == 0xE1 and data[start : start + 6] == b"Exif\0\0":
            orientation, exif = read_exif(bytes(data[start + 6 : end]))
        elif marker == 0xE2 and data[start : start + 12] == b"ICC_PROFILE\0":
            profile += data[start + 14 : end]
        elif marker == 0xDA:
            scan = end
    if channels not in (1, 3):
        raise refuse(path, "a CMYK picture" if channels == 4 else f"{channels} channels", "Convert it to sRGB.")
    if whole and data.find(b"\xff\xd9", scan) < 0:
        raise truncated(path, f"ends at byte {len(data)} without the end marker of a whole JPEG")
    return Header("JPEG", width, height, 8, GREY if channels == 1 else RGB, 8, orientation, exif, profile)


def _bmp(path: Path, data: Buffer, whole: bool) -> Header:
    if len(data) < 26:
        raise truncated(path, f"{len(data)} bytes are less than the header of a BMP")
    offset, size = struct.unpack_from("<II", data, 10)
    code = "<HHHH" if size == 12 else "<iiHHI"
    if 18 + struct.calcsize(code) > len(data):
        raise truncated(path, "ends inside the header of a BMP")
    width, height, _, bits, *rest = struct.unpack_from(code, data, 18)
    if bits not in (1, 4, 8, 16, 24, 32):
        raise truncated(path, f"a BMP with {bits} bits a pixel does not exist")
    compression = rest[0] if rest else 0
    if compression not in (0, 1, 2, 3, 6):
        raise refuse(path, f"BMP compression {compression}")
    payload = (width * bits + 31) // 32 * 4 * abs(height)
    if whole and compression in (0, 3, 6) and offset + payload > len(data):
        raise truncated(path, f"its header declares {offset + payload} bytes, the file has {len(data)}")
    return Header("BMP", width, abs(height), 8, PALETTE if bits <= 8 else RGB, bits)


# Baseline TIFF tags.
SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 254, 256, 257, 258, 259, 262
SAMPLES, PLANAR, COLOR_MAP, SAMPLE_FORMAT = 277, 284, 320, 339
_OFFSETS, BYTE_COUNTS = (273, 324), (279, 325)
_STRIP_ROWS, _TILE_WIDTH, _TILE_HEIGHT, _ICC = 278, 322, 323, 34675
WHITE_IS_ZERO = 0
NO_COMPRESSION, LZW = 1, 5
_COMPRESSIONS = {NO_COMPRESSION: "none", LZW: "LZW", 8: "Deflate", 32946: "Deflate", 32773: "PackBits"}
_PHOTOMETRICS = {4: "a transparency mask", 5: "a CMYK picture", 6: "a YCbCr picture", 8: "a CIE Lab picture"}


def tiff_page(path: Path, data: Buffer) -> tuple[int, Directory]:
    """Number and directory of the one picture of a TIFF file; reduced copies and masks beside it do not count.

    Raises:
        ImageError: The directories are cut off, or there are several pictures.
    """
    try:
        pages = directories(data)
    except TagError as error:
        raise truncated(path, str(error)) from error
    pictures = [(number, page) for number, page in enumerate(pages) if not page.first(SUBFILE) & 0b101]
    if len(pictures) != 1:
        got = f"{len(pictures)} pages" if pictures else "no full-size page"
        raise refuse(path, f"a TIFF of {got}", "Save one picture a file.")
    return pictures[0]


def _n_segments(page: Directory) -> int:
    """How many strips or tiles the sides of the picture ask for."""
    width, height = page.first(WIDTH), page.first(HEIGHT)
    across, down = page.first(_TILE_WIDTH, width), page.first(_TILE_HEIGHT, page.first(_STRIP_ROWS, height))
    planes = page.first(SAMPLES, 1) if page.first(PLANAR, 1) == 2 else 1
    return planes * -(-width // max(across, 1)) * -(-height // max(down, 1))


def missing_payload(page: Directory, n_bytes: int, *, exact: bool = True) -> str:
    """How the payload of ``page`` is shorter than its tags declare; empty when it is not.

    Args:
        page: The directory.
        n_bytes: Size of the file.
        exact: Pixels said to be uncompressed are so, and as wide as said (not so in the RAW files of some makers).
    """
    offsets = [at for tag in _OFFSETS for at in page.integers(tag)]
    sizes = [size for tag in BYTE_COUNTS for size in page.integers(tag)]
    if len(offsets) != len(sizes) or not sizes:
        return f"{len(offsets)} strips or tiles of pixels but {len(sizes)} sizes of them" if exact else ""
    if exact and len(sizes) < (n_segments := _n_segments(page)):
        return f"its header declares {n_segments} strips or tiles of pixels, but only {len(sizes)} are there"
    end = max(at + size for at, size in zip(offsets, sizes, strict=True))
    if end > n_bytes:
        return f"its header declares pixels up to byte {end}, the file has {n_bytes}"
    bits = page.integers(BITS) or (1,)
    row_bytes = (page.first(WIDTH) * bits[0] * page.first(SAMPLES, 1) + 7) // 8
    expected = row_bytes * page.first(HEIGHT)
    if exact and page.first(COMPRESSION, 1) == NO_COMPRESSION and sum(sizes) < expected:
        return f"its header declares {expected} bytes of pixels, but only {sum(sizes)} are there"
    return ""


def _tiff(path: Path, data: Buffer, whole: bool) -> Header:
    _, page = tiff_page(path, data)
    bits, samples = page.integers(BITS) or (1,), page.first(SAMPLES, 1)
    photometric, compression = page.first(PHOTOMETRIC, -1), page.first(COMPRESSION, 1)
    if photometric in (32803, 34892):
        raise ImageError(f"{path}: a RAW file with the suffix of a TIFF. Rename it to {path.stem}.dng.")
    if photometric not in (0, 1, 2, 3):
        raise refuse(path, _PHOTOMETRICS.get(photometric, f"TIFF colors of kind {photometric}"), "Convert it to sRGB.")
    if compression not in _COMPRESSIONS:
        known = ", ".join(sorted(set(_COMPRESSIONS.values())))
        raise refuse(path, f"TIFF compression {compression}", f"Save it with one of {known}.")
    sample_format = page.first(SAMPLE_FORMAT, 1)
    if sample_format != 1:
        name = {2: "signed", 3: "float"}.get(sample_format, f"format {sample_format}")
        raise refuse(path, f"{name} samples of {bits[0]} bits, whose scale is not stated")
    if set(bits) not in ({1}, {8}, {16}) or (bits[0] == 1 and (photometric > 1 or samples > 1)):
        raise refuse(path, f"samples of {'/'.join(str(b) for b in bits)} bits")
    base = 3 if photometric == 2 else 1
    if samples not in (base, base + 1) or (photometric == 3 and (samples != 1 or bits[0] != 8)):
        raise refuse(path, f"{samples} samples of {bits[0]} bits a pixel")
    if compression == LZW and (page.first(PLANAR, 1) != 1 or samples == 2 or bits[0] == 1):
        raise refuse(path, "LZW with 1 bit, separate planes or grey and alpha", "Save it without compression.")
    if whole and (lack := missing_payload(page, len(data))):
        raise truncated(path, lack)
    kind = PALETTE if photometric == 3 else {1: GREY, 2: GREY_ALPHA, 3: RGB, 4: RGB_ALPHA}[samples]
    depth = 16 if bits[0] == 16 else 8
    orientation, exif = exif_of(page, data)
    profile = page.texts.get(_ICC, b"")
    return Header("TIFF", page.first(WIDTH), page.first(HEIGHT), depth, kind, bits[0], orientation, exif, profile)

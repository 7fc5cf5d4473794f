"""PNG: reading the header, checking that the file is whole, and decoding its pixels."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sdd_bench.core.arrays import Pixels
from sdd_bench.images.formats.decoders import full_scale, opencv
from sdd_bench.images.formats.header import (
    GREY,
    GREY_ALPHA,
    PALETTE,
    PNG_SIGNATURE,
    RGB,
    RGB_ALPHA,
    TRANSPARENT,
    Header,
    refuse,
    truncated,
)
from sdd_bench.images.formats.tags import (
    Buffer,
    Exif,
    read_exif,
    unpack,
)

_PIECE = 1 << 20
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""First column, first row and steps of the seven pictures of an interlaced PNG."""
_LINEAR_GAMMA, _SRGB_GAMMA = 100_000, 45_455
_QUIET_CHUNKS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})


def decode_png(path: Path, data: bytes, header: Header) -> tuple[Pixels, list[str]]:
    """Decode a PNG file; for the arguments see :func:`~sdd_bench.images.decode.decode`.

    Returns:
        Pixels, (H, W, 3) or with alpha (H, W, 4), uint8 or uint16, and notes on what was converted.

    Raises:
        ImageError: The pixels are damaged, or some grey ones are transparent.

    Example:
        >>> import numpy as np
        >>> import cv2
        >>> path, data = Path("grey.png"), cv2.imencode(".png", np.full((2, 3), 7, np.uint8))[1].tobytes()
        >>> pixels, notes = decode_png(path, data, png_header(path, data, whole=True))
        >>> pixels.shape, notes
        ((2, 3, 3), ['grey to RGB'])
    """
    chunks = list(png_chunks(path, data, crc=False))
    key = next((data[start:end] for kind, start, end in chunks if kind == b"tRNS"), None)
    if header.kind == PALETTE and not any(kind == b"PLTE" for kind, _, _ in chunks):
        raise truncated(path, "a palette picture without its palette")
    plain = data
    if any(kind not in _QUIET_CHUNKS for kind, _, _ in chunks):
        # libpng prints remarks on odd profiles and texts to the terminal.
        kept = [data[start - 8 : end + 4] for kind, start, end in chunks if kind in _QUIET_CHUNKS]
        plain = b"".join([PNG_SIGNATURE, *kept])
    # OpenCV knows the transparent colour of a palette or RGB picture, but not the level of a grey one.
    is_grey = header.kind == GREY
    alpha = header.kind in (GREY_ALPHA, RGB_ALPHA) or (key is not None and not is_grey)
    with ThreadPoolExecutor(1) as pool:
        size = pool.submit(_inflated_size, [data[start:end] for kind, start, end in chunks if kind == b"IDAT"])
        pixels = opencv(path, plain, alpha=alpha)
        if size.result() != (expected := _raw_size(header, interlaced=bool(data[chunks[0][1] + 12]))):
            raise truncated(path, f"its compressed pixels are {size.result()} bytes, not the {expected} of its size")
    notes = []
    if is_grey and key is not None and len(key) == 2:
        clear = int.from_bytes(key, "big") * full_scale(pixels) // ((1 << header.stored_bits) - 1)
        if (pixels == clear).any():
            raise refuse(path, *TRANSPARENT)
    if header.kind == PALETTE:
        notes.append("palette to RGB")
    elif header.kind in (GREY, GREY_ALPHA):
        bits = f"{header.stored_bits}-bit " if header.stored_bits < 8 else ""
        notes.append(f"{bits}grey to RGB")
    return pixels, notes


def _inflated_size(parts: list[bytes]) -> int:
    """Bytes that the compressed pixels unpack to, with those behind their end; 0 where they are damaged."""
    stream, size = zlib.decompressobj(), 0
    try:
        for part in parts:
            while part and not stream.eof:
                size += len(stream.decompress(part, _PIECE))
                part = stream.unconsumed_tail
            size += len(part if stream.eof else b"")
    except zlib.error:
        return 0
    return size + len(stream.unused_data)


def _raw_size(header: Header, *, interlaced: bool) -> int:
    """Bytes of the unpacked rows, each with its filter's number, of a picture or of the seven of an interlaced one."""
    channels = {GREY: 1, GREY_ALPHA: 2, PALETTE: 1, RGB: 3, RGB_ALPHA: 4}[header.kind]
    total = 0
    for x, y, dx, dy in _ADAM7 if interlaced else ((0, 0, 1, 1),):
        width, height = -(-(header.stored_width - x) // dx), -(-(header.stored_height - y) // dy)
        if width > 0 and height > 0:
            total += height * (1 + (width * channels * header.stored_bits + 7) // 8)
    return total


def png_chunks(path: Path, data: Buffer, *, crc: bool) -> Iterator[tuple[bytes, int, int]]:
    """Kind, and start and end of the payload, of every chunk up to IEND.

    Args:
        path: Name of the file for messages.
        data: Bytes of the file.
        crc: Whether to check the chunks' checksums.

    Raises:
        ImageError: The file ends before IEND, or a checksum is wrong.

    Example:
        >>> import numpy as np
        >>> import cv2
        >>> data = cv2.imencode(".png", np.zeros((2, 3), np.uint8))[1].tobytes()
        >>> [kind for kind, _, _ in png_chunks(Path("black.png"), data, crc=True)]
        [b'IHDR', b'IDAT', b'IEND']
    """
    at = len(PNG_SIGNATURE)
    while True:
        if at + 12 > len(data):
            raise truncated(path, f"ends at byte {len(data)} without the IEND chunk of a whole PNG")
        length, kind = unpack(">I4s", data, at)
        name, end = kind.decode("latin-1"), at + 8 + length
        if end + 4 > len(data):
            raise truncated(path, f"chunk {name} should end at byte {end + 4}, the file at {len(data)}")
        if crc and zlib.crc32(memoryview(bytes(data))[at + 4 : end]) != unpack(">I", data, end)[0]:
            raise truncated(path, f"chunk {name} at byte {at} does not match its checksum")
        yield kind, at + 8, end
        if kind == b"IEND":
            return
        at = end + 4


def png_header(path: Path, data: Buffer, whole: bool) -> Header:
    """Read the header of a PNG file; for the arguments see :func:`~sdd_bench.images.decode.parse_header`.

    Raises:
        ImageError: The file is damaged, is an animation, or (with ``whole``) a checksum is wrong.

    Example:
        >>> import numpy as np
        >>> import cv2
        >>> data = cv2.imencode(".png", np.zeros((2, 3), np.uint16))[1].tobytes()
        >>> header = png_header(Path("black.png"), data, whole=True)
        >>> header.width, header.height, header.kind, header.stored_bits
        (3, 2, 'grey', 16)
    """
    width = height = bits = color = 0
    n_frames, n_data, orientation, exif, profile, gamma = 1, 0, 1, Exif(), b"", _SRGB_GAMMA
    for index, (kind, start, end) in enumerate(png_chunks(path, data, crc=whole)):
        if (index == 0) != (kind == b"IHDR"):
            raise truncated(path, "a PNG starts with one IHDR chunk, this does not")
        if kind == b"IHDR":
            if end - start != 13:
                raise truncated(path, f"IHDR has {end - start} bytes, not 13")
            width, height, bits, color = unpack(">IIBB", data, start)
        elif kind == b"IDAT":
            n_data += end - start
            if not whole:
                break  # IDAT chunks are small: looking at each of them would read the whole file
        elif kind == b"acTL" and end - start >= 4:
            n_frames = unpack(">I", data, start)[0]
        elif kind == b"eXIf":
            orientation, exif = read_exif(bytes(data[start:end]))
        elif kind == b"iCCP":
            profile = _inflated(bytes(data[start:end]))
        elif kind == b"gAMA" and end - start == 4:
            gamma = unpack(">I", data, start)[0]
        elif kind == b"sRGB":
            gamma = _SRGB_GAMMA
    if n_frames > 1:
        raise refuse(path, f"an animation of {n_frames} pictures", "Save one picture per file.")
    if n_data == 0:
        raise truncated(path, "no IDAT chunk, so no pixels")
    kinds = {0: GREY, 2: RGB, 3: PALETTE, 4: GREY_ALPHA, 6: RGB_ALPHA}
    depths = {0: (1, 2, 4, 8, 16), 3: (1, 2, 4, 8)}.get(color, (8, 16))
    if color not in kinds or bits not in depths:
        raise truncated(path, f"PNG color type {color} with {bits} bits does not exist")
    depth = 16 if bits == 16 else 8
    is_linear = gamma == _LINEAR_GAMMA and not profile
    return Header("PNG", width, height, depth, kinds[color], bits, orientation, exif, profile, is_linear)


def _inflated(chunk: bytes) -> bytes:
    """The ICC profile of an iCCP chunk; empty if it is damaged."""
    try:
        return zlib.decompressobj().decompress(chunk[chunk.index(b"\0") + 2 :], 1 << 24)
    except (ValueError, zlib.error):
        return b""

"""Writing pictures, (H, W, 3) RGB, 8-bit as uint8 and 16-bit as uint16, as a whole or not at all."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray

from sdd_bench.core.arrays import Pixels
from sdd_bench.core.errors import ConfigError, ImageError
from sdd_bench.core.storage.files import sealed
from sdd_bench.images.formats.header import PNG_SIGNATURE, SUFFIXES
from sdd_bench.images.metadata import Metadata

# fmt: on
_COLOR_CHANNELS = 3
_NOTHING = Metadata()
_IHDR_END = len(PNG_SIGNATURE) + 25


def from_float(pixels: NDArray[np.floating], bit_depth: int) -> Pixels:
    """Samples in [0, 1] as uint8 or uint16: clipped, then rounded to the nearest integer.

    Raises:
        ConfigError: ``bit_depth`` is neither 8 nor 16.
        ImageError: A sample is NaN.

    Example:
        >>> from_float(np.array([-0.5, 0.5, 1.5], np.float32), 8).tolist()
        [0, 128, 255]
    """
    if bit_depth not in (8, 16):
        raise ConfigError(f"bit_depth is {bit_depth}; expected 8 or 16.")
    if np.isnan(pixels).any():
        raise ImageError("a picture with NaN cannot be stored as integers; the network that made it diverged.")
    dtype = np.uint8 if bit_depth == 8 else np.uint16
    return np.rint(np.clip(pixels, 0, 1) * np.float32(np.iinfo(dtype).max)).astype(dtype)


def write_png(
    path: Path, pixels: Pixels, *, compression: int = 1, quick: bool = False, metadata: Metadata = _NOTHING
) -> None:
    """Write (H, W, 3) uint8 or uint16 RGB as a PNG of the same depth, as a whole or not at all.

    Args:
        path: File to write; its folder is created.
        pixels: Picture.
        compression: zlib level, 0 (fast, large) to 9. Level 1 searches for runs only, which makes photographs smaller
            and is faster than zlib's own level 1.
        quick: Whether rows are all filtered in one way, by the mean of two neighbours, in place of the best of five:
            two thirds of the time, and a file larger by up to a twentieth.
        metadata: EXIF tags and ICC profile to store beside the pixels.

    Raises:
        ImageError: ``pixels`` has another shape or dtype.
        OutputError: ``path`` cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_png(Path(folder, "a.png"), np.full((2, 3, 3), 7, np.uint8))
        ...     cv2.imread(f"{folder}/a.png").shape
        (2, 3, 3)
    """
    _check_writable(path, pixels)
    encoded = _with_metadata(encode_png(pixels, compression=compression, quick=quick), metadata)
    with sealed(path) as partial:
        partial.write_bytes(encoded)


def encode_png(pixels: Pixels, *, compression: int = 1, quick: bool = False) -> bytes:
    """The bytes of the PNG that :func:`write_png` writes, without metadata.

    Example:
        >>> encode_png(np.zeros((2, 3, 3), np.uint8))[1:4]
        b'PNG'
    """
    bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    strategy = cv2.IMWRITE_PNG_STRATEGY_RLE if compression == 1 else cv2.IMWRITE_PNG_STRATEGY_DEFAULT
    options = [cv2.IMWRITE_PNG_COMPRESSION, compression, cv2.IMWRITE_PNG_STRATEGY, strategy]
    if quick and hasattr(cv2, "IMWRITE_PNG_FILTER"):  # OpenCV 4.12 and later
        options += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_AVG]
    _, encoded = cv2.imencode(".png", bgr, options)
    return bytes(encoded.tobytes())


def _with_metadata(png: bytes, metadata: Metadata) -> bytes:
    """``png`` with the chunks iCCP and eXIf after its first one."""
    chunks = b""
    if metadata.profile:
        chunks += _chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(metadata.profile))
    if metadata.exif:
        chunks += _chunk(b"eXIf", metadata.exif)
    return png[:_IHDR_END] + chunks + png[_IHDR_END:]


def _chunk(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))


def write_jpeg(path: Path, pixels: Pixels, quality: int) -> None:
    """Write (H, W, 3) uint8 RGB as a JPEG with colour at half the size, as cameras do, as a whole or not at all.

    Args:
        path: File to write; its folder is created.
        pixels: Picture.
        quality: 1 to 100, as libjpeg counts.

    Raises:
        ImageError: ``pixels`` has another shape or dtype.
        OutputError: ``path`` cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_jpeg(Path(folder, "a.jpg"), np.full((8, 8, 3), 70, np.uint8), 90)
        ...     Path(folder, "a.jpg").read_bytes()[:2].hex()
        'ffd8'
    """
    _check_writable(path, pixels)
    if pixels.dtype != np.uint8:
        raise ImageError(f"{path}: JPEG holds 8 bits, got {pixels.dtype}. Convert it by from_float, or write a PNG.")
    encoded = encode_jpeg(pixels, quality)
    with sealed(path) as partial:
        partial.write_bytes(encoded)


def encode_jpeg(pixels: Pixels, quality: int, *, half_color: bool = True) -> bytes:
    """The bytes of the JPEG that :func:`write_jpeg` writes.

    By OpenCV: its cosine transform is exact at any quality, that of simplejpeg is a fast one below 96, whatever
    ``fastdct`` says.

    Args:
        pixels: Picture, (H, W, 3) uint8 RGB.
        quality: 1 to 100, as libjpeg counts.
        half_color: Whether colour has half the size (4:2:0), or all of it (4:4:4).

    Example:
        >>> encode_jpeg(np.full((8, 8, 3), 70, np.uint8), 90)[:2].hex()
        'ffd8'
    """
    sampling = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420 if half_color else cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), options)
    return bytes(encoded.tobytes())


def write_image(path: Path, pixels: Pixels) -> None:
    """Write (H, W, 3) uint8 or uint16 RGB as PNG or TIFF; the suffix of ``path`` decides which.

    Raises:
        ConfigError: The suffix is another one (:func:`check_suffix`).
        ImageError: ``pixels`` has another shape or dtype.
        OutputError: ``path`` cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_image(Path(folder, "a.tiff"), np.full((2, 3, 3), 700, np.uint16))
        ...     tifffile.imread(f"{folder}/a.tiff").max()
        np.uint16(700)
    """
    check_suffix(path)
    if path.suffix.lower() in SUFFIXES["PNG"]:
        write_png(path, pixels)
        return
    _check_writable(path, pixels)
    with sealed(path) as partial:
        tifffile.imwrite(partial, pixels, photometric="rgb", compression="zlib", metadata=None, software=False)


def check_suffix(path: Path) -> None:
    """Check before the work that :func:`write_image` can write ``path``.

    Raises:
        ConfigError: Its suffix is that of neither PNG nor TIFF.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES["PNG"] + SUFFIXES["TIFF"]:
        got = suffix or "a file without suffix"
        raise ConfigError(f"{path}: pictures are written as .png or .tiff, not as {got}. Name it {path.stem}.png.")


def _check_writable(path: Path, pixels: Pixels) -> None:
    if pixels.ndim != 3 or pixels.shape[2] != _COLOR_CHANNELS or pixels.dtype not in (np.uint8, np.uint16):
        got = f"{pixels.shape} of {pixels.dtype}"
        raise ImageError(f"{path}: expected (H, W, 3) uint8 or uint16 to write, got {got}. Convert it by from_float.")

"""RAW files, developed so that the two pictures of a pair differ only where the captures do.

Everything automatic is off: brightening, and also LibRaw's white point, which would follow the brightest pixel of each
picture. Both pictures of a pair get the white balance of the sharp one.

Some damaged RAW files decode without an error, even to whatever the memory held before. A file is refused in three
cases: its payload is shorter than declared; over 99 % of its samples are one number; or neighbouring samples of one
colour do not correlate, although a lens spreads every point over several of them. A very noisy picture of a plain
subject is accepted: see :func:`garbage`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import rawpy
from numpy.typing import NDArray

from sdd_bench.core.errors import ConfigError, ImageError
from sdd_bench.images.formats.header import format_of
from sdd_bench.images.formats.tags import Buffer, Exif, TagError, all_directories
from sdd_bench.images.formats.tiff import BYTE_COUNTS, COMPRESSION, HEIGHT, PHOTOMETRIC, WIDTH, missing_payload
from sdd_bench.images.raw_check import garbage, is_sane

_log = logging.getLogger(__name__)

WhiteBalance = tuple[float, float, float, float]
# Values of the tags PhotometricInterpretation (twice) and Compression, and the number of the tag DNGVersion.
_RGB, _CFA, _LOSSLESS_JPEG, _DNG_VERSION = 2, 32803, 7, 50706
_DAMAGED = "The file is truncated or damaged: copy it again from the card, or leave the pair out."

# The EXIF orientation of each value of LibRaw's "flip".
_ORIENTATIONS = {0: 1, 3: 3, 5: 8, 6: 6}

# Bits per sample in the file, at least: no RAW format packs a sample into fewer.
_MIN_BITS_PER_SAMPLE = 0.1


@dataclass(frozen=True)
class RawOptions:
    """Options for developing RAW files; they are stored with what was made from the files."""

    white_balance: Literal["auto", "camera", "daylight"] | WhiteBalance = "auto"
    """``auto``: the camera's if it is usable, else daylight. Or four multipliers: red, green, blue, second green."""
    gamma: tuple[float, float] = (2.4, 12.92)
    """Power and slope of the tone curve; the default is the curve of sRGB."""
    output_color: Literal["sRGB", "raw"] = "sRGB"
    demosaic: Literal["AHD", "LINEAR", "VNG", "PPG", "DCB", "DHT"] = "AHD"
    highlights: Literal["clip", "blend"] = "clip"
    output_bits: Literal[16] = 16
    auto_bright: Literal[False] = False
    """Automatic brightening; never, because it brightens each picture of a pair by its own histogram."""

    def __post_init__(self) -> None:
        balance = self.white_balance
        if isinstance(balance, str) and balance not in ("auto", "camera", "daylight"):
            raise ConfigError(f"white_balance is {balance!r}; expected auto, camera, daylight or four multipliers.")

    def as_dict(self) -> dict[str, Any]:
        """The options as a dictionary for a manifest.

        Example:
            >>> RawOptions().as_dict()["white_balance"]
            'auto'
        """
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class Developed:
    """A developed RAW file, not yet upright."""

    pixels: NDArray[np.uint16]
    """(H, W, 3) RGB."""
    orientation: int
    """EXIF orientation, 1 to 8."""
    white_balance: WhiteBalance
    """Multipliers that were used."""
    message: str
    exif: Exif


def develop(path: Path, data: bytes, options: RawOptions, *, max_pixels: int) -> Developed:
    """Develop a RAW file.

    Args:
        path: Name of the file for messages.
        data: Bytes of the whole file.
        options: How.
        max_pixels: Limit on the samples.

    Raises:
        ImageError: The file is not RAW, is truncated, decodes to garbage, or has more than ``max_pixels``.
    """
    with _opened(path, data) as raw:
        _check_size(path, raw, max_pixels, len(data))
        try:
            raw.unpack()
            mosaic, step = _mosaic(raw)
            white = max(int(raw.white_level), 1)
            black = float(np.mean(raw.black_level_per_channel))
            if reason := garbage(mosaic, step=step, black=black, white=white):
                raise ImageError(f"{path}: decodes to garbage: {reason}. {_DAMAGED}")
            balance, message = _white_balance(path, raw, options)
            orientation = _orientation(raw)
            pixels = raw.postprocess(
                no_auto_bright=not options.auto_bright,
                adjust_maximum_thr=0.0,
                output_bps=options.output_bits,
                output_color=rawpy.ColorSpace[options.output_color],
                gamma=options.gamma,
                demosaic_algorithm=rawpy.DemosaicAlgorithm[options.demosaic],
                highlight_mode=rawpy.HighlightMode.Clip if options.highlights == "clip" else rawpy.HighlightMode.Blend,
                user_wb=list(balance),
                user_flip=0,
            )
        except rawpy.LibRawError as error:
            raise _undecodable(path, error) from error
        if pixels.shape[2] == 1:
            pixels = np.repeat(pixels, 3, axis=2)
            message += "; grey to RGB"
        return Developed(pixels, orientation, balance, message, _exif(raw))


def raw_size(path: Path) -> tuple[int, int]:
    """Width and height of the upright picture, without decoding it.

    Raises:
        ImageError: The file is not RAW, or is truncated.
    """
    with _opened(path, path.read_bytes()) as raw:
        width, height = int(raw.sizes.iwidth), int(raw.sizes.iheight)
        return (height, width) if _orientation(raw) > 4 else (width, height)


@contextlib.contextmanager
def _opened(path: Path, data: bytes) -> Iterator[Any]:
    found = format_of(data)
    if found not in (None, "TIFF"):
        raise ImageError(f"{path}: the suffix says RAW but the content is {found}. Give it the suffix of its format.")
    if lack := _missing_payload(data):
        raise ImageError(f"{path}: {lack}. {_DAMAGED}")
    with rawpy.RawPy() as raw:
        try:
            raw.open_buffer(io.BytesIO(data))
        except rawpy.LibRawError as error:
            raise _undecodable(path, error) from error
        yield raw


def _undecodable(path: Path, error: Exception) -> ImageError:
    text = error.args[0] if error.args else ""
    text = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    if isinstance(error, rawpy.LibRawFileUnsupportedError):
        step = "It is no RAW file, cut off, or of a kind too new (JPEG XL) or rare: convert it to TIFF or a plain DNG."
        return ImageError(f"{path}: not supported by LibRaw ({text}). {step}")
    if isinstance(error, rawpy.LibRawUnsufficientMemoryError):
        raise MemoryError(f"{path}: {text}") from error
    return ImageError(f"{path}: LibRaw cannot decode it ({text}); expected a RAW file it knows. {_DAMAGED}")


def _missing_payload(data: Buffer) -> str:
    """What a TIFF-like RAW file lacks of the pixels it declares; empty if nothing, and for other formats.

    Only DNG says exactly what it holds. Of other formats, the end of the payload and the RGB thumbnails are checked.
    """
    try:
        pages = list(all_directories(data)) if format_of(data) == "TIFF" else []
    except TagError:
        pages = []
    is_dng = any(_DNG_VERSION in page.texts or _DNG_VERSION in page.numbers for page in pages)
    for page in pages:
        n_bytes = sum(size for tag in BYTE_COUNTS for size in page.integers(tag))
        exact = n_bytes > 0 and (is_dng or page.first(PHOTOMETRIC) == _RGB)
        if lack := missing_payload(page, len(data), exact=exact):
            return lack
        n_samples = page.first(WIDTH) * page.first(HEIGHT)
        # Lossless JPEG spends at least one bit per sample.
        lossless = page.first(COMPRESSION) == _LOSSLESS_JPEG and page.first(PHOTOMETRIC) == _CFA
        if is_dng and lossless and 0 < 8 * n_bytes < n_samples:
            return f"{n_bytes} bytes cannot hold the {n_samples} samples that its header declares"
    return ""


def _check_size(path: Path, raw: Any, max_pixels: int, n_bytes: int) -> None:
    sizes = raw.sizes
    n_samples = int(sizes.raw_width) * int(sizes.raw_height)
    if n_samples > max_pixels:
        raise ImageError(
            f"{path}: {sizes.raw_width}x{sizes.raw_height} is {n_samples:,} pixels, more than the {max_pixels:,} "
            "allowed. Make it smaller; in Python, max_pixels allows more."
        )
    if 8 * n_bytes < _MIN_BITS_PER_SAMPLE * n_samples:
        raise ImageError(f"{path}: {n_bytes} bytes cannot hold the {n_samples} samples its header declares. {_DAMAGED}")


def _mosaic(raw: Any) -> tuple[NDArray[np.uint16], tuple[int, int]]:
    """The samples from one green position of the colour pattern on, and the period of the pattern (down, right)."""
    visible = raw.raw_image_visible
    if visible.ndim == 3:
        return visible[..., min(1, visible.shape[2] - 1)], (1, 1)
    pattern = raw.raw_pattern
    if pattern is None:
        return visible, (1, 1)
    greens = np.argwhere(pattern == raw.color_desc.find(b"G"))
    y, x = greens[0].tolist() if len(greens) else (0, 0)
    return visible[y:, x:], (int(pattern.shape[0]), int(pattern.shape[1]))


def _white_balance(path: Path, raw: Any, options: RawOptions) -> tuple[WhiteBalance, str]:
    wanted = options.white_balance
    if not isinstance(wanted, str):
        return wanted, "RAW developed with the given white balance"
    camera, daylight = list(raw.camera_whitebalance), list(raw.daylight_whitebalance)
    if wanted != "daylight" and is_sane(camera):
        return _four(camera), "RAW developed with the camera's white balance"
    if wanted == "camera":
        raise ImageError(f"{path}: the camera's white balance {camera} is not usable. Choose auto or daylight.")
    if not is_sane(daylight):
        daylight = [1.0, 1.0, 1.0, 1.0]
    message = "RAW developed with daylight white balance"
    if wanted == "auto":
        message += f", the camera's is not usable ({', '.join(f'{gain:g}' for gain in camera)})"
        _log.warning("%s: %s", path, message)
    return _four(daylight), message


def _four(balance: Sequence[float]) -> WhiteBalance:
    """The four multipliers; a second green that is stored as 0 equals the first."""
    red, green, blue, *second = (float(gain) for gain in balance)
    usable = bool(second) and math.isfinite(second[0]) and second[0] > 0
    return red, green, blue, second[0] if usable else green


def _orientation(raw: Any) -> int:
    return _ORIENTATIONS.get(int(raw.sizes.flip), 1)


def _exif(raw: Any) -> Exif:
    other = getattr(raw, "other", None)
    if other is None:
        return Exif()
    f_number, focal_length_mm, exposure_s = (
        float(number) if math.isfinite(number) and number > 0 else None
        for number in (other.aperture, other.focal_length, other.shutter_speed)
    )
    return Exif(f_number, focal_length_mm, exposure_s)

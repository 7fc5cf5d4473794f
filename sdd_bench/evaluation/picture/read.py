"""The pictures of a pair and its prediction, brought to the size they are scored at.

``resize`` comes first and touches blurry, sharp and aligned truth; the crop follows where a prediction is smaller.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.arrays import Pixels
from sdd_bench.core.errors import ImageError
from sdd_bench.core.side_by_side import side_by_side
from sdd_bench.core.storage.npy import read_npy
from sdd_bench.core.types import Pair
from sdd_bench.evaluation.options import Crop, EvaluateOptions, crop_size
from sdd_bench.evaluation.picture.truth import Truth, read_truth
from sdd_bench.evaluation.signature import pixels_sha256
from sdd_bench.images.pair import read_pair
from sdd_bench.images.photograph import read_photograph, to_float
from sdd_bench.images.resize import Resize, parse_resize, resize_area

Picture = NDArray[np.float32]
_MOST_CROPPED_PX = 128
"""Networks crop to multiples of 64 at most; a prediction that lacks more is of another size altogether."""


@dataclass(frozen=True)
class Inputs:
    """A pair and its prediction in the size they are scored at."""

    blurry: Picture
    sharp: Picture
    prediction: Picture
    aligned: Picture | None
    provenance: Mapping[str, object]
    """What the flow of the pair depends on."""
    blurry_sha256: str
    sharp_sha256: str
    bit_depth: int
    prediction_bit_depth: int
    crop: str
    truth: Truth | None
    files: Mapping[Path, str]
    """SHA-256 of the bytes that were decoded; empty where that is not known."""


_AHEAD: dict[Hashable, Future[Inputs]] = {}
"""What is being read before it is asked for."""


def read_ahead(pair: Pair, prediction_path: Path, options: EvaluateOptions) -> None:
    """Begin to read in a thread what :func:`read_inputs` will be asked for first."""
    pool = ThreadPoolExecutor(1)
    _AHEAD[_asked(pair, prediction_path, options)] = pool.submit(_read, pair, prediction_path, options)
    pool.shutdown(wait=False)


def _asked(pair: Pair, prediction_path: Path, options: EvaluateOptions) -> Hashable:
    paths = (prediction_path, pair.blurry_path, pair.sharp_path, pair.aligned_path, pair.truth_path)
    return (*paths, options.resize, options.crop, options.crop_to)


def read_inputs(pair: Pair, prediction_path: Path, options: EvaluateOptions) -> Inputs:
    """Read, resize and crop, in this order; what :func:`read_ahead` has begun is awaited.

    Raises:
        ImageError: A file cannot be read, or sizes do not fit.
        ManifestError: The truth file of the pair is damaged.
    """
    begun = _AHEAD.pop(_asked(pair, prediction_path, options), None)
    return _read(pair, prediction_path, options) if begun is None else begun.result()


def _read(pair: Pair, prediction_path: Path, options: EvaluateOptions) -> Inputs:
    (prediction, prediction_bit_depth, prediction_sha256), (blurry, sharp) = side_by_side(
        lambda: _read_hashed(prediction_path), lambda: read_pair(pair.blurry_path, pair.sharp_path)
    )
    hashes = side_by_side(*(partial(pixels_sha256, photograph.pixels) for photograph in (blurry, sharp)))
    resize = parse_resize(options.resize)
    pixels = [resize_area(photograph.pixels, resize) for photograph in (blurry, sharp)]
    if pair.aligned_path is not None:
        pixels.append(_read_aligned(pair.aligned_path, sharp.pixels.shape, resize))
    full = pixels[1].shape
    truth = read_truth(pair.truth_path, width=full[1], height=full[0]) if pair.truth_path else None
    crop = ""
    if prediction.shape != full:
        _check_croppable(prediction_path, prediction.shape, full, options)
        height, width = prediction.shape[:2]
        if options.crop_to is None:
            pixels = [crop_to(picture, height, width, options.crop) for picture in pixels]
            crop = f"{width}x{height}"
    if options.crop_to is not None:
        width, height = crop_size(options.crop_to)
        prediction = part_of(prediction, full, height, width, options.crop, prediction_path)
        pixels = [crop_to(picture, height, width, options.crop) for picture in pixels]
        crop = f"{width}x{height}"
    return Inputs(
        blurry=to_float(pixels[0]),
        sharp=to_float(pixels[1]),
        prediction=prediction,
        aligned=to_float(pixels[2]) if len(pixels) > 2 else None,
        provenance={"pair": hashes, "resize": str(resize), "crop": f"{options.crop} {crop}" if crop else ""},
        blurry_sha256=hashes[0],
        sharp_sha256=hashes[1],
        bit_depth=sharp.bit_depth,
        prediction_bit_depth=prediction_bit_depth,
        crop=crop,
        truth=truth,
        files={
            prediction_path: prediction_sha256,
            pair.blurry_path: blurry.sha256,
            pair.sharp_path: sharp.sha256,
        },
    )


def crop_to(picture: Pixels, height: int, width: int, mode: Crop) -> Pixels:
    """The part of ``(H, W, 3)`` that a network kept when it cropped its input to ``height x width``."""
    top, left = _corner(picture.shape, height, width, mode)
    return picture[top : top + height, left : left + width]


def part_of(prediction: Picture, full: tuple[int, ...], height: int, width: int, mode: Crop, path: Path) -> Picture:
    """The part of a prediction, of full size or cropped itself, that shows what :func:`crop_to` keeps of its pair.

    Raises:
        ImageError: The prediction is smaller than the part.
    """
    if prediction.shape[0] < height or prediction.shape[1] < width:
        raise ImageError(
            f"{path}: is {prediction.shape[1]}x{prediction.shape[0]}, smaller than the {width}x{height} to score. "
            "Give --crop-to a size that every prediction of the comparison has."
        )
    kept, own = _corner(full, height, width, mode), _corner(full, prediction.shape[0], prediction.shape[1], mode)
    top, left = kept[0] - own[0], kept[1] - own[1]
    return prediction[top : top + height, left : left + width]


def _corner(shape: tuple[int, ...], height: int, width: int, mode: Crop) -> tuple[int, int]:
    return (0, 0) if mode == "topleft" else ((shape[0] - height) // 2, (shape[1] - width) // 2)


def _read_aligned(path: Path, shape: tuple[int, ...], resize: Resize) -> Pixels:
    aligned = read_photograph(path).pixels
    if aligned.shape != shape:
        raise ImageError(f"{path}: the aligned picture is {aligned.shape}, expected {shape} as the sharp one.")
    return resize_area(aligned, resize)


def _check_croppable(path: Path, shape: tuple[int, ...], full: tuple[int, ...], options: EvaluateOptions) -> None:
    size, expected = f"{shape[1]}x{shape[0]}", f"{full[1]}x{full[0]}"
    missing = [wanted - got for wanted, got in zip(full[:2], shape[:2], strict=True)]
    cropped = all(0 <= px < _MOST_CROPPED_PX and 2 * px < wanted for px, wanted in zip(missing, full[:2], strict=True))
    if not cropped:
        raise ImageError(
            f"{path}: is {size} but its ground truth is {expected}: not a crop of it. Predict at the size of the "
            "input, or bring the ground truth to the prediction's size by --resize."
        )
    if options.crop == "error":
        raise ImageError(
            f"{path}: is {size} but its ground truth is {expected}. If the network crops its input, say how: "
            "--crop topleft or --crop center. To compare it with others, score the same part of all: --crop-to "
            f"{size}. (sdd-bench predict pads, so its predictions are never cropped.)"
        )


def read_prediction(path: Path) -> tuple[NDArray[np.float32], int]:
    """A prediction as ``(H, W, 3)`` float32 RGB in [0, 1], and its bit depth (8, 16, or 32 for ``.npy``).

    Raises:
        ImageError: It cannot be read, is not RGB, holds NaN, or is of another scale than [0, 1].
    """
    return _read_hashed(path)[:2]


def _read_hashed(path: Path) -> tuple[NDArray[np.float32], int, str]:
    """As :func:`read_prediction`, and the SHA-256 of the bytes that were decoded; empty for ``.npy``."""
    if path.suffix.lower() == ".npy":
        return _read_npy(path), 32, ""
    photograph = read_photograph(path)
    return to_float(photograph.pixels), photograph.bit_depth, photograph.sha256


def _read_npy(path: Path) -> NDArray[np.float32]:
    expected = "expected a float32 .npy of shape (H, W, 3), RGB in [0, 1]"
    try:
        values = read_npy(path)
    except (OSError, ValueError, EOFError) as error:
        raise ImageError(f"{path}: cannot be read ({error}); {expected}.") from error
    if values.dtype.kind != "f":
        raise ImageError(f"{path}: {expected}, got {values.dtype}.")
    if values.ndim != 3 or values.shape[2] != 3 or 0 in values.shape:
        raise ImageError(f"{path}: {expected}, got shape {values.shape}.")
    n_bad = int(np.count_nonzero(~np.isfinite(values)))
    if n_bad:
        raise ImageError(f"{path}: {n_bad} values are NaN or infinite; the network diverged or the file is damaged.")
    low, high = float(values.min()), float(values.max())
    if low < -1 or high > 2:
        raise ImageError(f"{path}: {expected}, got values from {low:.6g} to {high:.6g}; rescale it.")
    return np.clip(values, 0, 1).astype(np.float32, copy=False)


def kind_of_file(path: Path) -> str:
    return "a file" if path.exists() else "nothing of this name"

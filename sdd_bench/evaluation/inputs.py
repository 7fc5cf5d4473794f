"""The pictures of a pair and its prediction, brought to the size they are scored at.

``resize`` comes first and touches blurry, sharp and aligned truth; the crop follows where a prediction is smaller.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sdd_bench.errors import ImageError, ManifestError
from sdd_bench.evaluation.matching import read_prediction
from sdd_bench.evaluation.options import Crop, EvaluateOptions
from sdd_bench.evaluation.score import Picture
from sdd_bench.evaluation.signature import pixels_sha256
from sdd_bench.images.io import Pixels, read_pair, read_photograph, to_float
from sdd_bench.images.resize import Resize, parse_resize, resize_area
from sdd_bench.types import Pair, Similarity

_MOST_CROPPED_PX = 128
"""Networks crop to multiples of 64 at most; a prediction that lacks more is of another size altogether."""


@dataclass(frozen=True)
class Truth:
    """What a synthetic set knows of a pair, in pixels of the scored picture."""

    misalignment_px: float
    coc_diameter_px: float | None


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


def read_inputs(pair: Pair, prediction_path: Path, options: EvaluateOptions) -> Inputs:
    """Read, resize and crop, in this order.

    Raises:
        ImageError: A file cannot be read, or sizes do not fit.
        ManifestError: The truth file of the pair is damaged.
    """
    prediction, prediction_bit_depth = read_prediction(prediction_path)
    blurry, sharp = read_pair(pair.blurry_path, pair.sharp_path)
    hashes = pixels_sha256(blurry.pixels), pixels_sha256(sharp.pixels)
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
    )


def read_truth(path: Path, *, width: int, height: int) -> Truth:
    """The true misalignment (RMS over the picture) and blur of a pair, scaled to a picture of ``width x height``.

    Raises:
        ManifestError: The file is damaged or lacks a key.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        across, down = width / float(values["width"]), height / float(values["height"])
        names = ("zoom", "rotation_deg", "shift_x_px", "shift_y_px")
        similarity = Similarity(*(float(values[name]) for name in names))
        coc = values.get("coc_diameter_px")
        diameter = None if coc is None else float(coc["mean"]) * math.sqrt(across * down)
    except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError) as error:
        raise ManifestError(
            f"{path}: expected JSON with width, height, zoom, rotation_deg, shift_x_px and shift_y_px, got "
            f"{error!r}. Make the set again, or remove the file."
        ) from error
    return Truth(_displacement_rms(similarity, width, height, across, down), diameter)


def _displacement_rms(similarity: Similarity, width: int, height: int, across: float, down: float) -> float:
    r"""RMS displacement over a picture whose x was scaled by ``across`` and y by ``down``, :math:`D`.

    On its grid :math:`q`, about the centre, the displacement is :math:`(D S D^{-1} - 1) q + D t`.
    """
    angle = math.radians(similarity.rotation_deg)
    stretch, turn = similarity.zoom * math.cos(angle) - 1, similarity.zoom * math.sin(angle)
    x2, y2 = (width**2 - 1) / 12, (height**2 - 1) / 12
    dx2 = stretch**2 * x2 + (turn * across / down) ** 2 * y2 + (across * similarity.shift_x_px) ** 2
    dy2 = stretch**2 * y2 + (turn * down / across) ** 2 * x2 + (down * similarity.shift_y_px) ** 2
    return math.sqrt(dx2 + dy2)


def crop_to(picture: Pixels, height: int, width: int, mode: Crop) -> Pixels:
    """The part of ``(H, W, 3)`` that a network kept when it cropped its input to ``height x width``."""
    top, left = (0, 0) if mode == "topleft" else ((picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2)
    return picture[top : top + height, left : left + width]


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
            "--crop topleft or --crop center."
        )

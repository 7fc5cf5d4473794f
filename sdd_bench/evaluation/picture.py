"""One picture of a run, from files to a sealed record: the task that a worker process does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdd_bench import __version__
from sdd_bench.errors import ImageError, ManifestError
from sdd_bench.evaluation.cache import SharedCache
from sdd_bench.evaluation.engines import Engines, load_engines
from sdd_bench.evaluation.matching import Match, read_prediction
from sdd_bench.evaluation.options import Crop, EvaluateOptions
from sdd_bench.evaluation.records import SCHEMA, Baselines, PictureRecord, record_from_json, record_to_json
from sdd_bench.evaluation.score import Motion, Picture, PictureScorer
from sdd_bench.evaluation.signature import digest, pixels_sha256
from sdd_bench.files import sha256_of, write_json
from sdd_bench.flow.flo import write_flo
from sdd_bench.flow.registration import displacement_rms, fit_similarity, scale
from sdd_bench.images.io import from_float, read_pair, read_photograph, to_float, write_png
from sdd_bench.images.resize import Resize, parse_resize, resize_area
from sdd_bench.types import GroundTruth, Pair, Similarity

_MOST_CROPPED_PX = 128
"""Networks crop to multiples of 64 at most; a prediction that lacks more is of another size altogether."""

Pixels = NDArray[np.uint8] | NDArray[np.uint16]


@dataclass(frozen=True)
class PictureTask:
    """What a worker needs to finish one picture of a run."""

    match: Match
    run: Path
    cache: Path
    options: EvaluateOptions

    def __str__(self) -> str:
        return self.match.pair.name


@dataclass(frozen=True)
class _Inputs:
    """A pair and its prediction in the size they are scored at."""

    blurry: Picture
    sharp: Picture
    prediction: Picture
    aligned: Picture | None
    identity: Mapping[str, object]
    """What the flow of the pair depends on."""
    blurry_sha256: str
    sharp_sha256: str
    bit_depth: int
    prediction_bit_depth: int
    crop: str
    truth: Truth | None


@dataclass(frozen=True)
class Truth:
    """What a synthetic set knows of a pair, in pixels of the scored picture."""

    misalignment_px: float
    coc_diameter_px: float | None


def evaluate_picture(task: PictureTask) -> PictureRecord:
    """Score one picture and seal its record as ``RUN/pictures/NAME.json``; a finished one is only read.

    Raises:
        ImageError: A file of the pair, or the prediction, cannot be used.
        OutputError: The run folder cannot be written.
    """
    match, options = task.match, task.options
    path = task.run / "pictures" / f"{match.pair.name}.json"
    key = _key(match, options, load_engines(options))
    finished = _read_record(path, key)
    if finished is not None and all(file.is_file() for file in _saved_files(task)):
        return finished
    record = score_files(match.pair, match.prediction_path, options, cache=SharedCache(task.cache), save_to=task.run)
    values = record_to_json(replace(record, key=key))
    write_json(path, values)
    return record_from_json(values)


def score_files(
    pair: Pair,
    prediction_path: Path,
    options: EvaluateOptions,
    *,
    cache: SharedCache | None = None,
    save_to: Path | None = None,
) -> PictureRecord:
    """Score one prediction from files.

    Args:
        pair: The captured pictures.
        prediction_path: PNG, TIFF, JPEG or ``.npy``.
        options: How.
        cache: Where registered flows and baseline scores are kept; None computes them anew.
        save_to: Folder for what ``save_flow`` and ``save_warped`` keep.

    Raises:
        ImageError: A file cannot be read, or sizes do not fit.
        ManifestError: The truth file of the pair is damaged.
    """
    cache = cache or SharedCache(None)
    engines = load_engines(options)
    inputs = _read_inputs(pair, prediction_path, options)
    height, width = inputs.sharp.shape[:2]
    flow_key = digest({**inputs.identity, "flow": engines.flow.signature})
    scorer = PictureScorer(
        inputs.blurry,
        inputs.sharp,
        flow=engines.flow,
        warp=options.warp,
        metrics=options.metrics,
        lpips=engines.lpips,
        registered_flow=lambda compute: cache.flow(pair.name, flow_key, height, width, compute),
    )
    motion = scorer.motion(inputs.prediction)
    if save_to is not None:
        _save(save_to, pair.name, scorer, motion, options, inputs.bit_depth)
    baselines_key = digest(
        {
            "flow key": flow_key,
            "aligned": sha256_of(pair.aligned_path) if pair.aligned_path else "",
            "warp": options.warp.value,
            "metrics": ",".join(options.metrics),
            "lpips": engines.lpips_sha256,
            "version": f"{__version__} {SCHEMA}",
        }
    )
    baselines = cache.read_baselines(pair.name, baselines_key)
    if baselines is None:
        baselines = _score_baselines(scorer, inputs.aligned)
        cache.keep_baselines(pair.name, baselines_key, baselines)
    truth = inputs.truth
    return PictureRecord(
        key="",
        name=pair.name,
        scene=pair.scene,
        group=pair.group,
        blurry_sha256=inputs.blurry_sha256,
        sharp_sha256=inputs.sharp_sha256,
        prediction_sha256=sha256_of(prediction_path),
        bit_depth=inputs.bit_depth,
        prediction_bit_depth=inputs.prediction_bit_depth,
        crop=inputs.crop,
        coc_diameter_px=truth.coc_diameter_px if truth else None,
        misalignment_px=truth.misalignment_px if truth else baselines.measured_misalignment_px,
        misalignment_source="truth" if truth else "flow",
        exposure_ratio=float(inputs.blurry.mean(dtype=np.float64) / max(inputs.sharp.mean(dtype=np.float64), 1e-6)),
        method=scorer.score(inputs.prediction, motion),
        baselines=baselines,
    )


def read_truth(path: Path, *, width: int, height: int) -> Truth:
    """The true misalignment (RMS over the picture) and blur of a pair, scaled to a picture of ``width x height``.

    Raises:
        ManifestError: The file is damaged or lacks a key.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        factor = width / float(values["width"])
        names = ("zoom", "rotation_deg", "shift_x_px", "shift_y_px")
        similarity = scale(Similarity(*(float(values[name]) for name in names)), factor)
        coc = values.get("coc_diameter_px")
        diameter = None if coc is None else float(coc["mean"]) * factor
    except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError) as error:
        raise ManifestError(
            f"{path}: expected JSON with width, zoom, rotation_deg, shift_x_px and shift_y_px, got {error!r}. "
            "Make the set again, or remove the file."
        ) from error
    return Truth(displacement_rms(similarity, height, width), diameter)


def crop_to(picture: Pixels, height: int, width: int, mode: Crop) -> Pixels:
    """The part of ``(H, W, 3)`` that a network kept when it cropped its input to ``height x width``."""
    top, left = (0, 0) if mode == "topleft" else ((picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2)
    return picture[top : top + height, left : left + width]


def _read_inputs(pair: Pair, prediction_path: Path, options: EvaluateOptions) -> _Inputs:
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
    return _Inputs(
        blurry=to_float(pixels[0]),
        sharp=to_float(pixels[1]),
        prediction=prediction,
        aligned=to_float(pixels[2]) if len(pixels) > 2 else None,
        identity={"pair": hashes, "resize": str(resize), "crop": f"{options.crop} {crop}" if crop else ""},
        blurry_sha256=hashes[0],
        sharp_sha256=hashes[1],
        bit_depth=sharp.bit_depth,
        prediction_bit_depth=prediction_bit_depth,
        crop=crop,
        truth=truth,
    )


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


def _score_baselines(scorer: PictureScorer, aligned: Picture | None) -> Baselines:
    motion = None if aligned is None else scorer.motion(aligned)
    measured = fit_similarity(scorer.registered.flow, robust=True).rms_px
    ceiling = None if aligned is None else scorer.score(aligned, motion)
    return Baselines(scorer.identity(), ceiling, measured)


def _save(
    run: Path, name: str, scorer: PictureScorer, motion: Motion, options: EvaluateOptions, bit_depth: int
) -> None:
    if options.save_flow:
        write_flo(run / "flow" / f"{name}.flo", motion.warped.flow)
    if options.save_warped:
        for truth, warped in ((GroundTruth.WARPED, motion.warped), (GroundTruth.REGISTERED, scorer.registered)):
            write_png(run / "warped" / truth.value / f"{name}.png", from_float(warped.picture, bit_depth))


def _saved_files(task: PictureTask) -> list[Path]:
    name, options = task.match.pair.name, task.options
    files = [task.run / "flow" / f"{name}.flo"] if options.save_flow else []
    if options.save_warped:
        files += [task.run / "warped" / truth / f"{name}.png" for truth in (GroundTruth.WARPED, GroundTruth.REGISTERED)]
    return files


def _key(match: Match, options: EvaluateOptions, engines: Engines) -> str:
    """Says what a record was computed from: the files of the picture, the options and the networks."""
    pair = match.pair
    files = (match.prediction_path, pair.blurry_path, pair.sharp_path, pair.aligned_path, pair.truth_path)
    try:
        hashes = [sha256_of(path) if path else "" for path in files]
    except OSError as error:
        raise ImageError(f"{error.filename}: cannot be read ({error.strerror}).") from error
    values: dict[str, object] = {
        "files": hashes,
        "labels": (pair.scene, pair.group),
        "options": sorted(options.scoring().items()),
        "flow": engines.flow.signature,
        "lpips": engines.lpips_sha256,
        "version": f"{__version__} {SCHEMA}",
    }
    return digest(values)


def _read_record(path: Path, key: str) -> PictureRecord | None:
    try:
        values: Any = json.loads(path.read_text(encoding="utf-8"))
        return record_from_json(values) if values["key"] == key else None
    except (OSError, ValueError, KeyError, TypeError):
        return None

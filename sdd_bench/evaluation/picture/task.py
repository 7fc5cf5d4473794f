"""One picture of a run, from files to a sealed record: the task that a worker process does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

import numpy as np

from sdd_bench.core import protocol
from sdd_bench.core.errors import UnreadableError
from sdd_bench.core.parallel import read_sealed, write_sealed
from sdd_bench.core.side_by_side import side_by_side
from sdd_bench.core.storage.files import output_errors, sha256_of
from sdd_bench.core.threads import few_threads
from sdd_bench.core.types import GroundTruth, Pair
from sdd_bench.evaluation.options import EvaluateOptions
from sdd_bench.evaluation.picture.cache import SharedCache
from sdd_bench.evaluation.picture.engines import Engines, load_engines
from sdd_bench.evaluation.picture.exposure import green_gain
from sdd_bench.evaluation.picture.match import Match
from sdd_bench.evaluation.picture.moved import PairMotion, pair_motion
from sdd_bench.evaluation.picture.read import Inputs, read_inputs
from sdd_bench.evaluation.picture.records import Baselines, PictureRecord, record_from_json, record_to_json
from sdd_bench.evaluation.picture.scorer import Motion, Picture, PictureScorer, Warped
from sdd_bench.evaluation.regions import REGION_PX
from sdd_bench.evaluation.signature import digest
from sdd_bench.flow.flo import write_flo
from sdd_bench.images.write import from_float, write_png
from sdd_bench.registration.evidence.roles import note_on_roles


@dataclass(frozen=True)
class PictureTask:
    """What a worker needs to finish one picture of a run."""

    match: Match
    run: Path
    cache: SharedCache
    options: EvaluateOptions

    def __str__(self) -> str:
        return self.match.pair.name


def evaluate_picture(task: PictureTask) -> PictureRecord:
    """Score one picture and seal its record as ``RUN/pictures/NAME.json``; a finished one is only read.

    What the run saved of a picture is of its record: a record that is no longer right goes, and they with it.

    Raises:
        ImageError: A file of the pair, or the prediction, cannot be used.
        OutputError: The run folder cannot be written.
    """
    match, options = task.match, task.options
    path = task.run / "pictures" / f"{match.pair.name}.json"
    hashes = _hashes(match)
    key = _key(match, hashes, options, load_engines(options))
    finished = read_sealed(path, key, record_from_json)
    flow, warped = _flow_file(task.run, match.pair.name), _warped_files(task.run, match.pair.name)
    wanted = [*([flow] if options.save_flow else []), *(warped.values() if options.save_warped else [])]
    if finished is not None and all(file.is_file() for file in wanted):
        return finished
    if finished is None:
        with output_errors(path):
            for stale in (path, flow, _support_file(task.run, match.pair.name), *warped.values()):
                stale.unlink(missing_ok=True)
    record = score_files(match.pair, match.prediction_path, options, cache=task.cache, save_to=task.run, hashes=hashes)
    if _hashes(match) != hashes:
        raise _changed(match.pair.name)
    values = record_to_json(replace(record, key=key))
    write_sealed(path, values)
    return record_from_json(values)


def score_files(
    pair: Pair,
    prediction_path: Path,
    options: EvaluateOptions,
    *,
    cache: SharedCache | None = None,
    save_to: Path | None = None,
    hashes: Mapping[Path, str] = MappingProxyType({}),
) -> PictureRecord:
    """Score one prediction from files.

    Args:
        pair: The captured pictures.
        prediction_path: PNG, TIFF, JPEG or ``.npy``.
        options: How.
        cache: Where registered flows and baseline scores are kept; None computes them anew.
        save_to: Folder for what ``save_flow`` and ``save_warped`` keep.
        hashes: SHA-256 of files, found before.

    Raises:
        ImageError: A file cannot be read, or sizes do not fit.
        UnreadableError: What was decoded is not what was hashed before.
        ManifestError: The truth file of the pair is damaged.
    """
    inputs = read_inputs(pair, prediction_path, options)
    if any(sha256 and hashes.get(path, sha256) != sha256 for path, sha256 in inputs.files.items()):
        raise _changed(pair.name)
    height, width = inputs.sharp.shape[:2]
    with few_threads(height * width):
        return _score(inputs, pair, prediction_path, options, cache or SharedCache(), save_to)


def _score(
    inputs: Inputs,
    pair: Pair,
    prediction_path: Path,
    options: EvaluateOptions,
    cache: SharedCache,
    save_to: Path | None,
) -> PictureRecord:
    engines = load_engines(options)
    height, width = inputs.sharp.shape[:2]
    flow_key = digest({**inputs.provenance, "flow": engines.flow.signature})
    light_key = digest({"flow key": flow_key, "match": options.match.value, "protocol": protocol.LIGHT})
    pair_key = digest({"light key": light_key, "warp": options.warp.value, "protocol": protocol.EVALUATION})
    regions = (-(-height // REGION_PX), -(-width // REGION_PX))
    scorer = PictureScorer(
        inputs.blurry,
        inputs.sharp,
        flow=engines.flow,
        warp=options.warp,
        metrics=options.metrics,
        lpips=engines.lpips,
        registered_flow=lambda compute: cache.flow(flow_key, height, width, compute),
        match=options.match,
        transfer=lambda compute: cache.transfer(light_key, compute),
        blur=lambda compute: cache.blur(pair_key, *regions, compute),
        measures=engines.measures,
    )
    if not cache.has_flow(flow_key):
        _ = scorer.registered  # first and on all cores: three flows at once would need a GiB more
    motion = scorer.motion(inputs.prediction)
    if save_to is not None:
        _save(save_to, pair.name, scorer, inputs.prediction, motion, options, inputs.bit_depth)
    baselines_key = digest(
        {
            "light key": light_key,
            "aligned": sha256_of(pair.aligned_path) if pair.aligned_path else "",
            "warp": options.warp.value,
            "metrics": ",".join(options.metrics),
            "lpips": engines.lpips_sha256,
            "protocol": protocol.EVALUATION,
            **_extras_key(engines),
        }
    )
    predictions = [(inputs.prediction, motion)]
    baselines = cache.read_baselines(baselines_key)
    if baselines is None:
        predictions.append((inputs.blurry, scorer.still))
        if inputs.aligned is not None:
            predictions.append((inputs.aligned, scorer.motion(inputs.aligned)))
    scores, *others = scorer.score_all(predictions)
    if baselines is None:
        baselines = Baselines(others[0], others[1] if len(others) > 1 else None, _measured(scorer))
        cache.keep_baselines(baselines_key, baselines)
    truth = inputs.truth
    return PictureRecord(
        key="",
        name=pair.name,
        scene=pair.scene,
        group=pair.group,
        blurry_sha256=inputs.blurry_sha256,
        sharp_sha256=inputs.sharp_sha256,
        prediction_sha256=inputs.files[prediction_path] or sha256_of(prediction_path),
        bit_depth=inputs.bit_depth,
        prediction_bit_depth=inputs.prediction_bit_depth,
        crop=inputs.crop,
        coc_diameter_px=truth.coc_diameter_px if truth else None,
        misalignment_px=truth.misalignment_px if truth else baselines.measured.similarity_px,
        misalignment_source="truth" if truth else "flow",
        exposure_gain=cache.exposure(
            pair_key, lambda: green_gain(inputs.blurry, scorer.registered.picture, scorer.registered.flow)
        ),
        light=scorer.transfer,
        method=scores,
        baselines=baselines,
    )


def _measured(scorer: PictureScorer) -> PairMotion:
    """How blurry and sharp moved against each other."""
    flow = scorer.registered.flow
    support = scorer.support(scorer.blurry, scorer.sharp, flow)
    return pair_motion(flow.numpy(), support, note_on_roles(scorer.blurry, scorer.sharp))


def _save(
    run: Path,
    name: str,
    scorer: PictureScorer,
    prediction: Picture,
    motion: Motion,
    options: EvaluateOptions,
    bit_depth: int,
) -> None:
    if options.save_flow:
        write_flo(_flow_file(run, name), motion.warped.flow)
        support = scorer.support(prediction, scorer.sharp, motion.warped.flow)
        if support is not None:
            write_png(_support_file(run, name), from_float(np.repeat(support[..., None], 3, axis=-1), 8), quick=True)
    if options.save_warped:
        files = _warped_files(run, name)
        pictures = {
            GroundTruth.WARPED: motion.warped,
            GroundTruth.REGISTERED: scorer.registered,
            GroundTruth.MATCHED: scorer.matched,
        }
        write = partial(_write_picture, pictures, bit_depth)
        side_by_side(*(partial(write, truth, path) for truth, path in files.items()))


def _write_picture(pictures: Mapping[GroundTruth, Warped], bit_depth: int, truth: GroundTruth, path: Path) -> None:
    write_png(path, from_float(pictures[truth].picture, bit_depth), quick=True)


def _flow_file(run: Path, name: str) -> Path:
    return run / "flow" / f"{name}.flo"


def _support_file(run: Path, name: str) -> Path:
    return run / "flow" / f"{name}.support.png"


def _warped_files(run: Path, name: str) -> dict[GroundTruth, Path]:
    truths = (GroundTruth.WARPED, GroundTruth.REGISTERED, GroundTruth.MATCHED)
    return {truth: run / "warped" / truth.value / f"{name}.png" for truth in truths}


def _changed(name: str) -> UnreadableError:
    return UnreadableError(f"{name}: a file changed while it was scored. Run again when nothing writes it.")


def _files(match: Match) -> tuple[Path | None, ...]:
    """The files of a picture, those that it may lack included."""
    pair = match.pair
    return match.prediction_path, pair.blurry_path, pair.sharp_path, pair.aligned_path, pair.truth_path


def _hashes(match: Match) -> dict[Path, str]:
    """SHA-256 of the files of a picture."""
    paths = [path for path in _files(match) if path]
    try:
        return dict(zip(paths, side_by_side(*(partial(sha256_of, path) for path in paths)), strict=True))
    except OSError as error:
        raise UnreadableError(f"{error.filename}: cannot be read ({error.strerror}).") from error


def _key(match: Match, hashes: Mapping[Path, str], options: EvaluateOptions, engines: Engines) -> str:
    """Says what a record was computed from: the files of the picture, the options and the networks."""
    pair = match.pair
    values: dict[str, object] = {
        "files": [hashes[path] if path else "" for path in _files(match)],
        "labels": (pair.scene, pair.group),
        "options": sorted(options.scoring().items()),
        "flow": engines.flow.signature,
        "lpips": engines.lpips_sha256,
        "protocol": (protocol.EVALUATION, protocol.LIGHT),
        **_extras_key(engines),
    }
    return digest(values)


def _extras_key(engines: Engines) -> dict[str, object]:
    """What extra measures add to a key; nothing where there are none, so that runs without them share what is kept."""
    return {"extra": [measure.signature for measure in engines.measures]} if engines.measures else {}

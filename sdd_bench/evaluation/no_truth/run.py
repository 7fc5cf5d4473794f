"""Describe predictions of pictures that have no sharp ones: motion, sharpness, noise, and measures without reference.

::

    RUN/options.json      what the folder is for; another method or other options are refused
    RUN/pictures/*.json   one sealed record a picture: what is finished is not computed again
    RUN/per_image.csv     what was measured of every picture
    RUN/extras.csv        measures without reference, of method and input (identity), where some were asked for
    RUN/summary.json      means with intervals, provenance

Nothing here says which picture is right, so such a run cannot enter a leaderboard.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdd_bench.captures.pictures import Picture, PictureList
from sdd_bench.core.config import as_dict
from sdd_bench.core.errors import ConfigError, ImageError
from sdd_bench.core.parallel import read_sealed, run_sealed, write_sealed
from sdd_bench.core.storage.claims import alone_in, begin
from sdd_bench.core.storage.files import sha256_of, write_json
from sdd_bench.core.storage.tables import write_table
from sdd_bench.core.threads import few_threads
from sdd_bench.core.types import AnyPath, OnProgress, Problem
from sdd_bench.core.words import counted
from sdd_bench.evaluation.extras.scores import ExtraRow, ExtraScore, extra_scores, failures_of, summary_of
from sdd_bench.evaluation.no_truth.gains import check_same_size, gains_over_input
from sdd_bench.evaluation.no_truth.text import COLUMNS, figure_lines
from sdd_bench.evaluation.options import EvaluateOptions, check_method
from sdd_bench.evaluation.picture.engines import load_engines
from sdd_bench.evaluation.picture.match import match_names
from sdd_bench.evaluation.picture.read import read_prediction
from sdd_bench.evaluation.picture.records import rounded
from sdd_bench.evaluation.picture.scorer import check_size, to_tensor
from sdd_bench.evaluation.provenance import provenance
from sdd_bench.evaluation.signature import digest
from sdd_bench.geometry.fit import fit_similarity
from sdd_bench.images.photograph import read_photograph, to_float
from sdd_bench.report.notebook import frame_of, html_table
from sdd_bench.statistics.bootstrap import estimate_mean

if TYPE_CHECKING:
    from pandas import DataFrame

SCHEMA = 1
KIND = "no-truth"
FIGURES = ("drift_px", "deform_px", "sharpness_gain_db", "noise_gain_db")


@dataclass(frozen=True, kw_only=True)
class NoTruthRow:
    """One picture of a method: one row of ``per_image.csv``."""

    method: str
    image: str
    scene: str = ""
    group: str = ""
    drift_px: float
    deform_px: float
    sharpness_gain_db: float | None
    noise_gain_db: float | None
    """None where the picture is too small for gains."""


@dataclass(frozen=True)
class NoTruthReport:
    """A finished description."""

    run: Path
    summary: dict[str, Any]
    """Content of ``summary.json``."""
    rows: tuple[NoTruthRow, ...]
    problems: tuple[Problem, ...]
    """What could not be described, and what did not belong."""

    def to_frame(self) -> DataFrame:
        """The rows as a pandas DataFrame."""
        return frame_of(self.rows)

    def _repr_html_(self) -> str:
        title = f"{self.summary['method']} without ground truth ({counted(self.summary['n_images'], 'picture')})"
        return html_table(title, COLUMNS, figure_lines(self.summary), notes=self.summary["notes"])


@dataclass(frozen=True)
class NoTruthTask:
    """What a worker needs to describe one picture."""

    picture: Picture
    prediction_path: Path
    run: Path
    method: str
    options: EvaluateOptions

    def __str__(self) -> str:
        return self.picture.name


@dataclass(frozen=True)
class _Described:
    row: NoTruthRow
    extras: tuple[ExtraScore, ...]
    input_extras: tuple[ExtraScore, ...]


def evaluate_without_truth(
    pictures: PictureList,
    predictions: AnyPath,
    run_folder: AnyPath,
    *,
    method: str | None = None,
    options: EvaluateOptions | None = None,
    jobs: int = 1,
    dask: str | None = None,
    on_progress: OnProgress | None = None,
) -> NoTruthReport:
    """Describe ``predictions`` of blurry ``pictures`` and write a run folder.

    Args:
        pictures: From :func:`sdd_bench.prepared.open.open_pictures`.
        predictions: Folder of files called after the blurry pictures.
        run_folder: Where the run is written; an unfinished run with the same options goes on.
        method: Name of the method; None is the name of the folder of predictions.
        options: Flow, device, extra measures without reference, ending of names, limit; the rest does not apply.
        jobs: Local processes.
        dask: Address of a Dask scheduler instead.
        on_progress: Called after every picture.

    Raises:
        PairingError: No prediction matches.
        ImageError: Not one picture could be described.
        ConfigError: An extra measure needs a reference, a size is to be changed, or the folder holds another run.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from sdd_bench import open_pictures
        >>> from sdd_bench.images.write import write_png
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     noise = np.random.default_rng(0).integers(0, 255, (192, 192, 3), np.uint8)
        ...     write_png(Path(folder, "phone", "0001.png"), noise)
        ...     phone = open_pictures(Path(folder, "phone"))
        ...     fast = EvaluateOptions(flow="dis")
        ...     report = evaluate_without_truth(phone, phone.root, Path(folder, "run"), method="copy", options=fast)
        >>> report.summary["figures"]["sharpness_gain_db"]["mean"]
        0.0
    """
    predictions, run_folder = Path(predictions), Path(run_folder)
    options = replace(options or EvaluateOptions(), metrics=("psnr",))  # none is computed; LPIPS is not loaded
    method = check_method(predictions.resolve().name if method is None else method)
    if options.resize != "none" or options.crop != "error":
        raise ConfigError("--no-truth: takes pictures as they are; leave out --resize and --crop.")
    engines = load_engines(options if dask is None else replace(options, device="cpu"))
    for measure in engines.measures:
        if measure.n_pictures != 1:
            raise ConfigError(f"--extra {measure.name}: needs a ground truth, of which --no-truth has none.")
    chosen = {picture.name: picture for picture in pictures.pictures[: options.limit]}
    matching = match_names(list(chosen), predictions, suffix=options.suffix)
    run_folder = run_folder.resolve()
    with alone_in(run_folder):
        claim = {"schema": SCHEMA, "kind": KIND, "method": method, "dataset": pictures.root.resolve().name}
        claim |= {"flow_signature": engines.flow.signature, "extra": list(options.extra)}
        begin(run_folder, "options.json", claim, what="a run")
        tasks = [
            NoTruthTask(
                replace(chosen[name], path=chosen[name].path.absolute()), path.absolute(), run_folder, method, options
            )
            for name, path in matching.paths.items()
        ]
        found, failures = run_sealed(describe_picture, tasks, jobs=jobs, dask=dask, on_progress=on_progress)
        problems = [*pictures.problems, *matching.problems, *failures]
        if not found:
            reasons = "".join(f"\n  {problem.item}: {problem.reason}" for problem in problems[:5])
            raise ImageError(f"{predictions}: not one picture could be described.{reasons}")
        found.sort(key=lambda one: one.row.image)
        rows = [one.row for one in found]
        extras = _extra_rows(found)
        summary: dict[str, Any] = {
            "schema": SCHEMA,
            "kind": KIND,
            "method": method,
            "dataset": {"name": pictures.root.resolve().name, "n_pictures": len(chosen)},
            "n_images": len(rows),
            "figures": {name: _estimate(rows, name) for name in FIGURES},
            "extras": summary_of(engines.measures, extras),
            "flow": {"name": engines.flow.name, "signature": engines.flow.signature},
            "notes": [*filter(None, [matching.note]), *failures_of((one.row.image, one.extras) for one in found)],
            "problems": [{"item": problem.item, "reason": problem.reason} for problem in problems],
            "provenance": {**provenance(options.device), "options": _public(options)},
        }
        write_table(run_folder / "per_image.csv", NoTruthRow, rows)
        if engines.measures:
            write_table(run_folder / "extras.csv", ExtraRow, extras)
        write_json(run_folder / "summary.json", summary)
    return NoTruthReport(run_folder, summary, tuple(rows), tuple(problems))


def describe_picture(task: NoTruthTask) -> _Described:
    """Describe one picture and seal its record; a finished one is only read.

    Raises:
        ImageError: A picture cannot be read, the prediction is not of its input's size, or too small.
    """
    engines = load_engines(task.options)
    try:
        files = [sha256_of(path) for path in (task.picture.path, task.prediction_path)]
    except OSError as error:
        raise ImageError(f"{error.filename}: cannot be read ({error.strerror}).") from error
    signatures = [engines.flow.signature, *(measure.signature for measure in engines.measures)]
    key = digest({"schema": SCHEMA, "files": files, "signatures": signatures, "scene": task.picture.scene})
    path = task.run / "pictures" / f"{task.picture.name}.json"
    finished: _Described | None = read_sealed(path, key, _from_json)
    if finished is not None:
        return finished
    prediction, _ = read_prediction(task.prediction_path)
    blurry = to_float(read_photograph(task.picture.path).pixels)
    check_same_size(prediction, blurry, str(task.prediction_path))
    check_size(blurry)
    with few_threads(blurry.shape[0] * blurry.shape[1]):
        flow = engines.flow.estimate(to_tensor(blurry), to_tensor(prediction))[0].cpu().numpy()
    moved = fit_similarity(flow, robust=True)
    try:
        gains = asdict(gains_over_input(prediction, blurry))
    except ImageError:
        gains = {"sharpness_gain_db": None, "noise_gain_db": None}
    row = NoTruthRow(
        method=task.method,
        image=task.picture.name,
        scene=task.picture.scene,
        group=task.picture.group,
        drift_px=float(f"{moved.rms_px:.7g}"),
        deform_px=float(f"{moved.residual_px:.7g}"),
        **{name: rounded(value) for name, value in gains.items()},
    )
    described = _Described(
        row, extra_scores(engines.measures, prediction, {}), extra_scores(engines.measures, blurry, {})
    )
    write_sealed(path, {"key": key, **asdict(described)})
    return described


def _from_json(values: Any) -> _Described:
    extras, input_extras = (tuple(ExtraScore(**one) for one in values[name]) for name in ("extras", "input_extras"))
    return _Described(NoTruthRow(**values["row"]), extras, input_extras)


def _extra_rows(found: Sequence[_Described]) -> list[ExtraRow]:
    return [
        ExtraRow(method=method, image=one.row.image, scene=one.row.scene, measure=score.measure, value=score.value)
        for one in found
        for method, scores in ((one.row.method, one.extras), ("identity", one.input_extras))
        for score in scores
        if score.value is not None
    ]


def _estimate(rows: Sequence[NoTruthRow], name: str) -> dict[str, Any]:
    known = [row for row in rows if getattr(row, name) is not None]
    found = asdict(estimate_mean([getattr(row, name) for row in known], scenes=[row.scene for row in known]))
    return {key: rounded(value) if isinstance(value, float) else value for key, value in found.items()}


def _public(options: EvaluateOptions) -> dict[str, Any]:
    kept = ("flow", "flow_max_size", "precision", "extra", "suffix", "limit")
    return {name: value for name, value in as_dict(options).items() if name in kept}

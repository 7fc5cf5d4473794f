"""Score a folder of predictions: from a dataset and predictions to a sealed run folder.

::

    RUN/options.json      what the folder is for; another method or other options are refused
    RUN/pictures/*.json   one sealed record a picture: what is finished is not computed again
    RUN/per_image.csv     every score
    RUN/extras.csv        extra measures, where some were asked for
    RUN/summary.json      means with intervals, signatures, provenance
    RUN/sources.json      where the pictures lie, for pages; not sealed
    RUN/run.json          the seal: hashes of these tables, written last
    RUN/flow, RUN/warped  on demand: flow of warped ground truth; warped, registered and matched ground truth
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdd_bench.captures.layouts import PairList
from sdd_bench.core.config import as_dict
from sdd_bench.core.errors import ImageError, ManifestError, PairingError
from sdd_bench.core.parallel import run_sealed
from sdd_bench.core.storage.claims import alone_in, begin
from sdd_bench.core.storage.documents import read_json
from sdd_bench.core.storage.files import output_errors, write_json
from sdd_bench.core.storage.tables import Form, read_table, write_table
from sdd_bench.core.types import AnyPath, OnProgress, Problem
from sdd_bench.core.words import counted
from sdd_bench.evaluation.extras.scores import ExtraRow, failures_of, summary_of
from sdd_bench.evaluation.notes import notes_on
from sdd_bench.evaluation.options import EvaluateOptions, check_method
from sdd_bench.evaluation.per_image import ImageRow
from sdd_bench.evaluation.picture.cache import SharedCache, open_cache
from sdd_bench.evaluation.picture.engines import Engines, load_engines
from sdd_bench.evaluation.picture.match import Matching, absolute, match_predictions
from sdd_bench.evaluation.picture.task import PictureTask, evaluate_picture
from sdd_bench.evaluation.prediction import prediction_of
from sdd_bench.evaluation.provenance import provenance
from sdd_bench.evaluation.sources import write_sources
from sdd_bench.evaluation.summary import (
    EXTRAS_CSV,
    extra_rows,
    protocol_of,
    rows_of,
    seal_run,
    summarize,
    write_per_image,
)
from sdd_bench.evaluation.text import COLUMNS, score_lines
from sdd_bench.images.resize import parse_resize

if TYPE_CHECKING:
    from pandas import DataFrame

SCHEMA = 1
_SHOWN = 5


@dataclass(frozen=True)
class RunReport:
    """A finished run."""

    run: Path
    summary: dict[str, Any] = field(repr=False)
    """The content of ``summary.json``."""
    notes: tuple[str, ...]
    """How to read the result."""
    problems: tuple[Problem, ...]
    """What could not be scored, and what did not belong."""
    cache_note: str = ""
    """What is wrong with the cache folder."""

    def to_frame(self) -> DataFrame:
        """``per_image.csv`` as a pandas DataFrame: one row per method, picture and ground truth."""
        from sdd_bench.report.notebook import frame_of

        rows = read_table(self.run / "per_image.csv", ImageRow, Form(ManifestError, "Evaluate again."))
        return frame_of(rows.values())

    def _repr_html_(self) -> str:
        from sdd_bench.report.notebook import html_table

        count = f"{self.summary['n_images']} of {counted(self.summary['n_expected'], 'picture')}"
        title = f"{self.summary['method']} on {self.summary['dataset']['name']} ({count}): mean [95 % interval]"
        return html_table(title, COLUMNS, score_lines(self.summary), notes=self.notes)


def evaluate(
    dataset: PairList,
    predictions: AnyPath,
    run_folder: AnyPath,
    *,
    method: str | None = None,
    options: EvaluateOptions | None = None,
    cache: SharedCache | None = None,
    jobs: int = 1,
    dask: str | None = None,
    on_progress: OnProgress | None = None,
) -> RunReport:
    """Score ``predictions`` on ``dataset`` and write a run folder.

    Args:
        dataset: From :func:`sdd_bench.prepared.open.open_dataset`.
        predictions: Folder of files called after the blurry pictures.
        run_folder: Where the run is written; an unfinished run with the same options goes on.
        method: Name of the method; None is the name of the folder of predictions.
        options: How; None is the protocol of the leaderboards.
        cache: Where flows and scores that methods share are kept; None is the user's cache folder.
        jobs: Local processes.
        dask: Address of a Dask scheduler instead.
        on_progress: Called after every picture.

    Raises:
        PairingError: No prediction matches, or two pairs share a name.
        ImageError: Not one picture could be scored.
        ConfigError: Options that do not go together, or a run folder that holds another run.
        WeightsError: Weights are missing or damaged.
        OutputError: The run folder cannot be written, or another run is writing it.

    Example:
        >>> import tempfile
        >>> from sdd_bench import open_dataset, synthesize
        >>> from sdd_bench.synth.options import SynthOptions
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     captures = Path(folder, "captures")
        ...     made = synthesize(captures, SynthOptions(width=96, height=64, n_train=0, n_test=1))
        ...     report = evaluate(
        ...         open_dataset(captures),
        ...         captures / "test" / "blur",  # any folder of predictions; here the blurry pictures themselves
        ...         Path(folder, "run"),
        ...         method="copy",
        ...         options=EvaluateOptions(metrics=("psnr",), flow="dis"),
        ...         cache=open_cache(Path(folder, "cache")),
        ...     )
        >>> scores = report.summary["scores"]
        >>> scores["copy"]["registered"] == scores["identity"]["registered"]
        True
    """
    predictions, run_folder = Path(predictions), Path(run_folder)
    options = options or EvaluateOptions()
    method = check_method(predictions.resolve().name if method is None else method)
    parse_resize(options.resize)
    cache = cache or open_cache()
    engines = load_engines(options if dask is None else replace(options, device="cpu"))
    matching = _match(dataset, predictions, options)
    run_folder, root = run_folder.resolve(), dataset.root.resolve()
    split = "+".join(dict.fromkeys(pair.split.value for pair in dataset.pairs))
    with alone_in(run_folder):
        _claim(run_folder, method, root.name, split, options, engines)
        # Absolute paths throughout: a worker may stand in another folder. Links stay links, for their names' sake.
        weights = options.flow_weights.absolute() if options.flow_weights else None
        tasks = [
            PictureTask(match, run_folder, cache, replace(options, flow_weights=weights)) for match in matching.matches
        ]
        records, failures = run_sealed(
            evaluate_picture,
            tasks,
            jobs=jobs,
            dask=dask,
            on_progress=on_progress,
            size=_size,
            sight=matching.matches[0].prediction_path if matching.matches else None,
        )
        problems = [*dataset.problems, *matching.problems, *failures]
        if not records:
            reasons = "".join(f"\n  {problem.item}: {problem.reason}" for problem in problems[:_SHOWN])
            raise ImageError(f"{predictions}: not one picture could be scored.{reasons}")
        protocol = protocol_of(
            records,
            resize=str(parse_resize(options.resize)),
            crop=options.crop,
            metrics=options.metrics,
            lpips_sha256=engines.lpips_sha256,
            flow_signature=engines.flow.signature,
            warp=options.warp,
            match=options.match,
        )
        n_expected = len(dataset.pairs) + dataset.n_lost
        summary = summarize(
            records,
            method=method,
            dataset=root.name,
            split=split,
            n_expected=n_expected,
            protocol=protocol,
            problems=problems,
        )
        rows = rows_of(records, method)
        notes = notes_on(rows, method=method, n_expected=n_expected, flow=engines.flow.name)
        notes += [*dataset.shared, *filter(None, [matching.note])]
        flow = engines.flow
        summary["flow"] = {
            name: getattr(flow, name) for name in ("name", "sha256", "resolution", "precision", "signature")
        }
        summary["prediction"], doubt = prediction_of(
            {match.pair.name: match.prediction_path for match in matching.matches}
        )
        notes += [doubt] if doubt else []
        summary["suffix"] = matching.suffix
        extras = extra_rows(rows)
        summary["extras"] = summary_of(engines.measures, extras)
        notes += failures_of((row.record.name, row.scores.extras) for row in rows if row.method == method)
        summary["notes"] = notes
        summary["provenance"] = {**provenance(options.device), "options": _public(options)}
        summary = _first_made(run_folder / "summary.json", summary)
        write_sources(run_folder, matching.matches)
        write_per_image(run_folder / "per_image.csv", rows)
        if engines.measures:
            write_table(run_folder / EXTRAS_CSV, ExtraRow, extras)
        write_json(run_folder / "summary.json", summary)
        seal_run(run_folder)
    return RunReport(run_folder, summary, tuple(notes), tuple(problems), cache.note)


def _match(dataset: PairList, predictions: Path, options: EvaluateOptions) -> Matching:
    """Matches with absolute paths, and what does not match, among the first ``limit`` pairs."""
    names = [pair.name for pair in dataset.pairs]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise PairingError(f"{dataset.root}: two pairs are called {twice}; evaluate one split at a time.")
    matching = match_predictions(dataset.pairs, predictions, suffix=options.suffix)
    later = set(names[len(names[: options.limit]) :])
    matches = (match for match in matching.matches if match.pair.name not in later)
    return replace(
        matching,
        matches=tuple(absolute(match) for match in matches),
        problems=tuple(problem for problem in matching.problems if problem.item not in later),
    )


def _claim(run_folder: Path, method: str, dataset: str, split: str, options: EvaluateOptions, engines: Engines) -> None:
    """Make the run folder ours, or check that it is; take off its seal."""
    ours = {
        "schema": SCHEMA,
        "method": method,
        "dataset": dataset,
        "split": split,
        **options.scoring(),
        "flow_signature": engines.flow.signature,
        "lpips_sha256": engines.lpips_sha256,
    }
    begin(run_folder, "options.json", ours, what="a run")
    with output_errors(run_folder):
        (run_folder / "run.json").unlink(missing_ok=True)


def _size(task: PictureTask) -> int:
    pair = task.match.pair
    files = (task.match.prediction_path, pair.blurry_path, pair.sharp_path)
    return sum(path.stat().st_size for path in files if path.is_file())


def _first_made(path: Path, summary: dict[str, Any]) -> dict[str, Any]:
    """The summary at ``path`` where ``summary`` says the same, but for its date and what was saved; else ``summary``.

    So a run that is made again keeps its seal, by which tables know it.
    """
    try:
        before: dict[str, Any] = read_json(path, {"provenance": {"options": dict}}, ManifestError, "")
        return before if _timeless(before) == _timeless(summary) else summary
    except ManifestError:
        return summary


def _timeless(summary: dict[str, Any]) -> dict[str, Any]:
    provenance = summary["provenance"]
    options = {**provenance["options"], "save_flow": None, "save_warped": None}
    return {**summary, "provenance": {**provenance, "date": "", "options": options}}


def _public(options: EvaluateOptions) -> dict[str, Any]:
    """The options as JSON values; of the weights' path only its name."""
    values = as_dict(options)
    values["flow_weights"] = options.flow_weights.name if options.flow_weights else None
    return values

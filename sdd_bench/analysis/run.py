"""Analyze a set: from pairs to a folder of results.

::

    OUT/options.json       what the folder is for; another set or other options are refused
    OUT/pairs/*.json       one sealed record a pair: what is finished is not measured again
    OUT/misalignment.csv   one row a pair (sdd_bench.analysis.table)
    OUT/summary.json       severity, kinds, provenance
    OUT/analysis.html      the page, complete in itself
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdd_bench import __version__
from sdd_bench.analysis.options import AnalyzeOptions
from sdd_bench.analysis.page import write_report
from sdd_bench.analysis.pair import SCHEMA, PairTask, analyze_pair, flow_of
from sdd_bench.analysis.summary import summarize
from sdd_bench.analysis.table import Row, printable, write_table
from sdd_bench.captures.layouts import PairList
from sdd_bench.core.errors import ConfigError, ImageError, ManifestError, OutputError
from sdd_bench.core.files import alone_in, write_json
from sdd_bench.core.parallel import open_executor, run
from sdd_bench.core.types import OnProgress, Pair, Problem, Progress

_DASK_WINDOW = 64
_SHOWN = 5


@dataclass(frozen=True)
class AnalyzeReport:
    """A finished analysis."""

    out: Path
    rows: tuple[Row, ...]
    summary: dict[str, Any]
    problems: tuple[Problem, ...]
    page: Path | None


def analyze(
    dataset: PairList,
    out: Path,
    *,
    options: AnalyzeOptions | None = None,
    jobs: int = 1,
    dask: str | None = None,
    page: bool = True,
    on_progress: OnProgress | None = None,
) -> AnalyzeReport:
    """Measure every pair of ``dataset`` and write a folder of results; an unfinished one goes on.

    Args:
        dataset: From :func:`sdd_bench.prepared.open.open_dataset`.
        out: Folder of results.
        options: How; None is the defaults.
        jobs: Local processes.
        dask: Address of a Dask scheduler instead.
        page: Also write ``analysis.html``.
        on_progress: Called after every pair.

    Raises:
        ImageError: Not one pair could be measured.
        ConfigError: Unknown flow, or a folder that holds another analysis.
        WeightsError: Weights are missing or damaged.
        OutputError: The folder cannot be written, or another run is writing it.
    """
    options = options or AnalyzeOptions()
    out, name = out.resolve(), printable(dataset.root.resolve().name)
    split = "+".join(dict.fromkeys(pair.split.value for pair in dataset.pairs))
    with alone_in(out):
        _claim(out, name, split, _digest(dataset.pairs), options)
        pairs = dataset.pairs[: options.limit]
        tasks = [PairTask(pair, dataset.root, out, options) for pair in pairs]
        rows, failures = _measure_all(tasks, jobs=jobs, dask=dask, on_progress=on_progress)
        problems = [
            Problem(printable(problem.item), printable(problem.reason)) for problem in (*dataset.problems, *failures)
        ]
        if not rows:
            reasons = "".join(f"\n  {problem.item}: {problem.reason}" for problem in problems[:_SHOWN])
            raise ImageError(f"{dataset.root}: not one pair could be measured.{reasons}")
        summary = summarize(rows, name=name, split=split, n_expected=len(dataset.pairs) + dataset.n_lost)
        summary["problems"] = [{"item": problem.item, "reason": problem.reason} for problem in problems]
        summary["provenance"] = {
            "tool_version": __version__,
            "flow": flow_of(options).signature,
            "options": options.measuring(),
        }
        write_table(out / "misalignment.csv", rows)
        write_json(out / "summary.json", summary)
        written = None
        if page:
            by_id = {pair.pair_id: pair for pair in pairs}
            written = write_report(out / "analysis.html", rows, summary, by_id, options=options)
        return AnalyzeReport(out, tuple(rows), summary, tuple(problems), written)


def _digest(pairs: Sequence[Pair]) -> str:
    """Of the names and sizes of all pictures: another set, another digest."""
    return hashlib.sha256(json.dumps([[pair.pair_id, _size(pair)] for pair in pairs]).encode()).hexdigest()


def _claim(out: Path, name: str, split: str, pairs_sha256: str, options: AnalyzeOptions) -> None:
    """Make the folder ours, or check that it is."""
    path = out / "options.json"
    ours = {
        "schema": SCHEMA,
        "dataset": name,
        "split": split,
        "pairs_sha256": pairs_sha256,
        **options.measuring(),
        "signature": flow_of(options).signature,
    }
    if path.is_file():
        try:
            theirs = dict(json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            raise ManifestError(f"{path}: not the JSON of an analysis ({error}). Choose another -o.") from error
        differing = [key for key in ours if theirs.get(key) != ours[key]]
        if differing:
            changes = "; ".join(
                "pictures were added, removed, renamed or changed in size"
                if key == "pairs_sha256"
                else f"{key} was {theirs.get(key)!r}, now {ours[key]!r}"
                for key in differing
            )
            raise ConfigError(f"{out}: holds another analysis ({changes}). Choose another -o, or remove it.")
        return
    if any(entry.suffix != ".partial" for entry in out.iterdir()):
        raise OutputError(f"{out}: is not empty and holds no analysis. Choose another output folder.")
    write_json(path, ours)


def _measure_all(
    tasks: Sequence[PairTask], *, jobs: int, dask: str | None, on_progress: OnProgress | None
) -> tuple[list[Row], list[Problem]]:
    """Rows in the order of the tasks, and what failed; errors that concern the whole set are raised."""
    rows: dict[str, Row] = {}
    failures: dict[str, Problem] = {}
    n_bytes = 0
    with open_executor(jobs, dask) as executor:
        for task, outcome in run(executor, analyze_pair, tasks, window=_DASK_WINDOW if dask else jobs + 1):
            name = task.pair.pair_id
            if isinstance(outcome, (ImageError, ManifestError)):
                failures[name] = Problem(name, str(outcome))
            elif isinstance(outcome, Exception):
                raise outcome
            else:
                rows[name] = outcome
            if on_progress is not None:
                n_bytes += _size(task.pair)
                on_progress(Progress(len(rows) + len(failures), len(tasks), n_bytes, name))
    names = [task.pair.pair_id for task in tasks]
    return [rows[name] for name in names if name in rows], [failures[name] for name in names if name in failures]


def _size(pair: Pair) -> int:
    return sum(path.stat().st_size for path in (pair.blurry_path, pair.sharp_path) if path.is_file())

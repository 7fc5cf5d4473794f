"""Analysis of a set: from pairs to a folder of results.

::

    OUT/options.json       set and options of the folder; another set or other options are refused
    OUT/pairs/*.json       one sealed record per pair; a pair with a record is not measured again
    OUT/misalignment.csv   one row per pair (sdd_bench.analysis.table)
    OUT/summary.json       severity, kinds, provenance
    OUT/analysis.html      the page, which needs no other file
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdd_bench import __version__
from sdd_bench.analysis.options import AnalyzeOptions
from sdd_bench.analysis.page import write_report
from sdd_bench.analysis.pair import PairTask, analyze_pair, flow_of
from sdd_bench.analysis.summary import headline, summarize
from sdd_bench.analysis.table import Row, printable
from sdd_bench.captures.layouts import PairList
from sdd_bench.core.errors import ImageError
from sdd_bench.core.parallel import run_sealed
from sdd_bench.core.protocol import ANALYSIS
from sdd_bench.core.storage.claims import alone_in, begin
from sdd_bench.core.storage.files import write_json
from sdd_bench.core.storage.tables import write_table
from sdd_bench.core.types import AnyPath, OnProgress, Pair, Problem
from sdd_bench.report.notebook import cells, frame_of, html_table

if TYPE_CHECKING:
    from pandas import DataFrame

_SHOWN_ROWS = 10
"""Number of pairs that a notebook shows, the most misaligned first."""
_SHOWN = 5
"""Number of problems that an error lists."""


@dataclass(frozen=True)
class AnalyzeReport:
    """Results of a finished analysis."""

    out: Path
    """Folder of results."""
    rows: tuple[Row, ...]
    """Rows of the table, one per measured pair."""
    summary: dict[str, Any]
    """Content of ``summary.json``."""
    problems: tuple[Problem, ...]
    """Files that form no pair, and pairs that could not be measured."""
    page: Path | None
    """Path of the page; None if it was not written."""

    def to_frame(self) -> DataFrame:
        """``misalignment.csv`` as a pandas DataFrame: one row per pair."""
        return frame_of(self.rows)

    def _repr_html_(self) -> str:
        shown = ("pair_id", "kind", "zoom", "shift_x_px", "shift_y_px", "rotation_deg", "rms_px", "distrust")
        worst = sorted(self.rows, key=lambda row: -row.rms_px)[:_SHOWN_ROWS]
        return html_table(headline(self.summary), shown, cells(worst, shown))


def analyze(
    dataset: PairList,
    out: AnyPath,
    *,
    options: AnalyzeOptions | None = None,
    jobs: int = 1,
    dask: str | None = None,
    page: bool = True,
    on_progress: OnProgress | None = None,
) -> AnalyzeReport:
    """Measure every pair of ``dataset`` and write a folder of results; an unfinished folder is continued.

    Args:
        dataset: Pairs, from :func:`sdd_bench.prepared.open.open_dataset`.
        out: Folder of results.
        options: Options of the analysis; None for the defaults.
        jobs: Number of local processes.
        dask: Address of a Dask scheduler to use in place of local processes.
        page: Whether ``analysis.html`` is also written.
        on_progress: Function that is called after every pair.

    Raises:
        ImageError: No pair could be measured.
        ConfigError: The flow or the device is unknown, or the folder holds another analysis.
        WeightsError: Weights are missing or damaged.
        OutputError: The folder cannot be written, or another run is writing it.

    Example:
        >>> import tempfile
        >>> from sdd_bench import open_dataset, synthesize
        >>> from sdd_bench.synth.options import SynthOptions
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     captures = Path(folder, "captures")
        ...     made = synthesize(captures, SynthOptions(width=96, height=64, n_train=0, n_test=1))
        ...     report = analyze(open_dataset(captures), Path(folder, "analysis"), options=AnalyzeOptions(flow="dis"))
        ...     sorted(path.name for path in report.out.iterdir() if path.is_file())
        ['analysis.html', 'misalignment.csv', 'options.json', 'summary.json']
        >>> abs(report.rows[0].zoom - 1) < 0.02
        True
    """
    out = Path(out)
    options = options or AnalyzeOptions()
    out, name = out.resolve(), printable(dataset.root.resolve().name)
    split = "+".join(dict.fromkeys(pair.split.value for pair in dataset.pairs))
    # With Dask the device is that of the workers.
    signature = flow_of(options if dask is None else replace(options, device="cpu")).signature
    with alone_in(out):
        _claim(out, name, split, _digest(dataset.pairs), options, signature)
        pairs = dataset.pairs[: options.limit]
        tasks = [PairTask(pair, dataset.root, out, options) for pair in pairs]
        rows, failures = run_sealed(
            analyze_pair,
            tasks,
            jobs=jobs,
            dask=dask,
            on_progress=on_progress,
            size=lambda task: _size(task.pair),
            sight=pairs[0].blurry_path if pairs else None,
        )
        problems = [
            Problem(printable(problem.item), printable(problem.reason)) for problem in (*dataset.problems, *failures)
        ]
        if not rows:
            reasons = "".join(f"\n  {problem.item}: {problem.reason}" for problem in problems[:_SHOWN])
            raise ImageError(f"{dataset.root}: not one pair could be measured.{reasons}")
        summary = summarize(rows, name=name, split=split, n_expected=len(dataset.pairs) + dataset.n_lost)
        summary["notes"] |= dict.fromkeys(dataset.shared, 1)
        summary["problems"] = [{"item": problem.item, "reason": problem.reason} for problem in problems]
        summary["provenance"] = {
            "tool_version": __version__,
            "flow": signature,
            "options": options.measuring(),
        }
        write_table(out / "misalignment.csv", Row, rows)
        write_json(out / "summary.json", summary)
        written = None
        if page:
            by_id = {pair.pair_id: pair for pair in pairs}
            written = write_report(out / "analysis.html", rows, summary, by_id, options=options)
        return AnalyzeReport(out, tuple(rows), summary, tuple(problems), written)


def _digest(pairs: Sequence[Pair]) -> str:
    """Digest of the names and sizes of all pictures, by which a set is recognised."""
    return hashlib.sha256(json.dumps([[pair.pair_id, _size(pair)] for pair in pairs]).encode()).hexdigest()


def _claim(out: Path, name: str, split: str, pairs_sha256: str, options: AnalyzeOptions, signature: str) -> None:
    """Claim the folder for this analysis, or check that it is claimed for it."""
    ours = {
        "schema": ANALYSIS,
        "dataset": name,
        "split": split,
        "pairs_sha256": pairs_sha256,
        **options.measuring(),
        "signature": signature,
    }
    changed = {"pairs_sha256": "pictures were added, removed, renamed or changed in size"}
    begin(out, "options.json", ours, what="an analysis", digests=changed)


def _size(pair: Pair) -> int:
    return sum(path.stat().st_size for path in (pair.blurry_path, pair.sharp_path) if path.is_file())

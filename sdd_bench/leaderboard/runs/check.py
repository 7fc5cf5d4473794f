"""Checks of a run before it is listed: contradictions in it, and what is missing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sdd_bench.core.errors import ConfigError, LeaderboardError
from sdd_bench.core.storage.tables import columns, read_cells, spreadsheet_plain, spreadsheet_safe
from sdd_bench.evaluation.options import check_method
from sdd_bench.evaluation.per_image import GAINS, ImageRow
from sdd_bench.leaderboard.runs.entries import entries_of, mean_of, rows_of, truths_of
from sdd_bench.leaderboard.runs.read import FORM, Run, read_run
from sdd_bench.leaderboard.tables.schema import METRICS, RANGES, TRUTHS, check_name, problems_of

BASELINES = ("identity", "ceiling")
_FIGURE_RANGES = RANGES | dict.fromkeys(GAINS, (-200.0, 200.0))
_TOLERANCE = 1e-5
"""Relative error of a mean: figures per picture are written with seven digits."""


@dataclass(frozen=True)
class Check:
    """One line of ``leaderboard check``. The status ``missing`` keeps a run out of a table, ``note`` does not."""

    status: Literal["ok", "missing", "note"]
    what: str
    detail: str


def mismatches(run: Run) -> list[str]:
    """Contradictions in a run: means of ``summary.json``, pictures of each method, ranges of figures."""
    found = []
    methods = {row.method for row in run.rows}
    pictures = {row.image for row in _of_method(run.rows, run.method)}
    truths = truths_of(run)
    strangers = methods - {run.method, *BASELINES}
    if strangers:
        found.append(f"per_image.csv has rows of {', '.join(sorted(strangers))}; expected {run.method} and baselines")
    for method in sorted(methods):
        for truth in TRUTHS:
            rows = rows_of(run.rows, method, truth)
            images = [row.image for row in rows]
            if len(set(images)) != len(images):
                found.append(f"{method} {truth}: a picture is there twice")
            apart = sorted(pictures ^ set(images))
            if truth in truths and apart:
                found.append(f"{method} {truth}: not the pictures of {run.method} ({', '.join(apart[:3])})")
            if method == run.method and rows and len(rows) != run.summary["n_images"]:
                found.append(f"{method} {truth}: {len(rows)} pictures, but n_images is {run.summary['n_images']}")
            stated = run.summary["scores"].get(method, {}).get(truth, {})
            for metric in METRICS:
                claim, value = stated.get(metric, {}).get("mean"), mean_of(rows, metric)
                if not _same(claim, value):
                    found.append(f"{method} {truth} {metric}: summary.json says {claim}, per_image.csv gives {value}")
        drift, value = run.summary["drift_px"].get(method), mean_of(_of_method(run.rows, method), "drift_px")
        if not _same(drift, value):
            found.append(f"{method} drift_px: summary.json says {drift}, per_image.csv gives {value}")
    return found + [
        f"{row.method} {row.ground_truth} {row.image}: {figure} is {value}"
        for row in run.rows
        for figure, value in row.figures.items()
        if value is not None and not _possible(figure, value)
    ]


def _possible(figure: str, value: float) -> bool:
    """Whether a picture can have this value of a figure; of all figures only PSNR may be infinite."""
    low, high = _FIGURE_RANGES.get(figure, (0.0, math.inf))
    return (math.isfinite(value) and low <= value <= high) or (figure == "psnr" and value == math.inf)


def _of_method(rows: Sequence[ImageRow], method: str) -> list[ImageRow]:
    return [row for row in rows if row.method == method]


def _same(claim: Any, value: float | None) -> bool:
    if claim is None or value is None:
        return claim is None and value is None
    return isinstance(claim, (int, float)) and math.isclose(claim, value, rel_tol=_TOLERANCE, abs_tol=1e-7)


def check_run(folder: Path, *, dataset: str | None = None) -> list[Check]:
    """Checks of the run in a folder. A run that cannot be read has one check, with the reason."""
    try:
        run = read_run(folder)
    except LeaderboardError as error:
        return [Check("missing", "sealed", str(error))]
    return [Check("ok", "sealed", f"files match run.json; run {run.run_sha256[:12]}"), *checks_of(run, dataset=dataset)]


def checks_of(run: Run, *, dataset: str | None = None) -> list[Check]:
    """Checks of a run that has been read.

    Args:
        run: The run.
        dataset: Name of its table; None for the run's own name of its dataset.
    """
    wrong = mismatches(run)
    checks = [
        Check("missing", "means", "; ".join(wrong[:3]) + (f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""))
        if wrong
        else Check("ok", "means", "summary.json agrees with per_image.csv")
    ]
    checks += _coverage(run)
    checks += _names(run, dataset)
    entries = entries_of(run, dataset=dataset)
    broken = sorted({problem for entry in entries for problem in problems_of(entry)})
    checks.append(
        Check("missing", "row", "; ".join(broken)) if broken else Check("ok", "row", "every column is in its range")
    )
    checks += _provenance(run)
    return checks


def _coverage(run: Run) -> list[Check]:
    scored, expected = run.summary["n_images"], run.summary["n_expected"]
    split = run.summary["dataset"]["split"]
    truths = truths_of(run)
    checks = [
        Check("ok", "pictures", f"all {expected} of the {split} split")
        if run.summary["complete"] and scored == expected and split == "test"
        else Check("missing", "pictures", f"{scored} of {expected} of the {split or '?'} split; all of test are needed")
    ]
    absent = [truth for truth in TRUTHS if truth not in truths]
    checks.append(
        Check("missing", "ground truths", "none was scored")
        if not truths
        else Check("note", "ground truths", f"without {', '.join(absent)}: these columns stay empty")
        if absent
        else Check("ok", "ground truths", ", ".join(truths))
    )
    without = [metric for metric in METRICS if any(row.figures[metric] is None for row in run.rows)]
    checks.append(
        Check("note", "metrics", f"without {', '.join(without)}: these columns stay empty")
        if without
        else Check("ok", "metrics", ", ".join(METRICS))
    )
    has_identity = any(row.method == "identity" for row in run.rows)
    checks.append(
        Check("ok", "baseline", "the blurry input was scored too")
        if has_identity
        else Check("missing", "baseline", "no identity rows; run sdd-bench evaluate again")
    )
    problems = run.summary["problems"]
    if problems:
        checks.append(
            Check("note", "problems", "; ".join(f"{item['item']}: {item['reason']}" for item in problems[:3]))
        )
    return checks


def _names(run: Run, dataset: str | None) -> list[Check]:
    try:
        checks = [Check("ok", "dataset", f"enters {check_name(dataset or run.dataset)}.csv")]
    except LeaderboardError as error:
        checks = [Check("missing", "dataset", str(error))]
    try:
        check_method(run.method)
    except ConfigError as error:
        checks.append(Check("missing", "method", str(error)))
    texts = [name for name, (kind, _) in columns(ImageRow).items() if kind is str]
    lines = read_cells(run.files.figures, ImageRow, FORM)
    cells = {line[name] for _, line in lines for name in texts if name in line}
    unsafe = sorted(cell for cell in cells if cell != spreadsheet_safe(spreadsheet_plain(cell)))
    if unsafe:
        reason = f"a spreadsheet would run {', '.join(unsafe[:3])} of per_image.csv; run sdd-bench evaluate again"
        checks.append(Check("missing", "cells", reason))
    return checks


def _provenance(run: Run) -> list[Check]:
    provenance = run.summary["provenance"]
    lacking = [key for key in ("tool_version", "commit", "date", "libraries") if not provenance.get(key)]
    if lacking:
        return [Check("note", "provenance", f"does not say {', '.join(lacking)}")]
    return [Check("ok", "provenance", f"sdd-bench {provenance['tool_version']}, commit {provenance['commit']}")]

"""A run folder as a submission: read it, distrust it, say what is missing.

What ``sdd-bench evaluate`` wrote is taken at its word only where it can be checked: ``run.json`` seals the other files
by their SHA-256, and the means of ``summary.json`` must be those of ``per_image.csv``.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sdd_bench.errors import LeaderboardError
from sdd_bench.files import sha256_of, spreadsheet_plain, spreadsheet_safe
from sdd_bench.leaderboard.table import METRICS, TRUTHS, Entry, check_name, problems_of

SCHEMA = 1
BASELINES = ("identity", "ceiling")
_SEALED = ("per_image.csv", "summary.json")
_FIGURES = (*METRICS, "valid_share", "drift_px", "deform_px", "coc_diameter_px", "misalignment_px")
_TEXT = ("method", "image", "scene", "group")
_NEEDED = ("method", "image", "ground_truth", *METRICS, "drift_px")
_TOLERANCE = 1e-5
"""Relative: figures per picture are written with seven digits."""


@dataclass(frozen=True)
class Row:
    """One picture of one method against one ground truth; a figure that is not known is None."""

    method: str
    image: str
    scene: str
    group: str
    ground_truth: str
    figures: Mapping[str, float | None]


@dataclass(frozen=True)
class Run:
    """A run folder whose files are what its seal says."""

    folder: Path
    run_sha256: str
    summary: Mapping[str, Any]
    rows: tuple[Row, ...]

    @property
    def method(self) -> str:
        """The name the run was given."""
        return str(self.summary["method"])

    @property
    def dataset(self) -> str:
        """Name of the set that was scored."""
        return str(self.summary["dataset"]["name"])


@dataclass(frozen=True)
class Check:
    """One line of ``leaderboard check``: ``missing`` keeps the run out, ``note`` does not."""

    status: Literal["ok", "missing", "note"]
    what: str
    detail: str


def read_rows(path: Path) -> tuple[Row, ...]:
    """Read a ``per_image.csv``.

    Raises:
        LeaderboardError: Not such a table.
    """
    try:
        reader = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline=""), strict=True)
        lines = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise LeaderboardError(f"{path}: cannot be read ({error}). Run sdd-bench evaluate again.") from error
    missing = [column for column in _NEEDED if column not in (reader.fieldnames or ())]
    if missing:
        raise LeaderboardError(f"{path}: expected the column {', '.join(missing)}; it has {reader.fieldnames}.")
    rows = []
    for number, line in enumerate(lines, start=2):
        if None in line or None in line.values():
            raise LeaderboardError(f"{path}:{number}: expected {len(reader.fieldnames or ())} cells.")
        try:
            figures = {name: float(line[name]) if line.get(name) else None for name in _FIGURES}
        except ValueError as error:
            raise LeaderboardError(f"{path}:{number}: not a number ({error}).") from error
        if any(value is not None and math.isnan(value) for value in figures.values()):
            raise LeaderboardError(f"{path}:{number}: NaN among the figures; such a picture has no score.")
        text = {name: spreadsheet_plain(line.get(name) or "") for name in _TEXT}
        rows.append(Row(**text, ground_truth=line["ground_truth"], figures=figures))
    return tuple(rows)


def read_run(folder: Path) -> Run:
    """Read a run folder and check its seal.

    Raises:
        LeaderboardError: Not a finished run, of another schema, or changed since it was sealed.
    """
    seal = folder / "run.json"
    if not seal.is_file():
        raise LeaderboardError(f"{folder}: expected a finished run (no run.json). Run sdd-bench evaluate to its end.")
    files = read_json(seal).get("files")
    if not isinstance(files, dict):
        raise LeaderboardError(f"{seal}: expected a list of files with their SHA-256. Run sdd-bench evaluate again.")
    for name in _SEALED:
        path = folder / name
        if not path.is_file():
            raise LeaderboardError(f"{path}: missing from the run. Run sdd-bench evaluate again.")
        found = sha256_of(path)
        if found != files.get(name):
            raise LeaderboardError(
                f"{path}: changed since the run was sealed: expected sha256 {files.get(name)}, got {found}. "
                "Run sdd-bench evaluate again."
            )
    summary = read_json(folder / "summary.json")
    if summary.get("schema") != SCHEMA:
        raise LeaderboardError(f"{folder / 'summary.json'}: expected schema {SCHEMA}, got {summary.get('schema')!r}.")
    lacking = [
        key
        for key in ("method", "dataset", "scores", "drift_px", "signature", "n_images", "n_expected")
        if key not in summary
    ]
    if lacking:
        raise LeaderboardError(
            f"{folder / 'summary.json'}: expected {', '.join(lacking)}. Run sdd-bench evaluate again."
        )
    return Run(folder, sha256_of(seal), summary, read_rows(folder / "per_image.csv"))


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of a run.

    Raises:
        LeaderboardError: Not one.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LeaderboardError(f"{path}: not JSON ({error}). Run sdd-bench evaluate again.") from error
    if not isinstance(value, dict):
        raise LeaderboardError(f"{path}: expected a JSON object. Run sdd-bench evaluate again.")
    return value


def mean_of(rows: Sequence[Row], figure: str) -> float | None:
    """Mean over the finite values of a figure, as the protocol has it; None when there is none."""
    finite = [value for row in rows if (value := row.figures[figure]) is not None and math.isfinite(value)]
    return math.fsum(finite) / len(finite) if finite else None


def rows_of(rows: Sequence[Row], method: str, truth: str) -> list[Row]:
    """The pictures of one method against one ground truth."""
    return [row for row in rows if row.method == method and row.ground_truth == truth]


def mismatches(run: Run) -> list[str]:
    """Where ``summary.json`` is not what ``per_image.csv`` gives: means, and the number of pictures."""
    found = []
    methods = {row.method for row in run.rows}
    strangers = methods - {run.method, *BASELINES}
    if strangers:
        found.append(f"per_image.csv has rows of {', '.join(sorted(strangers))}; expected {run.method} and baselines")
    for method in sorted(methods):
        for truth in TRUTHS:
            rows = rows_of(run.rows, method, truth)
            images = [row.image for row in rows]
            if len(set(images)) != len(images):
                found.append(f"{method} {truth}: a picture is there twice")
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
    return found


def _of_method(rows: Sequence[Row], method: str) -> list[Row]:
    return [row for row in rows if row.method == method]


def _same(claim: Any, value: float | None) -> bool:
    if claim is None or value is None:
        return claim is None and value is None
    return isinstance(claim, (int, float)) and math.isclose(claim, value, rel_tol=_TOLERANCE, abs_tol=1e-7)


def truths_of(run: Run) -> list[str]:
    """The ground truths the method was scored against."""
    return [truth for truth in TRUTHS if rows_of(run.rows, run.method, truth)]


def entries_of(run: Run, *, dataset: str | None = None, trained_on: str = "", reference: str = "") -> list[Entry]:
    """The rows of the table that a run gives, one a ground truth; means are those of ``per_image.csv``."""
    summary = run.summary
    provenance = summary.get("provenance", {})
    flow = summary.get("flow") or {}
    entries = []
    for truth in truths_of(run):
        rows = rows_of(run.rows, run.method, truth)
        moved = truth != "raw"
        entries.append(
            Entry(
                method=run.method,
                dataset=dataset or run.dataset,
                ground_truth=truth,
                **{metric: mean_of(rows, metric) for metric in METRICS},
                drift_px=mean_of(rows, "drift_px"),
                n_images=len(rows),
                source="measured",
                trained_on=trained_on,
                bit_depth=str(summary.get("bit_depth", "")),
                resize=str(summary.get("resize", "")),
                crop=str(summary.get("crop", "")),
                flow=str(flow.get("name", "")) if moved else "",
                warp=str(summary.get("warp", "")) if moved else "",
                signature=str(summary["signature"].get(truth, "")),
                reference=reference,
                run_sha256=run.run_sha256,
                tool_version=str(provenance.get("tool_version", "")),
                date=str(provenance.get("date", ""))[:10],
            )
        )
    return entries


def check_run(folder: Path, *, dataset: str | None = None) -> list[Check]:
    """Whether a run can be listed, line by line; the first line that fails to read it ends the list."""
    try:
        run = read_run(folder)
    except LeaderboardError as error:
        return [Check("missing", "sealed", str(error))]
    checks = [Check("ok", "sealed", f"files match run.json; run {run.run_sha256[:12]}")]
    wrong = mismatches(run)
    checks.append(
        Check("missing", "means", "; ".join(wrong[:3]) + (f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""))
        if wrong
        else Check("ok", "means", "summary.json agrees with per_image.csv")
    )
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
    split = str(run.summary["dataset"].get("split", ""))
    truths = truths_of(run)
    checks = [
        Check("ok", "pictures", f"all {expected} of the {split} split")
        if run.summary.get("complete") and scored == expected and split == "test"
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
        Check("note", "metrics", f"without {', '.join(without)}; fetch weights with sdd-bench weights fetch")
        if without
        else Check("ok", "metrics", ", ".join(METRICS))
    )
    has_identity = any(row.method == "identity" for row in run.rows)
    checks.append(
        Check("ok", "baseline", "the blurry input was scored too")
        if has_identity
        else Check("missing", "baseline", "no identity rows; run sdd-bench evaluate again")
    )
    problems = run.summary.get("problems", [])
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
    with open(run.folder / "per_image.csv", encoding="utf-8", newline="") as file:
        cells = {cell for line in csv.DictReader(file) for name, cell in line.items() if name in _TEXT}
    unsafe = sorted(cell for cell in cells if cell != spreadsheet_safe(spreadsheet_plain(cell)))
    if unsafe:
        reason = f"a spreadsheet would run {', '.join(unsafe[:3])} of per_image.csv; run sdd-bench evaluate again"
        checks.append(Check("missing", "cells", reason))
    return checks


def _provenance(run: Run) -> list[Check]:
    provenance = run.summary.get("provenance", {})
    lacking = [key for key in ("tool_version", "commit", "date", "libraries") if not provenance.get(key)]
    if lacking:
        return [Check("note", "provenance", f"does not say {', '.join(lacking)}")]
    return [Check("ok", "provenance", f"sdd-bench {provenance['tool_version']}, commit {provenance['commit']}")]

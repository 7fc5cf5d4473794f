"""A run folder as a submission: read it, distrust it, say what is missing.

What ``sdd-bench evaluate`` wrote is taken at its word only where it can be checked: ``run.json`` seals the other files
by their SHA-256, and the means of ``summary.json`` must be those of ``per_image.csv``.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from sdd_bench.errors import ConfigError, LeaderboardError
from sdd_bench.evaluation.options import check_method
from sdd_bench.files import sha256_of, spreadsheet_plain, spreadsheet_safe
from sdd_bench.leaderboard.table import METRICS, RANGES, TRUTHS, Entry, check_name, problems_of

SCHEMA = 1
BASELINES = ("identity", "ceiling")
_FIGURES = (*METRICS, "valid_share", "drift_px", "deform_px", "coc_diameter_px", "misalignment_px")
_TEXT = ("method", "image", "scene", "group")
_NEEDED = ("method", "image", "ground_truth", *METRICS, "drift_px")
_TOLERANCE = 1e-5
"""Relative: figures per picture are written with seven digits."""
_EACH = "*"
_SHAPE = {
    "method": str,
    "dataset": {"name": str, "split": str, "pixels_sha256": str},
    "complete": bool,
    "n_images": int,
    "n_expected": int,
    "bit_depth": int | str,
    "resize": str,
    "crop": str,
    "warp": str,
    "signature": {_EACH: str},
    "scores": {_EACH: {_EACH: {_EACH: dict}}},
    "drift_px": dict,
    "flow": {"name": str},
    "provenance": {"options": dict},
    "problems": [{"item": str, "reason": str}],
}
"""What is read of ``summary.json``: a type, an object by its keys (or the shape of each value), a list of one shape."""
_KINDS: Mapping[Any, str] = {
    dict: "an object",
    list: "a list",
    str: "text",
    int: "a whole number",
    int | str: "a whole number or text",
    bool: "true or false",
}


@dataclass(frozen=True)
class Row:
    """One picture of one method against one ground truth; a figure that is not known is None."""

    method: str
    image: str
    scene: str
    group: str
    ground_truth: str
    figures: Mapping[str, float | None]


class RunFiles(NamedTuple):
    """Where the three files of a run are: in its own folder, or kept beside a table."""

    figures: Path
    summary: Path
    seal: Path

    @classmethod
    def within(cls, folder: Path) -> RunFiles:
        """As ``sdd-bench evaluate`` calls them."""
        return cls(folder / "per_image.csv", folder / "summary.json", folder / "run.json")


@dataclass(frozen=True)
class Run:
    """A run whose files are what its seal says."""

    files: RunFiles
    run_sha256: str
    summary: Mapping[str, Any]
    rows: tuple[Row, ...]

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return self.files.seal.parent

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
        if line["ground_truth"] not in TRUTHS:
            raise LeaderboardError(
                f"{path}:{number}: ground_truth {line['ground_truth']!r}: expected {', '.join(TRUTHS)}."
            )
        text = {name: spreadsheet_plain(line.get(name) or "") for name in _TEXT}
        rows.append(Row(**text, ground_truth=line["ground_truth"], figures=figures))
    return tuple(rows)


def read_run(folder: Path) -> Run:
    """Read a run folder and check its seal.

    Raises:
        LeaderboardError: Not a finished run, of another schema, or changed since it was sealed.
    """
    files = RunFiles.within(folder)
    if not files.seal.is_file():
        raise LeaderboardError(f"{folder}: expected a finished run (no run.json). Run sdd-bench evaluate to its end.")
    return read_files(files, next_step="Run sdd-bench evaluate again.")


def read_files(files: RunFiles, *, next_step: str) -> Run:
    """Read the files of a run and check its seal.

    Args:
        files: Where they are.
        next_step: What to do about a file that is missing or was changed.

    Raises:
        LeaderboardError: Not a run, of another schema, or changed since it was sealed.
    """
    hashes = read_json(files.seal).get("files")
    if not isinstance(hashes, dict):
        raise LeaderboardError(f"{files.seal}: expected a list of files with their SHA-256. {next_step}")
    for name, path in (("per_image.csv", files.figures), ("summary.json", files.summary)):
        if not path.is_file():
            raise LeaderboardError(f"{path}: missing from the run. {next_step}")
        found = sha256_of(path)
        if found != hashes.get(name):
            raise LeaderboardError(
                f"{path}: changed since the run was sealed: expected sha256 {hashes.get(name)}, got {found}. "
                f"{next_step}"
            )
    summary = read_json(files.summary)
    if summary.get("schema") != SCHEMA:
        raise LeaderboardError(f"{files.summary}: expected schema {SCHEMA}, got {summary.get('schema')!r}.")
    misfit = next(_misfits(summary, _SHAPE), None)
    if misfit is not None:
        raise LeaderboardError(f"{files.summary}: {misfit}. Run sdd-bench evaluate again.")
    return Run(files, sha256_of(files.seal), summary, read_rows(files.figures))


def _misfits(value: Any, shape: Any, name: str = "") -> Iterator[str]:
    """Where JSON is not of the shape it should have."""
    kind: Any = type(shape) if isinstance(shape, (dict, list)) else shape
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        yield f"{name}: expected {_KINDS[kind]}, got {value!r:.60}"
    elif isinstance(shape, list):
        for index, item in enumerate(value):
            yield from _misfits(item, shape[0], f"{name}[{index}]")
    elif isinstance(shape, dict):
        keys = value if _EACH in shape else shape
        for key in keys:
            yield from _misfits(value.get(key), shape.get(_EACH) or shape[key], f"{name}.{key}".lstrip("."))


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of a run.

    Raises:
        LeaderboardError: Not one.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
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
    """Where a run contradicts itself: means of ``summary.json``, the pictures of each method, ranges of figures."""
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
    """Whether one picture can have this figure; of all figures only PSNR may be infinite."""
    low, high = RANGES.get(figure, (0.0, math.inf))
    return (math.isfinite(value) and low <= value <= high) or (figure == "psnr" and value == math.inf)


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
    provenance = summary["provenance"]
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
                bit_depth=str(summary["bit_depth"]),
                resize=summary["resize"],
                crop=summary["crop"],
                flow=summary["flow"]["name"] if moved else "",
                warp=summary["warp"] if moved else "",
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
    return [Check("ok", "sealed", f"files match run.json; run {run.run_sha256[:12]}"), *checks_of(run, dataset=dataset)]


def checks_of(run: Run, *, dataset: str | None = None) -> list[Check]:
    """Whether a run that could be read can be listed, line by line."""
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
    with open(run.files.figures, encoding="utf-8", newline="") as file:
        cells = {cell for line in csv.DictReader(file) for name, cell in line.items() if name in _TEXT}
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

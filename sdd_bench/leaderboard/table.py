"""Leaderboard tables: one CSV a dataset, one row a method, ground truth and protocol.

``leaderboards/README.md`` describes the columns. A table is sorted, so that a change shows as the lines that changed;
figures keep the digits of their source (a paper's 0.720 stays 0.720). A row is *measured*, when a run folder of
``sdd-bench evaluate`` stands behind it, or from a *paper*, when only a publication does. Measured rows keep their
figures per picture in ``runs/<run_sha256>.csv``, what the run says of its protocol in
``runs/<run_sha256>.summary.json``, and the seal that ties both to the row in ``runs/<run_sha256>.json`` (the run's
``run.json``, whose own SHA-256 is ``run_sha256``).
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal, get_args

from sdd_bench.errors import LeaderboardError
from sdd_bench.files import output_errors, spreadsheet_plain, spreadsheet_safe, write_text
from sdd_bench.types import GroundTruth

Source = Literal["paper", "measured"]
METRICS = ("psnr", "ssim", "mae", "lpips")
HIGHER_IS_BETTER = {"psnr": True, "ssim": True, "mae": False, "lpips": False}
TRUTHS = tuple(truth.value for truth in GroundTruth)
RUNS = "runs"

_PAPER_DIGITS = {"psnr": 2, "ssim": 3, "mae": 4, "lpips": 3, "drift_px": 2}
_MEASURED_DIGITS = {"psnr": 4, "ssim": 6, "mae": 6, "lpips": 6, "drift_px": 4}
RANGES = {"psnr": (-100.0, 200.0), "ssim": (-1.0, 1.0), "mae": (0.0, 1.0), "lpips": (0.0, 10.0)}
N_TEST = {"sdd": 35, "dpdd": 76, "realdof": 50}
"""Pictures in the test split of the sets that papers share."""
RUN_SHA256 = re.compile(r"[0-9a-f]{64}")
_LOCK_SECONDS = 60.0
_TEXT_LENGTH = 1000


@dataclass(frozen=True)
class Entry:
    """One row of a table; the fields are its columns, in order. What a source does not say is None or empty."""

    method: str
    dataset: str
    ground_truth: str
    psnr: float | None
    ssim: float | None
    mae: float | None
    lpips: float | None
    drift_px: float | None
    n_images: int | None
    source: str
    trained_on: str = ""
    bit_depth: str = ""
    resize: str = ""
    crop: str = ""
    flow: str = ""
    warp: str = ""
    signature: str = ""
    reference: str = ""
    run_sha256: str = ""
    tool_version: str = ""
    date: str = ""

    def score(self, metric: str) -> float | None:
        """The mean over pictures of one of :data:`METRICS`."""
        value: float | None = getattr(self, metric)
        return value


COLUMNS = tuple(field.name for field in fields(Entry))
_FIGURES = (*METRICS, "drift_px")


def sort_key(entry: Entry) -> tuple[object, ...]:
    """The order of a table: ground truth, measured before paper, protocol, method."""
    return (
        TRUTHS.index(entry.ground_truth),
        entry.source != "measured",
        entry.signature,
        entry.method.casefold(),
        entry.method,
        entry.trained_on,
        entry.reference,
        entry.run_sha256,
    )


def signatures_by_run(entries: Iterable[Entry]) -> dict[str, dict[str, str]]:
    """``{run: {ground truth: signature}}`` of measured rows: by all of them a run is of one protocol or another."""
    runs: dict[str, dict[str, str]] = {}
    for entry in entries:
        if entry.source == "measured":
            runs.setdefault(entry.run_sha256, {})[entry.ground_truth] = entry.signature
    return runs


def has_twins(entries: Sequence[Entry]) -> bool:
    """Whether two rows are of one method, ground truth and protocol."""
    protocols = {run: frozenset(signatures.items()) for run, signatures in signatures_by_run(entries).items()}
    keys = {
        (e.method, e.dataset, e.ground_truth, e.trained_on, protocols[e.run_sha256])
        if e.source == "measured"
        else (e.method, e.dataset, e.ground_truth, e.trained_on, e.reference)
        for e in entries
    }
    return len(keys) < len(entries)


def problems_of(entry: Entry) -> list[str]:
    """What breaks the schema in one row; empty when nothing does."""
    found = []
    if not entry.method or entry.method != entry.method.strip():
        found.append("method is empty or has spaces around it")
    if entry.ground_truth not in TRUTHS:
        found.append(f"ground_truth {entry.ground_truth!r} is none of {', '.join(TRUTHS)}")
    if entry.source not in get_args(Source):
        found.append(f"source {entry.source!r} is neither paper nor measured")
    for column in COLUMNS:
        value = getattr(entry, column)
        if isinstance(value, str) and (len(value) > _TEXT_LENGTH or not value.isprintable()):
            found.append(f"{column} is longer than {_TEXT_LENGTH} characters or holds control characters")
    for metric, (low, high) in RANGES.items():
        value = entry.score(metric)
        if value is not None and not low <= value <= high:
            found.append(f"{metric} {value} is outside {low:g} to {high:g}")
    if entry.drift_px is not None and not (math.isfinite(entry.drift_px) and entry.drift_px >= 0.0):
        found.append(f"drift_px {entry.drift_px} is not a length")
    if entry.n_images is not None and entry.n_images < 1:
        found.append(f"n_images {entry.n_images} is less than 1")
    n_test = N_TEST.get(entry.dataset)
    if n_test is not None and entry.n_images not in (n_test, None):
        found.append(f"n_images {entry.n_images}, but the test split of {entry.dataset} has {n_test} pictures")
    if entry.date and not re.fullmatch(r"\d{4}-\d\d-\d\d", entry.date):
        found.append(f"date {entry.date!r} is not YYYY-MM-DD")
    if entry.source == "measured":
        if not RUN_SHA256.fullmatch(entry.run_sha256):
            found.append("a measured row needs the run's run_sha256 (64 hex digits)")
        found += [f"a measured row needs {name}" for name in ("signature", "n_images") if not getattr(entry, name)]
        if entry.psnr is None and entry.ssim is None:
            found.append("a measured row needs figures")
    elif entry.source == "paper":
        found += [f"a paper row has no {name}" for name in ("signature", "run_sha256") if getattr(entry, name)]
        if not entry.reference:
            found.append("a paper row needs its reference")
    return found


def check_name(dataset: str) -> str:
    """``dataset`` as the name of a table.

    Raises:
        LeaderboardError: It is not made of lower-case letters, digits, ``.``, ``_`` and ``-``.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", dataset):
        raise LeaderboardError(
            f"dataset name {dataset!r}: a table's name is lower-case letters, digits, '.', '_' and '-', beginning with "
            "a letter or digit. Say --dataset NAME."
        )
    return dataset


def table_path(leaderboards: Path, dataset: str) -> Path:
    """Where the table of ``dataset`` is."""
    return leaderboards / f"{check_name(dataset)}.csv"


def tables(leaderboards: Path) -> list[Path]:
    """The tables in a folder, by name.

    Raises:
        LeaderboardError: No such folder.
    """
    if not leaderboards.is_dir():
        raise LeaderboardError(
            f"{leaderboards}: no folder of leaderboards. Say --leaderboards DIR; a checkout of sdd-bench has one."
        )
    return sorted(path for path in leaderboards.glob("*.csv") if path.is_file())


def read_table(path: Path) -> list[Entry]:
    """The rows of a table, as they stand; empty when there is no such file.

    Raises:
        LeaderboardError: Not a table: other columns, a figure that is no number, not UTF-8.
    """
    if not path.exists():
        return []
    try:
        rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        raise LeaderboardError(
            f"{path}: not a CSV table in UTF-8 ({error}). Restore it from version control."
        ) from error
    if not rows or tuple(rows[0]) != COLUMNS:
        raise LeaderboardError(
            f"{path}: expected the columns {','.join(COLUMNS)}; got {','.join(rows[0]) if rows else 'an empty file'}."
        )
    return [_entry(cells, f"{path}:{number}") for number, cells in enumerate(rows[1:], start=2)]


def _entry(cells: Sequence[str], where: str) -> Entry:
    if len(cells) != len(COLUMNS):
        raise LeaderboardError(f"{where}: expected {len(COLUMNS)} cells, got {len(cells)}.")
    values: dict[str, str | float | int | None] = {}
    for column, cell in zip(COLUMNS, cells, strict=True):
        if column in _FIGURES or column == "n_images":
            try:
                number = None if cell == "" else int(cell) if column == "n_images" else float(cell)
            except ValueError as error:
                raise LeaderboardError(f"{where}: {column} is {cell!r}; expected a number or nothing.") from error
            values[column] = number
        else:
            values[column] = spreadsheet_plain(cell)
    return Entry(**values)  # type: ignore[arg-type]


def table_text(entries: Sequence[Entry]) -> str:
    """The table as CSV: sorted, figures with the digits of their source, text that no spreadsheet runs."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for entry in sorted(entries, key=sort_key):
        writer.writerow([cell_text(entry, column) for column in COLUMNS])
    return buffer.getvalue()


def cell_text(entry: Entry, column: str) -> str:
    """One cell as it stands in the file."""
    value = getattr(entry, column)
    if value is None:
        return ""
    if column in _FIGURES:
        digits = _PAPER_DIGITS if entry.source == "paper" else _MEASURED_DIGITS
        return f"{value:.{digits[column]}f}"
    return str(value) if column == "n_images" else spreadsheet_safe(value)


def write_table(path: Path, entries: Sequence[Entry]) -> None:
    """Write a table as a whole or not at all; hold :func:`locked` from reading it to here.

    Raises:
        LeaderboardError: A row breaks the schema, or two rows are the same.
    """
    for entry in entries:
        if found := problems_of(entry):
            raise LeaderboardError(f"{path}: {entry.method!r} ({entry.ground_truth}): {'; '.join(found)}.")
    if has_twins(entries):
        raise LeaderboardError(f"{path}: two rows of one method, ground truth and protocol. Use --replace.")
    write_text(path, table_text(entries))


@contextmanager
def locked(leaderboards: Path) -> Iterator[None]:
    """Nobody else writes in this folder meanwhile (processes on this and other machines that share it).

    Raises:
        LeaderboardError: Another process kept the lock for a minute.
        OutputError: The folder cannot be written.
    """
    from filelock import FileLock, Timeout

    lock = leaderboards / ".lock"
    with output_errors(lock):
        leaderboards.mkdir(parents=True, exist_ok=True)
        guard = FileLock(lock, timeout=_LOCK_SECONDS)
        try:
            guard.acquire()
        except Timeout as error:
            raise LeaderboardError(
                f"{lock}: another process has been writing for {_LOCK_SECONDS:.0f} s. Try again when it has ended."
            ) from error
    try:
        yield
    finally:
        guard.release()

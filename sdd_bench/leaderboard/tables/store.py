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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sdd_bench.core.errors import LeaderboardError
from sdd_bench.core.files import output_errors, spreadsheet_plain, spreadsheet_safe, write_text
from sdd_bench.leaderboard.tables.schema import (
    COLUMNS,
    FIGURES,
    MEASURED_DIGITS,
    PAPER_DIGITS,
    Entry,
    check_name,
    has_twins,
    problems_of,
    sort_key,
)

RUNS = "runs"
_LOCK_SECONDS = 60.0


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
        if column in FIGURES or column == "n_images":
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
    if column in FIGURES:
        digits = PAPER_DIGITS if entry.source == "paper" else MEASURED_DIGITS
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

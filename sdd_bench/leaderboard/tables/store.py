"""Leaderboard tables: one CSV a dataset, one row a method, ground truth and protocol.

``leaderboards/README.md`` describes the columns. A table is sorted, so that a change shows as the lines that changed;
figures keep the digits of their source (a paper's 0.720 stays 0.720). A row is *measured*, when a run folder of
``sdd-bench evaluate`` stands behind it, or from a *paper*, when only a publication does. Measured rows keep their
figures per picture in ``runs/<run_sha256>.csv``, what the run says of its protocol in
``runs/<run_sha256>.summary.json``, and the seal that ties both to the row in ``runs/<run_sha256>.json`` (the run's
``run.json``, whose own SHA-256 is ``run_sha256``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sdd_bench.core import tables as core_tables
from sdd_bench.core.errors import LeaderboardError
from sdd_bench.core.files import output_errors, write_text
from sdd_bench.leaderboard.tables.schema import (
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
_FORM = core_tables.Form(LeaderboardError, "Restore it from version control.", exact=True)


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
    return list(core_tables.read_table(path, Entry, _FORM).values())


def table_text(entries: Sequence[Entry]) -> str:
    """The table as CSV: sorted, figures with the digits of their source, text that no spreadsheet runs."""
    return core_tables.table_text(Entry, sorted(entries, key=sort_key), cell=cell_text)


def cell_text(entry: Entry, column: str) -> str:
    """One cell as it stands in the file."""
    value = getattr(entry, column)
    if column not in FIGURES or value is None:
        return core_tables.cell_text(entry, column)
    digits = PAPER_DIGITS if entry.source == "paper" else MEASURED_DIGITS
    return f"{value:.{digits[column]}f}"


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

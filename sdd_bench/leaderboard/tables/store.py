"""Leaderboard tables: one CSV per dataset, one row per method, ground truth and protocol.

``leaderboards/README.md`` describes the columns. A table is sorted, so that a difference between versions shows only
the rows that changed. Figures keep the digits of their source (a paper's 0.720 stays 0.720).

A row is *measured* if it comes from a run folder of ``sdd-bench evaluate``, or of a *paper* if it comes from a
publication. A measured row has three files. ``runs/<run_sha256>.csv`` holds its figures per picture, and
``runs/<run_sha256>.summary.json`` its protocol. ``runs/<run_sha256>.json`` is the seal of both, the run's ``run.json``,
whose own SHA-256 is ``run_sha256``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sdd_bench.core.errors import LeaderboardError
from sdd_bench.core.storage import locks
from sdd_bench.core.storage import tables as core_tables
from sdd_bench.core.storage.files import write_text
from sdd_bench.leaderboard.tables.schema import (
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
    """Path of the table of ``dataset``.

    Raises:
        LeaderboardError: ``dataset`` is no name of a table.

    Example:
        >>> table_path(Path("leaderboards"), "dpdd").as_posix()
        'leaderboards/dpdd.csv'
    """
    return leaderboards / f"{check_name(dataset)}.csv"


def tables(leaderboards: Path) -> list[Path]:
    """Paths of the tables in a folder, sorted.

    Raises:
        LeaderboardError: The folder does not exist, or holds no table.
    """
    if not leaderboards.is_dir():
        raise LeaderboardError(
            f"{leaderboards}: no folder of leaderboards. Say --leaderboards DIR; a checkout of sdd-bench has one."
        )
    found = sorted(path for path in leaderboards.glob("*.csv") if path.is_file())
    if not found:
        raise LeaderboardError(
            f"{leaderboards}: expected tables (DATASET.csv), got a folder without any. Say --leaderboards DIR, or "
            "begin one: sdd-bench leaderboard add RUN."
        )
    return found


def read_table(path: Path) -> list[Entry]:
    """Rows of a table in the order of the file; empty if the file does not exist.

    Raises:
        LeaderboardError: The file has other columns, a figure that is no number, or is not in UTF-8.

    Example:
        >>> read_table(Path("no-such-table.csv"))
        []
    """
    if not path.exists():
        return []
    return list(core_tables.read_table(path, Entry, _FORM).values())


def table_text(entries: Sequence[Entry], *, n_columns: int | None = None) -> str:
    """The table as CSV: sorted, figures with the digits of their source, text that no spreadsheet runs.

    Args:
        entries: Its rows.
        n_columns: How many columns it has; fewer than all are those of an earlier version.
    """
    return core_tables.table_text(Entry, sorted(entries, key=sort_key), cell=cell_text, n_columns=n_columns)


def cell_text(entry: Entry, column: str) -> str:
    """Text of one cell in the file.

    Example:
        >>> cell_text(Entry("unet", "lab", "raw", 30.0, None, None, None, None, 2, "paper"), "psnr")
        '30.00'
    """
    value = getattr(entry, column)
    digits = PAPER_DIGITS if entry.source == "paper" else MEASURED_DIGITS
    if column not in digits or value is None:
        return core_tables.cell_text(entry, column)
    printed = len(repr(value).partition(".")[2]) if entry.source == "paper" else 0
    return f"{value:.{max(digits[column], printed)}f}"


def write_table(path: Path, entries: Sequence[Entry]) -> None:
    """Write a table completely or not at all. The caller holds :func:`locked` from reading the table until here.

    Raises:
        LeaderboardError: A row breaks the schema, or two rows have the same method, ground truth and protocol.
    """
    for entry in entries:
        if found := problems_of(entry):
            raise LeaderboardError(f"{path}: {entry.method!r} ({entry.ground_truth}): {'; '.join(found)}.")
    if has_twins(entries):
        raise LeaderboardError(f"{path}: two rows of one method, ground truth and protocol. Use --replace.")
    write_text(path, table_text(entries))


@contextmanager
def locked(leaderboards: Path) -> Iterator[None]:
    """Keep other processes, on this machine and on others that share the folder, from writing in it meanwhile.

    Raises:
        LeaderboardError: Another process kept the lock for a minute.
        OutputError: The folder cannot be written.
    """
    lock = leaderboards / ".lock"
    with ExitStack() as stack:
        try:
            stack.enter_context(locks.locked(lock, f"the tables in {leaderboards}", at_most_s=_LOCK_SECONDS))
        except locks.LockedError as error:
            raise LeaderboardError(
                f"{lock}: another process has been writing for {_LOCK_SECONDS:.0f} s. Try again when it has ended."
            ) from error
        yield

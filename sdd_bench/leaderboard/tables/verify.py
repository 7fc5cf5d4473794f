"""Verification of tables: form, order, ranges, hashes, and agreement of every column with its run.

The columns ``trained_on``, ``input`` and ``reference`` cannot be verified: they are the submitter's word and in no run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sdd_bench.core.errors import LeaderboardError
from sdd_bench.core.types import Problem
from sdd_bench.leaderboard.runs.check import checks_of
from sdd_bench.leaderboard.runs.entries import entries_of
from sdd_bench.leaderboard.tables.add import kept_run, run_paths
from sdd_bench.leaderboard.tables.schema import COLUMNS, RUN_SHA256, Entry, check_name, has_twins, problems_of
from sdd_bench.leaderboard.tables.store import RUNS, cell_text, read_table, table_text, tables


def verify(leaderboards: Path) -> list[Problem]:
    """Check every table of a folder: schema, order, ranges, hashes, and agreement of its rows with their runs.

    Raises:
        LeaderboardError: The folder does not exist, or holds no table.
    """
    problems = []
    used: set[Path] = set()
    for path in tables(leaderboards):
        try:
            entries = read_table(path)
        except LeaderboardError as error:
            problems.append(Problem(path.name, str(error)))
            continue
        problems += [Problem(path.name, reason) for reason in _table_problems(path, entries)]
        for run_sha256 in sorted({entry.run_sha256 for entry in entries if RUN_SHA256.fullmatch(entry.run_sha256)}):
            used |= set(run_paths(leaderboards, run_sha256))
            measured = [entry for entry in entries if entry.run_sha256 == run_sha256]
            problems += [Problem(path.name, reason) for reason in _run_problems(leaderboards, path.stem, measured)]
    folder = leaderboards / RUNS
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path not in used:
            problems.append(Problem(f"{RUNS}/{path.name}", "no row of any table names it; remove it."))
    return problems


def _table_problems(path: Path, entries: Sequence[Entry]) -> list[str]:
    found = []
    try:
        check_name(path.stem)
    except LeaderboardError as error:
        found.append(str(error))
    for number, entry in enumerate(entries, start=2):
        reasons = problems_of(entry)
        if entry.dataset != path.stem:
            reasons.append(f"dataset is {entry.dataset!r} in the table of {path.stem}")
        if reasons:
            found.append(f"row {number} ({entry.method}): {'; '.join(reasons)}")
    if has_twins(entries):
        found.append("two rows of one method, ground truth and protocol")
    text = path.read_text(encoding="utf-8")
    n_columns = text.partition("\n")[0].count(",") + 1
    if not found and table_text(entries, n_columns=n_columns) != text:
        found.append("not in the order or form that sdd-bench writes; was it edited by hand?")
    return found


def _run_problems(leaderboards: Path, dataset: str, entries: Sequence[Entry]) -> list[str]:
    """Problems of the rows of one run: differences from its kept files."""
    try:
        run = kept_run(leaderboards, entries[0].run_sha256)
    except LeaderboardError as error:
        return [f"{entries[0].method}: {error}"]
    found = [
        f"{run.method} {check.what}: {check.detail}"
        for check in checks_of(run, dataset=dataset)
        if check.status == "missing"
    ]
    given = {entry.ground_truth: entry for entry in entries_of(run, dataset=dataset)}
    if sorted(entry.ground_truth for entry in entries) != sorted(given):
        found.append(f"{run.method}: expected one row each of {', '.join(given)}, as its run was scored")
    for entry in entries:
        if (own := given.get(entry.ground_truth)) is None:
            continue
        own = replace(own, trained_on=entry.trained_on, input=entry.input, reference=entry.reference)
        for column in COLUMNS:
            cell, expected = cell_text(entry, column), cell_text(own, column)
            if cell != expected:
                found.append(f"{entry.method} {entry.ground_truth} {column}: {cell!r}, but its run gives {expected!r}")
    return found

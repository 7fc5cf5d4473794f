"""Entering a run into its table."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from sdd_bench.core.errors import LeaderboardError
from sdd_bench.core.storage.files import sealed, sha256_of
from sdd_bench.leaderboard.runs.check import check_run
from sdd_bench.leaderboard.runs.entries import entries_of, rows_of, scenes_of
from sdd_bench.leaderboard.runs.read import Run, RunFiles, read_files, read_rows, read_run
from sdd_bench.leaderboard.tables.schema import RUN_SHA256, Entry, check_name, problems_of, signatures_by_run
from sdd_bench.leaderboard.tables.store import RUNS, locked, read_table, table_path, table_text, tables, write_table

_KEPT = re.compile(r"(?P<run>[0-9a-f]{64})\.(?:csv|summary\.json|json)(?P<partial>\.partial)?")
"""Names in ``runs/``."""


def add(
    run: Path,
    leaderboards: Path,
    *,
    dataset: str | None = None,
    trained_on: str = "",
    input: str = "",
    reference: str = "",
    replace: bool = False,
) -> list[Entry]:
    """Enter a run folder into the table of its dataset.

    A run whose very rows are in the table already is entered anew, without a change: so a command that was killed is
    finished by the same command.

    Args:
        run: Run folder of ``sdd-bench evaluate``.
        leaderboards: Folder of tables; it is created if it does not exist.
        dataset: Name of the table; None for the run's own name of its dataset.
        trained_on: Training data of the method.
        input: ``single`` or ``dual``: what the method is given.
        reference: Publication of the method.
        replace: Whether to replace all rows of a run of the same method, training data and protocol. Rows of another
            protocol stay, even those against raw ground truth, whose signature includes no flow and no warp.

    Returns:
        The entered rows.

    Raises:
        LeaderboardError: The run was changed, is incomplete, contradicts itself, is listed already, or groups the
            pictures into other scenes than the runs it would be ranked with.
        OutputError: The folder cannot be written.
    """
    failed = [check for check in check_run(run, dataset=dataset) if check.status == "missing"]
    if failed:
        lines = "".join(f"\n  {check.what}: {check.detail}" for check in failed)
        raise LeaderboardError(f"{run}: cannot be listed:{lines}\nSee sdd-bench leaderboard check {run}.")
    submission = read_run(run)
    name = check_name(dataset or submission.dataset)
    entries = entries_of(submission, dataset=name, trained_on=trained_on, input=input, reference=reference)
    if wrong := sorted({problem for entry in entries for problem in problems_of(entry)}):
        raise LeaderboardError(f"{run}: cannot be listed: {'; '.join(wrong)}.")
    table = table_path(leaderboards, name)
    with locked(leaderboards):
        standing = read_table(table)
        signatures = signatures_by_run(standing)
        ours = {entry.ground_truth: entry.signature for entry in entries}
        twins = [
            entry
            for entry in standing
            if entry.source == "measured"
            and (
                entry.run_sha256 == submission.run_sha256
                or (entry.method, entry.trained_on, signatures[entry.run_sha256])
                == (submission.method, trained_on, ours)
            )
        ]
        if twins and not replace and table_text(twins) != table_text(entries):
            raise LeaderboardError(
                f"{table}: {submission.method} is there already with this protocol "
                f"({', '.join(entry.ground_truth for entry in twins)}). Use --replace, or another --method of evaluate."
            )
        ranked_with = {e.ground_truth: e for e in standing if e not in twins and e.signature in ours.values()}
        _check_scenes(submission, ranked_with.values(), leaderboards)
        for entry in twins:
            run_paths(leaderboards, entry.run_sha256)
        kept = [entry for entry in standing if entry not in twins]
        try:
            _keep_run(submission, leaderboards)
            write_table(table, [*kept, *entries])
        finally:
            _sweep(leaderboards)
    return entries


def _check_scenes(run: Run, ranked_with: Iterable[Entry], leaderboards: Path) -> None:
    """Refuse a run whose scenes are not those of the rows it would be ranked with, one per ground truth."""
    for entry in ranked_with:
        ours = {row.image: row for row in rows_of(run.rows, run.method, entry.ground_truth)}
        rows = rows_of(read_rows(run_paths(leaderboards, entry.run_sha256).figures), entry.method, entry.ground_truth)
        theirs = {row.image: row for row in rows}
        scenes_of({run.method: ours, entry.method: theirs}, sorted(ours.keys() & theirs.keys()))


def run_paths(leaderboards: Path, run_sha256: str) -> RunFiles:
    """Paths of the kept files of a measured row's run.

    Raises:
        LeaderboardError: ``run_sha256`` is no SHA-256, so it could name files elsewhere.

    Example:
        >>> run_paths(Path("leaderboards"), 64 * "a").seal.parent.as_posix()
        'leaderboards/runs'
    """
    folder = leaderboards / RUNS
    if not RUN_SHA256.fullmatch(run_sha256):
        raise LeaderboardError(
            f"{folder}: expected a run_sha256 of 64 hex digits, got {run_sha256!r}. Restore the table that names it "
            "from version control."
        )
    return RunFiles(folder / f"{run_sha256}.csv", folder / f"{run_sha256}.summary.json", folder / f"{run_sha256}.json")


def kept_run(leaderboards: Path, run_sha256: str) -> Run:
    """Run of a measured row, read from its files in ``runs/``.

    Raises:
        LeaderboardError: A file is missing, was changed, or is no file of a run.
    """
    files = run_paths(leaderboards, run_sha256)
    next_step = f"Restore {RUNS}/ from version control."
    if not files.seal.is_file():
        raise LeaderboardError(f"{files.seal}: missing. {next_step}")
    found = sha256_of(files.seal)
    if found != run_sha256:
        raise LeaderboardError(
            f"{files.seal}: changed: expected the sha256 that it is called by, got {found}. {next_step}"
        )
    return read_files(files, next_step=next_step)


def _keep_run(run: Run, leaderboards: Path) -> None:
    for source, target in zip(run.files, run_paths(leaderboards, run.run_sha256), strict=True):
        with sealed(target) as partial:
            shutil.copyfile(source, partial)


def _sweep(leaderboards: Path) -> None:
    """Remove the files of runs that no table names: of rows replaced now, or of an entry that was killed or failed.

    Nothing goes where a table cannot be read or names what is no run: then nobody knows what is in use.
    """
    try:
        entries = [entry for path in tables(leaderboards) for entry in read_table(path)]
    except LeaderboardError:
        return
    used = {entry.run_sha256 for entry in entries if entry.source == "measured"}
    if not all(map(RUN_SHA256.fullmatch, used)) or not (leaderboards / RUNS).is_dir():
        return
    for path in (leaderboards / RUNS).iterdir():
        kept = _KEPT.fullmatch(path.name)
        if kept is not None and (kept["run"] not in used or kept["partial"]):
            path.unlink(missing_ok=True)

"""Enter a run into its table, or refuse."""

from __future__ import annotations

import shutil
from pathlib import Path

from sdd_bench.errors import LeaderboardError
from sdd_bench.files import sealed
from sdd_bench.leaderboard.submission import Run, check_run, entries_of, read_run
from sdd_bench.leaderboard.table import RUNS, Entry, check_name, locked, read_table, table_path, tables, write_table


def add(
    run: Path,
    leaderboards: Path,
    *,
    dataset: str | None = None,
    trained_on: str = "",
    reference: str = "",
    replace: bool = False,
) -> list[Entry]:
    """Enter a run folder into the table of its dataset.

    Args:
        run: A folder that ``sdd-bench evaluate`` wrote.
        leaderboards: The folder of tables; made when it is not there.
        dataset: Name of the table; the run's own dataset name when not given.
        trained_on: What the method was trained on.
        reference: Where the method is described.
        replace: Take the place of rows of the same method, ground truth and protocol.

    Returns:
        The rows that were entered.

    Raises:
        LeaderboardError: The run was changed, is incomplete, contradicts itself, or is there already.
        OutputError: The folder cannot be written.
    """
    failed = [check for check in check_run(run, dataset=dataset) if check.status == "missing"]
    if failed:
        lines = "".join(f"\n  {check.what}: {check.detail}" for check in failed)
        raise LeaderboardError(f"{run}: cannot be listed:{lines}\nSee sdd-bench leaderboard check {run}.")
    submission = read_run(run)
    name = check_name(dataset or submission.dataset)
    entries = entries_of(submission, dataset=name, trained_on=trained_on, reference=reference)
    table = table_path(leaderboards, name)
    with locked(leaderboards):
        standing = read_table(table)
        places = {_place(entry) for entry in entries}
        measured = [entry for entry in standing if entry.source == "measured"]
        twins = [e for e in measured if _place(e) in places or e.run_sha256 == submission.run_sha256]
        if twins and not replace:
            raise LeaderboardError(
                f"{table}: {submission.method} is there already with this protocol "
                f"({', '.join(entry.ground_truth for entry in twins)}). Use --replace, or another --method of evaluate."
            )
        _keep_run(submission, leaderboards)
        kept = [entry for entry in standing if entry not in twins]
        write_table(table, [*kept, *entries])
        _drop_runs({entry.run_sha256 for entry in twins}, leaderboards)
    return entries


def _place(entry: Entry) -> tuple[str, ...]:
    return (entry.method, entry.ground_truth, entry.signature, entry.trained_on)


def run_paths(leaderboards: Path, run_sha256: str) -> tuple[Path, Path]:
    """Where the figures per picture and the seal of a measured row are."""
    folder = leaderboards / RUNS
    return folder / f"{run_sha256}.csv", folder / f"{run_sha256}.json"


def _keep_run(run: Run, leaderboards: Path) -> None:
    for source, target in zip(("per_image.csv", "run.json"), run_paths(leaderboards, run.run_sha256), strict=True):
        with sealed(target) as partial:
            shutil.copyfile(run.folder / source, partial)


def _drop_runs(hashes: set[str], leaderboards: Path) -> None:
    """Remove the figures of runs that no table names any more."""
    used = {entry.run_sha256 for path in tables(leaderboards) for entry in read_table(path)}
    for run_sha256 in hashes - used:
        for path in run_paths(leaderboards, run_sha256):
            path.unlink(missing_ok=True)

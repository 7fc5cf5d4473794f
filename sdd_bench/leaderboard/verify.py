"""Are the tables what they claim to be: form, order, ranges, hashes, means."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sdd_bench.errors import LeaderboardError
from sdd_bench.files import sha256_of
from sdd_bench.leaderboard.add import run_paths
from sdd_bench.leaderboard.submission import mean_of, read_json, read_rows, rows_of
from sdd_bench.leaderboard.table import METRICS, RUNS, Entry, check_name, problems_of, read_table, table_text, tables
from sdd_bench.types import Problem

_HALF_A_DIGIT = {"psnr": 6e-5, "ssim": 6e-7, "mae": 6e-7, "lpips": 6e-7, "drift_px": 6e-5}
"""What rounding to the digits of a table may change."""


def verify(leaderboards: Path) -> list[Problem]:
    """Check every table of a folder: schema, order, ranges, hashes, means.

    Raises:
        LeaderboardError: No such folder.
    """
    problems = []
    used = set()
    for path in tables(leaderboards):
        try:
            entries = read_table(path)
        except LeaderboardError as error:
            problems.append(Problem(path.name, str(error)))
            continue
        used |= {entry.run_sha256 for entry in entries if entry.run_sha256}
        problems += [Problem(path.name, reason) for reason in _table_problems(path, entries)]
        for run_sha256 in sorted({entry.run_sha256 for entry in entries if entry.run_sha256}):
            measured = [entry for entry in entries if entry.run_sha256 == run_sha256]
            problems += [Problem(path.name, reason) for reason in _run_problems(leaderboards, run_sha256, measured)]
    folder = leaderboards / RUNS
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.stem not in used or path.suffix not in (".csv", ".json"):
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
    if len({entry.key for entry in entries}) < len(entries):
        found.append("two rows of one method, ground truth and protocol")
    if not found and table_text(entries) != path.read_text(encoding="utf-8"):
        found.append("not in the order or form that sdd-bench writes; was it edited by hand?")
    return found


def _run_problems(leaderboards: Path, run_sha256: str, entries: Sequence[Entry]) -> list[str]:
    figures, seal = run_paths(leaderboards, run_sha256)
    for path in (figures, seal):
        if not path.is_file():
            return [f"{path.name}: missing from {RUNS}/, but {entries[0].method} names it"]
    if sha256_of(seal) != run_sha256:
        return [f"{RUNS}/{seal.name}: changed: its sha256 is not its name"]
    try:
        sealed_hash = read_json(seal).get("files", {}).get("per_image.csv")
        rows = read_rows(figures)
    except LeaderboardError as error:
        return [str(error)]
    if sha256_of(figures) != sealed_hash:
        return [f"{RUNS}/{figures.name}: changed since the run was sealed"]
    found = []
    for entry in entries:
        own = rows_of(rows, entry.method, entry.ground_truth)
        if len(own) != entry.n_images:
            found.append(f"{entry.method} {entry.ground_truth}: n_images {entry.n_images}, but {len(own)} were scored")
        for figure in (*METRICS, "drift_px"):
            claim, value = getattr(entry, figure), mean_of(own, figure)
            if (claim is None) != (value is None) or (
                claim is not None and value is not None and abs(claim - value) > _HALF_A_DIGIT[figure]
            ):
                found.append(f"{entry.method} {entry.ground_truth} {figure}: {claim}, but its pictures give {value}")
    return found

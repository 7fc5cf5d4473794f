"""Selection of methods that can be compared: those that scored the same pictures by the same protocol."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sdd_bench.core.errors import LeaderboardError
from sdd_bench.evaluation.per_image import ImageRow
from sdd_bench.leaderboard.runs.check import BASELINES
from sdd_bench.leaderboard.runs.entries import ceiling_of, rows_of, scenes_of
from sdd_bench.leaderboard.runs.read import read_rows, read_run
from sdd_bench.leaderboard.tables.add import run_paths
from sdd_bench.leaderboard.tables.schema import TRUTHS, Entry, signatures_by_run
from sdd_bench.leaderboard.tables.store import read_table, table_path
from sdd_bench.statistics.units import Array


@dataclass(frozen=True)
class Contender:
    """A method with its figures per picture, from a table or from a run folder."""

    label: str
    method: str
    signatures: dict[str, str]
    rows: tuple[ImageRow, ...]


@dataclass(frozen=True)
class Paired:
    """Scores of several methods over the same pictures."""

    methods: tuple[str, ...]
    images: tuple[str, ...]
    scenes: tuple[str, ...]
    rows: tuple[tuple[ImageRow, ...], ...]
    """One row per method and picture, in the order of both."""
    runs: tuple[tuple[ImageRow, ...], ...]
    """All rows of each method's run, its baselines too."""
    ground_truth: str

    def scores(self, metric: str) -> Array:
        """Scores, (methods, pictures); a missing score is NaN."""
        values = [[row.figures[metric] for row in rows] for rows in self.rows]
        return np.array([[np.nan if value is None else value for value in row] for row in values], dtype=np.float64)

    def ceiling(self, metric: str) -> float | None:
        """Mean score of the aligned truth, the lowest of those in the runs; None if no run has it."""
        known = [ceiling_of(run, self.ground_truth, metric, self.images) for run in self.runs]
        return min((value for value in known if value is not None), default=None)

    def has(self, metric: str) -> bool:
        """Whether every method has the metric on every picture."""
        return not np.isnan(self.scores(metric)).any()


def contenders(names: Sequence[str], *, leaderboards: Path, dataset: str | None) -> list[Contender]:
    """Find methods by name or by run folder.

    Args:
        names: Run folders, or names of methods in the table. The baselines ``identity`` and ``ceiling`` are taken from
            a run of the same protocol as the others.
        leaderboards: Folder of tables.
        dataset: Name of the table; needed unless all names are run folders.

    Raises:
        LeaderboardError: A name is neither a run folder nor a method, or several runs have it.
    """
    by_name = {name: _from_run(Path(name)) for name in names if (Path(name) / "run.json").is_file()}
    listed = [name for name in names if name not in by_name]
    if listed:
        if dataset is None:
            raise LeaderboardError(f"{listed[0]}: not a run folder; to take a method from a table, say --dataset NAME.")
        entries = [entry for entry in read_table(table_path(leaderboards, dataset)) if entry.source == "measured"]
        for name in sorted(listed, key=_is_baseline):
            wanted = next(iter(by_name.values())).signatures if by_name else {}
            by_name[name] = _from_table(name, entries, leaderboards, wanted)
    found = [by_name[name] for name in names]
    labels = [contender.label for contender in found]
    return [
        Contender(f"{c.label} ({number})" if labels.count(c.label) > 1 else c.label, c.method, c.signatures, c.rows)
        for number, c in enumerate(found, start=1)
    ]


def _from_run(folder: Path) -> Contender:
    run = read_run(folder)
    return Contender(run.method, run.method, {t: str(run.summary["signature"].get(t, "")) for t in TRUTHS}, run.rows)


def _is_baseline(name: str) -> bool:
    return name.partition("@")[0] in BASELINES


def _from_table(name: str, entries: Sequence[Entry], leaderboards: Path, wanted: Mapping[str, str]) -> Contender:
    """Method of the table. A baseline is taken from the run whose signatures agree most with ``wanted``."""
    method, _, prefix = name.partition("@")
    mine = [e for e in entries if e.run_sha256.startswith(prefix) and (_is_baseline(name) or e.method == method)]
    mine = mine or [e for e in entries if e.method == name]
    runs = signatures_by_run(mine)
    if not runs:
        known = ", ".join(sorted({entry.method for entry in entries})) or "none; add a run first"
        raise LeaderboardError(f"{name!r}: neither a run folder nor a measured method of the table; measured: {known}.")
    if len(runs) > 1 and not _is_baseline(name):
        choices = ", ".join(f"{method}@{run[:8]}" for run in sorted(runs))
        raise LeaderboardError(f"{name!r}: stands for {len(runs)} runs; say which: {choices}.")
    chosen = max(sorted(runs), key=lambda run: len(runs[run].items() & wanted.items()))
    return Contender(method, method, runs[chosen], read_rows(run_paths(leaderboards, chosen).figures))


def pair(found: Iterable[Contender], truth: str) -> Paired:
    """Align the rows of several methods by picture.

    Raises:
        LeaderboardError: Protocols, pictures or scenes of the methods differ.

    Example:
        >>> others = {"ssim": None, "mae": None, "lpips": None, "drift_px": None}
        >>> row = ImageRow(method="unet", image="1", ground_truth="raw", psnr=30.0, **others)
        >>> pair([Contender("unet", "unet", {}, (row,))], "raw").scores("psnr").tolist()
        [[30.0]]
    """
    methods = list(found)
    first = methods[0]
    tables: list[dict[str, ImageRow]] = []
    for contender in methods:
        rows = {row.image: row for row in rows_of(contender.rows, contender.method, truth)}
        if not rows:
            raise LeaderboardError(f"{contender.label}: has no scores against {truth} ground truth.")
        if contender.signatures.get(truth) != first.signatures.get(truth):
            raise LeaderboardError(
                f"{first.label} and {contender.label}: scored by other protocols, so not comparable:\n"
                f"  {first.signatures.get(truth)}\n  {contender.signatures.get(truth)}"
            )
        tables.append(rows)
        if tables[0].keys() != rows.keys():
            apart = sorted(tables[0].keys() ^ rows.keys())
            raise LeaderboardError(
                f"{first.label} and {contender.label}: not the same pictures ({', '.join(apart[:3])})."
            )
    images = sorted(tables[0])
    return Paired(
        methods=tuple(contender.label for contender in methods),
        images=tuple(images),
        scenes=scenes_of(dict(zip([contender.label for contender in methods], tables, strict=True)), images),
        rows=tuple(tuple(rows[image] for image in images) for rows in tables),
        runs=tuple(contender.rows for contender in methods),
        ground_truth=truth,
    )

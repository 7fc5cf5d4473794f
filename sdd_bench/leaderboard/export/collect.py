"""The tables of a folder as plain values: what every export is made from, and the JSON itself.

The JSON has the schema of ``schema.json`` beside this file (``sdd-bench leaderboard export --schema`` prints it).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sdd_bench import __version__
from sdd_bench.core.errors import LeaderboardError
from sdd_bench.leaderboard.runs.read import read_rows
from sdd_bench.leaderboard.site.standings import Cell, Line, Standing, standing
from sdd_bench.leaderboard.tables.add import run_paths
from sdd_bench.leaderboard.tables.schema import METRICS, TRUTHS
from sdd_bench.leaderboard.tables.store import read_table, tables

SCHEMA = 1
SCHEMA_FILE = Path(__file__).with_name("schema.json")


def read_standings(leaderboards: Path, datasets: Sequence[str] = ()) -> list[Standing]:
    """The standings of some tables, or of all, in the order of their names.

    Args:
        leaderboards: Folder of tables.
        datasets: Names; empty is all.

    Raises:
        LeaderboardError: The folder or a table does not exist or is damaged, or the folder holds no table.
    """
    found = {path.stem: path for path in tables(leaderboards)}
    missing = [name for name in datasets if name not in found]
    if missing:
        raise LeaderboardError(f"{leaderboards}: has no table {missing[0]}; it has {', '.join(found)}.")
    standings = []
    for name in datasets or sorted(found):
        entries = read_table(found[name])
        hashes = sorted({entry.run_sha256 for entry in entries if entry.run_sha256})
        rows = {run_sha256: read_rows(run_paths(leaderboards, run_sha256).figures) for run_sha256 in hashes}
        standings.append(standing(name, entries, rows))
    return standings


def columns_of(
    item: Standing, truths: Sequence[str] = TRUTHS, metrics: Sequence[str] = METRICS
) -> list[tuple[str, str]]:
    """Ground truths and metrics of which any line has a figure, in the order of the protocol."""
    return [
        (truth, metric)
        for truth in TRUTHS
        for metric in METRICS
        if truth in truths
        and metric in metrics
        and any(cell.text for line in item.lines if (cell := line.cells.get((truth, metric), Cell())))
    ]


def as_json(standings: Sequence[Standing]) -> dict[str, Any]:
    """The standings as JSON values. An unknown figure is absent; a mean over no finite value is null."""
    return {
        "schema": SCHEMA,
        "tool_version": __version__,
        "tables": [
            {
                "dataset": item.dataset,
                "n_images": len(item.images) or None,
                "protocols": [
                    {"name": protocol.name, "signatures": dict(protocol.signatures)} for protocol in item.protocols
                ],
                "lines": [_line(line) for line in item.lines],
            }
            for item in standings
        ],
    }


def schema() -> dict[str, Any]:
    """The JSON schema of :func:`as_json`.

    Example:
        >>> schema()["title"]
        'sdd-bench leaderboards'
    """
    values: dict[str, Any] = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    return values


def _line(line: Line) -> dict[str, Any]:
    scores: dict[str, dict[str, Any]] = {}
    for (truth, metric), cell in line.cells.items():
        if cell.text:
            scores.setdefault(truth, {})[metric] = _figure(line, truth, metric, cell)
    return {
        "kind": line.kind,
        "method": line.method,
        "n_images": line.n_images,
        "trained_on": line.trained_on,
        "input": line.input,
        "reference": line.reference,
        "as_printed_in": line.as_printed_in,
        "metrics_note": line.metrics_note,
        "protocol": line.protocol,
        "run_sha256": line.run_sha256,
        "drift_px": float(line.drift.value) if line.drift.value else None,
        "scores": scores,
    }


def _figure(line: Line, truth: str, metric: str, cell: Cell) -> dict[str, Any]:
    entry = next((entry for entry in line.entries if entry.ground_truth == truth), None)
    if cell.rank is not None:
        value = cell.rank.mean
    else:
        value = entry.score(metric) if entry is not None else float(cell.value) if cell.value else None
    figure: dict[str, Any] = {"value": value, "text": cell.text}
    if cell.rank is not None:
        figure |= {"n_infinite": cell.rank.n_infinite, "place": cell.rank.place, "n_ranked": cell.n_ranked}
        figure |= {"rank_low": cell.rank.low, "rank_high": cell.rank.high, "stands_out": cell.leads}
    return figure | ({"another_implementation": cell.note} if cell.note else {})

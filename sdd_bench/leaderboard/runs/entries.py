"""The rows of a table that a run gives."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sdd_bench.leaderboard.runs.read import Row, Run
from sdd_bench.leaderboard.tables.schema import METRICS, TRUTHS, Entry


def mean_of(rows: Sequence[Row], figure: str) -> float | None:
    """Mean over the finite values of a figure, as the protocol has it; None when there is none."""
    finite = [value for row in rows if (value := row.figures[figure]) is not None and math.isfinite(value)]
    return math.fsum(finite) / len(finite) if finite else None


def rows_of(rows: Sequence[Row], method: str, truth: str) -> list[Row]:
    """The pictures of one method against one ground truth."""
    return [row for row in rows if row.method == method and row.ground_truth == truth]


def truths_of(run: Run) -> list[str]:
    """The ground truths the method was scored against."""
    return [truth for truth in TRUTHS if rows_of(run.rows, run.method, truth)]


def entries_of(run: Run, *, dataset: str | None = None, trained_on: str = "", reference: str = "") -> list[Entry]:
    """The rows of the table that a run gives, one a ground truth; means are those of ``per_image.csv``."""
    summary = run.summary
    provenance = summary["provenance"]
    entries = []
    for truth in truths_of(run):
        rows = rows_of(run.rows, run.method, truth)
        moved = truth != "raw"
        entries.append(
            Entry(
                method=run.method,
                dataset=dataset or run.dataset,
                ground_truth=truth,
                **{metric: mean_of(rows, metric) for metric in METRICS},
                drift_px=mean_of(rows, "drift_px"),
                n_images=len(rows),
                source="measured",
                trained_on=trained_on,
                bit_depth=str(summary["bit_depth"]),
                resize=summary["resize"],
                crop=summary["crop"],
                flow=summary["flow"]["name"] if moved else "",
                warp=summary["warp"] if moved else "",
                signature=str(summary["signature"].get(truth, "")),
                reference=reference,
                run_sha256=run.run_sha256,
                tool_version=str(provenance.get("tool_version", "")),
                date=str(provenance.get("date", ""))[:10],
            )
        )
    return entries

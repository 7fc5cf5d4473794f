"""The rows of a table that follow from a run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sdd_bench.core.errors import LeaderboardError
from sdd_bench.evaluation.per_image import ImageRow
from sdd_bench.leaderboard.runs.read import Run
from sdd_bench.leaderboard.tables.schema import TRUTHS, Entry
from sdd_bench.statistics.gains import capped
from sdd_bench.statistics.units import units_of


def mean_of(rows: Sequence[ImageRow], figure: str) -> float | None:
    """Mean over the finite values of a figure, as the protocol has it; None when there is none."""
    finite = [value for row in rows if (value := row.figures[figure]) is not None and math.isfinite(value)]
    return math.fsum(finite) / len(finite) if finite else None


def rows_of(rows: Sequence[ImageRow], method: str, truth: str) -> list[ImageRow]:
    """The pictures of one method against one ground truth."""
    return [row for row in rows if row.method == method and row.ground_truth == truth]


def ceiling_of(rows: Sequence[ImageRow], truth: str, metric: str, images: Sequence[str]) -> float | None:
    """Mean of the aligned truth on these pictures; None where it is not known on all of them."""
    values = {row.image: row.figures[metric] for row in rows_of(rows, "ceiling", truth)}
    known = [value for image in images if (value := values.get(image)) is not None]
    return float(capped(metric, np.array(known)).mean()) if known and len(known) == len(images) else None


def scenes_of(runs: Mapping[str, Mapping[str, ImageRow]], images: Sequence[str]) -> tuple[str, ...]:
    """The scene of each picture, on which all runs must agree: scenes are what is drawn, so they decide a verdict.

    Args:
        runs: Rows by picture, by the name of the method.
        images: Names of the pictures.

    Raises:
        LeaderboardError: Two runs group the pictures into different scenes.

    Example:
        >>> none = dict.fromkeys(("psnr", "ssim", "mae", "lpips", "drift_px"))
        >>> row = ImageRow(method="unet", image="a", scene="hall", ground_truth="raw", **none)
        >>> rows = {"a": row, "b": row}
        >>> scenes_of({"unet": rows}, ["a", "b"])
        ('hall', 'hall')
    """
    labels = {name: tuple(rows[image].scene for image in images) for name, rows in runs.items()}
    first, own = next(iter(labels.items()))
    for name, others in labels.items():
        if not np.array_equal(units_of(own, len(images)), units_of(others, len(images))):
            apart = [f"{i}: {a!r}, {b!r}" for i, a, b in zip(images, own, others, strict=True) if a != b]
            raise LeaderboardError(
                f"{first} and {name}: other scenes of the same pictures ({'; '.join(apart[:3])}), so not comparable. "
                "Evaluate both on the same folder or list of pairs."
            )
    return own


def truths_of(run: Run) -> list[str]:
    """Ground truths that the method of a run was scored against."""
    return [truth for truth in TRUTHS if rows_of(run.rows, run.method, truth)]


def entries_of(
    run: Run, *, dataset: str | None = None, trained_on: str = "", input: str = "", reference: str = ""
) -> list[Entry]:
    """Rows of the table that follow from a run, one per ground truth, with the means of ``per_image.csv``.

    Args:
        run: The run.
        dataset: Name of the table; None for the run's own name of its dataset.
        trained_on: Training data of the method.
        input: ``single`` or ``dual``: what the method is given.
        reference: Publication of the method.
    """
    summary = run.summary
    provenance = summary["provenance"]
    made = summary.get("prediction")
    made = made if isinstance(made, Mapping) else {}
    entries = []
    for truth in truths_of(run):
        rows = rows_of(run.rows, run.method, truth)
        moved = truth != "raw"
        entries.append(
            Entry(
                method=run.method,
                dataset=dataset or run.dataset,
                ground_truth=truth,
                psnr=mean_of(rows, "psnr"),
                ssim=mean_of(rows, "ssim"),
                mae=mean_of(rows, "mae"),
                lpips=mean_of(rows, "lpips"),
                drift_px=mean_of(rows, "drift_px"),
                n_images=len(rows),
                source="measured",
                trained_on=trained_on,
                input=input,
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
                params=_number(made.get("params"), int),
                seconds_per_mpx=_number(made.get("seconds_per_mpx"), int, float),
            )
        )
    return entries


def _number(value: Any, *kinds: type) -> Any:
    """``value`` where it is a number of these kinds; what a run says of its predictions may be anything."""
    return value if type(value) in kinds else None

"""Are the scores what the predictions give: a random sample of a run's pictures, scored again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sdd_bench import config
from sdd_bench.data.layouts import PairList
from sdd_bench.errors import LeaderboardError
from sdd_bench.evaluation.matching import match_predictions
from sdd_bench.evaluation.options import EvaluateOptions
from sdd_bench.evaluation.picture import score_files
from sdd_bench.leaderboard.submission import Row, read_run, rows_of
from sdd_bench.leaderboard.table import METRICS
from sdd_bench.types import GroundTruth, OnProgress, Problem, Progress

TOLERANCES = {
    "raw": {"psnr": 1e-3, "ssim": 1e-5, "mae": 1e-6, "lpips": 2e-4},
    "flow": {"psnr": 2e-2, "ssim": 2e-4, "mae": 5e-5, "lpips": 2e-3},
}
"""What another machine may change: sums in another order; where flow is in between, the flow network's rounding too."""


@dataclass(frozen=True)
class Rescored:
    """One figure of a run, and what it came to when computed again."""

    image: str
    ground_truth: str
    metric: str
    claimed: float | None
    found: float | None

    @property
    def agrees(self) -> bool:
        """Equal within :data:`TOLERANCES`."""
        if self.claimed is None or self.found is None or math.isinf(self.claimed) or math.isinf(self.found):
            return self.claimed == self.found
        kind = "raw" if self.ground_truth == "raw" else "flow"
        return abs(self.claimed - self.found) <= TOLERANCES[kind][self.metric]


def rerun(
    run: Path,
    data: PairList,
    predictions: Path,
    *,
    n_pictures: int = 3,
    seed: int | None = None,
    device: str = "cpu",
    flow_weights: Path | None = None,
    on_progress: OnProgress | None = None,
) -> list[Rescored]:
    """Score a random sample of a run's pictures again and compare.

    Args:
        run: The run folder.
        data: The dataset, from :func:`sdd_bench.data.layouts.open_dataset`.
        predictions: The folder that was scored.
        n_pictures: How many pictures; all when there are fewer.
        seed: Of the choice; another choice each time when not given.
        device: Torch device.
        flow_weights: The checkpoint, where the run used one of its own (a run keeps only its name).
        on_progress: Called after every picture.

    Raises:
        LeaderboardError: The run was changed, or scored pictures that are not there.
        PairingError, ImageError: Files that do not fit.
    """
    submission = read_run(run)
    values = dict(submission.summary.get("provenance", {}).get("options", {}))
    if values.get("flow_weights") and flow_weights is None:
        raise LeaderboardError(f"{run}: was scored with the weights {values['flow_weights']}; say --flow-weights FILE.")
    values |= {"flow_weights": flow_weights, "device": device, "save_flow": False, "save_warped": False}
    options = config.build(EvaluateOptions, values, source=str(run / "summary.json"))
    matches = {match.pair.name: match for match in match_predictions(data.pairs, predictions)[0]}
    names = sorted({row.image for row in submission.rows if row.method == submission.method})
    absent = [name for name in names if name not in matches]
    if absent:
        raise LeaderboardError(
            f"{run}: scored {absent[0]} ({len(absent)} such), which {predictions} and the dataset do not both have."
        )
    chosen = np.random.default_rng(seed).permutation(len(names))[:n_pictures]
    results = []
    for done, index in enumerate(sorted(chosen.tolist()), start=1):
        match = matches[names[index]]
        record = score_files(match.pair, match.prediction_path, options)
        for truth in GroundTruth:
            for row in _row(submission.rows, submission.method, names[index], truth.value):
                scores = record.method.truths[truth]
                results += [
                    Rescored(names[index], truth.value, metric, row.figures[metric], getattr(scores, metric))
                    for metric in METRICS
                    if row.figures[metric] is not None
                ]
        if on_progress is not None:
            on_progress(Progress(done, len(chosen), item=names[index]))
    return results


def rerun_problems(results: Sequence[Rescored]) -> list[Problem]:
    """The figures that did not come out as the run claims."""
    return [
        Problem(
            f"{item.image} {item.ground_truth} {item.metric}", f"the run says {item.claimed}, scored now {item.found}"
        )
        for item in results
        if not item.agrees
    ]


def _row(rows: Sequence[Row], method: str, image: str, truth: str) -> list[Row]:
    return [row for row in rows_of(rows, method, truth) if row.image == image]

"""Check of a run's scores: a random sample of its pictures is scored again.

The protocol is checked too: the run's options and these pictures must give the signatures that the run states. The hash
of all pixels, and all else that depends on every picture, is checked only when every picture is scored again.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sdd_bench.captures.layouts import PairList
from sdd_bench.core import config
from sdd_bench.core.errors import LeaderboardError
from sdd_bench.core.types import GroundTruth, OnProgress, Problem, Progress
from sdd_bench.evaluation.options import EvaluateOptions
from sdd_bench.evaluation.picture.engines import load_engines
from sdd_bench.evaluation.picture.match import match_predictions
from sdd_bench.evaluation.picture.records import PictureRecord
from sdd_bench.evaluation.picture.task import score_files
from sdd_bench.evaluation.summary import protocol_of
from sdd_bench.images.resize import parse_resize
from sdd_bench.leaderboard.runs.entries import truths_of
from sdd_bench.leaderboard.runs.read import Run, read_run
from sdd_bench.leaderboard.tables.schema import METRICS

TOLERANCES = {
    "raw": {"psnr": 1e-3, "ssim": 1e-5, "mae": 1e-6, "lpips": 2e-4, "drift_px": 2e-2},
    "flow": {"psnr": 2e-2, "ssim": 2e-4, "mae": 5e-5, "lpips": 2e-3, "drift_px": 2e-2},
}
"""Largest differences between machines. Sums differ by their order, and scores that use flow by the flow network's
rounding too."""


@dataclass(frozen=True)
class Rescored:
    """One figure of a run, or a part of its protocol (without an image), as claimed and as found again."""

    method: str
    image: str
    ground_truth: str
    metric: str
    claimed: float | str | None
    found: float | str | None

    @property
    def agrees(self) -> bool:
        """Whether both are equal within :data:`TOLERANCES`."""
        if not isinstance(self.claimed, float) or not isinstance(self.found, float):
            return self.claimed == self.found
        if math.isinf(self.claimed) or math.isinf(self.found):
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
    """Score a random sample of a run's pictures and their baselines again, and compare scores and protocol.

    Args:
        run: Run folder.
        data: Dataset, from :func:`sdd_bench.prepared.open.open_dataset`.
        predictions: Folder of the scored predictions.
        n_pictures: Number of pictures; all when the run has fewer.
        seed: Seed of the choice; None chooses anew each time.
        device: Torch device.
        flow_weights: Checkpoint of the flow network, if the run used its own (a run keeps only its name).
        on_progress: Function that is called after every picture.

    Raises:
        LeaderboardError: The run was changed, or a picture that it scored is missing.
        PairingError: Predictions do not fit the pairs.
        ImageError: A picture cannot be read.
    """
    submission = read_run(run)
    values = dict(submission.summary["provenance"]["options"])
    if values.get("flow_weights") and flow_weights is None:
        raise LeaderboardError(f"{run}: was scored with the weights {values['flow_weights']}; say --flow-weights FILE.")
    values |= {"flow_weights": flow_weights, "device": device, "save_flow": False, "save_warped": False}
    values |= {"extra": []}  # someone's run must not name code that is run here
    options = config.build(EvaluateOptions, values, source=str(run / "summary.json"))
    matching = match_predictions(data.pairs, predictions, suffix=submission.summary.get("suffix", options.suffix))
    matches = {match.pair.name: match for match in matching.matches}
    names = sorted({row.image for row in submission.rows if row.method == submission.method})
    absent = [name for name in names if name not in matches]
    if absent:
        raise LeaderboardError(
            f"{run}: scored {absent[0]} ({len(absent)} such), which {predictions} and the dataset do not both have."
        )
    chosen = {names[index] for index in np.random.default_rng(seed).permutation(len(names))[:n_pictures]}
    records = []
    for match in (match for name, match in matches.items() if name in chosen):
        records.append(score_files(match.pair, match.prediction_path, options))
        if on_progress is not None:
            on_progress(Progress(len(records), len(chosen), item=match.pair.name))
    return [*_protocol(submission, records, options), *_figures(submission, records)]


def _figures(run: Run, records: Sequence[PictureRecord]) -> list[Rescored]:
    """All figures of the pictures, of the method and its baselines."""
    results = []
    for record in records:
        scored = {
            "identity": record.baselines.identity,
            "ceiling": record.baselines.ceiling,
            run.method: record.method,
        }
        for row in (row for row in run.rows if row.image == record.name):
            scores = scored.get(row.method)
            truth = scores and scores.truths.get(GroundTruth(row.ground_truth))
            found = {metric: getattr(truth, metric, None) for metric in METRICS}
            found["drift_px"] = scores and scores.drift_px
            results += [
                Rescored(row.method, row.image, row.ground_truth, figure, row.figures[figure], value)
                for figure, value in found.items()
                if row.figures[figure] is not None
            ]
    return results


def _protocol(run: Run, records: Sequence[PictureRecord], options: EvaluateOptions) -> list[Rescored]:
    """Signatures and other columns of the protocol, as stated and as options and pictures give them."""
    stated, engines = run.summary, load_engines(options)
    found = protocol_of(
        records,
        resize=str(parse_resize(options.resize)),
        crop=options.crop,
        metrics=options.metrics,
        lpips_sha256=engines.lpips_sha256,
        flow_signature=engines.flow.signature,
        warp=options.warp,
        match=options.match,
    )
    if len(records) < stated["n_images"]:
        found = replace(found, pixels_sha256=stated["dataset"]["pixels_sha256"])
        if "+" in str(stated["bit_depth"]):
            found = replace(found, bit_depth=str(stated["bit_depth"]))
        if re.fullmatch(r"\w+:[0-9a-f]{16}", stated["crop"]):
            found = replace(found, crop=stated["crop"])
    signatures = found.signatures()
    claims = [(truth, "signature", stated["signature"].get(truth), signatures[truth]) for truth in truths_of(run)]
    claims += [
        ("", "bit_depth", str(stated["bit_depth"]), found.bit_depth),
        ("", "resize", stated["resize"], found.resize),
        ("", "crop", stated["crop"], found.crop),
        ("", "flow", stated["flow"]["name"], engines.flow.name),
        ("", "warp", stated["warp"], found.warp.value),
    ]
    return [Rescored(run.method, "", *claim) for claim in claims]


def rerun_problems(results: Sequence[Rescored]) -> list[Problem]:
    """Problems of figures and parts of the protocol that differ from the run's claims.

    Example:
        >>> [problem.reason for problem in rerun_problems([Rescored("unet", "1", "raw", "psnr", 30.0, 29.0)])]
        ['the run says 30.0, scored now 29.0']
    """
    return [
        Problem(
            " ".join(filter(None, (item.method, item.image, item.ground_truth, item.metric))),
            f"the run says {item.claimed}, scored now {item.found}",
        )
        for item in results
        if not item.agrees
    ]

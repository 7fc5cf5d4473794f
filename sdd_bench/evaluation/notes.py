"""What a person should know before believing a table: sentences beside the numbers.

A method trained on misaligned pairs may learn to move the picture. ``raw`` punishes that (or rewards it, when it moves
as the sharp picture does), ``warped`` forgives it, because its ground truth follows the method's own output; only
``registered`` is the same target for all. So drift, and how much a method gains from ``warped``, belong beside the
means.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sdd_bench.core.types import GroundTruth
from sdd_bench.core.words import counted
from sdd_bench.evaluation.summary import LAYERED_SHARE, Row, doubt_of, figure
from sdd_bench.registration.evidence.roles import notes_on_set
from sdd_bench.statistics.bootstrap import estimate_mean
from sdd_bench.statistics.compare import Comparison, compare
from sdd_bench.statistics.gains import PSNR_CAP_DB, capped

NOTABLE_MOTION_PX = 0.5
"""Drift or deformation from which a picture visibly moves against its input."""
NOTABLE_GAIN_DB = 0.1
NOTABLE_MISALIGNMENT_PX = 1.0
NOTABLE_EXPOSURE = 1.1
"""In linear light; pixel values then differ by about 4 %, which alone limits PSNR to some 35 dB."""
LEAST_VALID_SHARE = 0.95
NOTABLE_SUPPORT = 0.8
"""Share of the registered ground truth whose flow is shown, below which it is said."""


_BENDS_BY_ITSELF = ("dis",)
"""Flows whose deviation from a similarity shows no deformation: DIS also bends what no network has bent."""


def notes_on(rows: Sequence[Row], *, method: str, n_expected: int, flow: str = "pwcnet") -> list[str]:
    """Sentences on the rows of a run (method, identity, ceiling), the most important first.

    Args:
        rows: Scores of pictures.
        method: Name of the method.
        n_expected: Pictures of the split.
        flow: Name of the flow estimator, which decides what it can show.
    """
    own = [row for row in rows if row.method == method]
    notes = []
    if len(own) < n_expected:
        notes.append(
            f"INCOMPLETE: {len(own)} of {counted(n_expected, 'picture')} were scored. These means are not those of the "
            "split and cannot enter a leaderboard."
        )
    if own[0].scores.truths[GroundTruth.RAW].psnr is not None:
        notes += _on_psnr(rows, own, method)
    notes += _on_motion(own, method, flow)
    notes += _on_focus(own, method)
    misalignment = _mean([row.record.misalignment_px for row in own])
    if misalignment >= NOTABLE_MISALIGNMENT_PX:
        notes.append(
            f"Blurry and sharp of this set lie {misalignment:.2f} px apart on average, as a whole, so raw scores "
            "measure misalignment as much as blur."
        )
    notes += _on_pairs(own)
    exposure = math.exp(_mean([abs(math.log(max(row.record.exposure_gain, 1e-6))) for row in own]))
    if exposure >= NOTABLE_EXPOSURE:
        notes.append(
            f"Blurry and sharp of this set differ in brightness by a factor of {exposure:.2f} on average (light), "
            "so PSNR and MAE measure that as much as blur; SSIM and LPIPS less so. Compare methods by matched."
        )
    flagged = [row.record for row in own if row.record.light.match_doubts]
    if flagged:
        first = flagged[0]
        notes.append(
            f"The light of {len(flagged)} of {counted(len(own), 'pair')} is in doubt, so their matched scores are too; "
            f"{first.name}: {'; '.join(first.light.match_doubts)}."
        )
    share = _mean([row.scores.truths[GroundTruth.REGISTERED].valid_share for row in own])
    if share < LEAST_VALID_SHARE:
        notes.append(
            f"{1 - share:.1%} of the registered ground truth lies outside the sharp pictures and repeats their border."
        )
    return notes


def _on_pairs(own: Sequence[Row]) -> list[str]:
    """On layers that moved otherwise, places that show no flow, and roles that look wrong."""
    notes = []
    moved = [row.record.baselines.measured for row in own]
    layered = [motion for motion in moved if motion.layer_share > LAYERED_SHARE]
    if layered:
        notes.append(
            f"In {len(layered)} of {counted(len(own), 'pair')}, layers moved against the rest: "
            f"{_mean([motion.layer_share for motion in layered]):.0%} of the picture, by "
            f"{_mean([motion.layer_px for motion in layered]):.1f} px on average. No similarity aligns them."
        )
    doubted = [row.record for row in own if doubt_of(row.record)]
    if doubted:
        notes.append(
            f"What moved as a whole is in doubt in {len(doubted)} of {counted(len(own), 'pair')}; {doubted[0].name}: "
            f"{doubt_of(doubted[0])}."
        )
    shown = [motion.supported_share for motion in moved if motion.supported_share is not None]
    if shown and _mean(shown) < NOTABLE_SUPPORT:
        notes.append(
            f"{1 - _mean(shown):.0%} of the registered ground truth lies where the pictures show no flow, on average: "
            "there it follows the motion of the rest."
        )
    return notes + notes_on_set({row.record.name: row.record.baselines.measured.note for row in own})


def _on_psnr(rows: Sequence[Row], own: Sequence[Row], method: str) -> list[str]:
    notes = []
    scenes = [row.record.scene for row in own]
    registered = _psnr(own, GroundTruth.REGISTERED)
    identity = _psnr([row for row in rows if row.method == "identity"], GroundTruth.REGISTERED)
    ceiling = _psnr([row for row in rows if row.method == "ceiling"], GroundTruth.REGISTERED)
    known = float(np.mean(capped("psnr", np.array(ceiling)))) if len(ceiling) == len(own) else None
    gain = _compare(registered, identity, scenes, known)
    verdict = {"better": "better than its own input", "worse": "WORSE than its own input"}.get(gain.verdict)
    notes.append(f"{method} against its input, registered PSNR: {_decibel(gain)}: {verdict or gain.verdict}.")
    from_warp = _compare(_psnr(own, GroundTruth.WARPED), registered, scenes)
    if (from_warp.difference if from_warp.low is None else from_warp.low) > NOTABLE_GAIN_DB:
        notes.append(
            f"{method} scores {_decibel(from_warp)} higher on warped than on registered ground truth: that much comes "
            "from moving the ground truth onto its own output. Compare methods by registered."
        )
    infinite = sum(value == float("inf") for truth in GroundTruth for value in _psnr(own, truth))
    if infinite:
        notes.append(
            f"{infinite} PSNR value(s) of {method} are infinite (equal pictures): left out of the means, "
            f"{PSNR_CAP_DB:g} dB in differences."
        )
    return notes


def _on_motion(own: Sequence[Row], method: str, flow: str) -> list[str]:
    notes = []
    drift = _mean([row.scores.drift_px for row in own])
    deform = _mean([row.scores.deform_px for row in own])
    if drift >= NOTABLE_MOTION_PX:
        notes.append(
            f"{method} moves the picture by {drift:.2f} px on average (drift): it has learnt the misalignment of its "
            "training pairs, or pads or crops unevenly. Raw scores depend on it, warped ones hide it."
        )
    if deform >= NOTABLE_MOTION_PX and flow not in _BENDS_BY_ITSELF:
        notes.append(
            f"{method} bends the picture by {deform:.2f} px on average (deform): look for wavy lines, or for places "
            "where flow cannot follow."
        )
    return notes


def _on_focus(own: Sequence[Row], method: str) -> list[str]:
    """Harm in the regions in focus, where there is nothing to restore."""
    there = [row for row in own if row.scores.regions.gains_db[0] is not None]
    gains = [gain for row in there if (gain := row.scores.regions.gains_db[0]) is not None]
    found = estimate_mean(gains, scenes=[row.record.scene for row in there])
    if found.mean is None or found.high is None or found.high >= -NOTABLE_GAIN_DB:
        return []
    return [
        f"HARM: where the input is in focus, {method} is {-found.mean:.2f} dB worse than the input "
        f"[{found.low:+.2f}, {found.high:+.2f}], on average over {counted(found.n, 'picture')}."
    ]


def _psnr(rows: Sequence[Row], truth: GroundTruth) -> list[float]:
    return [figure(row, truth, "psnr") for row in rows]


def _compare(
    ours: Sequence[float], theirs: Sequence[float], scenes: Sequence[str], ceiling: float | None = None
) -> Comparison:
    return compare(np.array([ours, theirs]), ("ours", "theirs"), "psnr", scenes=scenes, ceiling=ceiling)[0]


def _decibel(gain: Comparison) -> str:
    return f"{gain.difference:+.2f} dB" + ("" if gain.low is None else f" {gain.interval(2)}")


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)

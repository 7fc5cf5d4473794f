"""From the records of pictures to a run folder's ``per_image.csv`` and ``summary.json`` (schema 1).

Means are over pictures, each picture counting once; infinite PSNR is counted apart (see
:func:`~sdd_bench.statistics.bootstrap.estimate_mean`). In ``summary.json`` infinity
is the text ``inf`` and what is not known is null.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sdd_bench.core.storage.files import sha256_of, write_json
from sdd_bench.core.storage.tables import write_table
from sdd_bench.core.types import GroundTruth, Problem, WarpMode
from sdd_bench.evaluation.extras.scores import ExtraRow
from sdd_bench.evaluation.per_image import GAINS, SHARES, ImageRow
from sdd_bench.evaluation.picture.records import PictureRecord, rounded, to_number
from sdd_bench.evaluation.picture.scorer import PictureScores, TruthScores
from sdd_bench.evaluation.regions import LEVEL_EDGES_PX, RegionScores
from sdd_bench.evaluation.signature import Protocol, dataset_sha256, describe_crop
from sdd_bench.registration.light.transfer import Match
from sdd_bench.statistics.bootstrap import estimate_mean

SCHEMA = 1
BASELINES = ("identity", "ceiling")
EXTRAS_CSV = "extras.csv"
BLUR_EDGES_PX = (0.0, 2.0, 5.0, 10.0, 20.0)
"""Lower ends of the blur levels, by the mean diameter of the circle of confusion."""
LAYERED_SHARE = 0.05
"""Share of a picture that moved otherwise above which it counts as layered, as in ``analyze``."""
MISALIGNMENT_EDGES_PX = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Lower ends of the misalignment bins, by the RMS displacement over the picture."""


@dataclass(frozen=True)
class Row:
    """One picture of one method: its place in the tables, and its scores."""

    method: str
    record: PictureRecord
    scores: PictureScores


def rows_of(records: Iterable[PictureRecord], method: str) -> list[Row]:
    """Rows of the method, then of identity and ceiling, each sorted by the picture's name."""
    ordered = sorted(records, key=lambda record: record.name)
    rows = [Row(method, record, record.method) for record in ordered]
    rows += [Row("identity", record, record.baselines.identity) for record in ordered]
    rows += [Row("ceiling", record, ceiling) for record in ordered if (ceiling := record.baselines.ceiling) is not None]
    return rows


def write_per_image(path: Path, rows: Iterable[Row]) -> None:
    """Write the long table: one row per method, picture and ground truth."""
    table = (
        ImageRow(
            method=row.method,
            image=row.record.name,
            scene=row.record.scene,
            group=row.record.group,
            ground_truth=truth,
            **{name: rounded(value) for name, value in asdict(scores).items()},
            drift_px=rounded(row.scores.drift_px),
            deform_px=rounded(row.scores.deform_px),
            coc_diameter_px=rounded(row.record.coc_diameter_px),
            misalignment_px=rounded(row.record.misalignment_px),
            misalignment_doubt=doubt_of(row.record),
            layer_share=rounded(row.record.baselines.measured.layer_share),
            layer_px=rounded(row.record.baselines.measured.layer_px),
            supported_share=rounded(row.record.baselines.measured.supported_share),
            **(region_columns(row.scores.regions) if truth is GroundTruth.MATCHED else {}),
        )
        for row in rows
        for truth, scores in row.scores.truths.items()
    )
    write_table(path, ImageRow, table)


def doubt_of(record: PictureRecord) -> str:
    """Why the misalignment of a pair may not be what moved as a whole; empty: no reason, or the set knows it."""
    return "" if record.misalignment_source == "truth" else record.baselines.measured.doubt


def extra_rows(rows: Iterable[Row]) -> list[ExtraRow]:
    """Rows of ``extras.csv``: one per method, picture, extra measure and ground truth."""
    return [
        ExtraRow(
            method=row.method,
            image=row.record.name,
            scene=row.record.scene,
            measure=score.measure,
            ground_truth=score.ground_truth,
            value=value,
        )
        for row in rows
        for score in row.scores.extras
        if (value := rounded(score.value)) is not None
    ]


def region_columns(scores: RegionScores) -> dict[str, float | None]:
    """The columns of the table that hold scores by level."""
    values = {"blur_px": scores.blur_px, "focus_change": scores.focus_change}
    values |= dict(zip(SHARES, scores.shares, strict=True)) | dict(zip(GAINS, scores.gains_db, strict=True))
    return {name: rounded(value) for name, value in values.items()}


def score_table(rows: Sequence[Row], metrics: Sequence[str]) -> dict[str, Any]:
    """``{method: {ground truth: {metric: estimate}}}`` of rows."""
    table: dict[str, Any] = {}
    for method in dict.fromkeys(row.method for row in rows):
        of_method = [row for row in rows if row.method == method]
        scenes = [row.record.scene for row in of_method]
        table[method] = {
            truth.value: {
                metric: {
                    key: to_number(value) if isinstance(value, float) else value
                    for key, value in asdict(
                        estimate_mean([figure(row, truth, metric) for row in of_method], scenes=scenes)
                    ).items()
                }
                for metric in metrics
            }
            for truth in GroundTruth
        }
    return table


def region_table(rows: Sequence[Row]) -> dict[str, Any]:
    """``{method: {levels: [...], focus_change}}``: mean over pictures of the gain at each level of blur."""
    table: dict[str, Any] = {}
    for method in dict.fromkeys(row.method for row in rows):
        of_method = [row for row in rows if row.method == method]
        levels = []
        for number, low in enumerate(LEVEL_EDGES_PX):
            there = [row for row in of_method if row.scores.regions.gains_db[number] is not None]
            gains = [gain for row in there if (gain := row.scores.regions.gains_db[number]) is not None]
            found = estimate_mean(gains, scenes=[row.record.scene for row in there])
            share = sum(row.scores.regions.shares[number] for row in of_method) / len(of_method)
            high = LEVEL_EDGES_PX[number + 1] if number + 1 < len(LEVEL_EDGES_PX) else None
            levels.append(
                {
                    "from_px": low,
                    "to_px": high,
                    "share": rounded(share),
                    "n": found.n,
                    "gain_db": rounded(found.mean),
                    "low": rounded(found.low),
                    "high": rounded(found.high),
                }
            )
        changes = [change for row in of_method if (change := row.scores.regions.focus_change) is not None]
        table[method] = {"levels": levels, "focus_change": _mean(changes)}
    return table


def figure(row: Row, truth: GroundTruth, metric: str) -> float:
    """One number of the table."""
    scores: TruthScores = row.scores.truths[truth]
    return float(getattr(scores, metric))


def mean_scores(rows: Sequence[Row], metrics: Sequence[str]) -> dict[str, dict[str, float | str | None]]:
    """``{ground truth: {metric: mean}}`` of rows, over the finite values."""
    return {
        truth.value: {metric: _mean([figure(row, truth, metric) for row in rows]) for metric in metrics}
        for truth in GroundTruth
    }


def summarize(
    records: Sequence[PictureRecord],
    *,
    method: str,
    dataset: str,
    split: str,
    n_expected: int,
    protocol: Protocol,
    problems: Sequence[Problem],
) -> dict[str, Any]:
    """The content of ``summary.json``, but for flow details, notes and provenance.

    Args:
        records: Of the pictures that were scored, in the order of the pairs.
        method: Name of the method.
        dataset: Name of the dataset.
        split: Its split.
        n_expected: Pairs that the split should have.
        protocol: What the numbers depend on.
        problems: What went wrong.
    """
    rows = rows_of(records, method)
    metrics = protocol.metrics
    own = [row for row in rows if row.method == method]
    methods = list(dict.fromkeys(row.method for row in rows))
    groups = sorted({row.record.group for row in own if row.record.group})

    def of_group(group: str) -> list[Row]:
        return [row for row in own if row.record.group == group]

    def moved(get: Callable[[PictureScores], float]) -> dict[str, Any]:
        return {name: _mean([get(row.scores) for row in rows if row.method == name]) for name in methods}

    return {
        "schema": SCHEMA,
        "method": method,
        "dataset": {
            "name": dataset,
            "split": split,
            "n_pairs": n_expected,
            "pixels_sha256": protocol.pixels_sha256,
        },
        "complete": len(records) == n_expected,
        "n_images": len(records),
        "n_expected": n_expected,
        "bit_depth": _one_or_all(record.bit_depth for record in records),
        "prediction_bit_depth": _one_or_all(record.prediction_bit_depth for record in records),
        "resize": protocol.resize,
        "crop": protocol.crop,
        "warp": protocol.warp.value,
        "metrics": list(metrics),
        "signature": protocol.signatures(),
        "scores": score_table(rows, metrics),
        "drift_px": moved(lambda scores: scores.drift_px),
        "deform_px": moved(lambda scores: scores.deform_px),
        "regions": region_table(rows),
        "groups": {group: mean_scores(of_group(group), metrics) for group in groups},
        "group_sizes": {group: len(of_group(group)) for group in groups},
        "blur_levels": _bins(own, BLUR_EDGES_PX, metrics, lambda record: record.coc_diameter_px),
        "misalignment_bins": _bins(own, MISALIGNMENT_EDGES_PX, metrics, lambda record: record.misalignment_px),
        "light": _light(records, protocol.match),
        "motion": _motion(records),
        "exposure_gain": _mean([record.exposure_gain for record in records]),
        "misalignment_source": _one_or_all(record.misalignment_source for record in records),
        "problems": [{"item": problem.item, "reason": problem.reason} for problem in problems],
    }


def _motion(records: Sequence[PictureRecord]) -> dict[str, Any]:
    """What moved between blurry and sharp as a whole and in layers, and how much of it the pictures show."""
    found = [record.baselines.measured for record in records]
    layered = [motion for motion in found if motion.layer_share > LAYERED_SHARE]
    known = [motion.supported_share for motion in found if motion.supported_share is not None]
    return {
        "similarity_px": _mean([motion.similarity_px for motion in found]),
        "in_doubt": [{"item": record.name, "reason": doubt} for record in records if (doubt := doubt_of(record))],
        "n_layered": len(layered),
        "layer_share": _mean([motion.layer_share for motion in layered]),
        "layer_px": _mean([motion.layer_px for motion in layered]),
        "supported_share": _mean(known),
    }


def protocol_of(
    records: Sequence[PictureRecord],
    *,
    resize: str,
    crop: str,
    metrics: tuple[str, ...],
    lpips_sha256: str,
    flow_signature: str,
    warp: WarpMode,
    match: Match,
) -> Protocol:
    """What the numbers of ``records`` (in the order of the pairs) depend on, apart from the method."""
    crops = [(record.name, record.crop) for record in records if record.crop]
    return Protocol(
        pixels_sha256=dataset_sha256((record.blurry_sha256, record.sharp_sha256) for record in records),
        bit_depth=str(_one_or_all(record.bit_depth for record in records)),
        resize=resize,
        crop=describe_crop(crop, crops, len(records)),
        metrics=metrics,
        lpips_sha256=lpips_sha256,
        flow_signature=flow_signature,
        warp=warp,
        match=match,
    )


def _light(records: Sequence[PictureRecord], match: Match) -> dict[str, Any]:
    """How far the pairs differ in light, and whose transfer is not to be trusted."""
    gained = [gain for record in records if (gain := record.light.gained_db) is not None]
    return {
        "match": match.value,
        "gained_db": _mean(gained),
        "flagged": [
            {"item": record.name, "reason": "; ".join(doubts)}
            for record in records
            if (doubts := record.light.match_doubts)
        ],
    }


def seal_run(run: Path) -> None:
    """Write ``run.json``: the hashes of the run's tables. A run folder without it is not finished."""
    files = ["per_image.csv", "summary.json", *([EXTRAS_CSV] if (run / EXTRAS_CSV).is_file() else [])]
    write_json(run / "run.json", {"schema": SCHEMA, "files": {name: sha256_of(run / name) for name in files}})


def _mean(values: Sequence[float]) -> float | str | None:
    finite = [value for value in values if abs(value) != float("inf")]
    return to_number(sum(finite) / len(finite)) if finite else None


def _one_or_all(values: Iterable[int | str]) -> int | str:
    """The value all share, else all there are, as ``8+16``."""
    found = sorted(set(values), key=lambda value: (str(type(value)), value))
    return found[0] if len(found) == 1 else "+".join(map(str, found))


def _bins(
    rows: Sequence[Row],
    edges: Sequence[float],
    metrics: Sequence[str],
    measure: Callable[[PictureRecord], float | None],
) -> list[dict[str, Any]]:
    """Scores of the method by level of a measure; levels without pictures are left out."""
    bins = []
    for low, high in zip(edges, (*edges[1:], float("inf")), strict=True):
        inside = [row for row in rows if (value := measure(row.record)) is not None and low <= value < high]
        if inside:
            bins.append(
                {"from_px": low, "to_px": to_number(high), "n": len(inside), "scores": mean_scores(inside, metrics)}
            )
    return bins

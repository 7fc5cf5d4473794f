"""What is kept of one picture, and its form as JSON.

Numbers are rounded to seven digits on their way into JSON, so a score is the same whether it was computed now, in
another process or in an earlier run. JSON knows no infinity: it is written as the text ``inf``.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sdd_bench.core.errors import ConfigError
from sdd_bench.core.types import GroundTruth
from sdd_bench.evaluation.extras.scores import ExtraScore
from sdd_bench.evaluation.picture.moved import PairMotion
from sdd_bench.evaluation.picture.scorer import PictureScores, TruthScores
from sdd_bench.evaluation.regions import RegionScores
from sdd_bench.registration.light.transfer import Transfer

SCHEMA = 2
"""Since 2, scores by regions are kept."""
_DIGITS = 7


@dataclass(frozen=True)
class Baselines:
    """What no method changes: the blurry input and, where there is one, the aligned truth, scored as predictions."""

    identity: PictureScores
    ceiling: PictureScores | None
    measured: PairMotion
    """How blurry and sharp moved against each other, by ``estimate(blurry, sharp)``."""


@dataclass(frozen=True)
class PictureRecord:
    """One finished picture of a run."""

    key: str
    """Says what was computed from what; a record with another key is stale."""
    name: str
    scene: str
    group: str
    blurry_sha256: str
    """Of the decoded pixels, as are the next."""
    sharp_sha256: str
    prediction_sha256: str
    """Of the file."""
    bit_depth: int
    prediction_bit_depth: int
    crop: str
    """``WIDTHxHEIGHT`` when ground truth was cropped to the prediction, else empty."""
    coc_diameter_px: float | None
    misalignment_px: float
    misalignment_source: str
    """``truth`` where the set knows it, else ``flow``: measured here."""
    exposure_gain: float
    """Light of the blurry picture over that of the sharp one, green channel, as ``analyze`` measures it."""
    light: Transfer
    """What brings the registered picture to the light of the blurry one."""
    method: PictureScores
    baselines: Baselines


def record_to_json(record: PictureRecord) -> dict[str, Any]:
    """The record as plain JSON values."""
    values: dict[str, Any] = {"schema": SCHEMA}
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        values[field.name] = to_number(value) if isinstance(value, float) else value
    values["light"] = json.loads(record.light.to_json())
    values["method"] = _scores_to_json(record.method)
    values["baselines"] = baselines_to_json(record.baselines)
    return values


def record_from_json(values: Mapping[str, Any]) -> PictureRecord:
    """The inverse of :func:`record_to_json`.

    Raises:
        KeyError, TypeError, ValueError: The values are not such a record.
    """
    if values["schema"] != SCHEMA:
        raise ValueError(f"schema {values['schema']}")
    fields = {field.name: values[field.name] for field in dataclasses.fields(PictureRecord)}
    try:
        fields["light"] = Transfer.from_json(json.dumps(values["light"]))
    except ConfigError as error:
        raise ValueError(str(error)) from error
    fields["method"] = _scores_from_json(values["method"])
    fields["baselines"] = baselines_from_json(values["baselines"])
    return PictureRecord(**fields)


def baselines_to_json(baselines: Baselines) -> dict[str, Any]:
    """The baselines as plain JSON values."""
    return {
        "identity": _scores_to_json(baselines.identity),
        "ceiling": None if baselines.ceiling is None else _scores_to_json(baselines.ceiling),
        "measured": {
            name: to_number(value) if isinstance(value, float) else value
            for name, value in dataclasses.asdict(baselines.measured).items()
        },
    }


def baselines_from_json(values: Mapping[str, Any]) -> Baselines:
    """The inverse of :func:`baselines_to_json`.

    Raises:
        KeyError, TypeError, ValueError: The values are no baselines.
    """
    ceiling = values["ceiling"]
    return Baselines(
        _scores_from_json(values["identity"]),
        None if ceiling is None else _scores_from_json(ceiling),
        PairMotion(**values["measured"]),
    )


def rounded(value: float | None) -> float | None:
    """A figure with seven digits."""
    return None if value is None else float(f"{value:.{_DIGITS}g}")


def to_number(value: float | None) -> float | str | None:
    """A figure as JSON: seven digits, ``inf`` and ``-inf`` as text, None as null."""
    return str(value) if value is not None and math.isinf(value) else rounded(value)


def _from_number(value: float | str | None) -> float | None:
    return None if value is None else float(value)


def _scores_to_json(scores: PictureScores) -> dict[str, Any]:
    return {
        "drift_px": to_number(scores.drift_px),
        "deform_px": to_number(scores.deform_px),
        "truths": {
            truth.value: {key: to_number(value) for key, value in dataclasses.asdict(row).items()}
            for truth, row in scores.truths.items()
        },
        "regions": _regions_to_json(scores.regions),
        "extras": [
            [score.measure, score.ground_truth, to_number(score.value), score.failure] for score in scores.extras
        ],
    }


def _regions_to_json(scores: RegionScores) -> dict[str, Any]:
    return {
        "blur_px": rounded(scores.blur_px),
        "shares": [rounded(share) for share in scores.shares],
        "gains_db": [rounded(gain) for gain in scores.gains_db],
        "focus_change": rounded(scores.focus_change),
    }


def _scores_from_json(values: Mapping[str, Any]) -> PictureScores:
    truths = {
        GroundTruth(name): TruthScores(**{key: _from_number(value) for key, value in row.items()})  # type: ignore[arg-type]
        for name, row in values["truths"].items()
    }
    regions = values["regions"]
    by_level = RegionScores(
        regions["blur_px"], tuple(regions["shares"]), tuple(regions["gains_db"]), regions["focus_change"]
    )
    extras = tuple(
        ExtraScore(measure, truth, _from_number(value), failure) for measure, truth, value, failure in values["extras"]
    )
    return PictureScores(truths, float(values["drift_px"]), float(values["deform_px"]), by_level, extras)

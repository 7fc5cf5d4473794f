"""Extra measures of one prediction, and how they are summed up."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.errors import ImageError
from sdd_bench.core.types import GroundTruth
from sdd_bench.evaluation.extras.measures import Measure
from sdd_bench.statistics.bootstrap import estimate_mean

Picture = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class ExtraScore:
    """One measure of one prediction."""

    measure: str
    ground_truth: str
    """Empty for a measure without reference."""
    value: float | None
    failure: str = ""
    """Why there is no value."""


@dataclass(frozen=True, kw_only=True)
class ExtraRow:
    """One row of ``extras.csv``."""

    method: str
    image: str
    scene: str = ""
    measure: str
    ground_truth: str = ""
    value: float


def extra_scores(
    measures: Sequence[Measure], prediction: Picture, truths: Mapping[GroundTruth, tuple[Picture, Mask]]
) -> tuple[ExtraScore, ...]:
    """Every measure of a prediction, against every ground truth where it needs one.

    A measure that fails on a picture has no value there; the ranked scores do not depend on it.
    """
    found = []
    for measure in measures:
        sides = {truth.value: sources for truth, sources in truths.items()} if measure.n_pictures > 1 else {"": ()}
        for truth, sources in sides.items():
            try:
                value = measure(*(prediction, *sources)[: measure.n_pictures])
                found.append(ExtraScore(measure.name, truth, value))
            except ImageError as error:
                found.append(ExtraScore(measure.name, truth, None, str(error)))
    return tuple(found)


def failures_of(scores: Iterable[tuple[str, tuple[ExtraScore, ...]]]) -> list[str]:
    """One sentence per measure that failed somewhere, from names of pictures and their scores.

    Example:
        >>> failures_of([("0001", (ExtraScore("niqe-style", "", None, "too small"),))])
        ['Extra niqe-style has no value on 1 picture(s): 0001 (too small).']
    """
    first: dict[str, str] = {}
    pictures: dict[str, set[str]] = {}
    for name, found in scores:
        for score in found:
            if score.value is None:
                first.setdefault(score.measure, f"{name} ({score.failure.rstrip('.')})")
                pictures.setdefault(score.measure, set()).add(name)
    return [f"Extra {name} has no value on {len(pictures[name])} picture(s): {first[name]}." for name in first]


def summary_of(measures: Sequence[Measure], rows: Iterable[ExtraRow]) -> dict[str, Any]:
    """``{measure: {signature, better, scores: {method: {ground truth: estimate}}}}``; "" is without reference."""
    table: dict[str, Any] = {m.name: {"signature": m.signature, "better": m.better, "scores": {}} for m in measures}
    groups: dict[tuple[str, str, str], list[ExtraRow]] = {}
    for row in rows:
        groups.setdefault((row.measure, row.method, row.ground_truth), []).append(row)
    for (measure, method, truth), group in groups.items():
        found = asdict(estimate_mean([row.value for row in group], scenes=[row.scene for row in group]))
        table[measure]["scores"].setdefault(method, {})[truth] = {key: _plain(value) for key, value in found.items()}
    return table


def _plain(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return str(value) if math.isinf(value) else float(f"{value:.7g}")

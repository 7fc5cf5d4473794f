"""One pair of a set: it is read, measured, compared with the truth if it has one, and sealed in a record.

A pair with a valid record is not measured again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from sdd_bench.analysis.options import AnalyzeOptions
from sdd_bench.analysis.table import Row, figures, light_figures, printable, similarity_of
from sdd_bench.captures.truth import read_known_truth
from sdd_bench.core.errors import ImageError
from sdd_bench.core.parallel import read_sealed, write_sealed
from sdd_bench.core.protocol import ANALYSIS
from sdd_bench.core.storage.files import sha256_or_empty
from sdd_bench.core.threads import few_threads
from sdd_bench.core.types import Pair
from sdd_bench.flow.estimator import FlowEstimator, load_flow
from sdd_bench.geometry.similarity import Similarity
from sdd_bench.images.pair import read_pair
from sdd_bench.images.photograph import check_unchanged
from sdd_bench.registration.light.pair import light_of_pair
from sdd_bench.registration.measure import measure


@dataclass(frozen=True)
class PairTask:
    """A pair to measure, with all that another process needs to do so."""

    pair: Pair
    root: Path
    out: Path
    options: AnalyzeOptions

    def __str__(self) -> str:
        return self.pair.pair_id

    @property
    def record(self) -> Path:
        """Path of the sealed result."""
        name = hashlib.sha256(self.pair.pair_id.encode()).hexdigest()[:20]
        return self.out / "pairs" / f"{name}.json"


@lru_cache(maxsize=1)
def flow_of(options: AnalyzeOptions) -> FlowEstimator:
    """Flow estimator of ``options``, loaded once per process.

    Raises:
        ConfigError: The flow or the device is unknown.
        WeightsError: The weights are missing or damaged.

    Example:
        >>> flow_of(AnalyzeOptions(flow="dis")).name
        'dis'
    """
    return load_flow(options.flow, weights=options.flow_weights, device=options.device, precision=options.precision)


def analyze_pair(task: PairTask) -> Row:
    """Row of a pair, measured or read from its record.

    Raises:
        ImageError: A picture cannot be read, the sizes differ, or a name of the pair does not fit into a table.
        ManifestError: The truth file of the pair is damaged.
        OutputError: The record cannot be written.
    """
    pair, flow = task.pair, flow_of(task.options)
    labels = _labels(task)
    key = _key(task, labels, flow)
    known: Row | None = read_sealed(task.record, key, lambda record: Row(**record["row"]))
    if known is not None:
        return known
    blurry, sharp = read_pair(pair.blurry_path, pair.sharp_path)
    check_unchanged(pair.blurry_path, blurry, labels["blurry_sha256"])
    check_unchanged(pair.sharp_path, sharp, labels["sharp_sha256"])
    height, width = blurry.pixels.shape[:2]
    with few_threads(height * width):
        measured = measure(blurry.pixels, sharp.pixels, flow, options=task.options)
        light = light_of_pair(blurry.pixels, sharp.pixels, measured.similarity, match=task.options.match)
    values: dict[str, Any] = {**labels, **figures(measured), **light_figures(light)}
    found = similarity_of(Row(**values, corner_error_px=None))
    values["corner_error_px"] = _corner_error(pair, found, measured.width, measured.height)
    write_sealed(task.record, {"schema": ANALYSIS, "key": key, "row": values})
    return Row(**values)


def _labels(task: PairTask) -> dict[str, str]:
    """What the row of a pair says beside its figures.

    Raises:
        ImageError: A name or label holds control characters, or is not UTF-8.
    """
    pair = task.pair
    labels = {
        "pair_id": pair.pair_id,
        "split": pair.split.value,
        "scene": pair.scene,
        "group": pair.group,
        "blurry_path": _below(pair.blurry_path, task.root),
        "sharp_path": _below(pair.sharp_path, task.root),
    }
    for name, label in labels.items():
        if printable(label) != label:
            raise ImageError(
                f"{printable(str(pair.blurry_path))}: its {name} is '{printable(label)}'; expected UTF-8 without "
                "control characters. Rename it."
            )
    files = {"blurry_sha256": pair.blurry_path, "sharp_sha256": pair.sharp_path}
    return labels | {name: sha256_or_empty(path) for name, path in files.items()}


def _corner_error(pair: Pair, found: Similarity, width: int, height: int) -> float | None:
    """Error of ``found`` against the truth of a synthetic pair, at the corner that differs most, in pixels.

    It is None without a truth, and for pictures of another aspect ratio, to which the truth does not apply: resizing
    has turned the similarity into a general affine map.

    Raises:
        ManifestError: The truth file is damaged.
    """
    if pair.truth_path is None:
        return None
    truth = read_known_truth(pair.truth_path)
    scale = width / truth.width
    if abs(scale * truth.height - height) > 1:
        return None
    known = truth.similarity
    known = Similarity(known.zoom, known.rotation_deg, scale * known.shift_x_px, scale * known.shift_y_px)
    return float(f"{(known.inverse() @ found).corner_px(height, width):.4g}")


def _key(task: PairTask, labels: Mapping[str, str], flow: FlowEstimator) -> str:
    """Says what is measured from what: another key, another measurement."""
    truth = task.pair.truth_path
    parts: Mapping[str, Any] = {
        "schema": ANALYSIS,
        "labels": labels,
        "truth": "" if truth is None else sha256_or_empty(truth),
        "flow": flow.signature,
        "options": task.options.measuring(),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _below(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name

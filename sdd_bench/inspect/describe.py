"""Descriptions of everything that a command writes or reads, as plain values."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from sdd_bench.captures.links import links_out
from sdd_bench.core.errors import ManifestError
from sdd_bench.core.storage.documents import read_json
from sdd_bench.core.storage.files import sha256_of
from sdd_bench.core.types import AnyPath
from sdd_bench.inspect import files, results
from sdd_bench.inspect.kinds import RUN_JSON, Kind, kind_of, known_within
from sdd_bench.inspect.program import describe_program
from sdd_bench.inspect.sets import describe_captures, describe_export
from sdd_bench.prepared.leaks import leaks_of_set
from sdd_bench.prepared.manifest import read_manifest
from sdd_bench.prepared.shards import ShardSet, flow_info, shard_info

_SUMMARY = {"scores?": {"*": {"*": {"*": {"mean": object}}}}, "problems?": list}
"""What is read of ``summary.json``."""


def describe(path: AnyPath) -> dict[str, Any]:
    """Describe ``path`` by what it says of itself; :func:`~sdd_bench.inspect.validate.validate` checks if it is true.

    Returns:
        JSON values; ``path`` and ``kind`` first.

    Raises:
        SddBenchError: The path is missing, damaged or of no known kind.

    Example:
        >>> from sdd_bench.weights import path
        >>> describe(path("pwcnet"))["kind"]
        'safetensors'
    """
    path = Path(path)
    kind = kind_of(path)
    return {"path": str(path), "kind": kind.value, **_DESCRIBERS[kind](path)}


def _describe_dataset(path: Path) -> dict[str, Any]:
    manifest = read_manifest(path)
    splits = {}
    links = links_out(manifest.root, (manifest.root / file.name for file in manifest.files))
    for split, record in manifest.splits.items():
        splits[split.value] = {
            "n_pairs": record.n_pairs,
            "n_patches": record.n_patches,
            "n_shards": len(record.shards),
            "n_full_frame_files": len(record.frames),
            "n_bytes": sum(file.n_bytes for file in record.files),
        }
    return {
        "name": manifest.name,
        "tool_version": manifest.tool_version,
        "bit_depth": manifest.bit_depth,
        "splits": splits,
        "n_failed": sum(row.status == "failed" for row in manifest.pairs),
        "n_dropped": sum(row.status == "dropped" for row in manifest.pairs),
        "warnings": [f"{problem.item}: {problem.reason}" for problem in (*links, *leaks_of_set(manifest))],
        "source": dataclasses.asdict(manifest.source),
        "options": manifest.options,
        **({"light": _describe_light(manifest.light)} if manifest.light else {}),
        "flows": sorted(flow.name for flow in manifest.root.glob("flow-*.h5")),
    }


def _describe_light(light: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """How many pairs were matched in light and which are in doubt, and the gains of each."""
    pairs = {
        pair_id: f"{transfer['model']}, gains {', '.join(f'{gain:.4f}' for gain in transfer['gains'])}"
        + (f"; in doubt: {'; '.join(transfer['distrust'])}" if transfer["distrust"] else "")
        for pair_id, transfer in light.items()
    }
    n_matched = sum(transfer["model"] != "none" for transfer in light.values())
    n_flagged = sum(bool(transfer["distrust"]) for transfer in light.values())
    return {"n_matched": n_matched, "n_flagged": n_flagged, "pairs": pairs}


def _describe_shard(path: Path) -> dict[str, Any]:
    info = shard_info(path)
    described = dataclasses.asdict(info) | {"sources": list(info.sources)}
    shards = ShardSet([path.parent / source for source in info.sources] or [path])
    sharpness, pairs = shards.column("sharpness"), shards.column("pair")
    shards.close()
    raw_bytes = info.n_patches * 2 * info.patch**2 * 3 * info.bit_depth // 8
    if info.stored_bytes:
        described["stored_share"] = round(info.stored_bytes / raw_bytes, 4)
    described["n_pairs"] = len(set(pairs.tolist()))
    if len(sharpness):
        described["sharpness"] = {"lowest": float(sharpness.min()), "highest": float(sharpness.max())}
    return described


def _describe_run(path: Path) -> dict[str, Any]:
    root = path if path.is_dir() else path.parent
    next_step = "It is no finished run, or damaged. See: sdd-bench validate."
    summary = read_json(root / "summary.json", _SUMMARY, ManifestError, next_step)
    listed = read_json(root / RUN_JSON, {"files": {"*": str}}, ManifestError, next_step)["files"]
    keys = ("method", "dataset", "complete", "n_images", "n_expected", "resize", "flow", "warp", "signature")
    return {
        "run_sha256": sha256_of(root / RUN_JSON),
        **{key: summary[key] for key in keys if key in summary},
        "scores": _means(summary.get("scores", {})),
        "n_problems": len(summary.get("problems", [])),
        "files": list(listed),
    }


def _means(scores: dict[str, Any]) -> dict[str, Any]:
    return {
        method: {
            truth: {metric: value["mean"] for metric, value in metrics.items()} for truth, metrics in truths.items()
        }
        for method, truths in scores.items()
    }


def _describe_safetensors(path: Path) -> dict[str, Any]:
    from sdd_bench.weights.tensors import open_safetensors  # brings torch

    with open_safetensors(path) as file:
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
        metadata = file.metadata() or {}
    return {"sha256": sha256_of(path), "metadata": metadata, **_count(shapes)}


def _describe_checkpoint(path: Path) -> dict[str, Any]:
    from sdd_bench.weights.tensors import load_plain  # brings torch

    content = load_plain(path)
    shapes: dict[str, tuple[int, ...]] = {}
    plain: dict[str, Any] = {}
    _walk(content, "", shapes, plain)
    return {"sha256": sha256_of(path), "values": plain, **_count(shapes)}


def _walk(value: Any, name: str, shapes: dict[str, tuple[int, ...]], plain: dict[str, Any]) -> None:
    """Collect the shapes of all tensors and the top-level plain values of a nested checkpoint."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        shapes[name] = tuple(value.shape)
    elif isinstance(value, dict):
        for key, item in value.items():
            _walk(item, f"{name}/{key}" if name else str(key), shapes, plain)
    elif isinstance(value, (str, int, float, bool)) and "/" not in name:
        plain[name] = value


def _count(shapes: dict[str, tuple[int, ...]]) -> dict[str, Any]:
    """Number of tensors, and of numbers in all and per group: the part of a name before its first ``/`` or ``.``."""
    groups: dict[str, int] = {}
    total = 0
    for name, shape in shapes.items():
        n = 1
        for side in shape:
            n *= side
        group = name.split("/")[0] if "/" in name else name.split(".")[0]
        groups[group] = groups.get(group, 0) + n
        total += n
    return {"n_tensors": len(shapes), "n_numbers": total, "numbers_in": groups}


def _describe_training(path: Path) -> dict[str, Any]:
    from sdd_bench.inspect.training_run import describe_training  # brings torch

    return describe_training(path)


def _describe_training_checkpoint(path: Path) -> dict[str, Any]:
    from sdd_bench.inspect.training_run import describe_checkpoint  # brings torch

    return describe_checkpoint(path)


def _describe_program(path: Path) -> dict[str, Any]:
    described = describe_program(path)
    return described | _count(described.pop("shapes"))


def _describe_collection(path: Path) -> dict[str, Any]:
    return {"holds": {child.name: kind.value for child, kind in known_within(path)}}


_DESCRIBERS = {
    Kind.DATASET: _describe_dataset,
    Kind.EXPORT: describe_export,
    Kind.CAPTURES: describe_captures,
    Kind.SHARD: _describe_shard,
    Kind.FLOW: flow_info,
    Kind.RUN: _describe_run,
    Kind.TRAINING: _describe_training,
    Kind.TRAINING_CHECKPOINT: _describe_training_checkpoint,
    Kind.SAFETENSORS: _describe_safetensors,
    Kind.CHECKPOINT: _describe_checkpoint,
    Kind.PROGRAM: _describe_program,
    Kind.PREDICTIONS: results.describe_predictions,
    Kind.BLUR_MAPS: results.describe_blur_maps,
    Kind.ANALYSIS: results.describe_analysis,
    Kind.RUN_WITHOUT_TRUTH: results.describe_run_without_truth,
    Kind.BOARDS: results.describe_boards,
    Kind.PAGES: results.describe_pages,
    Kind.PAGE: results.describe_page,
    Kind.CACHE: results.describe_cache,
    Kind.COLLECTION: _describe_collection,
    Kind.TABLE: files.describe_table,
    Kind.DOCUMENT: files.describe_document,
    Kind.FLOW_FILE: files.describe_flow_file,
    Kind.ARRAY: files.describe_array,
    Kind.PICTURE: files.describe_picture,
    Kind.BUNDLE: files.describe_bundle,
    Kind.ARCHIVE: files.describe_archive,
    Kind.TEXT: files.describe_text,
}

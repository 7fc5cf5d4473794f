"""The kind of a path: a prepared set, a shard, a run, a training run, or weights."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from sdd_bench.captures.recognise import candidates
from sdd_bench.core.errors import ManifestError
from sdd_bench.prepared.export.options import EXPORT_JSON
from sdd_bench.prepared.manifest import is_prepared

RUN_JSON = "run.json"
OPTIONS_JSON = "options.json"
"""File with the options of a training run, in its folder."""


class Kind(StrEnum):
    """Kinds that ``info`` and ``validate`` understand."""

    DATASET = "prepared dataset"
    EXPORT = "export of a dataset"
    CAPTURES = "pairs of pictures"
    SHARD = "shard"
    FLOW = "flow of a dataset"
    RUN = "run"
    TRAINING = "training run"
    TRAINING_CHECKPOINT = "checkpoint of a training run"
    SAFETENSORS = "safetensors"
    CHECKPOINT = "checkpoint"
    PROGRAM = "exported program"


_SUFFIXES = {
    ".h5": Kind.SHARD,
    ".hdf5": Kind.SHARD,
    ".safetensors": Kind.SAFETENSORS,
    ".ckpt": Kind.CHECKPOINT,
    ".pt": Kind.CHECKPOINT,
    ".pth": Kind.CHECKPOINT,
    ".pt2": Kind.PROGRAM,
}


def kind_of(path: Path) -> Kind:
    """Kind of ``path``, by its name and the files in it. The content is not checked.

    Raises:
        ManifestError: The path is missing or of no known kind.

    Example:
        >>> from sdd_bench.weights import path
        >>> str(kind_of(path("pwcnet")))
        'safetensors'
    """
    if not path.exists():
        raise ManifestError(f"{path}: does not exist.")
    if is_prepared(path):
        return Kind.DATASET
    if (path / EXPORT_JSON).is_file() or (path.name == EXPORT_JSON and path.is_file()):
        return Kind.EXPORT
    if (path / RUN_JSON).is_file() or (path.name == RUN_JSON and path.is_file()):
        return Kind.RUN
    if (path / "config.toml").is_file() and ((path / OPTIONS_JSON).is_file() or (path / "checkpoints").is_dir()):
        return Kind.TRAINING
    if (path / "state.pt").is_file():
        return Kind.TRAINING_CHECKPOINT
    if path.is_file() and path.suffix.lower() in _SUFFIXES:
        return Kind.FLOW if path.name.startswith("flow-") and path.suffix == ".h5" else _SUFFIXES[path.suffix.lower()]
    if (path.is_file() and path.suffix.lower() in (".csv", ".parquet")) or (path.is_dir() and candidates(path)):
        return Kind.CAPTURES
    raise ManifestError(
        f"{path}: expected a prepared set (a folder with dataset.json), a run (a folder with {RUN_JSON}), a training "
        "run (a folder with config.toml and options.json), one of its checkpoints, an export, captures in a known "
        "layout, a CSV of pairs, Parquet, or a file "
        f"{', '.join(_SUFFIXES)}. A set or run without its JSON is unfinished: run the command that made it again."
    )

"""Telling what a path is: a prepared set, a shard, a run, or weights."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from sdd_bench.core.errors import ManifestError
from sdd_bench.prepared.manifest import is_prepared

RUN_JSON = "run.json"


class Kind(StrEnum):
    """What ``info`` and ``validate`` understand."""

    DATASET = "prepared dataset"
    SHARD = "shard"
    FLOW = "flow of a dataset"
    RUN = "run"
    SAFETENSORS = "safetensors"
    CHECKPOINT = "checkpoint"


_SUFFIXES = {
    ".h5": Kind.SHARD,
    ".hdf5": Kind.SHARD,
    ".safetensors": Kind.SAFETENSORS,
    ".ckpt": Kind.CHECKPOINT,
    ".pt": Kind.CHECKPOINT,
    ".pth": Kind.CHECKPOINT,
}


def kind_of(path: Path) -> Kind:
    """What ``path`` is, by its name and what lies in it; not whether it is sound.

    Raises:
        ManifestError: It is missing or nothing known.
    """
    if not path.exists():
        raise ManifestError(f"{path}: does not exist.")
    if is_prepared(path):
        return Kind.DATASET
    if (path / RUN_JSON).is_file() or (path.name == RUN_JSON and path.is_file()):
        return Kind.RUN
    if path.is_file() and path.suffix.lower() in _SUFFIXES:
        return Kind.FLOW if path.name.startswith("flow-") and path.suffix == ".h5" else _SUFFIXES[path.suffix.lower()]
    raise ManifestError(
        f"{path}: expected a prepared set (a folder with dataset.json), a run (a folder with {RUN_JSON}), or a file "
        f"{', '.join(_SUFFIXES)}. A folder without its JSON is unfinished: run the command that made it again."
    )

r"""The flow of the first stage: ``estimate(reference=blurry, moving=sharp)``, once per patch, kept beside the set.

The file has the format of :mod:`sdd_bench.prepared.shards.flows`, in float32 at a quarter of the patch's size, which is
the resolution of the flow network. Finished patches are kept in a folder of parts, from which a killed estimation goes
on. Two trainings that want the same file do not both estimate it: the second waits.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from sdd_bench.core.errors import ConfigError
from sdd_bench.core.storage.files import sealed
from sdd_bench.core.storage.locks import locked
from sdd_bench.core.types import OnProgress, Progress
from sdd_bench.flow.estimator import FlowEstimator
from sdd_bench.prepared.manifest import is_prepared
from sdd_bench.prepared.shards import flow_info, flow_path, write_flows
from sdd_bench.prepared.torch_dataset import PairDataset
from sdd_bench.training.data.split import data_digest, splits_of

_CELL_PX = 4
"""Pixels of the patch per vector of flow, along a side."""
_NUMBERS = "float32"
"""Type of the stored numbers. Half precision would have steps of 1/32 px from 32 px on."""
_PATCHES_PER_PART = 16
"""Patches per file of the folder of parts, the most work that a killed estimation loses."""
_PATCHES_AT_ONCE = 4
"""Patches per call of the flow network, which bounds its memory."""


def sidecar_path(data: Path, estimator: FlowEstimator) -> Path:
    """Default path of the file with the flow of ``data`` by ``estimator``; a single shard has a file of its own."""
    name = estimator.sha256 or hashlib.sha256(estimator.signature.encode()).hexdigest()
    if is_prepared(data):
        return flow_path(data if data.is_dir() else data.parent, name)
    return flow_path(data.parent, f"{name}-{data.stem}")


def ensure_flow(
    data: Path, estimator: FlowEstimator, path: Path | None = None, *, on_progress: OnProgress | None = None
) -> Path:
    """File of the flow of the patches in ``data``; it is estimated if the file does not exist.

    Args:
        data: Prepared set or shard.
        estimator: Flow estimator, from :func:`sdd_bench.flow.estimator.load_flow`.
        path: Path of the file; None for :func:`sidecar_path`.
        on_progress: Function that is called after every part, and again and again while another training estimates
            the same flow. An error that it raises ends the wait, or the estimation, which a later call continues.

    Raises:
        ConfigError: The existing file was estimated otherwise or of other patches, or holds half-precision flow.
        OutputError: The file cannot be written.
    """
    path = path or sidecar_path(data, estimator)
    wanted = {"flow_signature": estimator.signature, "data_sha256": data_digest(data)}
    identity = hashlib.sha256(" ".join([*wanted.values(), _NUMBERS]).encode()).hexdigest()[:16]
    parts = path.with_name(f".{path.stem[:20]}-{identity}.parts")
    lock = parts.with_suffix(".lock")
    tell = on_progress or (lambda progress: None)
    if not path.is_file():
        waiting = partial(tell, Progress(0, 1, item="flow, which another training estimates"))
        with locked(lock, f"the flow of {data}", on_wait=waiting):
            if not path.is_file():
                _estimate_all(data, estimator, path, parts, wanted, tell)
    _check(path, wanted)
    # Also what a run left that was killed after the file was written. Who waits takes no lock on a file that is gone.
    shutil.rmtree(parts, ignore_errors=True)
    with suppress(OSError):
        lock.unlink()
    return path


def _check(path: Path, wanted: Mapping[str, str]) -> None:
    """Refuse flow that was estimated otherwise, of other patches, or by an earlier version."""
    there = flow_info(path)
    if wrong := [name for name, value in wanted.items() if there[name] != value]:
        raise ConfigError(
            f"{path}: holds other flow ({wrong[0]} is {there[wrong[0]]!r}, expected {wanted[wrong[0]]!r}). "
            "Delete it, or give flow_file."
        )
    kinds = {facts["dtype"] for facts in there["splits"].values()}
    if kinds != {_NUMBERS}:
        raise ConfigError(
            f"{path}: holds flow in {', '.join(sorted(kinds))}, as earlier versions wrote it, in steps of 1/32 px "
            f"from 32 px on; expected {_NUMBERS}. Delete it to have it estimated again, or give flow_file."
        )


def _estimate_all(
    data: Path, estimator: FlowEstimator, path: Path, parts: Path, wanted: Mapping[str, str], tell: OnProgress
) -> None:
    """Estimate the parts that are not there yet, and write the file of them all."""
    datasets = {split: PairDataset(data, split, crop=None, augment=False) for split in splits_of(data)}
    total, done = sum(map(len, datasets.values())), 0
    files: dict[str, list[Path]] = {split: [] for split in datasets}
    for split, dataset in datasets.items():
        for start in range(0, len(dataset), _PATCHES_PER_PART):
            indices = range(start, min(start + _PATCHES_PER_PART, len(dataset)))
            file = parts / f"{split}-{start:08d}.npy"
            files[split].append(file)
            if not file.is_file():
                flows = np.concatenate([_estimate(dataset, estimator, some) for some in _chunks(indices)])
                with sealed(file) as partly, open(partly, "wb") as stream:
                    np.save(stream, flows)
            done += len(indices)
            tell(Progress(done, total, item="flow of blurry and sharp"))
    flows_of = {split: _stored(some) for split, some in files.items()}
    patch = datasets["train"].crop
    facts = {"signature": estimator.signature, "data_sha256": wanted["data_sha256"]}
    write_flows(path, flows_of, **facts, patch=patch, dtype=_NUMBERS)


def _chunks(indices: range) -> Iterator[range]:
    for start in range(0, len(indices), _PATCHES_AT_ONCE):
        yield indices[start : start + _PATCHES_AT_ONCE]


def _stored(files: list[Path]) -> Iterator[NDArray[np.float32]]:
    for file in files:
        yield from np.load(file)


def _estimate(dataset: PairDataset, estimator: FlowEstimator, indices: range) -> NDArray[np.float32]:
    items = [dataset[index] for index in indices]
    blurry, sharp = (torch.stack([item[name] for item in items]) for name in ("blurry", "sharp"))
    flow = estimator.estimate(blurry, sharp).cpu()
    cells = -(-dataset.crop // _CELL_PX)
    reduced: NDArray[np.float32] = F.adaptive_avg_pool2d(flow, cells).numpy()
    return reduced

"""Reading every chunk of a shard to see what is damaged."""

from __future__ import annotations

from pathlib import Path

import h5py

from sdd_bench.core.errors import ShardError
from sdd_bench.core.types import Problem
from sdd_bench.prepared.shards.schema import DATASETS, open_shard, shard_info


def verify_shard(path: Path) -> list[Problem]:
    """What is wrong with a shard, or with a virtual dataset over shards: an empty list when nothing is.

    Every chunk is read and unpacked by HDF5 itself, its Fletcher32 checksum compared; what is damaged is named by file,
    dataset and chunk. The shards of a virtual dataset are only looked for; verify them by themselves.
    """
    try:
        with open_shard(path) as file:
            if file["blurry"].is_virtual:
                return _verify_virtual(path, file)
            return [problem for name in DATASETS for problem in _verify_dataset(path, file[name])]
    except ShardError as error:
        return [Problem(str(path), str(error).removeprefix(f"{path}: "))]


def _verify_virtual(path: Path, file: h5py.File) -> list[Problem]:
    problems = []
    n_patches = 0
    for source in file["blurry"].virtual_sources():
        try:
            n_patches += shard_info(path.parent / source.file_name).n_patches
        except ShardError as error:
            problems.append(Problem(str(path), f"its shard {error}"))
    if not problems and n_patches != len(file["blurry"]):
        problems.append(
            Problem(str(path), f"lists {len(file['blurry'])} patches, but its shards hold {n_patches}. Make it again.")
        )
    return problems


def _verify_dataset(path: Path, dataset: h5py.Dataset) -> list[Problem]:
    item = f"{path}:{dataset.name}"
    if dataset.chunks is None or not dataset.fletcher32:
        return [Problem(item, "has no Fletcher32 checksums, so it was not written by sdd-bench")]
    rows = dataset.chunks[0]
    problems = []
    for number, start in enumerate(range(0, len(dataset), rows)):
        try:
            # HDF5 gives zeros for a chunk that was never written.
            if not dataset.id.get_chunk_info_by_coord((start, *(0,) * (dataset.ndim - 1))).size:
                problems.append(Problem(item, f"chunk {number} is missing"))
            else:
                dataset[start : start + rows]
        except (OSError, RuntimeError) as error:
            problems.append(Problem(item, f"chunk {number} is damaged: HDF5 cannot read or unpack it ({error})"))
    return problems


def verify_flows(path: Path) -> list[Problem]:
    """What is wrong with a file of flows: an empty list when nothing is. As :func:`verify_shard`."""
    try:
        with h5py.File(path, "r", locking=False) as file:
            datasets = [item for item in file.values() if isinstance(item, h5py.Dataset)]
            if not datasets:
                return [Problem(str(path), "holds no flow. Delete it and estimate the flow again.")]
            return [problem for dataset in datasets for problem in _verify_dataset(path, dataset)]
    except (OSError, RuntimeError, KeyError) as error:
        return [Problem(str(path), f"damaged, cut short or not HDF5 ({error}). Delete it and estimate the flow again.")]

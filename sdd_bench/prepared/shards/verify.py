"""Verification of shards and files of flows: every chunk is read to find what is damaged."""

from __future__ import annotations

from pathlib import Path

import h5py

from sdd_bench.core.errors import ShardError
from sdd_bench.core.types import Problem
from sdd_bench.prepared.shards import places
from sdd_bench.prepared.shards.schema import DATASETS, open_shard, shard_info


def verify_shard(path: Path) -> list[Problem]:
    """The problems of a shard, or of a virtual dataset over shards; an empty list if it is sound.

    HDF5 itself reads and unpacks every chunk and compares its Fletcher32 checksum; the list of checksums shows whether
    it is in its place. A problem names file, dataset and
    chunk. The shards of a virtual dataset are only searched for and counted; verify each of them separately.

    Example:
        >>> [problem.reason for problem in verify_shard(Path("no/such.h5"))]
        ['missing. See what the set should hold with: sdd-bench validate.']
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
    try:
        misplaced = places.misplaced(dataset, path)
    except (OSError, RuntimeError, ValueError) as error:
        return [Problem(item, f"its list of checksums is damaged ({error})")]
    for number, start in enumerate(range(0, len(dataset), rows)):
        try:
            # HDF5 returns zeros for a chunk that was never written.
            if not dataset.id.get_chunk_info_by_coord((start, *(0,) * (dataset.ndim - 1))).size:
                problems.append(Problem(item, f"chunk {number} is missing"))
            else:
                dataset[start : start + rows]
                if number in misplaced:
                    problems.append(Problem(item, f"chunk {number}: {places.MISPLACED}"))
        except (OSError, RuntimeError) as error:
            problems.append(Problem(item, f"chunk {number} is damaged: HDF5 cannot read or unpack it ({error})"))
    return problems


def verify_flows(path: Path) -> list[Problem]:
    """The problems of a file of flows, found as by :func:`verify_shard`; an empty list if it is sound.

    Example:
        >>> import tempfile
        >>> with tempfile.NamedTemporaryFile(suffix=".h5") as file:
        ...     [problem.reason[:31] for problem in verify_flows(Path(file.name))]
        ['damaged, cut short or not HDF5 ']
    """
    try:
        with h5py.File(path, "r", locking=False) as file:
            datasets = [item for item in file.values() if isinstance(item, h5py.Dataset)]
            if not datasets:
                return [Problem(str(path), "holds no flow. Delete it and estimate the flow again.")]
            return [problem for dataset in datasets for problem in _verify_dataset(path, dataset)]
    except Exception as error:  # whatever a damaged file leads the library to
        return [Problem(str(path), f"damaged, cut short or not HDF5 ({error}). Delete it and estimate the flow again.")]

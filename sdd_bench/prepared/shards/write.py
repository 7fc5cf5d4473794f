"""Writing shards, one pair at a time, and the virtual dataset that joins them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.errors import ConfigError, ShardError
from sdd_bench.core.threads import cores
from sdd_bench.core.types import Window
from sdd_bench.prepared.shards import chunks, places
from sdd_bench.prepared.shards.create import create_file
from sdd_bench.prepared.shards.schema import (
    ATTRIBUTES,
    COLUMNS,
    COMPRESSIONS,
    DATASETS,
    FILTERS,
    PICTURES,
    SCHEMA,
    expected,
    open_shard,
    shard_info,
)


@dataclass(frozen=True)
class PairPatches:
    """The patches of one pair, as windows of its two pictures."""

    row: int
    """Row of pairs.csv."""
    blurry: NDArray[np.generic]
    """(H, W, 3) uint8 or uint16 RGB, resized."""
    sharp: NDArray[np.generic]
    windows: Sequence[Window]
    sharpness: NDArray[np.floating[Any]]
    """Sharpness of each patch, (n,)."""


def write_shard(
    path: Path,
    pairs: Iterable[PairPatches],
    *,
    split: str,
    bit_depth: int,
    resize: str,
    patch: int = 512,
    compression: str = "blosc2",
    threads: int | None = None,
) -> int:
    """Write a shard, with one pair in memory at a time; the file appears at ``path`` only when it is whole.

    Args:
        path: File to write.
        pairs: Patches in the order in which they are stored.
        split: Name of the split.
        bit_depth: Bits per sample, 8 or 16.
        resize: Resizing of the pictures, as text (``0.5``, ``1680x1120``, ``none``).
        patch: Height and width of a patch.
        compression: One of :data:`COMPRESSIONS`. Only ``blosc2`` needs a plugin for reading.
        threads: Number of patches compressed at once; by default what ``OMP_NUM_THREADS`` or the machine allows.

    Returns:
        The number of patches.

    Raises:
        ConfigError: The compression or bit depth is unknown.
        ShardError: A picture or window does not fit the shard.
        OutputError: The disk is full, or ``path`` is not writable.

    Example:
        >>> import tempfile
        >>> picture = np.zeros((64, 80, 3), np.uint8)
        >>> windows = [Window(0, 0, 64, 64), Window(0, 16, 64, 64)]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "train-00000.h5")
        ...     pair = PairPatches(0, picture, picture, windows, np.ones(2))
        ...     _ = write_shard(path, [pair], split="train", bit_depth=8, resize="none", patch=64)
        ...     info = shard_info(path)
        >>> info.n_patches, info.patch, info.compression
        (2, 64, 'blosc2')
    """
    if compression not in FILTERS:
        raise ConfigError(f"compression {compression!r}: expected one of {', '.join(COMPRESSIONS)}.")
    if bit_depth not in (8, 16):
        raise ConfigError(f"bit depth {bit_depth}: expected 8 or 16.")
    attributes = {"schema": SCHEMA, "split": str(split), "color": "RGB", "bit_depth": bit_depth, "resize": str(resize)}
    columns: dict[str, list[NDArray[np.generic]]] = {name: [np.zeros((0, *COLUMNS[name][0]))] for name in COLUMNS}
    threads = threads or cores()
    with ThreadPoolExecutor(threads) as pool, create_file(path) as (file, disk):
        pictures = [_create_pictures(file, name, patch, bit_depth, compression) for name in PICTURES]
        for pair in pairs:
            for dataset, picture in zip(pictures, (pair.blurry, pair.sharp), strict=True):
                _check_windows(path, dataset, picture, pair.windows)
                _append(dataset, picture, pair.windows, pool if compression == "blosc2" else None)
            disk.check()
            columns["pair"].append(np.full(len(pair.windows), pair.row))
            columns["window"].append(np.array([(w.y, w.x, w.height, w.width) for w in pair.windows]).reshape(-1, 4))
            columns["sharpness"].append(np.asarray(pair.sharpness))
        for name, (shape, dtype) in COLUMNS.items():
            data = np.concatenate(columns[name]).astype(dtype)
            size = {"chunks": (max(1, len(data)), *shape), "maxshape": (None, *shape)}
            # Flushed, because else the place of the data depends on when the dataset is released.
            file.create_dataset(name, data=data, fletcher32=True, track_times=False, **size).flush()
        for name in DATASETS:
            places.bind(file[name], disk.fileno())
        for name, value in attributes.items():
            file.attrs[name] = value
        return int(pictures[0].shape[0])


def _create_pictures(file: h5py.File, name: str, patch: int, bit_depth: int, compression: str) -> h5py.Dataset:
    shape = (patch, patch, 3)
    return file.create_dataset(
        name,
        shape=(0, *shape),
        maxshape=(None, *shape),
        chunks=(1, *shape),
        dtype=np.uint8 if bit_depth == 8 else np.uint16,
        fletcher32=True,
        track_times=False,
        **FILTERS[compression],
    )


def _check_windows(path: Path, dataset: h5py.Dataset, picture: NDArray[np.generic], windows: Sequence[Window]) -> None:
    patch = dataset.shape[1]
    height, width = picture.shape[:2]
    for w in windows:
        inside = 0 <= w.y <= height - w.height and 0 <= w.x <= width - w.width
        if not inside or (w.height, w.width) != (patch, patch) or picture.dtype != dataset.dtype:
            raise ShardError(
                f"{path}: {dataset.name} takes {patch}x{patch} windows of {dataset.dtype} pictures, "
                f"got {w} of a picture {picture.shape} {picture.dtype}."
            )


def _append(
    dataset: h5py.Dataset, picture: NDArray[np.generic], windows: Sequence[Window], pool: ThreadPoolExecutor | None
) -> None:
    first = dataset.shape[0]
    dataset.resize(first + len(windows), axis=0)
    patches = (picture[w.y : w.y + w.height, w.x : w.x + w.width] for w in windows)
    if pool is None:
        for number, pixels in enumerate(patches, first):
            dataset[number] = pixels
    else:
        for number, chunk in enumerate(pool.map(chunks.encode, patches), first):
            dataset.id.write_direct_chunk((number, 0, 0, 0), chunk)


def build_virtual(path: Path, shards: Sequence[Path]) -> None:
    """Join shards into one virtual dataset. It stores their paths relative to its own, so the folder can be moved.

    Raises:
        ShardError: No shards are given, or they differ in split, patch size, bit depth or resizing.
        OutputError: The disk is full, or ``path`` is not writable.

    Example:
        >>> import tempfile
        >>> picture = np.zeros((64, 64, 3), np.uint8)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     shards = [Path(folder, "train-00000.h5"), Path(folder, "train-00001.h5")]
        ...     for row, shard in enumerate(shards):
        ...         pair = PairPatches(row, picture, picture, [Window(0, 0, 64, 64)], np.ones(1))
        ...         _ = write_shard(shard, [pair], split="train", bit_depth=8, resize="none", patch=64)
        ...     build_virtual(Path(folder, "train.h5"), shards)
        ...     info = shard_info(Path(folder, "train.h5"))
        >>> info.n_patches, info.sources
        (2, ('train-00000.h5', 'train-00001.h5'))
    """
    if not shards:
        raise ShardError(f"{path}: there are no shards to join.")
    infos = [shard_info(shard) for shard in shards]
    alike = [(info.split, info.patch, info.bit_depth, info.resize) for info in infos]
    for shard, kind in zip(shards, alike, strict=True):
        if kind != alike[0]:
            raise ShardError(
                f"{shard}: split, patch, bit depth and resize are {kind}, but {alike[0]} in {shards[0]}; "
                "shards of one set must agree."
            )
    names = [os.path.relpath(shard, path.parent) for shard in shards]
    n_patches = sum(info.n_patches for info in infos)
    with create_file(path) as (file, _):
        for dataset in DATASETS:
            shape, dtype = expected(dataset, infos[0].patch, infos[0].bit_depth)
            layout = h5py.VirtualLayout((n_patches, *shape), dtype)
            layout.dcpl.set_obj_track_times(False)  # otherwise the file contains the time of its creation
            first = 0
            for name, info in zip(names, infos, strict=True):
                source = h5py.VirtualSource(name, dataset, shape=(info.n_patches, *shape), dtype=dtype)
                layout[first : first + info.n_patches] = source
                first += info.n_patches
            file.create_virtual_dataset(dataset, layout)
        with open_shard(shards[0]) as first_shard:
            for name in ATTRIBUTES:
                file.attrs[name] = first_shard.attrs[name]

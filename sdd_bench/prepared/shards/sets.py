"""Several shards read as one list of patches."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.errors import ShardError
from sdd_bench.core.types import Split
from sdd_bench.prepared.manifest import is_prepared, read_manifest
from sdd_bench.prepared.shards.read import Patches, ShardReader
from sdd_bench.prepared.shards.schema import shard_info

_MAX_OPEN = 64
"""Shards open at a time: far below the limit of 1024 open files that a process commonly has."""


def shard_paths(path: Path, split: str = "train") -> tuple[Path, ...]:
    """The paths of the shards of one split.

    Args:
        path: Prepared set (its folder or dataset.json), virtual dataset, or shard. A virtual dataset is read through
            its shards, because HDF5 returns zeros for a shard that is missing.
        split: Name of the split.

    Raises:
        ManifestError: The set is damaged.
        ShardError: The split has no patches, or a file is missing, damaged or not a shard.

    For an example see :class:`ShardSet`.
    """
    if path.is_dir() or is_prepared(path):
        manifest = read_manifest(path)
        with_patches = [str(name) for name, record in manifest.splits.items() if record.shards]
        if split not in with_patches:
            raise ShardError(
                f"{path}: has no patches of split {split!r}; there are patches of: {', '.join(with_patches) or 'none'}."
            )
        return tuple(manifest.root / record.name for record in manifest.splits[Split(split)].shards)
    info = shard_info(path)
    if info.split != split:
        raise ShardError(f"{path}: holds split {info.split!r}, not {split!r}.")
    return tuple(path.parent / source for source in info.sources) or (path,)


class ShardSet:
    """The patches of several shards, in order. Few files are open at a time, and a set can be forked and pickled.

    Args:
        paths: Paths of the shards, whose patches must have one size and bit depth.

    Raises:
        ShardError: A shard is missing or damaged, or the shards differ.

    Example:
        >>> import tempfile
        >>> from sdd_bench.core.types import Window
        >>> from sdd_bench.prepared.shards import PairPatches, build_virtual, write_shard
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     shards = [Path(folder, "train-00000.h5"), Path(folder, "train-00001.h5")]
        ...     for row, shard in enumerate(shards):
        ...         picture = np.full((64, 64, 3), row, np.uint8)
        ...         pair = PairPatches(row, picture, picture, [Window(0, 0, 64, 64)], np.ones(1))
        ...         _ = write_shard(shard, [pair], split="train", bit_depth=8, resize="none", patch=64)
        ...     build_virtual(Path(folder, "train.h5"), shards)
        ...     patches = ShardSet(shard_paths(Path(folder, "train.h5")))
        ...     len(patches), int(patches.read_patch(1).sharp.max()), patches.column("pair").tolist()
        (2, 1, [0, 1])
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        infos = [shard_info(path) for path in paths]
        for path, info in zip(paths, infos, strict=True):
            if (info.patch, info.bit_depth) != (infos[0].patch, infos[0].bit_depth):
                raise ShardError(
                    f"{path}: patches of {info.patch} pixels, {info.bit_depth} bit, but {infos[0].patch} pixels, "
                    f"{infos[0].bit_depth} bit in {paths[0]}."
                )
        self.paths = tuple(paths)
        self.patch = infos[0].patch
        self.bit_depth = infos[0].bit_depth
        self._ends = list(accumulate(info.n_patches for info in infos))
        self._readers: OrderedDict[int, ShardReader] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_readers": OrderedDict()}

    def __len__(self) -> int:
        return self._ends[-1]

    def read_patch(self, index: int) -> Patches:
        """The whole patches, see :meth:`ShardReader.read_patch`."""
        return self.read_crop(index, 0, 0, self.patch, self.patch)

    def read_crop(self, index: int, y: int, x: int, height: int, width: int) -> Patches:
        """The same window of both patches, see :meth:`ShardReader.read_crop`."""
        if not 0 <= index < len(self):
            raise IndexError(f"no patch {index}, there are {len(self)}")
        number = bisect_right(self._ends, index)
        first = self._ends[number - 1] if number else 0
        return self._reader(number).read_crop(index - first, y, x, height, width)

    def column(self, name: str) -> NDArray[Any]:
        """One column of all shards, see :meth:`ShardReader.column`."""
        return np.concatenate([self._reader(number).column(name) for number in range(len(self.paths))])

    def _reader(self, number: int) -> ShardReader:
        reader = self._readers.pop(number, None) or ShardReader(self.paths[number])
        self._readers[number] = reader
        if len(self._readers) > _MAX_OPEN:
            self._readers.popitem(last=False)[1].close()
        return reader

    def close(self) -> None:
        """Close every file; the next read opens files again."""
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()

"""Reading patches, one chunk at a time."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.errors import ShardError
from sdd_bench.prepared.shards import chunks, places
from sdd_bench.prepared.shards.schema import PICTURES, compression_of, open_shard


@dataclass(frozen=True)
class Patches:
    """A blurry and a sharp patch, or the same crop of both; each is (H, W, 3) uint8 or uint16 RGB."""

    blurry: NDArray[np.generic]
    sharp: NDArray[np.generic]


class ShardReader:
    """Reader of the patches of one shard. Each process opens the file on first use: a reader can be forked and pickled.

    Args:
        path: Path of the shard. For a virtual dataset, read its shards, see :func:`shard_paths`.

    Example:
        >>> import tempfile
        >>> from sdd_bench.core.types import Window
        >>> from sdd_bench.prepared.shards import PairPatches, write_shard
        >>> blurry, sharp = np.zeros((64, 64, 3), np.uint8), np.full((64, 64, 3), 9, np.uint8)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "train-00000.h5")
        ...     pair = PairPatches(5, blurry, sharp, [Window(0, 0, 64, 64)], np.ones(1))
        ...     _ = write_shard(path, [pair], split="train", bit_depth=8, resize="none", patch=64)
        ...     reader = ShardReader(path)
        ...     crop = reader.read_crop(0, y=8, x=8, height=16, width=32)
        ...     crop.sharp.shape, int(crop.sharp.max()), reader.column("pair").tolist()
        ((16, 32, 3), 9, [5])
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._file: h5py.File | None = None
        self._process = 0
        self._packed = False
        self._n = self._patch = 0
        self._pictures: tuple[tuple[h5py.Dataset, places.Checksums | None], ...] = ()

    def _open(self) -> h5py.File:
        if self._file is None or self._process != os.getpid():
            # A handle inherited through fork is not closed here, because the parent still uses it.
            self._file = open_shard(self.path)
            self._process = os.getpid()
            try:
                self._pictures = tuple((self._file[name], places.listed(self._file[name])) for name in PICTURES)
            except (OSError, ValueError) as error:
                raise ShardError(f"{self.path}: its header is damaged ({error}). Restore the file.") from error
            blurry, _ = self._pictures[0]
            self._n, self._patch = blurry.shape[:2]
            self._packed = compression_of(blurry) == "blosc2"
        return self._file

    def close(self) -> None:
        """Close the file; the next read opens it again."""
        if self._file is not None and self._process == os.getpid():
            self._file.close()
        self._file, self._pictures = None, ()

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["path"])  # type: ignore[misc]

    def __len__(self) -> int:
        self._open()
        return self._n

    @property
    def patch(self) -> int:
        """Height and width of a patch."""
        self._open()
        return self._patch

    def column(self, name: str) -> NDArray[Any]:
        """The column ``pair`` (N,), ``window`` (N, 4) or ``sharpness`` (N,).

        Raises:
            ShardError: The column is damaged.
        """
        try:
            dataset = self._open()[name]
            checksums = places.listed(dataset)
            for number in range(0 if checksums is None else len(checksums)):
                place = (number * dataset.chunks[0], *(0,) * (dataset.ndim - 1))
                places.check(number, dataset.id.read_direct_chunk(place)[1], checksums)
            column: NDArray[Any] = dataset[:]
        except (OSError, ValueError, RuntimeError) as error:
            raise ShardError(f"{self.path}: /{name} is damaged ({error}). Restore the file.") from error
        return column

    def read_patch(self, index: int) -> Patches:
        """The whole patches, each (patch, patch, 3).

        Raises:
            IndexError: The patch does not exist.
            ShardError: The chunk is damaged.
        """
        return self.read_crop(index, 0, 0, self.patch, self.patch)

    def read_crop(self, index: int, y: int, x: int, height: int, width: int) -> Patches:
        """The same window of both patches. Only their two chunks are read, and only the rows needed are unpacked.

        Raises:
            IndexError: The patch does not exist.
            ShardError: The window is not inside the patch, or a chunk is damaged.
        """
        self._open()
        patch = self._patch
        if not 0 <= index < self._n:
            raise IndexError(f"{self.path}: no patch {index}, it holds {self._n}")
        if not (0 <= y < y + height <= patch and 0 <= x < x + width <= patch):
            raise ShardError(
                f"{self.path}: window y {y}, x {x}, {height}x{width} is not inside a {patch}x{patch} patch."
            )
        return Patches(*(self._crop(*picture, index, y, x, height, width) for picture in self._pictures))

    def _crop(
        self,
        dataset: h5py.Dataset,
        checksums: places.Checksums | None,
        index: int,
        y: int,
        x: int,
        height: int,
        width: int,
    ) -> NDArray[np.generic]:
        try:
            if self._packed or checksums is not None:
                _, chunk = dataset.id.read_direct_chunk((index, 0, 0, 0))
                places.check(index, chunk, checksums)
            if self._packed:
                crop = chunks.decode(chunk, y, x, height, width, row=self._patch, dtype=dataset.dtype)
                if crop is not None:
                    return crop
            pixels: NDArray[np.generic] = dataset[index, y : y + height, x : x + width]
        except (OSError, ValueError, RuntimeError) as error:
            raise damaged_chunk(self.path, dataset.name, index, str(error)) from error
        return pixels


def damaged_chunk(path: Path, dataset: str, index: int, why: str) -> ShardError:
    """The error for a chunk that cannot be read.

    Example:
        >>> print(damaged_chunk(Path("a.h5"), "/blurry", 7, "its checksum does not fit"))  # doctest: +ELLIPSIS
        a.h5: chunk 7 of /blurry is damaged: its checksum does not fit. Restore the file ...
    """
    return ShardError(
        f"{path}: chunk {index} of {dataset} is damaged: {why}. Restore the file from a copy, or delete it and prepare "
        "the set again; sdd-bench validate lists all damage."
    )

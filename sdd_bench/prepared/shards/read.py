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
from sdd_bench.prepared.shards import chunks
from sdd_bench.prepared.shards.schema import PICTURES, compression_of, open_shard


@dataclass(frozen=True)
class Patches:
    """A blurry and a sharp patch, or the same crop of both: each (H, W, 3) uint8 or uint16 RGB."""

    blurry: NDArray[np.generic]
    sharp: NDArray[np.generic]


class ShardReader:
    """Reads patches of one shard. The file is opened on first use, in every process anew: safe to fork and to pickle.

    Args:
        path: A shard (for a virtual dataset, read its shards: :func:`shard_paths`).
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._file: h5py.File | None = None
        self._process = 0
        self._packed = False
        self._n = self._patch = 0
        self._pictures: tuple[h5py.Dataset, ...] = ()

    def _open(self) -> h5py.File:
        if self._file is None or self._process != os.getpid():
            # A handle inherited through fork is left alone: closing it is the parent's business.
            self._file = open_shard(self.path)
            self._process = os.getpid()
            self._pictures = tuple(self._file[name] for name in PICTURES)
            self._n, self._patch = self._pictures[0].shape[:2]
            self._packed = compression_of(self._pictures[0]) == "blosc2"
        return self._file

    def close(self) -> None:
        """Close the file; it is opened again when needed."""
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
        """``pair`` (N,), ``window`` (N, 4) or ``sharpness`` (N,).

        Raises:
            ShardError: It is damaged.
        """
        try:
            column: NDArray[Any] = self._open()[name][:]
        except OSError as error:
            raise ShardError(f"{self.path}: /{name} is damaged ({error}). Restore the file.") from error
        return column

    def read_patch(self, index: int) -> Patches:
        """The whole patches, (patch, patch, 3).

        Raises:
            IndexError: There is no such patch.
            ShardError: The chunk is damaged.
        """
        return self.read_crop(index, 0, 0, self.patch, self.patch)

    def read_crop(self, index: int, y: int, x: int, height: int, width: int) -> Patches:
        """The same window of both patches; nothing but the two chunks is read, of them only the rows asked for.

        Raises:
            IndexError: There is no such patch.
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
        return Patches(*(self._crop(dataset, index, y, x, height, width) for dataset in self._pictures))

    def _crop(self, dataset: h5py.Dataset, index: int, y: int, x: int, height: int, width: int) -> NDArray[np.generic]:
        try:
            if self._packed:
                _, chunk = dataset.id.read_direct_chunk((index, 0, 0, 0))
                crop = chunks.decode(chunk, y, x, height, width, row=self._patch, dtype=dataset.dtype)
                if crop is not None:
                    return crop
            pixels: NDArray[np.generic] = dataset[index, y : y + height, x : x + width]
        except (OSError, ValueError, RuntimeError) as error:
            raise damaged_chunk(self.path, dataset.name, index, str(error)) from error
        return pixels


def damaged_chunk(path: Path, dataset: str, index: int, why: str) -> ShardError:
    """The error for a chunk that cannot be read."""
    return ShardError(
        f"{path}: chunk {index} of {dataset} is damaged: {why}. Restore the file from a copy, or delete it and prepare "
        "the set again; sdd-bench validate lists all damage."
    )

"""HDF5 shards of patches: written pair by pair, joined by a virtual dataset, read one chunk at a time.

A shard holds ``/blurry`` and ``/sharp`` (N, 512, 512, 3) uint8 or uint16 RGB, one patch a chunk, lossless, with
Fletcher32; ``/pair`` int32 (row of pairs.csv); ``/window`` int32 (N, 4): y, x, height, width in the resized
picture; ``/sharpness`` float32; and the attributes schema, split, color, bit_depth, resize. It is written once and
never changed, holds no dates and no absolute paths, and the same patches give the same bytes.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import hdf5plugin  # noqa: F401  (registers the Blosc2 filter with HDF5)
import numpy as np
from numpy.typing import NDArray

from sdd_bench.data import chunks
from sdd_bench.errors import ConfigError, ShardError
from sdd_bench.files import sealed

SCHEMA = 1
PICTURES = ("blurry", "sharp")
COLUMNS = {"pair": ((), "int32"), "window": ((4,), "int32"), "sharpness": ((), "float32")}
DATASETS = (*PICTURES, *COLUMNS)
_FILTERS: dict[str, dict[str, Any]] = {
    "blosc2": {"compression": chunks.HDF5_FILTER, "compression_opts": chunks.HDF5_FILTER_OPTIONS},
    "gzip": {"compression": "gzip", "compression_opts": 1},
    "lzf": {"compression": "lzf"},
    "none": {},
}
COMPRESSIONS = tuple(_FILTERS)
_LIBVER = ("v110", "v110")


@dataclass(frozen=True)
class Patches:
    """A blurry and a sharp patch, or the same crop of both: each (H, W, 3) uint8 or uint16 RGB."""

    blurry: NDArray[np.generic]
    sharp: NDArray[np.generic]


@dataclass(frozen=True)
class ShardInfo:
    """What a shard, or a virtual dataset over shards, says about itself."""

    n_patches: int
    patch: int
    split: str
    bit_depth: int
    resize: str
    color: str
    compression: str
    stored_bytes: int
    """Bytes the patches take on disk; 0 for a virtual dataset, which holds none."""
    sources: tuple[str, ...] = ()
    """The shards a virtual dataset is made of, relative to it."""


class ShardWriter:
    """Writes a shard pair by pair; nothing stands at ``path`` until the ``with`` block has ended well.

    Args:
        path: The shard.
        split: Name of the split.
        bit_depth: 8 or 16.
        resize: How the pictures were resized, as text (``0.5``, ``1680x1120``, ``none``).
        patch: Height and width of a patch.
        compression: One of :data:`COMPRESSIONS`. All but ``blosc2`` are read without a plugin.
        threads: How many patches are compressed at once; by default what ``OMP_NUM_THREADS`` or the machine allows.

    Raises:
        ConfigError: An unknown compression or bit depth.
        OutputError: The disk is full, or the place is not writable.
    """

    def __init__(
        self,
        path: Path,
        *,
        split: str,
        bit_depth: int,
        resize: str,
        patch: int = 512,
        compression: str = "blosc2",
        threads: int | None = None,
    ) -> None:
        if compression not in _FILTERS:
            raise ConfigError(f"compression {compression!r}: expected one of {', '.join(COMPRESSIONS)}.")
        if bit_depth not in (8, 16):
            raise ConfigError(f"bit depth {bit_depth}: expected 8 or 16.")
        self.path = path
        self._attributes = {
            "schema": SCHEMA,
            "split": str(split),
            "color": "RGB",
            "bit_depth": bit_depth,
            "resize": str(resize),
        }
        self._dtype = np.dtype(np.uint8 if bit_depth == 8 else np.uint16)
        self._shape = (patch, patch, 3)
        self._compression = compression
        self._threads = threads or int(os.environ.get("OMP_NUM_THREADS") or 0) or len(os.sched_getaffinity(0))
        self._columns: dict[str, list[NDArray[np.generic]]] = {name: [] for name in COLUMNS}
        self._stack = ExitStack()

    @property
    def n_patches(self) -> int:
        """How many patches were added."""
        return sum(len(part) for part in self._columns["pair"])

    def __enter__(self) -> ShardWriter:
        with ExitStack() as stack:
            partial = stack.enter_context(sealed(self.path))
            stack.enter_context(_plain_errors())
            self._pool = stack.enter_context(ThreadPoolExecutor(self._threads))
            self._file = stack.enter_context(h5py.File(partial, "w", libver=_LIBVER))
            for name in PICTURES:
                self._file.create_dataset(
                    name,
                    shape=(0, *self._shape),
                    maxshape=(None, *self._shape),
                    chunks=(1, *self._shape),
                    dtype=self._dtype,
                    fletcher32=True,
                    track_times=False,
                    **_FILTERS[self._compression],
                )
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._stack.__exit__(kind, error, trace)
            return
        with self._stack:
            for name, (shape, dtype) in COLUMNS.items():
                parts = self._columns[name]
                data = np.concatenate(parts) if parts else np.zeros((0, *shape), dtype)
                self._file.create_dataset(
                    name,
                    data=data,
                    chunks=(max(1, len(data)), *shape),
                    maxshape=(None, *shape),
                    fletcher32=True,
                    track_times=False,
                )
            for name, value in self._attributes.items():
                self._file.attrs[name] = value

    def add(
        self,
        blurry: NDArray[np.generic],
        sharp: NDArray[np.generic],
        *,
        pair: int,
        windows: NDArray[np.integer[Any]] | Sequence[Sequence[int]],
        sharpness: NDArray[np.floating[Any]] | Sequence[float],
    ) -> None:
        """Append the patches of one pair.

        Args:
            blurry: (n, H, W, 3), uint8 or uint16 as the bit depth says.
            sharp: Likewise.
            pair: Row of pairs.csv.
            windows: (n, 4): y, x, height, width in the resized picture.
            sharpness: (n,).

        Raises:
            ShardError: Shapes, types or lengths do not agree with the shard.
        """
        n = len(blurry)
        columns = {
            "pair": np.full(n, pair, np.int32),
            "window": np.asarray(windows, np.int32).reshape(-1, 4),
            "sharpness": np.asarray(sharpness, np.float32),
        }
        for name, patches in (("blurry", blurry), ("sharp", sharp)):
            expected = (n, *self._shape)
            if patches.shape != expected or patches.dtype != self._dtype:
                raise ShardError(
                    f"{self.path}: /{name} takes {expected} {self._dtype}, got {patches.shape} {patches.dtype}."
                )
        for name, values in columns.items():
            if len(values) != n:
                raise ShardError(f"{self.path}: {n} patches but {len(values)} entries of /{name}.")
        first = self.n_patches
        for name, patches in (("blurry", blurry), ("sharp", sharp)):
            self._append(self._file[name], first, patches)
        for name, values in columns.items():
            self._columns[name].append(values)

    def _append(self, dataset: h5py.Dataset, first: int, patches: NDArray[np.generic]) -> None:
        dataset.resize(first + len(patches), axis=0)
        if self._compression != "blosc2":
            dataset[first:] = patches
            return
        for number, chunk in enumerate(self._pool.map(chunks.encode, map(np.ascontiguousarray, patches)), first):
            dataset.id.write_direct_chunk((number, 0, 0, 0), chunk)


@contextmanager
def _plain_errors() -> Iterator[None]:
    """HDF5 hides the operating system's error number in its message; raise it as a plain OSError."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        found = re.search(r"errno = (\d+)", str(error))
        if found is None:
            raise
        number = int(found.group(1))
        raise OSError(number or errno.EIO, os.strerror(number)) from error

"""Flow of every patch of a set, in a file of its own beside it.

``flow-<sha256 of the flow weights>.h5`` holds one dataset per split, in the order of the split's shards:
``/train`` (N, 2, h, w) float16 or float32, flow ``estimate(reference=blurry, moving=sharp)`` on a grid of h x w cells
that covers the patch (half-pixel centres), vectors in pixels *of the patch*; and the attributes schema,
flow_signature (the estimator's line), data_sha256 (the digest of the patches) and patch (their side, pixels).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.errors import ShardError
from sdd_bench.prepared.shards.create import create_file
from sdd_bench.prepared.shards.schema import SCHEMA


def flow_path(root: Path, sha256: str) -> Path:
    """Where the flow of the set at ``root`` lies for flow weights of this sha256."""
    return root / f"flow-{sha256}.h5"


def write_flows(
    path: Path,
    splits: Mapping[str, Iterable[NDArray[Any]]],
    *,
    signature: str,
    patch: int,
    data_sha256: str = "",
    dtype: str = "float32",
) -> None:
    """Write the flow of every patch, one in memory at a time.

    Args:
        path: See :func:`flow_path`.
        splits: Per split, the flow of each patch in order: (2, h, w), pixels of the patch.
        signature: The estimator's signature.
        patch: Side of the patches, pixels.
        data_sha256: Says whose flow it is.
        dtype: ``float32``, or ``float16`` (steps of 1/64 px from 16 px on, of 1/32 px from 32 px on).

    Raises:
        ShardError: The flows differ in shape.
        OutputError: The disk is full, or the place is not writable.
    """
    with create_file(path) as (file, disk):
        for split, flows in splits.items():
            _write_split(path, file, split, flows, dtype)
            disk.check()
        facts = {"schema": SCHEMA, "flow_signature": signature, "data_sha256": data_sha256, "patch": patch}
        for name, value in facts.items():
            file.attrs[name] = value


def _write_split(path: Path, file: h5py.File, split: str, flows: Iterable[NDArray[Any]], dtype: str) -> None:
    dataset = None
    for number, flow in enumerate(flows):
        if dataset is None:
            dataset = file.create_dataset(
                split,
                shape=(0, *flow.shape),
                maxshape=(None, *flow.shape),
                chunks=(1, *flow.shape),
                dtype=dtype,
                fletcher32=True,
                track_times=False,
                **hdf5plugin.Blosc2(cname="zstd", clevel=1, filters=hdf5plugin.Blosc2.SHUFFLE),
            )
        if flow.ndim != 3 or flow.shape != (2, *dataset.shape[2:]):
            raise ShardError(f"{path}: flow {number} of {split} is {flow.shape}, expected {(2, *dataset.shape[2:])}.")
        dataset.resize(number + 1, axis=0)
        dataset[number] = flow
    if dataset is None:
        raise ShardError(f"{path}: there are no flows of split {split}.")
    dataset.flush()  # or the last flows' place depends on when the dataset is released


class FlowReader:
    """Reads the flow of patches; opened on first use, in every process anew: safe to fork and to pickle.

    Args:
        path: The sidecar.
        split: Name of the split.
    """

    def __init__(self, path: Path, split: str) -> None:
        self.path = Path(path)
        self.split = split
        self._file: h5py.File | None = None
        self._process = 0

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "split": self.split, "_file": None, "_process": 0}

    def _dataset(self) -> h5py.Dataset:
        if self._file is None or self._process != os.getpid():
            self._file = self._open()
            self._process = os.getpid()
        return self._file[self.split]

    def _open(self) -> h5py.File:
        try:
            file = h5py.File(self.path, "r", locking=False)
        except OSError as error:
            raise ShardError(
                f"{self.path}: missing or damaged flow ({error}). Delete it and estimate it again."
            ) from error
        dataset = file.get(self.split)
        sound = isinstance(dataset, h5py.Dataset) and dataset.ndim == 4 and dataset.shape[1] == 2
        if not sound or file.attrs.get("schema") != SCHEMA or "patch" not in file.attrs:
            file.close()
            raise ShardError(f"{self.path}: holds no flow of split {self.split!r}. Delete it and estimate it again.")
        return file

    def __len__(self) -> int:
        return len(self._dataset())

    @property
    def patch(self) -> int:
        """Side of the patches the flow belongs to, pixels."""
        return int(self._dataset().file.attrs["patch"])

    def read(self, index: int) -> NDArray[np.float32]:
        """Flow of one patch, (2, h, w), pixels of the patch.

        Raises:
            ShardError: It is damaged.
        """
        try:
            flow: NDArray[np.float32] = self._dataset()[index].astype(np.float32)
        except OSError as error:
            raise ShardError(
                f"{self.path}: chunk {index} of /{self.split} is damaged ({error}). "
                "Delete the file and estimate it again."
            ) from error
        return flow


def flow_info(path: Path) -> dict[str, Any]:
    """What a file of flows says about itself.

    Raises:
        ShardError: It is missing or damaged.
    """
    try:
        with h5py.File(path, "r", locking=False) as file:
            return {
                "flow_signature": str(file.attrs["flow_signature"]),
                "data_sha256": str(file.attrs["data_sha256"]),
                "patch": int(file.attrs["patch"]),
                "splits": {
                    name: {"n": len(flows), "shape": list(flows.shape[1:]), "dtype": str(flows.dtype)}
                    for name, flows in file.items()
                },
            }
    except (OSError, KeyError, RuntimeError) as error:
        raise ShardError(f"{path}: missing or damaged flow ({error}). Delete it and estimate it again.") from error

"""The flow of every patch of a set, in a separate file beside the set.

``flow-<sha256 of the flow weights>.h5`` holds one dataset per split, such as ``/train``, in the order of the split's
shards. A dataset is (N, 2, h, w) float16 or float32: the flow ``estimate(reference=blurry, moving=sharp)`` of N patches
on a grid of h x w cells that covers the patch (half-pixel centres). Its vectors are in pixels *of the patch*. The
attributes are schema, flow_signature (the signature of the estimator), data_sha256 (the digest of the patches) and
patch (their side in pixels).
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
from sdd_bench.prepared.shards import places
from sdd_bench.prepared.shards.create import create_file
from sdd_bench.prepared.shards.schema import SCHEMA


def flow_path(root: Path, sha256: str) -> Path:
    """The file with the flow of the set at ``root``, estimated with flow weights of this sha256.

    Example:
        >>> flow_path(Path("set"), "0123abcd").as_posix()
        'set/flow-0123abcd.h5'
    """
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
    """Write the flow of every patch, with one flow in memory at a time.

    Args:
        path: File to write, see :func:`flow_path`.
        splits: Flow of each patch in order, (2, h, w) in pixels of the patch; one entry per split.
        signature: Signature of the estimator.
        patch: Side of the patches, pixels.
        data_sha256: Digest of the patches that the flow belongs to.
        dtype: ``float32``, or ``float16`` (steps of 1/64 px from 16 px on, of 1/32 px from 32 px on).

    Raises:
        ShardError: The flows differ in shape, or a split has none.
        OutputError: The disk is full, or ``path`` is not writable.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = flow_path(Path(folder), "0123abcd")
        ...     write_flows(path, {"train": [np.ones((2, 4, 4))]}, signature="constant", patch=64)
        ...     FlowReader(path, "train").read(0).shape, flow_info(path)["splits"]["train"]["n"]
        ((2, 4, 4), 1)
    """
    with create_file(path) as (file, disk):
        for split, flows in splits.items():
            places.bind(_write_split(path, file, split, flows, dtype), disk.fileno())
            disk.check()
        facts = {"schema": SCHEMA, "flow_signature": signature, "data_sha256": data_sha256, "patch": patch}
        for name, value in facts.items():
            file.attrs[name] = _fixed(value) if isinstance(value, str) else value


def _write_split(path: Path, file: h5py.File, split: str, flows: Iterable[NDArray[Any]], dtype: str) -> h5py.Dataset:
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
    return dataset


class FlowReader:
    """Reader of the flow of patches. Each process opens the file on first use, so a reader can be forked and pickled.

    For an example see :func:`write_flows`.

    Args:
        path: File of flows.
        split: Name of the split.
    """

    def __init__(self, path: Path, split: str) -> None:
        self.path = Path(path)
        self.split = split
        self._file: h5py.File | None = None
        self._process = 0
        self._checksums: places.Checksums | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "split": self.split, "_file": None, "_process": 0, "_checksums": None}

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
        try:
            dataset = file.get(self.split)
            sound = isinstance(dataset, h5py.Dataset) and dataset.ndim == 4 and dataset.shape[1] == 2
            if not sound or file.attrs.get("schema") != SCHEMA or "patch" not in file.attrs:
                raise ShardError(
                    f"{self.path}: holds no flow of split {self.split!r}. Delete it and estimate it again."
                )
            self._checksums = places.listed(dataset)
        except ShardError:
            file.close()
            raise
        except Exception as error:  # whatever a damaged file leads the library to
            file.close()
            raise ShardError(f"{self.path}: damaged flow ({error}). Delete it and estimate it again.") from error
        return file

    def __len__(self) -> int:
        return len(self._dataset())

    @property
    def patch(self) -> int:
        """Side, in pixels, of the patches that the flow belongs to."""
        return int(self._dataset().file.attrs["patch"])

    def read(self, index: int) -> NDArray[np.float32]:
        """The flow of one patch, (2, h, w), in pixels of the patch.

        Raises:
            ShardError: The flow is damaged.
        """
        try:
            dataset = self._dataset()
            if self._checksums is not None:
                places.check(index, dataset.id.read_direct_chunk((index, 0, 0, 0))[1], self._checksums)
            flow: NDArray[np.float32] = dataset[index].astype(np.float32)
        except (OSError, ValueError, RuntimeError) as error:
            raise ShardError(
                f"{self.path}: chunk {index} of /{self.split} is damaged ({error}). "
                "Delete the file and estimate it again."
            ) from error
        return flow


def flow_info(path: Path) -> dict[str, Any]:
    """The attributes of a file of flows, and the number, shape and type of the flows of each split.

    Raises:
        ShardError: The file is missing or damaged.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "flow.h5")
        ...     write_flows(path, {"train": [np.ones((2, 4, 4))]}, signature="constant", patch=64)
        ...     info = flow_info(path)
        >>> info["flow_signature"], info["patch"], info["splits"]
        ('constant', 64, {'train': {'n': 1, 'shape': [2, 4, 4], 'dtype': 'float32'}})
    """
    try:
        with h5py.File(path, "r", locking=False) as file:
            return {
                "flow_signature": _text(file.attrs["flow_signature"]),
                "data_sha256": _text(file.attrs["data_sha256"]),
                "patch": int(file.attrs["patch"]),
                "is_bound": all(places.ATTRIBUTE in flows.attrs for flows in file.values()),
                "splits": {
                    name: {"n": len(flows), "shape": list(flows.shape[1:]), "dtype": str(flows.dtype)}
                    for name, flows in file.items()
                },
            }
    except Exception as error:  # whatever a damaged file leads the library to
        raise ShardError(f"{path}: missing or damaged flow ({error}). Delete it and estimate it again.") from error


def _fixed(text: str) -> NDArray[np.bytes_]:
    """Text of fixed length. It lies in the header, which has a checksum; the heap of HDF5 for text of any length has
    none, and in a damaged one the library may search without end."""
    encoded = text.encode("utf-8")
    return np.array(encoded, f"S{max(1, len(encoded))}")


def _text(value: Any) -> str:
    """Text of an attribute; files of earlier versions have it as ``str``."""
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)

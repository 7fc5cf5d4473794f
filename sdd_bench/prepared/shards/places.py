"""Each chunk is bound to its place: a dataset lists the Fletcher32 checksum of each of its chunks, in order.

The checksum at the end of a chunk shows that its bytes are whole, not that they are the ones that belong there: two
whole chunks of equal size can change places. So every dataset of a shard has the attribute ``fletcher32``, one uint32
per chunk. A reader compares it with the end of the chunk, which costs nothing, as the chunk is in memory already.

Shards made before this attribute are read as they are; they are *not bound*.
"""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

Checksums = NDArray[np.uint32]
ATTRIBUTE = "fletcher32"
MISPLACED = "it belongs to another place, or was changed: its checksum is not the one listed for it"
_BYTES = 4


def bind(dataset: h5py.Dataset, descriptor: int) -> None:
    """Note the checksums of all chunks of a dataset that is written to its end.

    Args:
        dataset: Dataset with Fletcher32, in chunks along its first axis.
        descriptor: Open file that holds it.
    """
    dataset.flush()
    dataset.attrs[ATTRIBUTE] = np.array([stored(dataset, k, descriptor) for k in range(n_chunks(dataset))], np.uint32)


def listed(dataset: h5py.Dataset) -> Checksums | None:
    """The checksums by which the chunks are bound; None for a dataset that is not bound.

    Raises:
        ValueError: The attribute is something else.
    """
    if ATTRIBUTE not in dataset.attrs:
        return None
    found = np.asarray(dataset.attrs[ATTRIBUTE])
    if found.dtype != np.uint32 or found.ndim != 1:
        raise ValueError(f"attribute {ATTRIBUTE} of {dataset.name} is {found.shape} {found.dtype}")
    return found


def n_chunks(dataset: h5py.Dataset) -> int:
    """Chunks along the first axis; a dataset that is not chunked has none."""
    return -(-len(dataset) // dataset.chunks[0]) if dataset.chunks else 0


def stored(dataset: h5py.Dataset, number: int, descriptor: int) -> int:
    """The checksum at the end of a chunk; 0 where no chunk was written."""
    place = dataset.id.get_chunk_info_by_coord((number * dataset.chunks[0], *(0,) * (dataset.ndim - 1)))
    if not place.size:
        return 0
    return int.from_bytes(os.pread(descriptor, _BYTES, place.byte_offset + place.size - _BYTES), "little")


def misplaced(dataset: h5py.Dataset, path: Path) -> set[int]:
    """Numbers of the chunks that belong to another place, or are not what was written; none of an unbound dataset.

    Raises:
        ValueError: The attribute is something else, or lists more chunks than there are.
        OSError: The file cannot be read.
    """
    checksums = listed(dataset)
    if checksums is None:
        return set()
    n = n_chunks(dataset)
    if len(checksums) > n:
        raise ValueError(f"it lists {len(checksums)} chunks of {n}")
    with open(path, "rb") as file:
        found = [stored(dataset, k, file.fileno()) for k in range(n)]
    return {k for k in range(n) if k >= len(checksums) or found[k] != checksums[k]}


def check(number: int, chunk: bytes, checksums: Checksums | None) -> None:
    """Check that ``chunk``, read at place ``number``, belongs there; without ``checksums`` it does.

    Raises:
        ValueError: It belongs to another place.
    """
    if checksums is None:
        return
    if number >= len(checksums) or int.from_bytes(chunk[-_BYTES:], "little") != checksums[number]:
        raise ValueError(MISPLACED)

"""Chunks: Blosc2 frames that HDF5 reads, crops of them, and HDF5's checksum."""

from __future__ import annotations

import h5py
import hdf5plugin  # noqa: F401
import numpy as np
import pytest
from prepared_sets import pictures

from sdd_bench.prepared.shards import chunks


@pytest.mark.parametrize("n", [1, 2, 3, 100, 2047, 2048, 2049, 30_001, 400_000])
@pytest.mark.parametrize("fill", ["random", "zeros", "ones"])
def test_the_checksum_is_the_one_hdf5_computes(rng: np.random.Generator, n: int, fill: str) -> None:
    data = {
        "random": rng.integers(0, 256, n, dtype=np.uint8),
        "zeros": np.zeros(n, np.uint8),
        "ones": np.full(n, 255, np.uint8),
    }[fill]
    with h5py.File("memory", "w", driver="core", backing_store=False) as file:
        dataset = file.create_dataset("data", data=data, chunks=(n,), fletcher32=True)
        file.flush()
        _, chunk = dataset.id.read_direct_chunk((0,))
    assert chunks.fletcher32(chunk[:-4]) == int.from_bytes(chunk[-4:], "little")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [8, 64, 100, 192])
def test_a_crop_is_that_part_of_the_patch(rng: np.random.Generator, dtype: type, size: int) -> None:
    patch = pictures(1, 1, size=size, depth=8 * np.dtype(dtype).itemsize)[0]
    chunk = chunks.encode(patch)
    for _ in range(10):
        y, x = (int(v) for v in rng.integers(0, size, 2))
        height, width = int(rng.integers(1, size - y + 1)), int(rng.integers(1, size - x + 1))
        crop = chunks.decode(chunk, y, x, height, width, row=size, dtype=np.dtype(dtype))
        if crop is None:
            assert size == 8, "only the smallest patches do not get smaller by packing"
        else:
            np.testing.assert_array_equal(crop, patch[y : y + height, x : x + width])


def test_the_same_patch_gives_the_same_bytes_and_they_are_fewer() -> None:
    patch = pictures(2, 1, size=128)[0]
    chunk = chunks.encode(patch)
    assert chunk == chunks.encode(np.asfortranarray(patch))
    assert len(chunk) < 0.8 * patch.nbytes


@pytest.mark.parametrize("kind", ["noise", "black", "grey"])
def test_chunks_that_are_stored_otherwise_are_left_to_hdf5_or_right(rng: np.random.Generator, kind: str) -> None:
    shape = (64, 64, 3)
    patch = {
        "noise": rng.integers(0, 256, shape, dtype=np.uint8),
        "black": np.zeros(shape, np.uint8),
        "grey": np.full(shape, 128, np.uint8),
    }[kind]
    crop = chunks.decode(chunks.encode(patch), 0, 0, 64, 64, row=64, dtype=patch.dtype)
    assert crop is None or np.array_equal(crop, patch)


@pytest.mark.parametrize("at", [0, 12, 100, 140, 1000, -5, -1])
def test_a_flipped_byte_is_noticed(at: int) -> None:
    chunk = bytearray(chunks.encode(pictures(3, 1)[0]))
    chunk[at] ^= 1
    with pytest.raises(ValueError, match="Fletcher32"):
        chunks.decode(bytes(chunk), 0, 0, 8, 8, row=48, dtype=np.dtype(np.uint8))


def test_a_frame_that_is_none_is_an_error_or_left_to_hdf5() -> None:
    rubbish = b"rubbish" * 30
    chunk = rubbish + chunks.fletcher32(rubbish).to_bytes(4, "little")
    assert chunks.decode(chunk, 0, 0, 8, 8, row=48, dtype=np.dtype(np.uint8)) is None

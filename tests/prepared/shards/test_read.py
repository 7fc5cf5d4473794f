"""Reading patches of one shard and of several."""

from __future__ import annotations

import itertools
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
import pytest
from prepared_sets import flip_byte, make_prepared, make_shard, pictures

from sdd_bench.core.errors import ManifestError, ShardError
from sdd_bench.prepared.shards import COMPRESSIONS, ShardReader, ShardSet, build_virtual, shard_paths


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_crop_is_the_same_part_of_both_patches(tmp_path: Path, compression: str, depth: int) -> None:
    blurry, sharp = pictures(1, 3, depth=depth), pictures(2, 3, depth=depth)
    reader = ShardReader(make_shard(tmp_path / "s.h5", blurry, sharp, compression=compression))
    assert (len(reader), reader.patch) == (3, 48)
    crop = reader.read_crop(2, 5, 17, 20, 31)
    np.testing.assert_array_equal(crop.blurry, blurry[2, 5:25, 17:48])
    np.testing.assert_array_equal(crop.sharp, sharp[2, 5:25, 17:48])
    np.testing.assert_array_equal(reader.read_patch(0).sharp, sharp[0])
    assert reader.column("sharpness").tolist() == [0, 1, 2]
    reader.close()
    assert reader.read_patch(1).blurry.dtype == blurry.dtype, "a closed reader opens again"


def test_shards_packed_by_another_program_are_read(tmp_path: Path) -> None:
    blurry, sharp = pictures(1, 2, size=64), pictures(2, 2, size=64)
    path = make_shard(tmp_path / "s.h5", blurry, sharp)
    with h5py.File(path) as old, h5py.File(tmp_path / "other.h5", "w") as new:
        for name, value in old.attrs.items():
            new.attrs[name] = value
        for name in old:
            packing = hdf5plugin.Blosc2(cname="zstd") if name in ("blurry", "sharp") else {}
            chunks = (1, 64, 64, 3) if name in ("blurry", "sharp") else old[name].shape
            new.create_dataset(name, data=old[name][:], chunks=chunks, fletcher32=True, **packing)
    np.testing.assert_array_equal(
        ShardReader(tmp_path / "other.h5").read_crop(1, 3, 4, 50, 60).sharp, sharp[1, 3:53, 4:]
    )


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_damaged_chunk_is_named_and_the_others_are_read(tmp_path: Path, compression: str) -> None:
    path = make_shard(tmp_path / "s.h5", pictures(1, 3), pictures(2, 3), compression=compression)
    with h5py.File(path) as file:
        where = file["sharp"].id.get_chunk_info(1)
    flip_byte(path, where.byte_offset + where.size // 2)
    reader = ShardReader(path)
    with pytest.raises(ShardError, match=r"s\.h5: chunk 1 of /sharp is damaged"):
        reader.read_patch(1)
    np.testing.assert_array_equal(reader.read_patch(2).sharp, pictures(2, 3)[2])


def test_what_is_not_there_is_an_error(tmp_path: Path) -> None:
    reader = ShardReader(make_shard(tmp_path / "s.h5", pictures(1, 2), pictures(2, 2)))
    for index in (2, -1):
        with pytest.raises(IndexError, match=f"no patch {index}"):
            reader.read_patch(index)
    for window in ((0, 0, 49, 48), (-1, 0, 10, 10), (0, 40, 10, 10), (0, 0, 0, 5)):
        with pytest.raises(ShardError, match="is not inside a 48x48 patch"):
            reader.read_crop(0, *window)
    with pytest.raises(ShardError, match=r"none\.h5: missing"):
        ShardReader(tmp_path / "none.h5").read_patch(0)


def _attribute(name: str, value: object) -> Callable[[h5py.File], None]:
    return lambda file: file.attrs.__setitem__(name, value)


def _drop(name: str) -> Callable[[h5py.File], None]:
    return lambda file: file.__delitem__(name)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_attribute("schema", 2), "attribute schema is 2, expected 1"),
        (_attribute("color", "BGR"), "attribute color is 'BGR', expected 'RGB'"),
        (_attribute("bit_depth", 12), "attribute bit_depth is 12, expected 8 or 16"),
        (_attribute("bit_depth", 16), "/blurry is (2, 48, 48, 3) uint8, expected (2, 48, 48, 3) uint16"),
        (lambda file: file.attrs.__delitem__("split"), "it lacks the attribute split"),
        (_drop("window"), "it lacks the dataset /window"),
        (lambda file: file["pair"].resize(1, axis=0), "/pair is (1,) int32, expected (2,) int32"),
    ],
)
def test_a_file_of_another_schema_is_refused(tmp_path: Path, spoil: Callable[[h5py.File], None], message: str) -> None:
    path = make_shard(tmp_path / "s.h5", pictures(1, 2), pictures(2, 2))
    with h5py.File(path, "r+") as file:
        spoil(file)
    with pytest.raises(ShardError) as raised:
        ShardReader(path).read_patch(0)
    assert message in str(raised.value)


@pytest.mark.parametrize("keep", [0, 20, 300, 5000])
def test_a_file_cut_short_is_refused(tmp_path: Path, keep: int) -> None:
    path = make_shard(tmp_path / "s.h5", pictures(1, 2), pictures(2, 2))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ShardError, match=r"s\.h5: damaged, cut short or not HDF5"):
        ShardReader(path).read_patch(0)


def test_a_reader_travels_without_its_open_file(tmp_path: Path) -> None:
    path = make_shard(tmp_path / "s.h5", pictures(1, 2), pictures(2, 2))
    for reader in (ShardReader(path), ShardSet([path])):
        before = reader.read_patch(1).sharp
        again = pickle.loads(pickle.dumps(reader))
        np.testing.assert_array_equal(again.read_patch(1).sharp, before)


def test_a_forked_process_opens_the_file_anew(tmp_path: Path) -> None:
    reader = ShardReader(make_shard(tmp_path / "s.h5", pictures(1, 2), pictures(2, 2)))
    mine = reader._open()
    assert reader._open() is mine
    reader._process = os.getpid() + 1
    assert reader._open() is not mine
    np.testing.assert_array_equal(reader.read_patch(1).blurry, pictures(1, 2)[1])


def test_shards_are_one_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdd_bench.prepared.shards.sets._MAX_OPEN", 2)
    blurry, sharp = pictures(1, 7), pictures(2, 7)
    ends = [0, 1, 1, 4, 7]
    paths = [
        make_shard(tmp_path / f"train-{k}.h5", blurry[a:b], sharp[a:b])
        for k, (a, b) in enumerate(itertools.pairwise(ends))
        if a < b
    ]
    shards = ShardSet(paths)
    assert (len(shards), shards.patch, shards.bit_depth) == (7, 48, 8)
    for index in (6, 0, 3, 1, 4, 2, 5):
        np.testing.assert_array_equal(shards.read_patch(index).blurry, blurry[index])
    assert len(shards._readers) == 2
    assert shards.column("pair").tolist() == [10, 10, 11, 12, 10, 11, 12]
    with pytest.raises(IndexError):
        shards.read_patch(7)
    build_virtual(tmp_path / "train.h5", paths)
    assert shard_paths(tmp_path / "train.h5") == tuple(paths)


def test_shards_of_two_kinds_are_no_set(tmp_path: Path) -> None:
    a = make_shard(tmp_path / "a.h5", pictures(1, 1), pictures(2, 1))
    b = make_shard(tmp_path / "b.h5", pictures(1, 1, depth=16), pictures(2, 1, depth=16))
    with pytest.raises(ShardError, match=r"b\.h5: patches of 48 pixels, 16 bit, but 48 pixels, 8 bit in .*a\.h5"):
        ShardSet([a, b])


def test_a_missing_shard_of_a_virtual_dataset_is_an_error_not_zeros(tmp_path: Path) -> None:
    paths = [make_shard(tmp_path / f"train-{k}.h5", pictures(k, 1), pictures(9, 1)) for k in range(2)]
    build_virtual(tmp_path / "train.h5", paths)
    paths[1].unlink()
    with pytest.raises(ShardError, match=r"train-1\.h5: missing"):
        ShardSet(shard_paths(tmp_path / "train.h5"))


def test_a_split_is_found_by_name(tmp_path: Path) -> None:
    root = make_prepared(tmp_path)
    expected = (root / "train-00000.h5", root / "train-00001.h5")
    for path in (root, root / "dataset.json", root / "train.h5"):
        assert shard_paths(path) == expected
    assert shard_paths(expected[1]) == expected[1:]
    with pytest.raises(ShardError, match="no patches of split 'test'; there are patches of: train"):
        shard_paths(root, "test")
    with pytest.raises(ShardError, match="holds split 'train', not 'val'"):
        shard_paths(root / "train.h5", "val")
    with pytest.raises(ManifestError, match=r"dataset\.json: missing"):
        shard_paths(tmp_path)

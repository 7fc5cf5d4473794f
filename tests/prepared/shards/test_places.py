"""A chunk in the place of another one is found, though both are whole."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from prepared_sets import make_prepared, make_shard

from sdd_bench.core.errors import ShardError
from sdd_bench.inspect.validate import validate
from sdd_bench.prepared.shards import (
    COMPRESSIONS,
    FlowReader,
    ShardReader,
    build_virtual,
    flow_info,
    shard_info,
    verify_flows,
    verify_shard,
    write_flows,
)
from sdd_bench.prepared.shards.places import ATTRIBUTE

Place = tuple[str, int]


def _exchange(path: Path, one: Place, other: Place) -> None:
    """Exchange the bytes of two chunks of equal size."""
    with h5py.File(path) as file:
        places = [file[name].id.get_chunk_info(number) for name, number in (one, other)]
    assert places[0].size == places[1].size, "only chunks of equal size can change places"
    data = bytearray(path.read_bytes())
    a, b = (slice(place.byte_offset, place.byte_offset + place.size) for place in places)
    assert data[a] != data[b]
    data[a], data[b] = data[b], data[a]
    path.write_bytes(data)


def _unbind(path: Path) -> None:
    """Make a file as earlier versions did."""
    with h5py.File(path, "r+") as file:
        for dataset in file.values():
            del dataset.attrs[ATTRIBUTE]


def _equal_sized(path: Path, names: tuple[str, ...] = ("blurry", "sharp")) -> tuple[Place, Place]:
    """Two chunks of equal size and other content."""
    with h5py.File(path) as file:
        found = [(name, k, file[name].id.get_chunk_info(k).size) for name in names for k in range(8)]
        for i, (name, k, size) in enumerate(found):
            for other, j, size_too in found[i + 1 :]:
                if size == size_too and not np.array_equal(file[name][k], file[other][j]):
                    return (name, k), (other, j)
    raise AssertionError("no two chunks are of equal size")


def _shard(path: Path, compression: str) -> Path:
    base = np.zeros((64, 64, 3), np.uint8)
    steps = np.stack([np.full_like(base, k) + (np.arange(64, dtype=np.uint8) // 8)[None, :, None] for k in range(16)])
    return make_shard(path, steps[:8], steps[8:], compression=compression)


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_two_chunks_that_changed_places_are_both_found(tmp_path: Path, compression: str) -> None:
    path = _shard(tmp_path / "s.h5", compression)
    one, other = _equal_sized(path)
    assert verify_shard(path) == []
    _exchange(path, one, other)
    found = {(problem.item, problem.reason.partition(":")[0]) for problem in verify_shard(path)}
    assert found == {(f"{path}:/{name}", f"chunk {number}") for name, number in (one, other)}
    assert {problem.reason.partition(": ")[2][:27] for problem in verify_shard(path)} == {"it belongs to another place"}
    reader = ShardReader(path)
    for name, number in (one, other):
        with pytest.raises(ShardError, match=f"chunk {number} of /{name} is damaged: it belongs to another place"):
            reader.read_patch(number) if name == "blurry" else reader.read_crop(number, 0, 0, 8, 8)


def test_columns_of_equal_size_that_changed_places_are_found(tmp_path: Path) -> None:
    path = _shard(tmp_path / "s.h5", "blosc2")
    _exchange(path, ("pair", 0), ("sharpness", 0))
    assert {problem.item for problem in verify_shard(path)} == {f"{path}:/pair", f"{path}:/sharpness"}
    for name in ("pair", "sharpness"):
        with pytest.raises(ShardError, match=f"/{name} is damaged"):
            ShardReader(path).column(name)


def test_flows_that_changed_places_are_found(tmp_path: Path) -> None:
    path = tmp_path / "flow-abc.h5"
    flows = np.random.default_rng(0).normal(size=(8, 2, 8, 8)).astype(np.float32)
    write_flows(path, {"train": flows}, signature="made", patch=48)
    assert flow_info(path)["is_bound"]
    np.testing.assert_array_equal(FlowReader(path, "train").read(1), flows[1])
    one, other = _equal_sized(path, ("train",))
    _exchange(path, one, other)
    assert len(verify_flows(path)) == 2
    for _, number in (one, other):
        with pytest.raises(ShardError, match="it belongs to another place"):
            FlowReader(path, "train").read(number)


def test_a_list_of_checksums_that_was_changed_is_damage(tmp_path: Path) -> None:
    spoilers: list[tuple[Callable[[h5py.AttributeManager], None], str]] = [
        (lambda attrs: attrs.__setitem__(ATTRIBUTE, "text"), "list of checksums is damaged"),
        (lambda attrs: attrs.__setitem__(ATTRIBUTE, np.zeros(8, np.float32)), "list of checksums is damaged"),
        (lambda attrs: attrs.__setitem__(ATTRIBUTE, np.zeros(9, np.uint32)), "lists 9 chunks of 8"),
        (lambda attrs: attrs.__setitem__(ATTRIBUTE, attrs[ATTRIBUTE][:7]), "chunk 7: it belongs to another place"),
    ]
    for spoil, message in spoilers:
        path = _shard(tmp_path / "s.h5", "blosc2")
        with h5py.File(path, "r+") as file:
            spoil(file["sharp"].attrs)
        (problem,) = verify_shard(path)
        assert message in problem.reason
        with pytest.raises(ShardError, match=r"s\.h5: ") if "lists 9" not in message else pytest.raises(IndexError):
            ShardReader(path).read_patch(7 if "lists 9" not in message else 8)


def test_a_shard_of_an_earlier_version_is_read_and_called_not_bound(tmp_path: Path) -> None:
    path = _shard(tmp_path / "s.h5", "blosc2")
    before = ShardReader(path).read_patch(3).sharp
    assert shard_info(path).is_bound
    assert validate(path).warnings == ()
    _unbind(path)
    assert shard_info(path).is_bound is False
    np.testing.assert_array_equal(ShardReader(path).read_patch(3).sharp, before)
    assert ShardReader(path).column("pair").tolist() == list(range(10, 18))
    result = validate(path)
    assert result.problems == ()
    assert [warning.reason[:9] for warning in result.warnings] == ["not bound"]
    build_virtual(tmp_path / "train.h5", [path])
    assert shard_info(tmp_path / "train.h5").is_bound is None


def test_of_a_shard_in_its_set_the_sha256_of_the_manifest_counts(tmp_path: Path) -> None:
    root = make_prepared(tmp_path)
    path = root / "train-00000.h5"
    assert validate(path).problems == ()
    stamp = os.stat(path)
    _unbind(path)
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    result = validate(path)
    assert result.warnings == ()
    assert len(result.problems) == 1

"""Damage is found and named by file, dataset and chunk."""

from __future__ import annotations

import contextlib
from pathlib import Path

import h5py
import numpy as np
import pytest
from prepared_sets import flip_byte, make_shard, pictures

from sdd_bench.core.errors import ShardError
from sdd_bench.prepared.shards import COMPRESSIONS, build_virtual, shard_info, verify_flows, verify_shard, write_flows
from sdd_bench.prepared.shards.schema import DATASETS


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize(("name", "chunk"), [("blurry", 0), ("sharp", 2), ("pair", 0), ("window", 0), ("sharpness", 0)])
def test_the_damaged_chunk_is_named(tmp_path: Path, compression: str, name: str, chunk: int) -> None:
    path = make_shard(tmp_path / "s.h5", pictures(1, 3), pictures(2, 3), compression=compression)
    assert verify_shard(path) == []
    with h5py.File(path) as file:
        where = file[name].id.get_chunk_info(chunk)
    flip_byte(path, where.byte_offset + where.size // 3)
    (problem,) = verify_shard(path)
    assert problem.item == f"{path}:/{name}"
    assert problem.reason.startswith(f"chunk {chunk} is damaged")


def test_every_damaged_chunk_is_listed(tmp_path: Path) -> None:
    path = make_shard(tmp_path / "s.h5", pictures(1, 3), pictures(2, 3))
    with h5py.File(path) as file:
        offsets = [file["sharp"].id.get_chunk_info(chunk).byte_offset + 200 for chunk in (0, 2)]
    for offset in offsets:
        flip_byte(path, offset)
    assert [problem.reason.split(":")[0] for problem in verify_shard(path)] == [
        "chunk 0 is damaged",
        "chunk 2 is damaged",
    ]


def test_a_chunk_that_was_never_written_is_named(tmp_path: Path) -> None:
    path = make_shard(tmp_path / "s.h5", pictures(1, 2), pictures(2, 2))
    with h5py.File(path, "r+") as file:
        for name in ("blurry", "sharp", "pair", "window", "sharpness"):
            if name in ("blurry", "sharp"):
                file[name].resize(3, axis=0)
            else:
                values = np.concatenate([file[name][:], file[name][:1]])
                del file[name]
                file.create_dataset(name, data=values, chunks=values.shape, fletcher32=True)
    assert [(problem.item, problem.reason) for problem in verify_shard(path)] == [
        (f"{path}:/blurry", "chunk 2 is missing"),
        (f"{path}:/sharp", "chunk 2 is missing"),
    ]


def test_a_truncated_an_empty_and_another_file_are_problems(tmp_path: Path) -> None:
    path = make_shard(tmp_path / "s.h5", pictures(1, 2), pictures(2, 2))
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"not HDF5" * 100):
        path.write_bytes(content)
        (problem,) = verify_shard(path)
        assert problem.item == str(path)
        assert "cut short or not HDF5" in problem.reason
    (problem,) = verify_shard(tmp_path / "none.h5")
    assert "missing" in problem.reason


def test_a_dataset_without_checksums_is_a_problem(tmp_path: Path) -> None:
    path = make_shard(tmp_path / "s.h5", pictures(1, 2), pictures(2, 2))
    with h5py.File(path, "r+") as file:
        values = file["pair"][:]
        del file["pair"]
        file["pair"] = values
    (problem,) = verify_shard(path)
    assert (problem.item, problem.reason[:33]) == (f"{path}:/pair", "has no Fletcher32 checksums, so i")


def test_a_virtual_dataset_needs_its_shards(tmp_path: Path) -> None:
    paths = [make_shard(tmp_path / f"train-{k}.h5", pictures(k, 2), pictures(9, 2)) for k in range(2)]
    build_virtual(tmp_path / "train.h5", paths)
    assert verify_shard(tmp_path / "train.h5") == []
    make_shard(paths[0], pictures(0, 1), pictures(9, 1))
    (problem,) = verify_shard(tmp_path / "train.h5")
    assert "lists 4 patches, but its shards hold 3" in problem.reason
    paths[1].unlink()
    (problem,) = verify_shard(tmp_path / "train.h5")
    assert "train-1.h5: missing" in problem.reason


def test_damaged_flow_is_named(tmp_path: Path) -> None:
    path = tmp_path / "flow-abc.h5"
    flows = np.random.default_rng(0).normal(size=(3, 2, 12, 12))
    write_flows(path, {"train": flows}, signature="made", patch=48)
    assert verify_flows(path) == []
    with h5py.File(path) as file:
        where = file["train"].id.get_chunk_info(1)
    flip_byte(path, where.byte_offset + 100)
    (problem,) = verify_flows(path)
    assert (problem.item, problem.reason[:18]) == (f"{path}:/train", "chunk 1 is damaged")
    path.write_bytes(b"")
    assert "cut short" in verify_flows(path)[0].reason
    with h5py.File(path, "w"):
        pass
    assert "holds no flow" in verify_flows(path)[0].reason


def test_a_dataset_of_no_pictures_is_a_problem(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "train-00000.h5", "w") as file:
        file.attrs.update({"schema": 1, "color": "RGB", "bit_depth": 8, "split": "train", "resize": "none"})
        for name in DATASETS:
            file[name] = np.zeros(3, np.uint8)
    (problem,) = verify_shard(tmp_path / "train-00000.h5")
    assert "/blurry is (3,), expected pictures" in problem.reason


def test_damage_of_any_byte_of_a_header_is_an_error_of_ours(tmp_path: Path) -> None:
    path = make_shard(tmp_path / "s.h5", pictures(1, 1), pictures(2, 1))
    with h5py.File(path) as file:
        chunks = [file[name].id.get_chunk_info(0) for name in DATASETS]
    data = path.read_bytes()
    in_chunks = {place for chunk in chunks for place in range(chunk.byte_offset, chunk.byte_offset + chunk.size)}
    for place in range(0, len(data), 41):
        if place not in in_chunks:
            path.write_bytes(data[:place] + bytes([data[place] ^ 255]) + data[place + 1 :])
            with contextlib.suppress(ShardError):
                shard_info(path)
            verify_shard(path)

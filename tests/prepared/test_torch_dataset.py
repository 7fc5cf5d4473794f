"""Patches as a torch dataset, alone and in DataLoader workers."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from prepared_sets import flip_byte, make_prepared, make_shard, pictures
from torch.nn.functional import interpolate
from torch.utils.data import DataLoader

from sdd_bench.core.errors import ConfigError, ShardError
from sdd_bench.prepared.shards import build_virtual, verify_shard, write_flows
from sdd_bench.prepared.torch_dataset import PairDataset
from sdd_bench.prepared.transforms import Transform

N = 6
forked = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    return make_shard(tmp_path / "train-00000.h5", pictures(1, N), pictures(2, N))


@pytest.mark.parametrize("depth", [8, 16])
def test_an_item_is_float_planes_in_0_to_1(tmp_path: Path, depth: int) -> None:
    blurry, sharp = pictures(1, 2, depth=depth), pictures(2, 2, depth=depth)
    path = make_shard(tmp_path / "s.h5", blurry, sharp)
    item = PairDataset(path, crop=None, augment=False)[1]
    assert sorted(item) == ["blurry", "index", "sharp"]
    assert item["index"] == 1
    for name, patches in (("blurry", blurry), ("sharp", sharp)):
        assert (item[name].dtype, item[name].shape) == (torch.float32, (3, 48, 48))
        expected = patches[1].transpose(2, 0, 1).astype(np.float32) / np.float32(2**depth - 1)
        np.testing.assert_array_equal(item[name].numpy(), expected)


def test_without_augmentation_the_crop_is_in_the_middle(shard: Path) -> None:
    item = PairDataset(shard, crop=20, augment=False, with_transform=True)[3]
    assert item["transform"] == Transform(14, 14, 20, 20)
    np.testing.assert_array_equal(item["sharp"][0].numpy() * 255, pictures(2, N)[3, 14:34, 14:34, 0])


def test_both_pictures_get_the_same_transform_and_it_is_the_returned_one(shard: Path) -> None:
    data = PairDataset(shard, crop=20, with_transform=True)
    for index in range(N):
        item = data[index]
        for name, seed in (("blurry", 1), ("sharp", 2)):
            expected = item["transform"].apply(pictures(seed, N)[index]).transpose(2, 0, 1) / np.float32(255)
            np.testing.assert_array_equal(item[name].numpy(), expected)


def test_without_flips_the_crop_is_where_it_would_be_with_them(shard: Path) -> None:
    flipped, plain = (PairDataset(shard, crop=16, flips=flips, with_transform=True) for flips in (True, False))
    transforms = [(flipped[index]["transform"], plain[index]["transform"]) for index in range(len(plain))]
    assert all(a[:4] == b[:4] and b[4:] == (0, 0, 0) for a, b in transforms)
    assert any(a != b for a, b in transforms)


def test_what_is_drawn_depends_on_seed_epoch_and_index_alone(shard: Path) -> None:
    def draw(seed: int, epoch: int, order: range) -> dict[int, Transform]:
        data = PairDataset(shard, crop=20, seed=seed, with_transform=True)
        data.set_epoch(epoch)
        return {index: data[index]["transform"] for index in order}

    first = draw(0, 0, range(N))
    assert first == draw(0, 0, range(N - 1, -1, -1))
    assert len(set(first.values())) == N
    assert first != draw(1, 0, range(N))
    assert first != draw(0, 1, range(N))


def test_a_set_a_virtual_dataset_and_its_shards_are_the_same(tmp_path: Path) -> None:
    root = make_prepared(tmp_path)
    whole = PairDataset(root, crop=20)
    assert len(whole) == 12
    virtual = PairDataset(str(root / "train.h5"), crop=20)
    for index in (0, 7, 11):
        assert torch.equal(whole[index]["blurry"], virtual[index]["blurry"])
    assert (
        len(PairDataset(root / "train-00001.h5", crop=None)) + len(PairDataset(root / "train-00000.h5", crop=48)) == 12
    )


def test_flow_moves_with_the_pictures(shard: Path, tmp_path: Path, rng: np.random.Generator) -> None:
    flows = rng.normal(0, 4, (N, 2, 12, 12)).astype(np.float16)
    write_flows(tmp_path / "flow-ab.h5", {"train": flows}, signature="made", patch=48)
    data = PairDataset(shard, crop=20, flow=tmp_path / "flow-ab.h5", with_transform=True)
    for index in range(N):
        item = data[index]
        assert (item["flow"].dtype, item["flow"].shape) == (torch.float32, (2, 20, 20))
        fine = interpolate(torch.from_numpy(flows[index : index + 1]).float(), (48, 48), mode="bilinear")[0].numpy()
        np.testing.assert_array_equal(item["flow"].numpy(), item["transform"].apply_flow(fine))


def test_flow_of_other_patches_is_refused(shard: Path, tmp_path: Path) -> None:
    write_flows(tmp_path / "few.h5", {"train": np.zeros((N - 1, 2, 4, 4))}, signature="made", patch=48)
    write_flows(tmp_path / "large.h5", {"train": np.zeros((N, 2, 4, 4))}, signature="made", patch=512)
    for name, message in (("few", "flow of 5 patches of 48 pixels"), ("large", "flow of 6 patches of 512 pixels")):
        with pytest.raises(ShardError, match=message):
            PairDataset(shard, crop=20, flow=tmp_path / f"{name}.h5")


def test_a_crop_larger_than_the_patches_is_refused(shard: Path) -> None:
    for crop in (0, 49, 256):
        with pytest.raises(ConfigError, match=f"crop is {crop}; the patches of .* allow 1 to 48"):
            PairDataset(shard, crop=crop)
    with pytest.raises(IndexError):
        PairDataset(shard, crop=20)[N]


def test_only_the_chunks_asked_for_are_read(shard: Path) -> None:
    with h5py.File(shard) as file:
        where = file["blurry"].id.get_chunk_info(2)
    flip_byte(shard, where.byte_offset + where.size // 2)
    data = PairDataset(shard, crop=20)
    assert all(data[index]["blurry"].max() <= 1 for index in range(N) if index != 2)
    with pytest.raises(ShardError, match="chunk 2 of /blurry is damaged"):
        data[2]


def test_a_dataset_that_was_used_can_be_pickled(shard: Path) -> None:
    data = PairDataset(shard, crop=20)
    data.set_epoch(3)
    before = data[4]
    again = pickle.loads(pickle.dumps(data))
    assert torch.equal(again[4]["sharp"], before["sharp"])


def _read_all(loader: DataLoader[dict[str, Any]]) -> dict[int, torch.Tensor]:
    return {int(i): picture for item in loader for i, picture in zip(item["index"], item["sharp"], strict=True)}


def _same(a: dict[int, torch.Tensor], b: dict[int, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@forked
def test_forked_workers_give_the_same_items_though_the_parent_read_first(tmp_path: Path) -> None:
    paths = [make_shard(tmp_path / f"train-{k}.h5", pictures(k, 8), pictures(9 - k, 8)) for k in range(2)]
    build_virtual(tmp_path / "train.h5", paths)
    data = PairDataset(tmp_path / "train.h5", crop=20)
    alone = _read_all(DataLoader(data, batch_size=3))
    loader = DataLoader(data, batch_size=3, num_workers=2, multiprocessing_context="fork", persistent_workers=True)
    for _ in range(2):
        assert _same(_read_all(loader), alone)
    data.set_epoch(1)
    second = _read_all(loader)
    assert not _same(second, alone), "workers that stay must hear of a new epoch"
    assert _same(second, _read_all(DataLoader(data, batch_size=5)))


@pytest.mark.slow
def test_spawned_workers_give_the_same_items(shard: Path) -> None:
    data = PairDataset(shard, crop=20)
    alone = _read_all(DataLoader(data, batch_size=2))
    loader = DataLoader(data, batch_size=2, num_workers=2, multiprocessing_context="spawn", persistent_workers=True)
    assert _same(_read_all(loader), alone)
    data.set_epoch(1)
    assert _same(_read_all(loader), _read_all(DataLoader(data, batch_size=2)))


class _Dying(PairDataset):
    def __getitem__(self, index: int) -> dict[str, Any]:
        if index == 0 and multiprocessing.parent_process() is not None:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(index)


@forked
def test_a_worker_that_is_killed_is_an_error_and_harms_no_file(shard: Path) -> None:
    before = shard.read_bytes()
    loader = DataLoader(_Dying(shard, crop=20), batch_size=1, num_workers=1, multiprocessing_context="fork")
    with pytest.raises(RuntimeError, match=r"DataLoader worker \(pid.*exited unexpectedly"):
        _read_all(loader)
    assert shard.read_bytes() == before
    assert verify_shard(shard) == []
    assert len(_read_all(DataLoader(PairDataset(shard, crop=20), num_workers=1, multiprocessing_context="fork"))) == N


@forked
def test_damage_met_in_a_worker_is_named(shard: Path) -> None:
    with h5py.File(shard) as file:
        where = file["sharp"].id.get_chunk_info(1)
    flip_byte(shard, where.byte_offset + where.size // 2)
    loader = DataLoader(PairDataset(shard, crop=20), num_workers=1, multiprocessing_context="fork")
    with pytest.raises(ShardError, match=r"train-00000\.h5: chunk 1 of /sharp is damaged"):
        _read_all(loader)

"""Held-out scenes and the order of batches."""

import itertools
from pathlib import Path

import pytest
from prepared_sets import make_prepared

from sdd_bench.core.errors import ConfigError
from sdd_bench.prepared.manifest import read_manifest
from sdd_bench.prepared.shards import ShardSet, shard_paths
from sdd_bench.training.data.batches import EpochBatches
from sdd_bench.training.data.split import data_digest, split_patches, splits_of


def test_whole_pairs_are_held_out(prepared: Path) -> None:
    split = split_patches(prepared, val_share=0.1, val_patches=32, seed=0)
    pairs = ShardSet(shard_paths(prepared)).column("pair")
    assert len(split.val) == 4
    assert len(split.train) == 8
    assert not {pairs[i] for i in split.val} & {pairs[i] for i in split.train}


def test_pairs_of_one_scene_are_never_on_both_sides(tmp_path: Path) -> None:
    scenes = {f"a{i}": f"scene {i // 3}" for i in range(6)}
    data = make_prepared(tmp_path, n_train=6, scenes=scenes)
    split = split_patches(data, val_share=0.5, val_patches=64, seed=0)
    numbers = ShardSet(shard_paths(data)).column("pair")
    names = [row.pair_id.partition("/")[2] for row in read_manifest(data).pairs]
    train, val = ({scenes[names[numbers[i]]] for i in side} for side in (split.train, split.val))
    assert (len(split.train), len(split.val)) == (12, 12)
    assert (len(train), len(val)) == (1, 1)
    assert not train & val


def test_nothing_is_held_out_when_asked_and_few_patches_are_scored_when_asked(prepared: Path) -> None:
    assert len(split_patches(prepared, val_share=0, val_patches=32, seed=0).train) == 12
    assert len(split_patches(prepared, val_share=0.1, val_patches=2, seed=0).val) == 2


def test_a_shard_alone_is_split_by_pair(prepared: Path) -> None:
    split = split_patches(prepared / "train-00000.h5", val_share=0.5, val_patches=32, seed=0)
    assert (len(split.train), len(split.val)) == (4, 4)


def test_the_val_split_of_a_set_validates_where_there_is_one(tmp_path: Path) -> None:
    data = make_prepared(tmp_path, n_train=2, n_val=2)
    assert splits_of(data) == splits_of(data / "dataset.json") == ("train", "val")
    split = split_patches(data, val_share=0.1, val_patches=4, seed=0)
    assert (split.train, split.val, split.val_from) == (tuple(range(8)), (0, 2, 4, 6), "val")
    assert split_patches(data, val_share=0, val_patches=4, seed=0).val == ()
    assert splits_of(data / "train-00000.h5") == ("train",)


def test_an_epoch_takes_every_patch_once_and_each_epoch_in_another_order() -> None:
    batches = EpochBatches(tuple(range(20, 30)), batch=2)
    orders = []
    for epoch in (0, 1, 0):
        batches.begin(epoch)
        orders.append(list(batches))
    assert sorted(itertools.chain(*orders[0])) == list(range(20, 30))
    assert orders[0] == orders[2] != orders[1]


def test_a_later_start_gives_the_rest_of_the_same_epoch() -> None:
    batches = EpochBatches(tuple(range(10)), batch=2)
    batches.begin(3)
    whole = list(batches)
    batches.begin(3, 2)
    assert list(batches) == whole[2:]
    assert len(batches) == 3


def test_processes_and_parts_share_the_batches_of_one_process() -> None:
    options = {"batch": 4, "seed": 5}
    whole = list(EpochBatches(tuple(range(17)), **options))
    shares = [list(EpochBatches(tuple(range(17)), **options, rank=rank, world=2, accumulate=2)) for rank in (0, 1)]
    for step, batch in enumerate(whole):
        parts = [share[2 * step + part] for share in shares for part in (0, 1)]
        assert list(itertools.chain(*parts)) == batch


def test_a_batch_that_cannot_be_shared_or_filled_is_refused() -> None:
    with pytest.raises(ConfigError, match="shared"):
        EpochBatches(tuple(range(10)), batch=3, world=2)
    with pytest.raises(ConfigError, match="larger"):
        EpochBatches(tuple(range(3)), batch=4)


def test_a_set_and_its_shards_are_named_by_content(prepared: Path) -> None:
    assert data_digest(prepared) == data_digest(prepared / "dataset.json")
    assert data_digest(prepared / "train-00000.h5") != data_digest(prepared / "train-00001.h5")

"""Held-out scenes and the order of batches."""

from pathlib import Path

from prepared_sets import make_prepared

from sdd_bench.prepared.manifest import read_manifest
from sdd_bench.prepared.shards import ShardSet, shard_paths
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


def test_a_set_and_its_shards_are_named_by_content(prepared: Path) -> None:
    assert data_digest(prepared) == data_digest(prepared / "dataset.json")
    assert data_digest(prepared / "train-00000.h5") != data_digest(prepared / "train-00001.h5")

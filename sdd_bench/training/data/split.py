"""Choice of the patches that train and of those that validate, from the seed alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sdd_bench.core.storage.files import sha256_of
from sdd_bench.core.types import Split
from sdd_bench.prepared.manifest import is_prepared, read_manifest
from sdd_bench.prepared.shards import ShardSet, shard_paths


@dataclass(frozen=True)
class PatchSplit:
    """Indices of the patches that train and that validate."""

    train: tuple[int, ...]
    val: tuple[int, ...]
    val_from: str = "train"
    """Split of the set that the indices ``val`` belong to."""


def splits_of(data: Path) -> tuple[str, ...]:
    """Splits that a training uses: ``train``, and ``val`` if a prepared set has patches of it."""
    val = read_manifest(data).splits.get(Split.VAL) if is_prepared(data) else None
    return ("train", "val") if val is not None and val.n_patches else ("train",)


def split_patches(data: Path, *, val_share: float, val_patches: int, seed: int) -> PatchSplit:
    """Patches to train and to validate on.

    The set's own ``val`` split validates if it has one. Else all patches of some scenes are held out (of some pairs, if
    scenes are not known). With ``val_share`` 0 nothing validates. Otherwise at least one scene of two or more is held
    out.

    Args:
        data: Prepared set or shard.
        val_share: Share of the scenes to hold out.
        val_patches: Largest number of patches to validate on, evenly chosen.
        seed: Seed of the choice of scenes.
    """
    if val_share > 0 and "val" in splits_of(data):
        n_train, n_val = (len(ShardSet(shard_paths(data, split))) for split in ("train", "val"))
        return PatchSplit(tuple(range(n_train)), _evenly(range(n_val), val_patches), "val")
    shards = ShardSet(shard_paths(data, "train"))
    pairs = [int(pair) for pair in shards.column("pair")]
    shards.close()
    scenes = [str(pair) for pair in pairs]
    if data.is_dir() or is_prepared(data):
        rows = read_manifest(data).pairs
        scenes = [rows[pair].scene or rows[pair].pair_id for pair in pairs]
    known = sorted(set(scenes))
    count = min(max(1, round(val_share * len(known))), len(known) - 1) if val_share > 0 else 0
    chosen = np.random.default_rng((seed, 1)).choice(len(known), count, replace=False)
    held_out = {known[number] for number in chosen}
    val = [index for index, scene in enumerate(scenes) if scene in held_out]
    train = tuple(index for index, scene in enumerate(scenes) if scene not in held_out)
    return PatchSplit(train, _evenly(val, val_patches))


def _evenly(indices: Sequence[int], most: int) -> tuple[int, ...]:
    if len(indices) <= most:
        return tuple(indices)
    return tuple(indices[number * len(indices) // most] for number in range(most))


def data_digest(data: Path) -> str:
    """Digest of the content of the patches: the sha256 over the sha256 of every shard."""
    if data.is_dir() or is_prepared(data):
        sums = [record.sha256 for split in read_manifest(data).splits.values() for record in split.shards]
    else:
        sums = [sha256_of(path) for path in shard_paths(data, "train")]
    return hashlib.sha256("".join(sums).encode()).hexdigest()

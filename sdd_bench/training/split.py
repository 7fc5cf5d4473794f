"""Which patches train, which validate, and in which order: all of it from (seed, epoch), nothing from the clock."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sdd_bench.data.manifest import is_prepared, read_manifest
from sdd_bench.data.shards import ShardSet, shard_paths
from sdd_bench.errors import ConfigError
from sdd_bench.files import sha256_of


@dataclass(frozen=True)
class PatchSplit:
    """Indices of patches."""

    train: tuple[int, ...]
    val: tuple[int, ...]


def split_patches(data: Path, *, val_share: float, val_patches: int, seed: int) -> PatchSplit:
    """Hold out all patches of some scenes (of some pairs where scenes are not known).

    At least one scene is held out where there are two or more and ``val_share`` is not 0.

    Args:
        data: A prepared set or a shard.
        val_share: Share of the scenes.
        val_patches: Keep at most so many of their patches, evenly chosen.
        seed: Of the choice.
    """
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
    if len(val) > val_patches:
        val = [val[number * len(val) // val_patches] for number in range(val_patches)]
    return PatchSplit(tuple(i for i, scene in enumerate(scenes) if scene not in held_out), tuple(val))


def data_digest(data: Path) -> str:
    """Names the patches by content: over the sha256 of every shard."""
    if data.is_dir() or is_prepared(data):
        sums = [record.sha256 for split in read_manifest(data).splits.values() for record in split.shards]
    else:
        sums = [sha256_of(path) for path in shard_paths(data, "train")]
    return hashlib.sha256("".join(sums).encode()).hexdigest()


class EpochBatches:
    """Batches of patch indices of one process: what a ``DataLoader`` takes as its batch sampler.

    An epoch is a permutation drawn from (seed, epoch), cut into steps of ``batch`` patches; the rest is left out. Of
    each step this process takes its share, in ``accumulate`` parts.

    Args:
        indices: The patches.
        batch: Patches a step, over all processes.
        accumulate: Parts of a process's share.
        seed: Of the order.
        rank: This process, of
        world: so many.

    Raises:
        ConfigError: The batch cannot be shared so, or is larger than the set.
    """

    def __init__(
        self, indices: tuple[int, ...], *, batch: int, accumulate: int = 1, seed: int = 0, rank: int = 0, world: int = 1
    ) -> None:
        if batch % (world * accumulate):
            raise ConfigError(f"batch {batch}: cannot be shared by {world} process(es) in {accumulate} part(s) each.")
        if len(indices) < batch:
            raise ConfigError(f"batch {batch}: larger than the {len(indices)} patches there are to train on.")
        self._indices, self._batch, self._accumulate = np.asarray(indices), batch, accumulate
        self._seed, self._rank, self._world = seed, rank, world
        self.steps_per_epoch = len(indices) // batch
        self._epoch = self._first = 0

    def begin(self, epoch: int, first_step: int = 0) -> None:
        """The next iteration gives the batches of this epoch from this step on."""
        self._epoch, self._first = epoch, first_step

    def __len__(self) -> int:
        return (self.steps_per_epoch - self._first) * self._accumulate

    def __iter__(self) -> Iterator[list[int]]:
        order = np.random.default_rng((self._seed, 2, self._epoch)).permutation(self._indices)
        share = self._batch // self._world
        for step in range(self._first, self.steps_per_epoch):
            start = step * self._batch + self._rank * share
            for part in order[start : start + share].reshape(self._accumulate, -1):
                yield part.tolist()

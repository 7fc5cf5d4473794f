"""Which patches train, which validate, and in which order: all of it from (seed, epoch), nothing from the clock."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sdd_bench.data.manifest import is_prepared, read_manifest
from sdd_bench.data.shards import ShardSet, shard_paths
from sdd_bench.errors import ConfigError
from sdd_bench.files import sha256_of
from sdd_bench.types import Split


@dataclass(frozen=True)
class PatchSplit:
    """Indices of patches."""

    train: tuple[int, ...]
    val: tuple[int, ...]
    val_from: str = "train"
    """The split that ``val`` counts in."""


def splits_of(data: Path) -> tuple[str, ...]:
    """The splits a training uses: ``train``, and ``val`` where a prepared set has patches of it."""
    val = read_manifest(data).splits.get(Split.VAL) if is_prepared(data) else None
    return ("train", "val") if val is not None and val.n_patches else ("train",)


def split_patches(data: Path, *, val_share: float, val_patches: int, seed: int) -> PatchSplit:
    """Validate on the set's own ``val`` split, or hold out all patches of some scenes (pairs, where not known).

    Nothing validates where ``val_share`` is 0; otherwise at least one scene is held out where there are two or more.

    Args:
        data: A prepared set or a shard.
        val_share: Share of the scenes.
        val_patches: Keep at most so many patches to validate on, evenly chosen.
        seed: Of the choice of scenes.
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

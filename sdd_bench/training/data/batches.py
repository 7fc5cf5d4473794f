"""The batches of an epoch: which patches, in which order, for which process."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sdd_bench.core.errors import ConfigError


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

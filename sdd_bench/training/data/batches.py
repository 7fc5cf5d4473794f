"""The batches of an epoch: patches of each step, their order, and the share of each process."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sdd_bench.core.errors import ConfigError


class EpochBatches:
    """Batches of patch indices of one process, for use as the batch sampler of a ``DataLoader``.

    An epoch is a permutation drawn from (seed, epoch) and cut into steps of ``batch`` patches; the rest is left out.
    This process takes its share of each step, in ``accumulate`` parts.

    Args:
        indices: Indices of the patches.
        batch: Patches per step, over all processes.
        accumulate: Number of parts of a process's share.
        seed: Seed of the order.
        rank: Number of this process, counted from 0.
        world: Number of processes.

    Raises:
        ConfigError: The batch cannot be shared equally, or is larger than the set.

    Example:
        >>> batches = EpochBatches((0, 1, 2, 3, 4), batch=2, seed=0)
        >>> len(batches), [len(batch) for batch in batches]
        (2, [2, 2])
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
        """Let the next iteration give the batches of ``epoch`` from ``first_step`` on."""
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

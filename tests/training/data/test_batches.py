"""The order of batches."""

import itertools

import pytest

from sdd_bench.core.errors import ConfigError
from sdd_bench.training.data.batches import EpochBatches


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

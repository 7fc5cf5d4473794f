"""Pieces of work side by side."""

from __future__ import annotations

import threading

import pytest
import torch

from sdd_bench.core.side_by_side import in_strips, side_by_side, threads_here


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_results_come_in_order_and_every_piece_has_its_share_of_the_threads(threads: int) -> None:
    def piece(number: int) -> tuple[int, int, str]:
        return number, threads_here(), threading.current_thread().name

    found = side_by_side(*(lambda n=n: piece(n) for n in range(2)))
    assert [number for number, _, _ in found] == [0, 1]
    assert {share for _, share, _ in found} == {1}
    assert threads_here() == threads
    assert (threading.current_thread().name in {name for _, _, name in found}) == (threads == 1)


def test_threads_that_come_later_have_the_full_number_again(threads: int) -> None:
    side_by_side(int, int, int)
    seen: list[int] = []
    thread = threading.Thread(target=lambda: seen.append(threads_here()))
    thread.start()
    thread.join()
    assert seen == [threads]


def test_the_error_of_a_piece_arrives_and_the_threads_are_as_before(threads: int) -> None:
    def fail() -> None:
        raise ValueError("first")

    with pytest.raises(ValueError, match="first"):
        side_by_side(fail, int, int, int)
    assert threads_here() == threads


def test_strips_cover_all_rows_once_whatever_the_threads(threads: int) -> None:
    found = in_strips(10, lambda first, last: list(range(first, last)), size=4, pixels=1 << 20)
    assert found == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_a_piece_to_spare_begins_though_every_thread_has_one(threads: int) -> None:
    met = threading.Barrier(threads + 1, timeout=20)
    if threads == 1:
        assert side_by_side(lambda: 1, lambda: 2, spare=1) == [1, 2]  # one thread means one
    else:
        assert sorted(side_by_side(*[met.wait] * (threads + 1), spare=1)) == list(range(threads + 1))

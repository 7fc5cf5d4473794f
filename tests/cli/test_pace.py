"""Time left, by a clock that is made up."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from sdd_bench.cli.pace import Pace


def pace_of(times: Sequence[float]) -> Pace:
    """The pace after items that were done at ``times``."""
    pace = Pace(now=0.0)
    for done, seconds in enumerate(times, start=1):
        pace.note(done, seconds, 2_000_000 * done)
    return pace


TOTAL = 40
CASES = {
    "even items": ([5, 10, 15], 5.0),
    "a slow start: networks are loaded, code is compiled": ([65, 70, 75], 5.0),
    "items of a minute each": ([60, 120, 180], 60.0),
    "items of an hour each": ([3600, 7200, 10800], 3600.0),
    "items that differ by half": ([20, 24, 32], 6.0),
    "two processes": ([15, 15.1, 25, 25.1], 5.0),
    "four processes": ([25, 25.1, 25.2, 25.3, 45, 45.1, 45.2, 45.3], 5.0),
    "twenty items are there already": ([0.001 * n for n in range(1, 21)] + [5, 10, 15], 5.0),
    "fast items": ([0.1, 0.101, 0.102], 0.001),
}


@pytest.mark.parametrize("case", CASES)
def test_time_left_is_right_within_a_factor_of_two_after_three_items(case: str) -> None:
    times, each = CASES[case]
    left = pace_of(times).left(TOTAL, now=times[-1])
    true = (TOTAL - len(times)) * each
    assert left is not None
    assert true / 2 < left < 2 * true


def test_time_left_falls_while_an_item_is_under_way_but_not_below_the_items_after_it() -> None:
    pace = pace_of([5, 10, 15])
    assert pace.left(5, now=17) == pytest.approx(8)
    assert pace.left(5, now=500) == pytest.approx(5)
    assert pace.left(3, now=20) == 0


def test_nobody_knows_before_the_second_item() -> None:
    assert (pace_of([]).left(9, now=1), pace_of([4]).left(9, now=5), pace_of([4]).megabytes_per_second()) == (None,) * 3


def test_the_pace_follows_the_last_items() -> None:
    times = [float(n) for n in range(1, 60)] + [60.0 + 10 * n for n in range(1, 15)]
    assert pace_of(times).seconds_per_item() == pytest.approx(10)
    assert pace_of(times).megabytes_per_second() == pytest.approx(0.2)

"""The geometry of small drawings."""

import math

import pytest

from sdd_bench.report.histogram import Histogram, histogram


def test_bars_hold_every_finite_value() -> None:
    drawn = histogram([1.0, 1.0, 2.0, 5.0, math.inf], label="PSNR", bins=4)
    assert [bar.title.rsplit(" ", 1)[1] for bar in drawn.bars] == ["2", "1", "1"]
    assert max(bar.height for bar in drawn.bars) == Histogram.HEIGHT
    assert drawn.summary == "PSNR: 4 pictures from 1.00 to 5.00, median 1.50"


def test_a_mark_stands_at_its_value() -> None:
    drawn = histogram([0.0, 10.0], label="x", marks=[(5.0, "mean"), (20.0, "input"), (math.nan, "none")])
    assert drawn.marks[0][0] == pytest.approx(Histogram.WIDTH / 4)
    assert drawn.marks[1] == (Histogram.WIDTH, "input 20.00")
    assert len(drawn.marks) == 2


@pytest.mark.parametrize("values", [[], [math.inf], [3.0], [3.0, 3.0]])
def test_odd_values_draw_without_error(values: list[float]) -> None:
    assert len(histogram(values, label="x").bars) <= 1

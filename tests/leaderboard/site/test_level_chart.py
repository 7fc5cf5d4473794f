"""The chart of gains by level of blur."""

from __future__ import annotations

import pytest

from sdd_bench.core.types import GroundTruth
from sdd_bench.evaluation.per_image import ImageRow
from sdd_bench.leaderboard.site.level_chart import HEIGHT, level_chart
from sdd_bench.report.html import environment

NONE = dict.fromkeys(("psnr", "ssim", "mae", "lpips", "drift_px"))


def rows(n: int, **values: float) -> list[ImageRow]:
    return [ImageRow(method="m", image=str(i), ground_truth=GroundTruth.MATCHED, **NONE, **values) for i in range(n)]


def test_help_stands_above_the_line_and_harm_below() -> None:
    chart = level_chart(rows(7, share_from_0_px=0.4, gain_from_0_px=-1.0, share_from_5_px=0.6, gain_from_5_px=3.0))
    assert chart is not None
    harm, help_ = chart.bars
    assert (harm.label, harm.text, harm.share, harm.harm) == ("0–2", "-1.00 dB [-1.00, -1.00]", "40%", True)
    assert (help_.label, help_.n, help_.harm) == ("5–10", 7, False)
    assert (harm.y, harm.height) == (chart.zero_y, pytest.approx(HEIGHT / 4))
    assert (help_.y, help_.y + help_.height) == (0.0, pytest.approx(chart.zero_y))


def test_few_pictures_have_no_interval_and_none_no_chart() -> None:
    chart = level_chart(rows(2, share_from_20_px=1.0, gain_from_20_px=2.0))
    assert chart is not None
    assert (chart.bars[0].label, chart.bars[0].low_y) == ("≥ 20", None)
    assert level_chart(rows(2)) is None


def test_the_drawing_says_what_it_shows() -> None:
    chart = level_chart(rows(7, share_from_0_px=1.0, gain_from_0_px=0.5, focus_change=0.01))
    assert chart is not None
    assert chart.focus_change == "0.0100"
    page = environment().from_string('{% from "components.html" import level_bars %}{{ level_bars(chart) }}')
    assert "gain over the input by blur: 0–2 px: +0.50 dB [+0.50, +0.50]" in page.render(chart=chart)

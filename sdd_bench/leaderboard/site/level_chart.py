"""The gain of a method over the blurry input by how blurred a region was, as bars of a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sdd_bench.evaluation.per_image import GAINS, SHARES, ImageRow
from sdd_bench.evaluation.regions import LEVEL_EDGES_PX
from sdd_bench.statistics.bootstrap import estimate_mean


@dataclass(frozen=True)
class LevelBar:
    """One level. Heights are in units of the drawing, up from the line of no gain."""

    label: str
    """Range of the circle of confusion."""
    text: str
    """Mean gain with its interval."""
    share: str
    """Mean share of the picture."""
    n: int
    """Number of pictures that have such regions."""
    x: float
    y: float
    height: float
    low_y: float | None
    high_y: float | None
    harm: bool


@dataclass(frozen=True)
class LevelChart:
    """Bars in a drawing of :data:`WIDTH` x :data:`HEIGHT`."""

    bars: tuple[LevelBar, ...]
    zero_y: float
    summary: str
    focus_change: str


WIDTH, HEIGHT = 320.0, 120.0
_STEP = WIDTH / len(LEVEL_EDGES_PX)


def level_chart(rows: Sequence[ImageRow]) -> LevelChart | None:
    """The chart of a method.

    Args:
        rows: Its pictures, against matched ground truth.

    Returns:
        The chart; None where no picture has a level.
    """
    known = []
    for number, (gain, share) in enumerate(zip(GAINS, SHARES, strict=True)):
        there = [row for row in rows if row.figures[gain] is not None]
        if there:
            found = estimate_mean([row.figures[gain] or 0.0 for row in there], scenes=[row.scene for row in there])
            known.append((number, found, sum(row.figures[share] or 0.0 for row in rows) / len(rows)))
    if not known:
        return None
    ends = [end for _, found, _ in known for end in (found.mean, found.low, found.high) if end is not None]
    low, high = min(0.0, *ends), max(0.0, *ends)
    scale = HEIGHT / max(high - low, 1e-6)

    def place(value: float) -> float:
        return round((high - value) * scale, 2)

    bars = []
    for number, found, share_of in known:
        mean = found.mean or 0.0
        interval = "" if found.low is None or found.high is None else f" [{found.low:+.2f}, {found.high:+.2f}]"
        above = LEVEL_EDGES_PX[number + 1] if number + 1 < len(LEVEL_EDGES_PX) else None
        bars.append(
            LevelBar(
                label=f"{LEVEL_EDGES_PX[number]:g}–{above:g}" if above else f"≥ {LEVEL_EDGES_PX[number]:g}",
                text=f"{mean:+.2f} dB{interval}",
                share=f"{share_of:.0%}",
                n=found.n,
                x=round(number * _STEP, 2),
                y=min(place(mean), place(0.0)),
                height=round(abs(place(mean) - place(0.0)), 2),
                low_y=None if found.low is None else place(found.low),
                high_y=None if found.high is None else place(found.high),
                harm=mean < 0,
            )
        )
    changes = [change for row in rows if (change := row.focus_change) is not None]
    summary = "; ".join(f"{bar.label} px: {bar.text}" for bar in bars)
    return LevelChart(
        tuple(bars),
        place(0.0),
        f"gain over the input by blur: {summary}",
        f"{sum(changes) / len(changes):.4f}" if changes else "",
    )

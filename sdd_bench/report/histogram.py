"""Small drawings that live inside the page's own text: they take its colours, light or dark, and cost no file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Bar:
    """One bar of a histogram, in the units of the drawing (y down, 0 at the top)."""

    x: float
    width: float
    y: float
    height: float
    title: str


@dataclass(frozen=True)
class Histogram:
    """The geometry that ``components.html`` draws: bars in a box of ``WIDTH`` x ``HEIGHT``."""

    label: str
    bars: tuple[Bar, ...]
    low: str
    high: str
    marks: tuple[tuple[float, str], ...]
    summary: str

    WIDTH = 240.0
    HEIGHT = 84.0


def histogram(
    values: ArrayLike, *, label: str, decimals: int = 2, bins: int = 16, marks: Sequence[tuple[float, str]] = ()
) -> Histogram:
    """Bars for ``values`` (not finite ones left out) and named vertical lines at ``marks``.

    Args:
        values: (n,).
        label: What they are, with the unit.
        decimals: Of the numbers written.
        bins: Number of bars.
        marks: Pairs of a value and its name.
    """
    numbers = np.asarray(values, dtype=np.float64).ravel()
    numbers = numbers[np.isfinite(numbers)]
    if numbers.size == 0:
        return Histogram(label, (), "", "", (), f"{label}: no finite values")
    reach = np.concatenate([numbers, [value for value, _ in marks if np.isfinite(value)]])
    low, high = float(reach.min()), float(reach.max())
    if high <= low:
        low, high = low - 0.5 * 10.0**-decimals, high + 0.5 * 10.0**-decimals
    counts, edges = np.histogram(numbers, bins=bins, range=(low, high))
    step = Histogram.WIDTH / bins
    bars = tuple(
        Bar(
            x=round(index * step, 2),
            width=round(step - 1.0, 2),
            y=round(Histogram.HEIGHT * (1.0 - count / counts.max()), 2),
            height=round(Histogram.HEIGHT * count / counts.max(), 2),
            title=f"{edges[index]:.{decimals}f} to {edges[index + 1]:.{decimals}f}: {count}",
        )
        for index, count in enumerate(counts.tolist())
        if count
    )
    lines = tuple(
        (round(Histogram.WIDTH * (value - low) / (high - low), 2), f"{name} {value:.{decimals}f}")
        for value, name in marks
        if np.isfinite(value)
    )
    summary = (
        f"{label}: {numbers.size} pictures from {numbers.min():.{decimals}f} to {numbers.max():.{decimals}f}, "
        f"median {np.median(numbers):.{decimals}f}"
    )
    return Histogram(label, bars, f"{low:.{decimals}f}", f"{high:.{decimals}f}", lines, summary)

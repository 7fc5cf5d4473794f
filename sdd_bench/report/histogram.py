"""Histograms drawn as part of a page's HTML, so that they take the page's colours, light or dark, and need no file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from sdd_bench.core.words import counted


@dataclass(frozen=True)
class Bar:
    """One bar of a histogram, in units of the drawing; y points down and is 0 at the top."""

    x: float
    width: float
    y: float
    height: float
    title: str


@dataclass(frozen=True)
class Histogram:
    """The geometry that the template ``components.html`` draws: bars in a box of ``WIDTH`` x ``HEIGHT``."""

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
    """Bars for the finite ``values``, and named vertical lines at ``marks``.

    Args:
        values: Numbers, (n,); those that are not finite are left out.
        label: Name of the numbers, with the unit.
        decimals: Decimals of the numbers written.
        bins: Number of bars.
        marks: Lines to draw, each a value and its name.

    Example:
        >>> drawing = histogram([1.0, 1.0, 3.0], label="shift (px)", bins=2)
        >>> [bar.title for bar in drawing.bars]
        ['1.00 to 2.00: 2', '2.00 to 3.00: 1']
        >>> drawing.summary
        'shift (px): 3 pictures from 1.00 to 3.00, median 1.00'
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
        f"{label}: {counted(numbers.size, 'picture')} from {numbers.min():.{decimals}f} to "
        f"{numbers.max():.{decimals}f}, median {np.median(numbers):.{decimals}f}"
    )
    return Histogram(label, bars, f"{low:.{decimals}f}", f"{high:.{decimals}f}", lines, summary)

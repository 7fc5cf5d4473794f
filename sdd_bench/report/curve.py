"""Curves drawn as part of a page's HTML, so that they take the page's colours, light or dark, and need no file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Curve:
    """The geometry that the template ``components.html`` draws: a line in a box of ``WIDTH`` x ``HEIGHT``, y down."""

    label: str
    points: str
    """Corners of the line as SVG has them: ``x,y x,y``."""
    low: str
    high: str
    first: str
    last: str
    """Ends of the axis of steps."""
    levels: tuple[tuple[float, str], ...]
    """Height and name of each level line."""
    summary: str

    WIDTH = 320.0
    HEIGHT = 120.0


def curve(
    steps: ArrayLike,
    values: ArrayLike,
    *,
    label: str,
    decimals: int = 2,
    most: int = 200,
    levels: Sequence[tuple[float, str]] = (),
) -> Curve | None:
    """A curve over steps; where there are more points than ``most``, means of neighbours.

    Args:
        steps: Steps in order, (n,).
        values: Values at the steps, (n,); those that are not finite are left out.
        label: Name of the values, with the unit.
        decimals: Decimals of the numbers written.
        most: Most corners of the line.
        levels: Horizontal lines to draw, each a value and its name.

    Returns:
        The curve; None where no value is finite.

    Example:
        >>> drawing = curve([1, 2, 3], [4.0, 2.0, 0.0], label="loss", most=3)
        >>> drawing.points
        '0.0,0.0 160.0,60.0 320.0,120.0'
        >>> drawing.summary
        'loss: from 4.00 at step 1 to 0.00 at step 3, least 0.00, most 4.00'
    """
    x, y = np.asarray(steps, dtype=np.float64), np.asarray(values, dtype=np.float64)
    x, y = x[np.isfinite(y)], y[np.isfinite(y)]
    if not len(y):
        return None
    blocks = np.array_split(np.arange(len(y)), min(most, len(y)))
    x, y = (np.array([part[block].mean() for block in blocks]) for part in (x, y))
    reach = [*y, *(value for value, _ in levels)]
    low, high = min(reach), max(reach)
    if high <= low:
        low, high = low - 0.5 * 10.0**-decimals, high + 0.5 * 10.0**-decimals

    def height(value: float) -> float:
        return round(float(Curve.HEIGHT * (high - value) / (high - low)), 1)

    across = np.zeros(1) if len(x) == 1 else Curve.WIDTH * (x - x[0]) / (x[-1] - x[0])
    corners = [(round(float(a), 1), height(b)) for a, b in zip(across, y, strict=True)]
    if len(corners) == 1:
        corners.append((Curve.WIDTH, corners[0][1]))

    def text(value: float) -> str:
        return f"{value:.{decimals}f}"

    summary = (
        f"{label}: from {text(y[0])} at step {x[0]:.0f} to {text(y[-1])} at step {x[-1]:.0f}, "
        f"least {text(y.min())}, most {text(y.max())}"
    )
    return Curve(
        label=label,
        points=" ".join(f"{a},{b}" for a, b in corners),
        low=text(low),
        high=text(high),
        first=f"{x[0]:.0f}",
        last=f"{x[-1]:.0f}",
        levels=tuple((height(value), f"{name} {text(value)}") for value, name in levels),
        summary=summary,
    )

"""A strip of crops for a paper: a column per method with its name above, a row per place in the picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sdd_bench.report.plots import text_line

GAP = 4
"""Width of the white space between crops, in pixels."""
_LETTERS = 14


def strip(columns: Sequence[tuple[str, Sequence[NDArray[np.uint8]]]], *, labels: bool = True) -> NDArray[np.uint8]:
    """Crops in a grid on white; every pixel of a crop is one of the picture.

    Args:
        columns: Name and crops of each method, (H, W, 3) uint8; all columns have crops of the same sizes.
        labels: Whether the names stand above; long ones are cut at the width of a column.

    Returns:
        (H, W, 3) uint8.

    Example:
        >>> crop = np.zeros((20, 30, 3), np.uint8)
        >>> strip([("a", [crop, crop]), ("b", [crop, crop])], labels=False).shape
        (44, 64, 3)
    """
    drawn = []
    for name, crops in columns:
        width = max(crop.shape[1] for crop in crops)
        parts = []
        if labels:
            parts.append(_fitted(text_line(name, height=_LETTERS), width))
        for number, crop in enumerate(crops):
            parts += [_white(GAP, width)] if number else []
            parts.append(np.pad(crop, ((0, 0), (0, width - crop.shape[1]), (0, 0)), constant_values=255))
        drawn.append(np.concatenate(parts))
    row = [part for column in drawn for part in (_white(column.shape[0], GAP), column)]
    return np.concatenate(row[1:], axis=1)


def _fitted(text: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    """A line of text in the middle of a column."""
    shown = text[:, :width]
    before = (width - shown.shape[1]) // 2
    return np.pad(shown, ((0, 2), (before, width - shown.shape[1] - before), (0, 0)), constant_values=255)


def _white(height: int, width: int) -> NDArray[np.uint8]:
    return np.full((height, width, 3), 255, dtype=np.uint8)

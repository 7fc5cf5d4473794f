"""A table for each channel of a picture, applied in one pass on the processor."""

from __future__ import annotations

import numpy as np

from sdd_bench.core.arrays import Plane
from sdd_bench.core.compiled import compiled
from sdd_bench.core.side_by_side import in_strips

_ROWS = 32


def look_up(picture: Plane, tables: Plane) -> Plane:
    """Values of ``tables``, whose entries are evenly spread over [0, 1], at those of a picture, linear between entries.

    Args:
        picture: ``(H, W, 3)`` float32, clipped to [0, 1]; NaN stays NaN.
        tables: ``(3, G)`` float32, one for each channel.

    Example:
        >>> look_up(np.full((1, 1, 3), 0.25, np.float32), np.float32([[0, 1], [0, 2], [1, 0]])).tolist()
        [[[0.25, 0.5, 0.75]]]
    """
    source, out = np.ascontiguousarray(picture), np.empty(picture.shape, np.float32)
    in_strips(len(out), lambda first, last: _look_up(source, tables, out, first, last), size=_ROWS, pixels=out.size)
    return out


@compiled
def _look_up(picture: Plane, tables: Plane, out: Plane, first: int, last: int) -> None:
    steps = tables.shape[1] - 1
    for y in range(first, last):
        for x in range(picture.shape[1]):
            for c in range(3):
                value = picture[y, x, c]
                if np.isnan(value):
                    out[y, x, c] = value
                    continue
                position = min(max(value, np.float32(0)), np.float32(1)) * np.float32(steps)
                place = min(int(position), steps - 1)
                before = tables[c, place]
                out[y, x, c] = before + (tables[c, place + 1] - before) * (position - np.float32(place))

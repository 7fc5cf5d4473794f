r"""Where a method helps and where it harms: its gain over the blurry input by how blurred a region was.

A region is a tile of 32 pixels; its level is the median circle of confusion in it, measured from the registered pair
(:func:`sdd_bench.defocus.from_pair.blur_from_pair`). Over the pixels :math:`L` of one level that the matched truth
:math:`T` knows, with prediction P and input B,

.. math:: \mathrm{gain}_L = 10 \log_{10} \frac{\sum_L (B - T)^2}{\sum_L (P - T)^2} \;\text{dB}

which is the difference of their PSNR there. ``focus_change`` is the root mean square of P - B over the regions in
focus, the lowest level: what a method does where there is nothing to do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.compiled import compiled
from sdd_bench.core.side_by_side import in_strips
from sdd_bench.defocus.from_pair import blur_from_pair

Picture = NDArray[np.float32]

REGION_PX = 32
LEVEL_EDGES_PX = (0.0, 2.0, 5.0, 10.0, 20.0)
"""Lower ends of the levels, by the diameter of the circle of confusion; the first is in focus."""
_LEAST_MSE = 1e-10
"""Mean squared error from which two pictures count as equal (100 dB), so that every gain is finite."""


@dataclass(frozen=True)
class RegionScores:
    """One prediction by level; a level without regions has the gain None."""

    blur_px: float | None = None
    """Median over the regions whose level is known; None where there is none."""
    shares: tuple[float, ...] = (0.0,) * len(LEVEL_EDGES_PX)
    """Share of the picture's regions at each level; what lacks to 1 is not known."""
    gains_db: tuple[float | None, ...] = (None,) * len(LEVEL_EDGES_PX)
    """Gain over the input at each level."""
    focus_change: float | None = None
    """RMS change of the input in the regions in focus, on [0, 1]."""


@dataclass(frozen=True)
class Regions:
    """The levels of a pair's regions, and what the blurry input scores in each."""

    blur_px: NDArray[np.float32]
    """Circle of confusion of each region, ``(rows, columns)``; NaN where it is not known."""
    valid: NDArray[np.bool_]
    """Pixels that count, ``(H, W)``."""
    blurry: Picture
    truth: Picture

    @cached_property
    def _squares_of_input(self) -> NDArray[np.float64]:
        return _squares(self.blurry, self.truth, self.valid)

    def score(self, prediction: Picture) -> RegionScores:
        """Gain of a prediction, ``(H, W, 3)`` in [0, 1], by level."""
        ours = _squares(prediction, self.truth, self.valid)
        theirs = self._squares_of_input
        changed = _squares(prediction, self.blurry, self.valid)
        n_values = 3 * _sums(self.valid.astype(np.float32))
        shares: list[float] = []
        gains: list[float | None] = []
        focus_change = None
        for number, low in enumerate(LEVEL_EDGES_PX):
            high = LEVEL_EDGES_PX[number + 1] if number + 1 < len(LEVEL_EDGES_PX) else math.inf
            inside = (self.blur_px >= low) & (self.blur_px < high)
            shares.append(float(inside.mean()))
            n = float(n_values[inside].sum())
            if n == 0:
                gains.append(None)
                continue
            before, after = (max(float(squares[inside].sum()) / n, _LEAST_MSE) for squares in (theirs, ours))
            gains.append(10 * math.log10(before / after))
            if number == 0:
                focus_change = math.sqrt(float(changed[inside].sum()) / n)
        known = self.blur_px[np.isfinite(self.blur_px)]
        return RegionScores(float(np.median(known)) if known.size else None, tuple(shares), tuple(gains), focus_change)


def blur_of_regions(blurry: Picture, truth: Picture, valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Circle of confusion of each region of a pair, ``(rows, columns)``; NaN where it is not known.

    Args:
        blurry: ``(H, W, 3)`` float32 sRGB in [0, 1].
        truth: The sharp picture registered to it, in its light, same shape.
        valid: Pixels where it is known, ``(H, W)``.
    """
    return region_medians(blur_from_pair(blurry, truth, valid))


def region_medians(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Median of each region of ``(H, W)``; NaN where half of its pixels or more are NaN.

    Example:
        >>> region_medians(np.full((64, 32), 3.0, np.float32)).tolist()
        [[3.0], [3.0]]
    """
    tiles = np.sort(_tiles(values, np.nan), axis=-1)  # NaN comes last
    n_known = np.isfinite(tiles).sum(axis=-1)
    middle = np.stack((np.maximum(n_known - 1, 0) // 2, np.minimum(n_known // 2, tiles.shape[-1] - 1)), axis=-1)
    medians = np.take_along_axis(tiles, middle, axis=-1).mean(axis=-1)
    inside = np.isfinite(_tiles(np.zeros_like(values), np.nan)).sum(axis=-1)
    return np.where(n_known * 2 > inside, medians, np.float32(np.nan)).astype(np.float32)


def _tiles(values: NDArray[np.float32], outside: float) -> NDArray[np.float32]:
    """``(rows, columns, REGION_PX**2)``; what lies outside the picture is ``outside``."""
    height, width = values.shape
    rows, columns = -(-height // REGION_PX), -(-width // REGION_PX)
    padding = ((0, rows * REGION_PX - height), (0, columns * REGION_PX - width))
    padded = np.pad(values, padding, constant_values=outside)
    return padded.reshape(rows, REGION_PX, columns, REGION_PX).swapaxes(1, 2).reshape(rows, columns, -1)


def _sums(values: NDArray[np.float32]) -> NDArray[np.float64]:
    rows = np.add.reduceat(values, np.arange(0, values.shape[0], REGION_PX), axis=0, dtype=np.float64)
    return np.add.reduceat(rows, np.arange(0, values.shape[1], REGION_PX), axis=1)


def _squares(a: Picture, b: Picture, valid: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Sum of squared differences over the valid pixels of each region."""
    rows, columns = (-(-side // REGION_PX) for side in valid.shape)
    sums = np.zeros((rows, columns))
    one, other = (np.ascontiguousarray(picture, np.float32) for picture in (a, b))
    in_strips(rows, lambda first, last: _add_squares(one, other, valid, sums, first, last), size=1, pixels=a.size)
    return sums


@compiled
def _add_squares(
    a: Picture, b: Picture, valid: NDArray[np.bool_], sums: NDArray[np.float64], first: int, last: int
) -> None:
    """Add to the rows ``first`` to ``last`` of ``sums``."""
    height, width = valid.shape
    for row in range(first, last):
        for y in range(row * REGION_PX, min((row + 1) * REGION_PX, height)):
            for column in range(sums.shape[1]):
                total = 0.0
                for x in range(column * REGION_PX, min((column + 1) * REGION_PX, width)):
                    if valid[y, x]:
                        for c in range(3):
                            difference = a[y, x, c] - b[y, x, c]
                            total += difference * difference
                sums[row, column] += total

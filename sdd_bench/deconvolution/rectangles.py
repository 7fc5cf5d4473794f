"""Few rectangles that cover the part of a picture where something has to be done."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Rectangle:
    """Pixels ``top <= y < bottom``, ``left <= x < right``."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """To index ``(H, W)``."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def area(self) -> int:
        """Number of pixels."""
        return (self.bottom - self.top) * (self.right - self.left)

    def grown(self, margin: int, shape: tuple[int, int]) -> Rectangle:
        """Larger by ``margin`` on every side, as far as a picture of ``shape`` reaches."""
        return Rectangle(
            max(0, self.top - margin),
            min(shape[0], self.bottom + margin),
            max(0, self.left - margin),
            min(shape[1], self.right + margin),
        )

    def within(self, outer: Rectangle) -> tuple[slice, slice]:
        """To index this rectangle in an array that holds ``outer``."""
        return (
            slice(self.top - outer.top, self.bottom - outer.top),
            slice(self.left - outer.left, self.right - outer.left),
        )


def cover(mask: NDArray[np.bool_], *, tile: int, margin: int) -> list[Rectangle]:
    """Rectangles of whole tiles that cover the set pixels of ``mask``, ``(H, W)``, without overlap.

    Runs of tiles in a row are joined, and with equal runs of the rows below. Where the rectangles with a margin of
    ``margin`` pixels would come to more than the whole picture, that is the answer: one rectangle.
    """
    height, width = mask.shape
    tiles = np.logical_or.reduceat(np.logical_or.reduceat(mask, range(0, height, tile)), range(0, width, tile), axis=1)
    found: list[Rectangle] = []
    open_runs: dict[tuple[int, int], Rectangle] = {}
    for row, needed in enumerate(tiles):
        top, bottom = row * tile, min(height, (row + 1) * tile)
        runs = {}
        for start, end in _runs(needed):
            above = open_runs.pop((start, end), None)
            first = top if above is None else above.top
            runs[start, end] = Rectangle(first, bottom, start * tile, min(width, end * tile))
        found.extend(open_runs.values())
        open_runs = runs
    found.extend(open_runs.values())
    if sum(one.grown(margin, mask.shape).area for one in found) > height * width:
        return [Rectangle(0, height, 0, width)]
    return found


def _runs(needed: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Start and end of every run of True."""
    steps = np.flatnonzero(np.diff(np.concatenate([[False], needed, [False]]).astype(np.int8)))
    return [(int(start), int(end)) for start, end in zip(steps[::2], steps[1::2], strict=True)]

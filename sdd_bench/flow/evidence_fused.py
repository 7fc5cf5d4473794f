"""Compiled passes of :mod:`sdd_bench.flow.evidence` on the processor: maps on cells become pixels row by row.

No plane of pixels is made but those that are asked for. Strips write apart, so results do not depend on the number of
threads. :mod:`sdd_bench.flow.evidence_unfused` has the same passes as torch expressions, for other devices.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sdd_bench.core.arrays import Plane
from sdd_bench.core.compiled import compiled
from sdd_bench.core.side_by_side import in_strips
from sdd_bench.geometry.similarity import Similarity

_ROWS = 32
"""Rows of a strip of pixels."""
_ROWS_OF_CELLS = 2


def shown(
    gains: tuple[Tensor, Tensor],
    alike: Tensor,
    left: Tensor,
    size: Sequence[int],
    bounds: Sequence[tuple[float, float]],
) -> Tensor:
    """``max(ramp(gain), ramp(alike) * (1 - ramp(left)))`` and ``surely(alike) * (1 - ramp(left))``, ``(2, H, W)``.

    Args:
        gains: Evidence at two scales, each ``(h, w)``; their mean counts.
        alike: How alike both pictures are in sharpness, ``(h, w)``.
        left: What fine detail leaves unexplained, ``(h, w)``.
        size: Of the result.
        bounds: Of the ramps of gain, alike and left, and of ``surely``; a ramp rises smoothly between its two.
    """
    gain, other, sharp, unexplained = (_across(cells[None], size[1])[0] for cells in (*gains, alike, left))
    ramps = np.array(bounds, np.float32)
    out = np.empty((2, *size), np.float32)
    in_strips(
        size[0], lambda *rows: _shown(gain, other, sharp, unexplained, ramps, out, *rows), size=_ROWS, pixels=out.size
    )
    return torch.from_numpy(out)


def means_of_beyond(weight: Tensor, flow: Tensor, similarity: Similarity, size: Sequence[int]) -> Tensor:
    """Means by cells of ``weight``, and of ``weight`` times length, x and y of what the flow adds to the similarity.

    Args:
        weight: ``(H, W)``.
        flow: ``(2, H, W)`` in pixels.
        similarity: On the same grid.
        size: Cells, (h, w).

    Returns:
        ``(4, h, w)``.
    """
    plane, vectors, steady, out = _array(weight), _array(flow), _numbers(similarity), np.empty((4, *size), np.float32)
    in_strips(
        size[0],
        lambda *rows: _means_of_beyond(plane, vectors, steady, out, *rows),
        size=_ROWS_OF_CELLS,
        pixels=flow.numel(),
    )
    return torch.from_numpy(out)


def means_inside(support: Tensor, flow: Tensor, size: Sequence[int]) -> Tensor:
    """Means by cells ``(2, h, w)``: the share of pixels whose flow stays inside the picture, and ``support``.

    Args:
        support: ``(H, W)``.
        flow: ``(2, H, W)`` in pixels.
        size: Cells, (h, w).
    """
    plane, vectors, out = _array(support), _array(flow), np.empty((2, *size), np.float32)
    in_strips(
        size[0], lambda *rows: _means_inside(plane, vectors, out, *rows), size=_ROWS_OF_CELLS, pixels=flow.numel()
    )
    return torch.from_numpy(out)


def blended(near: Tensor, plane: Tensor, share: Tensor) -> Tensor:
    """From ``near`` to ``plane`` by ``share``: two maps on cells ``(h, w)``, and one on pixels, ``(H, W)``."""
    source, (first, second) = _array(plane), _across(torch.stack((near, share)), plane.shape[1])
    out = np.empty_like(source)
    in_strips(len(out), lambda *rows: _blended(source, first, second, out, *rows), size=_ROWS, pixels=out.size)
    return torch.from_numpy(out)


def supported(flow: Tensor, similarity: Similarity, near: Tensor, support: Tensor) -> Tensor:
    """The flow where ``support`` is 1, and where it is 0 that of the similarity and ``near``; ``(2, H, W)`` in pixels.

    Args:
        flow: ``(2, H, W)`` in pixels.
        similarity: On the same grid.
        near: What the vicinity adds to the similarity, on cells ``(2, h, w)``, in pixels.
        support: ``(H, W)``.
    """
    vectors, weight, beside = _array(flow), _array(support), _across(near, flow.shape[2])
    steady, out = _numbers(similarity), np.empty(vectors.shape, np.float32)
    height = vectors.shape[1]
    in_strips(
        height, lambda *rows: _supported(vectors, weight, beside, steady, out, *rows), size=_ROWS, pixels=out.size
    )
    return torch.from_numpy(out)


def _array(planes: Tensor) -> Plane:
    return np.ascontiguousarray(planes.numpy(), dtype=np.float32)


def _across(cells: Tensor, width: int) -> Plane:
    """Cells ``(k, h, w)`` interpolated along their rows alone, ``(k, h, W)``."""
    return _array(F.interpolate(cells[None], (cells.shape[1], width), mode="bilinear", align_corners=False)[0])


def _numbers(similarity: Similarity) -> Plane:
    """What a place is multiplied by (real and imaginary part), and the shift along x and y."""
    slope = similarity.linear - 1
    return np.array([slope.real, slope.imag, similarity.shift_x_px, similarity.shift_y_px], np.float32)


@compiled
def _down(cells: Plane, y: int, height: int, line: Plane) -> None:
    """Row ``y`` of ``height`` of a map ``(h, W)``, between its rows above and below."""
    rows = len(cells)
    position = max((np.float32(y) + np.float32(0.5)) * np.float32(rows / height) - np.float32(0.5), np.float32(0))
    upper = min(int(position), rows - 1)
    share = position - np.float32(upper)
    above, below = cells[upper], cells[min(upper + 1, rows - 1)]
    for x in range(len(line)):
        line[x] = above[x] + share * (below[x] - above[x])


@compiled
def _ramp(line: Plane, bounds: Plane) -> None:
    """Smoothly from 0 at the first bound to 1 at the second, in place."""
    low, high = bounds[0], bounds[1]
    span = high - low
    for x in range(len(line)):
        share = (line[x] - low) / span
        share = share if share > np.float32(0) else np.float32(0)
        share = share if share < np.float32(1) else np.float32(1)
        line[x] = share * share * (np.float32(3) - np.float32(2) * share)


@compiled
def _shown(
    gain: Plane, other: Plane, alike: Plane, left: Plane, ramps: Plane, out: Plane, first: int, last: int
) -> None:
    height, width = out.shape[1:]
    a, b = np.empty(width, np.float32), np.empty(width, np.float32)
    c, d = np.empty(width, np.float32), np.empty(width, np.float32)
    for y in range(first, last):
        _down(gain, y, height, a)
        _down(other, y, height, b)
        _down(alike, y, height, c)
        _down(left, y, height, d)
        for x in range(width):
            a[x] = np.float32(0.5) * (a[x] + b[x])
        b[:] = c
        _ramp(a, ramps[0])
        _ramp(b, ramps[1])
        _ramp(c, ramps[3])
        _ramp(d, ramps[2])
        result, surely = out[0, y], out[1, y]
        for x in range(width):
            sharp = b[x] * (np.float32(1) - d[x])
            result[x] = a[x] if a[x] > sharp else sharp
        for x in range(width):
            surely[x] = c[x] * (np.float32(1) - d[x])


@compiled
def _beyond_row(flow: Plane, steady: Plane, y: int, dx: Plane, dy: Plane) -> None:
    """What a flow adds to a similarity in row ``y``."""
    height, width = flow.shape[1:]
    down, half = np.float32(y - (height - 1) / 2), np.float32((width - 1) / 2)
    along, across = flow[0, y], flow[1, y]
    for x in range(width):
        dx[x] = along[x] - (steady[0] * (np.float32(x) - half) - steady[1] * down + steady[2])
    for x in range(width):
        dy[x] = across[x] - (steady[1] * (np.float32(x) - half) + steady[0] * down + steady[3])


@compiled
def _means_of_columns(line: Plane, rows: int, out: Plane) -> None:
    """Means of cells from sums over ``rows`` rows; neighbouring cells share a column where they do not divide it."""
    width, columns = len(line), len(out)
    for column in range(columns):
        start, stop = column * width // columns, -(-(column + 1) * width // columns)
        total = np.float32(0)
        for x in range(start, stop):
            total += line[x]
        out[column] = total / np.float32(rows * (stop - start))


@compiled
def _means_of_beyond(weight: Plane, flow: Plane, steady: Plane, out: Plane, first: int, last: int) -> None:
    height, width = weight.shape
    dx, dy, lines = np.empty(width, np.float32), np.empty(width, np.float32), np.empty((4, width), np.float32)
    for cell in range(first, last):
        start, stop = cell * height // out.shape[1], -(-(cell + 1) * height // out.shape[1])
        lines[:] = 0
        for y in range(start, stop):
            _beyond_row(flow, steady, y, dx, dy)
            row = weight[y]
            _add_product(lines[2], row, dx)
            _add_product(lines[3], row, dy)
            for x in range(width):
                dx[x] = np.sqrt(dx[x] * dx[x] + dy[x] * dy[x])
            _add_product(lines[1], row, dx)
            dx[:] = 1
            _add_product(lines[0], row, dx)
        for place in range(4):
            _means_of_columns(lines[place], stop - start, out[place, cell])


@compiled
def _add_product(total: Plane, a: Plane, b: Plane) -> None:
    for x in range(len(total)):
        total[x] += a[x] * b[x]


@compiled
def _means_inside(support: Plane, flow: Plane, out: Plane, first: int, last: int) -> None:
    height, width = support.shape
    right, bottom = np.float32(width - 1), np.float32(height - 1)
    inside, sums = np.empty(width, np.float32), np.empty(width, np.float32)
    for cell in range(first, last):
        start, stop = cell * height // out.shape[1], -(-(cell + 1) * height // out.shape[1])
        inside[:] = 0
        sums[:] = 0
        for y in range(start, stop):
            along, down, row = flow[0, y], flow[1, y], support[y]
            for x in range(width):
                px, py = np.float32(x) + along[x], np.float32(y) + down[x]
                stays = (px >= np.float32(0)) & (px <= right) & (py >= np.float32(0)) & (py <= bottom)
                inside[x] += np.float32(stays)
            for x in range(width):
                sums[x] += row[x]
        _means_of_columns(inside, stop - start, out[0, cell])
        _means_of_columns(sums, stop - start, out[1, cell])


@compiled
def _blended(plane: Plane, near: Plane, share: Plane, out: Plane, first: int, last: int) -> None:
    height, width = plane.shape
    other, weight = np.empty(width, np.float32), np.empty(width, np.float32)
    for y in range(first, last):
        _down(near, y, height, other)
        _down(share, y, height, weight)
        row, result = plane[y], out[y]
        for x in range(width):
            result[x] = row[x] if weight[x] == np.float32(1) else other[x] + weight[x] * (row[x] - other[x])


@compiled
def _supported(flow: Plane, support: Plane, near: Plane, steady: Plane, out: Plane, first: int, last: int) -> None:
    height, width = support.shape
    beyond, other = np.empty((2, width), np.float32), np.empty(width, np.float32)
    for y in range(first, last):
        _beyond_row(flow, steady, y, beyond[0], beyond[1])
        weight = support[y]
        for axis in range(2):
            _down(near[axis], y, height, other)
            row, source, result = beyond[axis], flow[axis, y], out[axis, y]
            # The similarity is what the flow has without what it adds.
            for x in range(width):
                result[x] = source[x] + (np.float32(1) - weight[x]) * (other[x] - row[x])

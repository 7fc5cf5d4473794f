"""Compiled passes of the refinement on the processor: its sums without temporaries.

Every pass reads a plane once and writes one; planes are ``(H, W)`` float32, contiguous. Strips of rows are shared
between threads and write apart, so results do not depend on the number of threads. On other devices, and in the tests
that compare both, the same passes are :mod:`torch` expressions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sdd_bench.core.arrays import Plane
from sdd_bench.core.compiled import compiled
from sdd_bench.core.side_by_side import in_strips, threads_here

Pairs = NDArray[np.int64]
WEIGHTS = 0.299, 0.587, 0.114
"""Of red, green and blue in the plane that is looked at."""
CURVE = 0.034, 0.6, 0.366
"""Linear light of an sRGB value *v*, :math:`c_1 v + c_2 v^2 + c_3 v^3`: within 0.006 of IEC 61966-2-1, from which the
curves of cameras differ more, and no slower than a copy."""
GAIN = 4.0
"""By which light is multiplied: dark detail is then above what the ridges of the refinement take for noise. Light goes
from -2 to 2, around its middle, so that sums of squares keep their digits."""
CELL = 4
"""Side of the cells on which normal equations are accumulated and solved."""
_COLUMNS = 256
"""Columns summed at once: four rows of six planes stay in the first-level cache."""
_CELLS = 256
"""Cells solved at once: their matrices stay in the first-level cache."""
_ROWS_PER_STRIP = 32


def _shared(rows: int, pixels: int, work: Callable[[int, int], None]) -> None:
    """Call ``work(first, last)`` for strips of rows, on as many threads as torch uses."""
    threads = threads_here()
    size = rows if threads == 1 else max(1, min(_ROWS_PER_STRIP, -(-rows // threads)))
    in_strips(rows, work, size=size, pixels=pixels)


def luminance(picture: Tensor) -> Tensor:
    """Linear light ``(H, W)``, black to white from ``-GAIN / 2`` to ``GAIN / 2``, of a picture ``(3, H, W)`` of sRGB
    values, whose channels may lie beside each other."""
    source = np.ascontiguousarray(picture.detach().float().permute(1, 2, 0).numpy())
    out = np.empty(source.shape[:2], np.float32)
    _shared(len(out), out.size, lambda first, last: _luminance(source, out, first, last))
    return torch.from_numpy(out)


def blur(planes: Tensor, taps: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Separable filter of odd length on each of ``(k, H, W)``, border replicated."""
    out = torch.empty(planes.shape) if out is None else out
    source, kernel, result = _array(planes), _array(taps), out.numpy()
    _shared(len(source) * source.shape[1], source.size, lambda first, last: _blur(source, kernel, result, first, last))
    return out


def warp(moving: Tensor, flow: Tensor, cells: Tensor) -> Tensor:
    """``moving`` ``(H, W)`` at p + flow(p) + cells(p), bilinear, border replicated; ``cells`` ``(2, h, w)``."""
    source, vectors, steps = _array(moving), _array(flow), _array(cells)
    out = np.empty(vectors.shape[1:], np.float32)
    _shared(len(out), out.size, lambda first, last: _warp(source, vectors, steps, out, first, last))
    return torch.from_numpy(out)


def spread(cells: Tensor, size: Sequence[int]) -> Tensor:
    """Values ``(k, h, w)`` of cells at the pixels, bilinear: ``(k, H, W)``."""
    source, out = _array(cells), np.empty((len(cells), *size), np.float32)

    def work(first: int, last: int) -> None:
        for plane, result in zip(source, out, strict=True):
            _spread(plane, result, first, last)

    _shared(out.shape[1], out.size, work)
    return torch.from_numpy(out)


def product_sums(regressors: Tensor, target: Tensor) -> Tensor:
    """Per cell the means of the products of regressors and target.

    Args:
        regressors: ``(k, H, W)``; 1 is one more.
        target: ``(H, W)``.

    Returns:
        ``(n, h, w)``: pairs i <= j of the k + 1 regressors in their order, each with the target, the target squared.
    """
    pairs, stack, goal = _pairs(len(regressors) + 1), _array(regressors), _array(target)
    out = _cells_like(goal, len(pairs))
    _shared(out.shape[1], goal.size, lambda first, last: _product_sums(stack, goal, pairs, out, first, last))
    return torch.from_numpy(out)


def step_sums(equalised: Tensor, target: Tensor, only: Sequence[tuple[int, int]] | None = None) -> Tensor:
    """As :func:`product_sums` for the regressors of a step: dx, dy, value, 1 and Laplacian of ``equalised``.

    Args:
        equalised: ``(H, W)``.
        target: Likewise; it counts as regressor 5.
        only: The pairs that are wanted, in their order; None for all.
    """
    pairs, picture, goal = _pairs(5) if only is None else np.array(only), _array(equalised), _array(target)
    out = _cells_like(goal, len(pairs))
    _shared(out.shape[1], goal.size, lambda first, last: _step_sums(picture, goal, pairs, out, first, last))
    return torch.from_numpy(out)


def solve(sums: Tensor, ridge: Tensor) -> Tensor:
    """Per cell the regularised least squares of k regressors, and the power left over: ``(k + 1, h, w)``.

    Args:
        sums: From :func:`product_sums`, windowed.
        ridge: Added to the diagonal, ``(k, h, w)`` or ``(k, 1, 1)``.
    """
    k, height, width = len(ridge), *sums.shape[1:]
    moments, diagonal = _array(sums), np.ascontiguousarray(np.broadcast_to(_array(ridge), (k, height, width)))
    out = np.empty((k + 1, height, width), np.float32)
    _shared(height, out.size, lambda first, last: _solve(moments, diagonal, k, out, first, last))
    return torch.from_numpy(out)


def equalise(pictures: Tensor, kernel: Tensor) -> Tensor:
    """Sum of pictures ``(k, H, W)`` times coefficients on cells, ``(k + 1, h, w)``; the last coefficient is added."""
    stack, coefficients = _array(pictures), _array(kernel)
    out = np.empty(stack.shape[1:], np.float32)
    _shared(len(out), out.size, lambda first, last: _equalise(stack, coefficients, out, first, last))
    return torch.from_numpy(out)


def _array(planes: Tensor) -> Plane:
    return np.ascontiguousarray(planes.numpy(), dtype=np.float32)


def _pairs(k: int) -> Pairs:
    inner = [(i, j) for i in range(k) for j in range(i, k)]
    return np.array([*inner, *((i, k) for i in range(k)), (k, k)])


def _cells_like(plane: Plane, k: int) -> Plane:
    return np.empty((k, -(-plane.shape[0] // CELL), -(-plane.shape[1] // CELL)), np.float32)


@compiled
def _luminance(picture: Plane, out: Plane, first: int, last: int) -> None:
    red, green, blue = np.float32(GAIN * WEIGHTS[0]), np.float32(GAIN * WEIGHTS[1]), np.float32(GAIN * WEIGHTS[2])
    black = np.float32(-GAIN / 2)
    linear, square, cube = np.float32(CURVE[0]), np.float32(CURVE[1]), np.float32(CURVE[2])
    for y in range(first, last):
        row, result = picture[y], out[y]
        for x in range(len(result)):
            value = row[x, 0]
            result[x] = black + red * (value * (linear + value * (square + value * cube)))
        for x in range(len(result)):
            value = row[x, 1]
            result[x] += green * (value * (linear + value * (square + value * cube)))
        for x in range(len(result)):
            value = row[x, 2]
            result[x] += blue * (value * (linear + value * (square + value * cube)))


@compiled
def _blur(planes: Plane, taps: Plane, out: Plane, first: int, last: int) -> None:
    """Rows ``first`` to ``last`` of all planes in a row."""
    height, width = planes.shape[1:]
    reach = taps.size // 2
    line = np.empty(width + 2 * reach, np.float32)
    for place in range(first, last):
        y, src = place % height, planes[place // height]
        middle = line[reach : reach + width]
        row = src[y]
        tap = taps[reach]
        for x in range(width):
            middle[x] = tap * row[x]
        for k in range(1, reach + 1):
            above, below, tap = src[max(y - k, 0)], src[min(y + k, height - 1)], taps[reach + k]
            for x in range(width):
                middle[x] += tap * (above[x] + below[x])
        line[:reach] = line[reach]
        line[reach + width :] = line[reach + width - 1]
        result = out[place // height, y]
        tap = taps[reach]
        for x in range(width):
            result[x] = tap * middle[x]
        for k in range(1, reach + 1):
            left, right, tap = line[reach - k :], line[reach + k :], taps[reach + k]
            for x in range(width):
                result[x] += tap * (left[x] + right[x])


@compiled
def _spread_row(cells: Plane, y: int, line: Plane, out: Plane) -> None:
    """Row ``y`` of cells interpolated bilinearly at the pixels, whose centres are at (p + 1/2) / 4 - 1/2."""
    height, width = cells.shape
    position = max((y + np.float32(0.5)) / np.float32(CELL) - np.float32(0.5), np.float32(0))
    upper = int(position)
    weight = np.float32(position - upper)
    first, second = cells[upper], cells[min(upper + 1, height - 1)]
    for x in range(width):
        line[x + 1] = first[x] + weight * (second[x] - first[x])
    line[0], line[width + 1] = line[1], line[width]
    before, after = line, line[2:]
    middle = line[1:]
    for x in range(width):
        step = middle[x] - before[x]
        out[4 * x] = before[x] + np.float32(0.625) * step
        out[4 * x + 1] = before[x] + np.float32(0.875) * step
        step = after[x] - middle[x]
        out[4 * x + 2] = middle[x] + np.float32(0.125) * step
        out[4 * x + 3] = middle[x] + np.float32(0.375) * step


@compiled
def _warp(moving: Plane, flow: Plane, step: Plane, out: Plane, first: int, last: int) -> None:
    height, width = moving.shape
    columns, n = step.shape[2], out.shape[1]
    line = np.empty(columns + 2, np.float32)
    dx, dy = np.empty(CELL * columns, np.float32), np.empty(CELL * columns, np.float32)
    # Unsigned places are not counted from the end, so that the compiler can gather.
    upper, lower, right = np.empty(n, np.uint32), np.empty(n, np.uint32), np.empty(n, np.uint32)
    pixels = moving.reshape(-1)
    for y in range(first, last):
        _spread_row(step[0], y, line, dx)
        _spread_row(step[1], y, line, dy)
        along, down, result = flow[0, y], flow[1, y], out[y]
        for x in range(n):
            px = _inside(np.float32(x) + (along[x] + dx[x]), np.float32(width - 1))
            py = _inside(np.float32(y) + (down[x] + dy[x]), np.float32(height - 1))
            x0, y0 = np.int32(px), np.int32(py)
            dx[x], dy[x] = px - np.float32(x0), py - np.float32(y0)
            upper[x] = y0 * width + x0
            lower[x] = upper[x] + width if y0 + 1 < height else upper[x]
            right[x] = 1 if x0 + 1 < width else 0
        for x in range(n):
            above, below = pixels[upper[x]], pixels[lower[x]]
            above += dx[x] * (pixels[upper[x] + right[x]] - above)
            below += dx[x] * (pixels[lower[x] + right[x]] - below)
            result[x] = above + dy[x] * (below - above)


@compiled
def _inside(position: np.float32, last: np.float32) -> np.float32:
    position = position if position > np.float32(0) else np.float32(0)
    return position if position < last else last


@compiled
def _spread(cells: Plane, out: Plane, first: int, last: int) -> None:
    columns = cells.shape[1]
    line, spread = np.empty(columns + 2, np.float32), np.empty(CELL * columns, np.float32)
    for y in range(first, last):
        _spread_row(cells, y, line, spread)
        result = out[y]
        for x in range(out.shape[1]):
            result[x] = spread[x]


@compiled
def _cell_means(rows: Plane, pairs: Pairs, size: int, line: Plane, out: Plane, cell: int, column: int) -> None:
    """Means of products of planes, four rows of each ``(k, CELL, columns)``, into a row of cells from ``column`` on."""
    for place in range(len(pairs)):
        a, b = rows[pairs[place, 0]], rows[pairs[place, 1]]
        a0, a1, a2, a3 = a[0], a[1], a[2], a[3]
        b0, b1, b2, b3 = b[0], b[1], b[2], b[3]
        for x in range(size):
            line[x] = np.float32(0) + a0[x] * b0[x] + a1[x] * b1[x] + a2[x] * b2[x] + a3[x] * b3[x]
        _mean_of_cells(line[:size], out[place, cell, column:])


@compiled
def _mean_of_cells(total: Plane, out: Plane) -> None:
    """Sums over four rows to means of cells; the last cell is filled up by replication."""
    whole = total.size // CELL
    for x in range(whole):
        out[x] = np.float32(0.0625) * (total[4 * x] + total[4 * x + 1] + total[4 * x + 2] + total[4 * x + 3])
    if total.size % CELL:
        left = np.float32(0)
        for j in range(CELL):
            left += total[min(whole * CELL + j, total.size - 1)]
        out[whole] = np.float32(0.0625) * left


@compiled
def _product_sums(regressors: Plane, target: Plane, pairs: Pairs, out: Plane, first: int, last: int) -> None:
    height, width = target.shape
    k = len(regressors)
    rows, line = np.empty((k + 2, CELL, _COLUMNS), np.float32), np.empty(_COLUMNS, np.float32)
    rows[k] = np.float32(1)
    for cell in range(first, last):
        for start in range(0, width, _COLUMNS):
            size = min(width - start, _COLUMNS)
            for j in range(CELL):
                y = min(cell * CELL + j, height - 1)
                rows[k + 1, j, :size] = target[y, start : start + size]
                for i in range(k):
                    rows[i, j, :size] = regressors[i, y, start : start + size]
            _cell_means(rows, pairs, size, line, out, cell, start // CELL)


@compiled
def _derivatives(plane: Plane, y: int, start: int, stop: int, dx: Plane, dy: Plane, laplacian: Plane) -> None:
    """Central differences and the five-point Laplacian of a part of row ``y``; border replicated."""
    height, width = plane.shape
    above, row, below = plane[max(y - 1, 0)], plane[y], plane[min(y + 1, height - 1)]
    four, half = np.float32(4), np.float32(0.5)
    inner, end = max(start, 1), min(stop, width - 1)
    # Slices count from 0: a place that may be negative would be counted from the end, which is not vectorised.
    before, middle, after = row[inner - 1 : end - 1], row[inner:end], row[inner + 1 : end + 1]
    upper, lower, along, curve = above[inner:end], below[inner:end], dx[inner - start :], laplacian[inner - start :]
    for x in range(len(middle)):
        along[x] = (after[x] - before[x]) * half
    for x in range(len(middle)):
        curve[x] = before[x] + after[x] + upper[x] + lower[x] - four * middle[x]
    upper, lower = above[start:stop], below[start:stop]
    for x in range(len(upper)):
        dy[x] = (lower[x] - upper[x]) * half
    for x in (0, width - 1):
        if start <= x < stop:
            left, right = row[max(x - 1, 0)], row[min(x + 1, width - 1)]
            dx[x - start] = (right - left) * half
            laplacian[x - start] = left + right + above[x] + below[x] - four * row[x]


@compiled
def _step_sums(equalised: Plane, target: Plane, pairs: Pairs, out: Plane, first: int, last: int) -> None:
    height, width = target.shape
    rows, line = np.empty((6, CELL, _COLUMNS), np.float32), np.empty(_COLUMNS, np.float32)
    rows[3] = np.float32(1)
    for cell in range(first, last):
        for start in range(0, width, _COLUMNS):
            size = min(width - start, _COLUMNS)
            for j in range(CELL):
                y = min(cell * CELL + j, height - 1)
                _derivatives(equalised, y, start, start + size, rows[0, j], rows[1, j], rows[4, j])
                rows[2, j, :size] = equalised[y, start : start + size]
                rows[5, j, :size] = target[y, start : start + size]
            _cell_means(rows, pairs, size, line, out, cell, start // CELL)


@compiled
def _solve(sums: Plane, ridge: Plane, n: int, out: Plane, first: int, last: int) -> None:
    """Cholesky, in float64 as the regressors are nearly collinear; a loop over neighbouring cells innermost."""
    columns = sums.shape[2]
    factor, solution = np.empty((n, n, _CELLS)), np.empty((n, _CELLS))
    n_pairs = n * (n + 1) // 2
    for row in range(first, last):
        for start in range(0, columns, _CELLS):
            size = min(_CELLS, columns - start)
            cells = slice(start, start + size)
            place = 0
            for i in range(n):
                for j in range(i, n):
                    _copy(sums[place, row, cells], factor[j, i])
                    place += 1
                _add(ridge[i, row, cells], factor[i, i])
                _copy(sums[n_pairs + i, row, cells], solution[i])
            _cholesky(factor, solution, n, size)
            result = out[n, row, cells]
            _copy(sums[n_pairs + n, row, cells], result)
            for i in range(n):
                found, moment = out[i, row, cells], sums[n_pairs + i, row, cells]
                for c in range(size):
                    found[c] = solution[i, c]
                    result[c] -= np.float32(solution[i, c] * moment[c])


@compiled
def _copy(source: Plane, out: NDArray[np.floating]) -> None:
    for c in range(len(source)):
        out[c] = source[c]


@compiled
def _add(source: Plane, total: NDArray[np.floating]) -> None:
    for c in range(len(source)):
        total[c] += source[c]


@compiled
def _cholesky(factor: NDArray[np.float64], x: NDArray[np.float64], n: int, size: int) -> None:
    """Solve in place; the lower triangles of ``(n, n, size)`` become their factors, ``(n, size)`` the solutions."""
    for j in range(n):
        for i in range(j, n):
            for k in range(j):
                _subtract_product(factor[i, j], factor[i, k], factor[j, k], size)
        pivot = factor[j, j]
        for c in range(size):
            pivot[c] = 1 / np.sqrt(max(pivot[c], 1e-18))
        for i in range(j + 1, n):
            _multiply(factor[i, j], pivot, size)
    for i in range(n):
        for k in range(i):
            _subtract_product(x[i], factor[i, k], x[k], size)
        _multiply(x[i], factor[i, i], size)
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            _subtract_product(x[i], factor[k, i], x[k], size)
        _multiply(x[i], factor[i, i], size)


@compiled
def _subtract_product(total: NDArray[np.float64], a: NDArray[np.float64], b: NDArray[np.float64], size: int) -> None:
    for c in range(size):
        total[c] -= a[c] * b[c]


@compiled
def _multiply(total: NDArray[np.float64], a: NDArray[np.float64], size: int) -> None:
    for c in range(size):
        total[c] *= a[c]


@compiled
def _equalise(pictures: Plane, kernel: Plane, out: Plane, first: int, last: int) -> None:
    k, columns = len(pictures), kernel.shape[2]
    line, spread = np.empty(columns + 2, np.float32), np.empty(CELL * columns, np.float32)
    width = out.shape[1]
    for y in range(first, last):
        result = out[y]
        _spread_row(kernel[k], y, line, spread)
        for x in range(width):
            result[x] = spread[x]
        for i in range(k):
            _spread_row(kernel[i], y, line, spread)
            picture = pictures[i, y]
            for x in range(width):
                result[x] += spread[x] * picture[x]

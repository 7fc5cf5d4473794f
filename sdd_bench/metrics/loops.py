"""Loops of the metrics over pixels, compiled; pictures are ``(H, W, 3)``, contiguous, of one type."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.compiled import compiled, compiled_in_any_order

Floats = NDArray[np.floating[Any]]
WINDOW = 7


@compiled
def difference_sums(p: Floats, t: Floats, first: int, last: int) -> tuple[float, float]:
    """Sums of the squared and of the absolute differences in rows ``first`` to ``last``.

    Differences and squares are of the type of the pictures, sums are float64.

    Args:
        p: Prediction, ``(H, W, 3)``.
        t: Ground truth, likewise.
        first: First row.
        last: The row after the last one.
    """
    width = p.shape[1]
    squares, sizes = np.zeros(3 * width), np.zeros(3 * width)
    for y in range(first, last):
        for x in range(width):
            for c in range(3):
                difference = p[y, x, c] - t[y, x, c]
                squares[3 * x + c] += difference * difference
                sizes[3 * x + c] += abs(difference)
    square = size = 0.0
    for x in range(3 * width):
        square += squares[x]
        size += sizes[x]
    return square, size


@compiled
def ssim_sum(p: Floats, t: Floats, first: int, last: int, c1: float, c2: float) -> float:
    """Sum of SSIM over the windows whose first rows are ``first`` to ``last``; see :mod:`sdd_bench.metrics.ssim`.

    Args:
        p: Prediction, ``(H, W, 3)``.
        t: Ground truth, likewise.
        first: First row.
        last: The row after the last one.
        c1: 2 C1.
        c2: 2 C2 over the norm of covariances.
    """
    width = 3 * p.shape[1]
    n = width - 3 * (WINDOW - 1)
    share = 1.0 / (WINDOW * WINDOW)
    s, d = np.zeros(width), np.zeros(width)
    s2, d2 = np.zeros(width), np.zeros(width)
    plus, minus = np.empty((WINDOW, width)), np.empty((WINDOW, width))
    mean_s, mean_d, power_s, power_d = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    total = np.zeros(n)
    for y in range(first, last + WINDOW - 1):
        place = y % WINDOW
        new_s, new_d = plus[place], minus[place]
        if y >= first + WINDOW:
            for x in range(width):
                s[x] -= new_s[x]
                s2[x] -= new_s[x] * new_s[x]
            for x in range(width):
                d[x] -= new_d[x]
                d2[x] -= new_d[x] * new_d[x]
        for x in range(p.shape[1]):
            for c in range(3):
                a, b = np.float64(p[y, x, c]), np.float64(t[y, x, c])
                new_s[3 * x + c] = a + b
                new_d[3 * x + c] = a - b
        for x in range(width):
            s[x] += new_s[x]
            s2[x] += new_s[x] * new_s[x]
        for x in range(width):
            d[x] += new_d[x]
            d2[x] += new_d[x] * new_d[x]
        if y < first + WINDOW - 1:
            continue
        _row_means(s, mean_s, share)
        _row_means(d, mean_d, share)
        _row_means(s2, power_s, share)
        _row_means(d2, power_d, share)
        for x in range(n):
            ss, dd = mean_s[x] * mean_s[x], mean_d[x] * mean_d[x]
            vs, vd = power_s[x] - ss + c2, power_d[x] - dd
            total[x] += ((ss - dd + c1) * (vs - vd)) / ((ss + dd + c1) * (vs + vd))
    result = 0.0
    for x in range(n):
        result += total[x]
    return result


@compiled
def _row_means(sums: Floats, out: Floats, share: float) -> None:
    one, two, three = sums[3:], sums[6:], sums[9:]
    four, five, six = sums[12:], sums[15:], sums[18:]
    for x in range(len(out)):
        out[x] = share * (sums[x] + one[x] + two[x] + three[x] + four[x] + five[x] + six[x])


@compiled_in_any_order
def units(features: NDArray[np.float32], out: NDArray[np.float32], first: int, last: int) -> None:
    """Features ``(positions, channels)`` at unit length; all zero where they are."""
    for place in range(first, last):
        source, result = features[place], out[place]
        power = np.float32(0)
        for c in range(len(source)):
            power += source[c] * source[c]
        share = np.float32(1) / (np.sqrt(power) + np.float32(1e-10))
        for c in range(len(source)):
            result[c] = share * source[c]


@compiled_in_any_order
def weighted_squares(
    a: NDArray[np.float32], b: NDArray[np.float32], weights: NDArray[np.float32], first: int, last: int
) -> float:
    """Sum of the squared differences of features ``(positions, channels)``, times the weights of the channels."""
    total = 0.0
    for place in range(first, last):
        x, y = a[place], b[place]
        part = np.float32(0)
        for c in range(len(x)):
            part += weights[c] * (x[c] - y[c]) * (x[c] - y[c])
        total += float(part)
    return total

r"""Convolution of stride 1 on the processor by fewer products (Winograd; Lavin and Gray, CVPR 2016).

Tiles of :math:`m \times m` results are computed from the :math:`n \times n` inputs :math:`d` around them,
:math:`n = m + r - 1` for kernels :math:`g` of side r:

.. math:: A^T \big[ (G g G^T) \odot (B^T d B) \big] A

which takes :math:`n^2` products in place of :math:`m^2 r^2`: a quarter for r = 3 and m = 4, a sixth for r = 5. The
matrices follow from polynomials through :math:`n - 1` points and infinity. Tiles are transformed along one axis and
then along the other; the products are matrix products over some tiles at once. In float32 the result is off by some
5e-6 of the largest value, against 1e-6 of a direct sum.

A dilated convolution is a plain one on every d-th pixel, for each of the :math:`d^2` places to begin at.
"""

from __future__ import annotations

from functools import cache, partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sdd_bench.core.arrays import Plane
from sdd_bench.core.compiled import compiled
from sdd_bench.core.side_by_side import threads_here, workers

Matrix = NDArray[np.float64]
Places = NDArray[np.int64]
Terms = tuple[Places, Plane]
"""Of each row of a matrix the places that are not zero, and what stands there."""

TILE = 4
"""Side of the tiles of results, m."""
_POINTS = {6: (0.0, 1.0, -1.0, 0.5, -2.0), 8: (0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0)}
"""By n; with these the rounding errors are smallest."""
WORTH, MOST_DILATION = 64 * 64, 8
"""Products of input and output channels from which, and the dilation up to which, this is faster than a plain
convolution of side 3."""
_AT_ONCE = 64
"""Tiles at once: few stay in the cache, many read the kernels less often."""
_SMALL, _FEWEST = 1_000_000, 12
"""Products of tiles and channels up to which OpenBLAS multiplies matrices as they lie; beyond, it copies them into
another order first, which takes a third of the time. With fewer tiles at once, reading the kernels takes longer."""


class Winograd:
    """One convolution and what follows it: ReLU, or a leaky one.

    Args:
        weight: Kernels ``(O, C, r, r)`` with r of 3 or 5.
        bias: ``(O,)``.
        padding: Zeros above and below the picture, and left and right of it.
        dilation: Pixels from one tap to the next.
        slope: Of what is below zero.
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor,
        padding: tuple[int, int] = (0, 0),
        *,
        dilation: int = 1,
        slope: float = 0.0,
    ) -> None:
        self._out, channels, self._r, _ = weight.shape
        self._n = TILE + self._r - 1
        into, kernel, back = matrices(TILE, self._r)
        taps = weight.detach().double().permute(2, 3, 1, 0).reshape(self._r**2, -1).numpy()
        self._kernels = torch.from_numpy(np.kron(kernel, kernel) @ taps).float().view(-1, channels, self._out)
        self._into, self._back = _terms(into), _terms(back)
        self._bias, self._slope = bias.detach().float().numpy(), np.float32(slope)
        self._padding, self._dilation = padding, dilation
        few = _SMALL // (channels * self._out) // 4 * 4
        self._as_they_lie = few >= _FEWEST and _multiplies_as_they_lie()
        self._at_once = min(_AT_ONCE, few) if self._as_they_lie else _AT_ONCE

    def __call__(self, picture: Plane) -> Plane:
        """``(H, W, C)`` to ``(H', W', O)``, ``H' = H + 2 padding - (r - 1) dilation`` and so for W."""
        source = np.ascontiguousarray(picture, np.float32)
        reach = (self._r - 1) * self._dilation
        height, width = (side + 2 * pad - reach for side, pad in zip(source.shape, self._padding, strict=False))
        out = np.empty((height, width, self._out), np.float32)
        tiles = _tiles(height, width, self._dilation)
        threads = min(threads_here(), -(-len(tiles) // self._at_once))
        work = partial(self._convolve, source, out)
        if threads < 2:
            work(tiles)
        else:
            with workers(threads) as pool:
                list(pool.map(work, np.array_split(tiles, threads)))
        return out

    def of_batch(self, x: Tensor) -> Tensor:
        """``(N, C, H, W)`` to ``(N, O, H', W')``, channels_last."""
        found = [torch.from_numpy(self(picture.permute(1, 2, 0).numpy())) for picture in x]
        return (found[0][None] if len(found) == 1 else torch.stack(found)).permute(0, 3, 1, 2)

    @torch.inference_mode()
    def _convolve(self, source: Plane, out: Plane, tiles: Places) -> None:
        """The results of some tiles, each named by its first row and column, into ``out``."""
        places = self._n**2
        inputs, products = (
            np.empty((places, min(self._at_once, len(tiles)), channels), np.float32)
            for channels in (source.shape[2], self._out)
        )
        for first in range(0, len(tiles), self._at_once):
            part = tiles[first : first + self._at_once]
            if len(part) < inputs.shape[1]:
                inputs, products = (np.empty((places, len(part), x.shape[2]), np.float32) for x in (inputs, products))
            _transform(source, part - np.array(self._padding), self._dilation, self._into, inputs)
            if self._as_they_lie:
                np.matmul(inputs, self._kernels.numpy(), out=products)
            else:
                torch.bmm(torch.from_numpy(inputs), self._kernels, out=torch.from_numpy(products))
            _transform_back(products, self._n, part, self._dilation, self._back, self._bias, self._slope, out)


@cache
def _multiplies_as_they_lie() -> bool:
    """Whether NumPy's products of small matrices are the faster ones: OpenBLAS on a processor with AVX-512."""
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"]  # type: ignore[call-overload]
    return "openblas" in blas and torch.backends.cpu.get_cpu_capability() == "AVX512"


def matrices(m: int, r: int) -> tuple[Matrix, Matrix, Matrix]:
    r""":math:`B^T` ``(n, n)``, :math:`G` ``(n, r)`` and :math:`A^T` ``(m, n)`` for m results of r taps.

    Example:
        >>> into, kernel, back = matrices(4, 3)
        >>> signal, taps = np.arange(6.0) ** 2, np.array([1.0, 2.0, 3.0])
        >>> (back @ ((kernel @ taps) * (into @ signal))).round(9).tolist()
        [14.0, 36.0, 70.0, 116.0]
    """
    n = m + r - 1
    points = np.array(_POINTS[n])
    into, kernel, back = np.zeros((n, n)), np.zeros((n, r)), np.zeros((m, n))
    for place, point in enumerate(points):
        others = np.delete(points, place)
        into[place, :-1] = np.polynomial.polynomial.polyfromroots(others)
        kernel[place] = point ** np.arange(r) / np.prod(point - others)
        back[:, place] = point ** np.arange(m)
    into[-1] = np.polynomial.polynomial.polyfromroots(points)
    kernel[-1, -1] = back[-1, -1] = 1
    return into, kernel, back


def _terms(matrix: Matrix) -> Terms:
    """What is not zero in each row; with zeros in rows that have less than others.

    Example:
        >>> [values.tolist() for values in _terms(np.array([[0.0, 2.0, 1.0], [3.0, 0.0, 0.0]]))]
        [[[1, 2], [0, 1]], [[2.0, 1.0], [3.0, 0.0]]]
    """
    most = int((matrix != 0).sum(axis=1).max())
    places = np.sort(np.argsort(matrix == 0, axis=1, kind="stable")[:, :most], axis=1)
    return places, np.take_along_axis(matrix, places, axis=1).astype(np.float32)


def _tiles(height: int, width: int, dilation: int) -> Places:
    """First row and column of every tile of results, ``(n, 2)``: row by row of each place to begin at."""
    places = []
    for top in range(min(dilation, height)):
        for left in range(min(dilation, width)):
            rows, columns = np.arange(top, height, TILE * dilation), np.arange(left, width, TILE * dilation)
            places.append(np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2))
    return np.concatenate(places)


@compiled
def _combine(source: Plane, base: int, step: int, terms: Terms, row: int, out: Plane, first: int, size: int) -> None:
    """``size`` values of ``out`` from ``first`` on: the sum of the terms of a row, each a factor times as many values
    of ``source``, of which those of place k begin at ``base + k step``.

    Both are flat, and indices unsigned, for speed: no slice is made, and no index is counted from the end.
    """
    places, factors = terms
    p, q = np.uint64(base + places[row, 0] * step), np.uint64(base + places[row, 1] * step)
    r, s = np.uint64(base + places[row, 2] * step), np.uint64(base + places[row, 3] * step)
    t, o = np.uint64(base + places[row, 4] * step), np.uint64(first)
    a, b, c, d, e = factors[row, 0], factors[row, 1], factors[row, 2], factors[row, 3], factors[row, 4]
    if factors.shape[1] == 5:
        for x in range(np.uint64(size)):
            value = a * source[p + x] + b * source[q + x] + c * source[r + x] + d * source[s + x] + e * source[t + x]
            out[o + x] = value
        return
    u, f = np.uint64(base + places[row, 5] * step), factors[row, 5]
    if factors.shape[1] == 6:
        for x in range(np.uint64(size)):
            value = a * source[p + x] + b * source[q + x] + c * source[r + x] + d * source[s + x] + e * source[t + x]
            out[o + x] = value + f * source[u + x]
        return
    v, g = np.uint64(base + places[row, 6] * step), factors[row, 6]
    for x in range(np.uint64(size)):
        value = a * source[p + x] + b * source[q + x] + c * source[r + x] + d * source[s + x] + e * source[t + x]
        out[o + x] = value + f * source[u + x] + g * source[v + x]


@compiled
def _finish(
    source: Plane, base: int, terms: Terms, row: int, bias: Plane, slope: np.float32, out: Plane, first: int
) -> None:
    """As :func:`_combine` of 5 or 7 terms for as many values as ``bias`` has, each place right after the one before;
    with bias and what follows."""
    places, factors = terms
    step = len(bias)
    p, q = np.uint64(base + places[row, 0] * step), np.uint64(base + places[row, 1] * step)
    r, s = np.uint64(base + places[row, 2] * step), np.uint64(base + places[row, 3] * step)
    t, o = np.uint64(base + places[row, 4] * step), np.uint64(first)
    a, b, c, d, e = factors[row, 0], factors[row, 1], factors[row, 2], factors[row, 3], factors[row, 4]
    if factors.shape[1] == 5:
        for x in range(np.uint64(step)):
            value = a * source[p + x] + b * source[q + x] + c * source[r + x] + d * source[s + x] + e * source[t + x]
            value += bias[x]
            out[o + x] = value if value > np.float32(0) else slope * value
        return
    u, f = np.uint64(base + places[row, 5] * step), factors[row, 5]
    v, g = np.uint64(base + places[row, 6] * step), factors[row, 6]
    for x in range(np.uint64(step)):
        value = a * source[p + x] + b * source[q + x] + c * source[r + x] + d * source[s + x] + e * source[t + x]
        value += f * source[u + x] + g * source[v + x] + bias[x]
        out[o + x] = value if value > np.float32(0) else slope * value


@compiled
def _transform(source: Plane, tiles: Places, dilation: int, terms: Terms, out: Plane) -> None:
    """``B^T d B`` of the tiles whose inputs begin at ``tiles``; zero outside: ``(n**2, tiles, C)``."""
    height, width, channels = source.shape
    n, at_once = len(terms[0]), out.shape[1]
    reach = (n - 1) * dilation
    pixels, results = source.reshape(-1), out.reshape(-1)
    beside, half = np.empty(n * n * channels, np.float32), np.empty(n * n * channels, np.float32)
    for tile in range(len(tiles)):
        top, left = tiles[tile]
        if min(top, left) >= 0 and top + reach < height and left + reach < width:
            taken, base, down, along = pixels, (top * width + left) * channels, dilation * width, dilation
        else:
            for i in range(n):
                for j in range(n):
                    y, x = top + i * dilation, left + j * dilation
                    line = beside[(i * n + j) * channels : (i * n + j + 1) * channels]
                    if 0 <= y < height and 0 <= x < width:
                        line[:] = source[y, x]
                    else:
                        line[:] = np.float32(0)
            taken, base, down, along = beside, 0, n, 1
        for i in range(n):
            if along == 1:  # columns that lie side by side are one
                _combine(taken, base, down * channels, terms, i, half, i * n * channels, n * channels)
                continue
            for j in range(n):
                start = base + j * along * channels
                _combine(taken, start, down * channels, terms, i, half, (i * n + j) * channels, channels)
        for i in range(n):
            for j in range(n):
                place = ((i * n + j) * at_once + tile) * channels
                _combine(half, i * n * channels, channels, terms, j, results, place, channels)


@compiled
def _transform_back(
    products: Plane, n: int, tiles: Places, dilation: int, terms: Terms, bias: Plane, slope: np.float32, out: Plane
) -> None:
    """``A^T M A`` of the tiles, with bias and what follows, to the results inside of ``out``."""
    height, width, channels = out.shape
    m, at_once = len(terms[0]), products.shape[1]
    values, results, half = products.reshape(-1), out.reshape(-1), np.empty(m * n * channels, np.float32)
    for tile in range(len(tiles)):
        for i in range(m):
            for j in range(n):
                start = (j * at_once + tile) * channels
                _combine(values, start, n * at_once * channels, terms, i, half, (i * n + j) * channels, channels)
        for i in range(m):
            y = tiles[tile, 0] + i * dilation
            for j in range(m):
                x = tiles[tile, 1] + j * dilation
                if y < height and x < width:
                    _finish(half, i * n * channels, terms, j, bias, slope, results, (y * width + x) * channels)

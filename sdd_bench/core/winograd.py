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

from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sdd_bench.core.arrays import Plane
from sdd_bench.core.compiled import compiled
from sdd_bench.core.side_by_side import threads_here, workers

Matrix = NDArray[np.float64]
Places = NDArray[np.int64]

TILE = 4
"""Side of the tiles of results, m."""
_POINTS = {6: (0.0, 1.0, -1.0, 0.5, -2.0), 8: (0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0)}
"""By n; with these the rounding errors are smallest."""
WORTH = 96 * 96
"""Products of input and output channels from which this is faster than a plain convolution of side 3."""
_AT_ONCE = 64
"""Tiles at once: few stay in the cache, many read the kernels less often."""


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
        self._into, self._back = into.astype(np.float32), back.astype(np.float32)
        self._bias, self._slope = bias.detach().float().numpy(), np.float32(slope)
        self._padding, self._dilation = padding, dilation

    def __call__(self, picture: Plane) -> Plane:
        """``(H, W, C)`` to ``(H', W', O)``, ``H' = H + 2 padding - (r - 1) dilation`` and so for W."""
        source = np.ascontiguousarray(picture, np.float32)
        reach = (self._r - 1) * self._dilation
        height, width = (side + 2 * pad - reach for side, pad in zip(source.shape, self._padding, strict=False))
        out = np.empty((height, width, self._out), np.float32)
        tiles = _tiles(height, width, self._dilation)
        threads = min(threads_here(), -(-len(tiles) // _AT_ONCE))
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
            np.empty((places, min(_AT_ONCE, len(tiles)), channels), np.float32)
            for channels in (source.shape[2], self._out)
        )
        for first in range(0, len(tiles), _AT_ONCE):
            part = tiles[first : first + _AT_ONCE]
            if len(part) < inputs.shape[1]:
                inputs, products = (np.empty((places, len(part), x.shape[2]), np.float32) for x in (inputs, products))
            _transform(source, part - np.array(self._padding), self._dilation, self._into, inputs)
            torch.bmm(torch.from_numpy(inputs), self._kernels, out=torch.from_numpy(products))
            _transform_back(products, part, self._dilation, self._back, self._bias, self._slope, out)


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


def _tiles(height: int, width: int, dilation: int) -> Places:
    """First row and column of every tile of results, ``(n, 2)``: row by row of each place to begin at."""
    places = []
    for top in range(min(dilation, height)):
        for left in range(min(dilation, width)):
            rows, columns = np.arange(top, height, TILE * dilation), np.arange(left, width, TILE * dilation)
            places.append(np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2))
    return np.concatenate(places)


@compiled
def _combine(factors: Plane, rows: Plane, out: Plane) -> None:
    """``factors`` ``(n,)`` times ``rows`` ``(n, C)``, summed, for n of 6 or 8."""
    a, b, c, d, e, f = factors[0], factors[1], factors[2], factors[3], factors[4], factors[5]
    r, s, t, u, v, w = rows[0], rows[1], rows[2], rows[3], rows[4], rows[5]
    if len(factors) == 6:
        for x in range(len(out)):
            out[x] = a * r[x] + b * s[x] + c * t[x] + d * u[x] + e * v[x] + f * w[x]
    else:
        g, h, y, z = factors[6], factors[7], rows[6], rows[7]
        for x in range(len(out)):
            out[x] = a * r[x] + b * s[x] + c * t[x] + d * u[x] + e * v[x] + f * w[x] + g * y[x] + h * z[x]


@compiled
def _transform(source: Plane, tiles: Places, dilation: int, into: Plane, out: Plane) -> None:
    """``B^T d B`` of the tiles whose inputs begin at ``tiles``; zero outside: ``(n**2, tiles, C)``."""
    height, width, channels = source.shape
    n = len(into)
    columns, half = np.empty((n, n, channels), np.float32), np.empty((n, n, channels), np.float32)
    for tile in range(len(tiles)):
        for i in range(n):
            y = tiles[tile, 0] + i * dilation
            for j in range(n):
                x = tiles[tile, 1] + j * dilation
                if 0 <= y < height and 0 <= x < width:
                    columns[j, i] = source[y, x]
                else:
                    columns[j, i] = np.float32(0)
        for j in range(n):
            for i in range(n):
                _combine(into[i], columns[j], half[i, j])
        for i in range(n):
            for j in range(n):
                _combine(into[j], half[i], out[i * n + j, tile])


@compiled
def _transform_back(
    products: Plane, tiles: Places, dilation: int, back: Plane, bias: Plane, slope: np.float32, out: Plane
) -> None:
    """``A^T M A`` of the tiles, with bias and what follows, to the results inside of ``out``."""
    height, width, channels = out.shape
    m, n = back.shape
    columns, half = np.empty((n, n, channels), np.float32), np.empty((m, n, channels), np.float32)
    for tile in range(len(tiles)):
        for i in range(n):
            for j in range(n):
                columns[j, i] = products[i * n + j, tile]
        for j in range(n):
            for i in range(m):
                _combine(back[i], columns[j], half[i, j])
        for i in range(m):
            y = tiles[tile, 0] + i * dilation
            for j in range(m):
                x = tiles[tile, 1] + j * dilation
                if y < height and x < width:
                    result = out[y, x]
                    _combine(back[j], half[i], result)
                    for c in range(channels):
                        value = result[c] + bias[c]
                        result[c] = value if value > np.float32(0) else slope * value

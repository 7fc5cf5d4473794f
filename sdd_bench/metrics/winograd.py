r"""Convolution of stride 1 by fewer products (Winograd; Lavin and Gray, CVPR 2016).

Tiles of :math:`m \times m` results are computed from the :math:`n \times n` inputs :math:`d` around them,
:math:`n = m + r - 1` for kernels :math:`g` of side r:

.. math:: A^T \big[ (G g G^T) \odot (B^T d B) \big] A

which takes :math:`n^2` products in place of :math:`m^2 r^2`: a quarter for r = 3 and m = 4, a sixth for r = 5. The
matrices follow from polynomials through :math:`n - 1` points and infinity. All three steps are matrix products. In
float32 the result is off by some 5e-6 of the largest value, against 1e-6 of a direct sum.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

Matrix = NDArray[np.float64]

TILE = 4
"""Side of the tiles of results, m."""
_POINTS = {6: (0.0, 1.0, -1.0, 0.5, -2.0), 8: (0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0)}
"""By n; with these the rounding errors are smallest."""


class Winograd:
    """One convolution and ReLU.

    Args:
        weight: Kernels ``(O, C, r, r)`` with r of 3 or 5.
        bias: ``(O,)``.
        padding: Zeros left and right of the picture; none above and below.
    """

    def __init__(self, weight: Tensor, bias: Tensor, padding: int = 0) -> None:
        out, channels, self._r, _ = weight.shape
        self._n = TILE + self._r - 1
        into, kernel, back = matrices(TILE, self._r)
        taps = weight.double().permute(2, 3, 1, 0).reshape(self._r**2, -1).numpy()
        self._kernels = torch.from_numpy(np.kron(kernel, kernel) @ taps).float().view(-1, channels, out)
        self._into, self._back = (torch.from_numpy(np.kron(x, x)).float() for x in (into, back))
        self._bias, self._padding = bias, padding

    def __call__(self, picture: Tensor) -> Tensor:
        """``(H, W, C)`` to ``(H - r + 1, W + 2 padding - r + 1, O)``; one row of tiles at a time."""
        height, width = picture.shape[0] - self._r + 1, picture.shape[1] + 2 * self._padding - self._r + 1
        rows, columns = -(-height // TILE), -(-width // TILE)
        right, below = self._padding + columns * TILE - width, rows * TILE - height
        picture = F.pad(picture, (0, 0, self._padding, right, 0, below))
        out = picture.new_empty(rows, TILE, columns, TILE, len(self._bias))
        for row in range(rows):
            tiles = picture[row * TILE : row * TILE + self._n].unfold(1, self._n, TILE)  # (n, columns, C, n)
            inputs = self._into @ tiles.permute(0, 3, 1, 2).reshape(self._n**2, -1)
            products = torch.bmm(inputs.view(self._n**2, columns, -1), self._kernels)
            results = (self._back @ products.view(self._n**2, -1)).view(TILE, TILE, columns, -1)
            torch.add(results.transpose(1, 2), self._bias, out=out[row]).relu_()
        return out.view(rows * TILE, columns * TILE, -1)[:height, :width]


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

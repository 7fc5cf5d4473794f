r"""A border that lets a picture pass as periodic, so that deconvolution does not ring at its edges.

The picture is padded by its edge pixels, then tapered as by MATLAB's ``edgetaper``:

.. math:: I' = A I + (1 - A) (k \circledast I), \qquad A = (1 - r_h) (1 - r_v) ,

where :math:`r` is the autocorrelation of the kernel's projection on an axis, 1 at the plane's edge. It takes the
picture as it is inside and the circularly blurred one at the edge.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.arrays import Plane
from sdd_bench.deconvolution.fourier import Spectrum, backward, forward, good_length

TAPERS = 4
"""How often the published recipe tapers."""


def border(shape: tuple[int, int], kernel: NDArray[np.float32]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Pixels to pad before and after each axis: the kernel's half-width, and after it up to a length good for FFTs."""
    sides = []
    for length, size in zip(shape, kernel.shape, strict=True):
        half = size // 2
        sides.append((half, good_length(length + 2 * half) - length - half))
    return sides[0], sides[1]


def taper_weights(kernel: NDArray[np.float32], shape: tuple[int, int]) -> Plane:
    """``A``, ``(H, W)`` float32 in [0, 1]: 0 on the plane's edge, 1 farther inside than the kernel is wide."""
    rows, columns = (1 - _autocorrelation(kernel.sum(axis=1 - axis, dtype=np.float64), shape[axis]) for axis in (0, 1))
    return np.outer(rows, columns).astype(np.float32)


def taper(plane: Plane, transfer: Spectrum, weights: Plane, *, times: int = TAPERS) -> Plane:
    """``plane`` tapered ``times`` times by the kernel whose transfer function and weights are given."""
    for _ in range(times):
        blurred = backward(forward(plane) * transfer, plane.shape)
        plane = blurred + weights * (plane - blurred)
    return plane


def _autocorrelation(projection: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    """Circular, of period ``length - 1`` (so that both ends are its peak), its peak 1."""
    period = max(1, length - 1)
    folded = np.zeros(period)
    np.add.at(folded, np.arange(projection.size) % period, projection)
    power = np.abs(np.fft.rfft(folded)) ** 2
    correlation = np.fft.irfft(power, period) if period > 1 else power
    correlation /= correlation[0]
    return np.append(correlation, correlation[0])[:length]

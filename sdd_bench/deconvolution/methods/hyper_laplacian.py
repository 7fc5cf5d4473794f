r"""Deconvolution under a hyper-Laplacian prior of the gradients.

.. math:: \min_x \tfrac{\lambda}{2} \|k * x - y\|^2 + \sum |D_h x|^\alpha + |D_v x|^\alpha

with forward differences and circular ends: Krishnan and Fergus, "Fast Image Deconvolution using Hyper-Laplacian Priors"
(NIPS 2009). Half-quadratic splitting: gradients :math:`w` are shrunk
(:mod:`sdd_bench.deconvolution.methods.shrinkage`), then

.. math:: F x = \frac{\bar K Y + \frac{\beta}{\lambda} \sum_j \bar D_j F w_j}
                     {|K|^2 + \frac{\beta}{\lambda} \sum_j |D_j|^2}

(Eq. 4), while :math:`\beta` grows from 1 by factors of :math:`2 \sqrt 2` below 256: six rounds. The sum over j is taken
before its transform, so a round costs two transforms.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from sdd_bench.core.arrays import Plane
from sdd_bench.core.errors import ConfigError
from sdd_bench.deconvolution.fourier import Spectrum, backward, forward, gradient_power, workers
from sdd_bench.deconvolution.methods.shrinkage import shrink

_BETA_FACTOR = 2 * math.sqrt(2)
_ROWS = 32
"""Rows shrunk at a time: few enough for the temporaries to stay in a core's cache."""


@dataclass(frozen=True)
class HyperLaplacian:
    """Options of the method.

    Raises:
        ConfigError: A value is out of range.
    """

    fidelity: float = 2000.0
    r"""Weight :math:`\lambda` of the data; the noisier the picture, the smaller."""
    alpha: float = 2 / 3
    """Exponent of the prior, in (0, 1.9], or 2."""
    largest_beta: float = 256.0
    r"""Where :math:`\beta` stops growing."""

    def __post_init__(self) -> None:
        if not 0 < self.fidelity < math.inf:
            raise ConfigError(f"lambda: expected a positive number, got {self.fidelity}.")
        if not (0 < self.alpha <= 1.9 or self.alpha == 2):
            raise ConfigError(f"alpha: expected an exponent above 0 and up to 1.9, or 2; got {self.alpha}.")
        if not 1 < self.largest_beta < math.inf:
            raise ConfigError(f"largest_beta: expected a number above 1, got {self.largest_beta}.")

    def bind(self, transfer: Spectrum, shape: tuple[int, int]) -> Callable[[Plane], Plane]:
        """The solver of one periodic plane; see :class:`sdd_bench.deconvolution.solve.Method`."""
        power = transfer.real**2 + transfer.imag**2
        roughness = gradient_power(shape)

        def solve(blurry: Plane) -> Plane:
            data = forward(blurry)
            data *= transfer.conj()
            x = blurry
            for beta in self.betas():
                share = np.float32(beta / self.fidelity)
                spectrum = forward(shrunk_divergence(x, beta=beta, alpha=self.alpha))
                spectrum *= share
                spectrum += data
                spectrum /= power + share * roughness
                x = backward(spectrum, shape)
            return x

        return solve

    def betas(self) -> list[float]:
        """The rounds' values of beta."""
        rounds = math.ceil(math.log(self.largest_beta) / math.log(_BETA_FACTOR) - 1e-9)
        return [_BETA_FACTOR**number for number in range(rounds)]


def shrunk_divergence(x: Plane, *, beta: float, alpha: float) -> Plane:
    """``sum_j D_j^T w_j`` of the shrunk gradients w_j of the periodic plane ``x``."""
    out = np.empty_like(x)
    tops = range(0, x.shape[0], _ROWS)
    n_threads = min(workers(), len(tops))

    def strip(top: int) -> None:
        rows = np.arange(top - 1, min(top + _ROWS, x.shape[0]) + 1) % x.shape[0]
        _divergence_of_strip(x[rows], out[top : top + _ROWS], beta, alpha)

    if n_threads == 1:
        for top in tops:
            strip(top)
    else:
        with ThreadPoolExecutor(n_threads) as pool:
            list(pool.map(strip, tops))
    return out


def _divergence_of_strip(x: Plane, out: Plane, beta: float, alpha: float) -> None:
    """``x`` has one more row above and below than ``out``."""
    down = shrink(x[1:] - x[:-1], beta=beta, alpha=alpha)
    np.subtract(down[:-1], down[1:], out=out)
    inner = x[1:-1]
    across = np.empty_like(inner)
    np.subtract(inner[:, 1:], inner[:, :-1], out=across[:, :-1])
    np.subtract(inner[:, 0], inner[:, -1], out=across[:, -1])
    across = shrink(across, beta=beta, alpha=alpha)
    out -= across
    out[:, 1:] += across[:, :-1]
    out[:, 0] += across[:, -1]

r"""Wiener's filter, for pictures whose power falls with the square of the frequency.

.. math:: F x = \frac{\bar K Y}{|K|^2 + r \, (|D_h|^2 + |D_v|^2)}

The ratio of the noise's power to the picture's is :math:`r (|D_h|^2 + |D_v|^2)`, since the spectrum of natural pictures
falls as 1/|D|^2 (Field, 1987). It is the hyper-Laplacian's minimum at alpha = 2, with :math:`r = 2 / \lambda`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sdd_bench.core.arrays import Plane
from sdd_bench.core.errors import ConfigError
from sdd_bench.deconvolution.fourier import Spectrum, backward, forward, gradient_power


@dataclass(frozen=True)
class Wiener:
    """Options of the method.

    Raises:
        ConfigError: ``noise_ratio`` is not positive.
    """

    noise_ratio: float = 0.02
    """Power of the noise over that of the picture's gradients, r."""

    def __post_init__(self) -> None:
        if not 0 < self.noise_ratio < math.inf:
            raise ConfigError(f"noise_ratio: expected a positive number, got {self.noise_ratio}.")

    def bind(self, transfer: Spectrum, shape: tuple[int, int]) -> Callable[[Plane], Plane]:
        """The solver of one periodic plane; see :class:`sdd_bench.deconvolution.solve.Method`."""
        power = transfer.real**2 + transfer.imag**2
        power += np.float32(self.noise_ratio) * gradient_power(shape)
        inverse = np.asarray(transfer.conj() / power, np.complex64)
        return lambda blurry: backward(forward(blurry) * inverse, shape)

r"""Richardson-Lucy deconvolution: the most likely picture under photon noise, by multiplicative steps.

.. math:: x \leftarrow x \cdot \tilde k * \frac{y}{k * x}

with :math:`\tilde k` the kernel turned by 180 degrees; x starts as y and stays non-negative. Richardson (1972), Lucy
(1974). Noise grows with the number of steps, so they are few.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sdd_bench.core.arrays import Plane
from sdd_bench.core.errors import ConfigError
from sdd_bench.deconvolution.fourier import Spectrum, backward, forward

_DARKEST = np.float32(1e-3)
"""A quarter of an 8-bit step: keeps the ratio finite where the picture is black."""


@dataclass(frozen=True)
class RichardsonLucy:
    """Options of the method.

    Raises:
        ConfigError: ``steps`` is below 1.
    """

    steps: int = 15
    """Multiplicative steps."""

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ConfigError(f"steps: expected 1 or more, got {self.steps}.")

    def bind(self, transfer: Spectrum, shape: tuple[int, int]) -> Callable[[Plane], Plane]:
        """The solver of one periodic plane; see :class:`sdd_bench.deconvolution.solve.Method`."""
        turned = transfer.conj()

        def solve(blurry: Plane) -> Plane:
            y = np.maximum(blurry, _DARKEST)
            x = y
            for _ in range(self.steps):
                blurred: Plane = np.maximum(backward(forward(x) * transfer, shape), _DARKEST)
                ratio = np.divide(y, blurred, dtype=np.float32)
                x = np.maximum(x * backward(forward(ratio) * turned, shape), np.float32(0))
            return x

        return solve

r"""Blur kernels of a given spread, and what a blur map's number means for a disk.

A blur map holds :math:`\sigma`, the standard deviation of a Gaussian blur in pixels. Defocus is nearer to a disk.
Along each axis a disk of diameter :math:`c` has the standard deviation :math:`c / 4`, so the disk of the same spread
is that of

.. math:: c = 4 \sigma .
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.errors import ConfigError
from sdd_bench.optics.kernels import aperture_kernel

Kernel = NDArray[np.float32]

_LARGEST_HALF_WIDTH = 50
"""Half of the 101 pixels on which the published recipe draws its Gaussians."""
_NEGLIGIBLE = float(np.finfo(np.float64).eps)
"""Share of the peak below which the published recipe (MATLAB's ``fspecial``) takes a Gaussian to be zero."""


def coc_from_sigma(sigma_px: float) -> float:
    """Diameter of the disk that spreads as far as a Gaussian of ``sigma_px``."""
    return 4.0 * sigma_px


def sigma_from_coc(coc_diameter_px: float) -> float:
    """Standard deviation, per axis, of a disk of ``coc_diameter_px``."""
    return coc_diameter_px / 4.0


def gaussian_kernel(sigma_px: float) -> Kernel:
    """A sampled Gaussian as the published recipe cuts it: above 2.2e-16 of its peak, at most 101 pixels wide.

    Args:
        sigma_px: Standard deviation, 0 or more.

    Returns:
        ``(K, K)`` float32, K odd, sum 1; one pixel for sigma below 0.118.

    Raises:
        ConfigError: ``sigma_px`` is negative or not finite.

    Example:
        >>> gaussian_kernel(1.0).shape, gaussian_kernel(0.1).tolist()
        ((17, 17), [[1.0]])
    """
    _check(sigma_px)
    reach = math.sqrt(-2 * math.log(_NEGLIGIBLE)) * sigma_px
    return _gaussian(sigma_px, min(_LARGEST_HALF_WIDTH, math.floor(reach)))


def compact_gaussian_kernel(sigma_px: float) -> Kernel:
    """A Gaussian cut at four standard deviations, beyond which 0.03 % of it lie: smaller borders, faster tiles."""
    _check(sigma_px)
    return _gaussian(sigma_px, math.ceil(4 * sigma_px - 0.5))


def disk_kernel(sigma_px: float) -> Kernel:
    """The disk of the same spread, ``4 * sigma_px`` in diameter."""
    _check(sigma_px)
    return aperture_kernel(coc_from_sigma(sigma_px))


KERNELS: dict[str, Callable[[float], Kernel]] = {
    "gaussian": compact_gaussian_kernel,
    "gaussian-published": gaussian_kernel,
    "disk": disk_kernel,
}
"""Kernels by name, each a function of sigma in pixels."""


def _check(sigma_px: float) -> None:
    if not (sigma_px >= 0 and math.isfinite(sigma_px)):
        raise ConfigError(f"sigma: expected a spread of 0 px or more, got {sigma_px}.")


def _gaussian(sigma_px: float, half: int) -> Kernel:
    if half <= 0:
        return np.ones((1, 1), np.float32)
    profile = np.exp(-0.5 * (np.arange(-half, half + 1) / sigma_px) ** 2)
    profile /= profile.sum()
    return np.outer(profile, profile).astype(np.float32)

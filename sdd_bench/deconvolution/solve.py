"""Deconvolution of a whole picture by one kernel: border, method, crop.

A method is a class whose instances are options; its ``bind`` takes what depends on kernel and size alone, and gives the
function that solves one periodic plane. Colours are solved one after the other, so memory is that of one plane.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.arrays import Plane
from sdd_bench.core.errors import ConfigError, ImageError
from sdd_bench.deconvolution.edge_taper import TAPERS, border, taper, taper_weights
from sdd_bench.deconvolution.fourier import Spectrum, transfer_function

Picture = NDArray[np.float32]


class Method(Protocol):
    """A non-blind deconvolution of periodic planes."""

    def bind(self, transfer: Spectrum, shape: tuple[int, int]) -> Callable[[Plane], Plane]:
        """The function from a blurry periodic plane ``(H, W)`` to the sharp one, for one kernel's transfer function."""
        ...


def deconvolve(picture: Picture, kernel: NDArray[np.float32], method: Method, *, tapers: int = TAPERS) -> Picture:
    """Deconvolve a picture by one kernel.

    Args:
        picture: ``(H, W, C)`` float32.
        kernel: ``(K, K)``, K odd, sum 1; convolved with the sharp picture it gives the blurry one.
        method: How.
        tapers: How often the border is tapered.

    Returns:
        ``(H, W, C)`` float32, not clipped. A kernel of one pixel returns a copy of the picture.

    Raises:
        ImageError: ``picture`` is not ``(H, W, C)``.
        ConfigError: The kernel has an even side.
    """
    if picture.ndim != 3:
        raise ImageError(f"deconvolution: expected a picture (H, W, C), got {picture.shape}.")
    if kernel.ndim != 2 or kernel.shape[0] % 2 == 0 or kernel.shape[1] % 2 == 0:
        raise ConfigError(f"deconvolution: expected a kernel with odd sides, got {kernel.shape}.")
    if kernel.size == 1:
        return picture.copy()
    height, width, n_colors = picture.shape
    sides = border((height, width), kernel)
    (top, bottom), (left, right) = sides
    shape = (top + height + bottom, left + width + right)
    transfer, weights = transfer_function(kernel, shape), taper_weights(kernel, shape)
    solve = method.bind(transfer, shape)
    out = np.empty(picture.shape, np.float32)
    for color in range(n_colors):
        padded = np.pad(picture[..., color], sides, mode="edge").astype(np.float32, copy=False)
        solved = solve(taper(padded, transfer, weights, times=tapers))
        out[..., color] = solved[top : top + height, left : left + width]
    return out

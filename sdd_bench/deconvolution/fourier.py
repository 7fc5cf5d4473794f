"""Real Fourier transforms of planes, and the border a picture needs before it is taken for periodic."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from sdd_bench.core.arrays import Plane
from sdd_bench.core.threads import cores

Spectrum = NDArray[np.complex64]


_here = threading.local()


def workers() -> int:
    """Threads for the work on one plane: all that this process may have, or 1 after :func:`stay_on_one_core`."""
    return 1 if getattr(_here, "alone", False) else cores()


def stay_on_one_core() -> None:
    """Let the calling thread work alone from now on: others work on other planes."""
    _here.alone = True


def forward(plane: Plane) -> Spectrum:
    """Spectrum of a real plane, ``(H, W // 2 + 1)`` complex64."""
    return np.asarray(fft.rfft2(plane, workers=workers()))


def backward(spectrum: Spectrum, shape: tuple[int, int]) -> Plane:
    """The real plane of a spectrum; the spectrum is used up."""
    return np.asarray(fft.irfft2(spectrum, s=shape, workers=workers(), overwrite_x=True))


def good_length(n: int) -> int:
    """The next length from ``n`` on whose transform is fast."""
    return int(fft.next_fast_len(n, real=True))


def transfer_function(kernel: NDArray[np.float32], shape: tuple[int, int]) -> Spectrum:
    """Spectrum of a kernel whose middle pixel lies at the origin of a periodic plane of ``shape``.

    A kernel larger than the plane wraps around, as circular convolution by it does.
    """
    height, width = kernel.shape
    rows = np.arange(-(height // 2), height - height // 2) % shape[0]
    columns = np.arange(-(width // 2), width - width // 2) % shape[1]
    plane = np.zeros(shape, np.float32)
    np.add.at(plane, np.ix_(rows, columns), kernel)
    return forward(plane)


def gradient_power(shape: tuple[int, int]) -> Plane:
    """``|D_h|^2 + |D_v|^2``: the power with which circular forward differences pass a frequency."""
    rows = 4 * np.sin(np.pi * np.fft.fftfreq(shape[0])) ** 2
    columns = 4 * np.sin(np.pi * np.fft.rfftfreq(shape[1])) ** 2
    return (rows[:, None] + columns).astype(np.float32)

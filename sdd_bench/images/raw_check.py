"""Checking that a decoded RAW file is a picture, because some damaged files decode to garbage without an error."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

_MAX_CONSTANT = 0.99
"""Share of samples that may have one value: in a buffer that was not filled it is larger."""
_MIN_CORRELATION = 0.2
"""Correlation of neighbouring samples in a picture, at least."""
_MIN_FULL_WELL = 50.0
"""Electrons that saturate the noisiest sensor considered, fewer than at any camera's highest ISO."""
_MAX_READ_NOISE = 0.02
"""Noise of that sensor in the dark, as a share of its range."""
_BLOCK = 16
"""Side of the blocks that are averaged, in samples: the mean of 256 has a sixteenth of the noise."""
_BULK = 0.995
"""Share of the samples below the ceiling at which the others are cut, so that a few hot ones do not dominate."""


def garbage(mosaic: NDArray[np.uint16], *, step: tuple[int, int], black: float, white: float) -> str:
    """Why the samples of a RAW file are not a picture; empty if they may be one.

    Neighbouring samples of one colour must correlate in both directions. High noise on a plain subject (a wall, the
    night sky) hides this correlation. Such a picture passes if its noise is no larger than a sensor's can be *and* the
    means over blocks, where noise averages out, correlate. Garbage fails one of the two: its "noise" spans the whole
    range, or its means do not correlate.

    Args:
        mosaic: Samples, (H, W), from the first one of the colour examined on.
        step: Distance between samples of that colour, down and to the right.
        black: Sample value without light.
        white: Sample value at saturation.

    Example:
        >>> garbage(np.full((64, 64), 5, np.uint16), step=(1, 1), black=0, white=1023)
        '100.0% of its samples are 5'
        >>> ramp = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint16)
        >>> garbage(ramp, step=(1, 1), black=0, white=1023)
        ''
    """
    values = np.bincount(mosaic.ravel(), minlength=1)
    constant = values.max() / mosaic.size
    if constant > _MAX_CONSTANT:
        return f"{constant:.1%} of its samples are {values.argmax()}"
    samples = mosaic[:: step[0], :: step[1]]
    # A few hot or saturated samples must not outweigh all others.
    ceiling = np.searchsorted(np.bincount(samples.ravel()).cumsum(), _BULK * samples.size)
    plane, bulk = samples.astype(np.float32), np.minimum(samples, ceiling).astype(np.float32)
    correlation = max(_neighbour_correlation(plane), _neighbour_correlation(bulk))
    if correlation >= _MIN_CORRELATION:
        return ""
    noise = float(np.mean((bulk[:, 1:] - bulk[:, :-1]) ** 2)) / 2 / (white - black) ** 2
    level = min(max(float(bulk.mean()) - black, 0.0) / (white - black), 1.0)
    is_sensor_noise = noise <= level / _MIN_FULL_WELL + _MAX_READ_NOISE**2
    size = (max(bulk.shape[1] // _BLOCK, 2), max(bulk.shape[0] // _BLOCK, 2))
    means = cv2.resize(bulk, size, interpolation=cv2.INTER_AREA)
    if is_sensor_noise and _neighbour_correlation(means) >= _MIN_CORRELATION:
        return ""
    return f"neighbouring green samples correlate by {correlation:.2f}, a picture's by {_MIN_CORRELATION} or more"


def _neighbour_correlation(plane: NDArray[np.float32]) -> float:
    """The lower of the correlations with the next sample to the right and below."""
    pairs = ((plane[:, :-1], plane[:, 1:]), (plane[:-1], plane[1:]))
    return min(_correlation(a, b) for a, b in pairs)


def _correlation(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    a, b = a - a.mean(dtype=np.float64), b - b.mean(dtype=np.float64)
    scale = math.sqrt(float(np.vdot(a, a)) * float(np.vdot(b, b)))
    return float(np.vdot(a, b)) / scale if scale > 0 else 0.0


def is_sane(balance: Sequence[float]) -> bool:
    """Whether a white balance can be used: its first three multipliers are finite and positive.

    Example:
        >>> is_sane([2.0, 1.0, 1.5, 0.0]), is_sane([0.0, 0.0, 0.0, 0.0])
        (True, False)
    """
    return len(balance) >= 3 and all(math.isfinite(gain) and gain > 0 for gain in balance[:3])

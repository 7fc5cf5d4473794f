r"""Recursive domain-transform filter: smooths along a picture, not across its edges, in time that no width changes.

Gastal and Oliveira, "Domain Transform for Edge-Aware Image and Video Processing" (SIGGRAPH 2011). Neighbouring pixels
lie at a distance of

.. math:: d = 1 + \frac{\sigma_s}{\sigma_r} \sum_c |J_c(k) - J_c(k-1)|

(Eq. 11). Iteration i of N filters rows, then columns, forward and back, by

.. math:: F_k \leftarrow F_k + a^{d_k} (F_{k-1} - F_k), \qquad a = \exp(-\sqrt 2 / s_i), \qquad
          s_i = \sigma_s \sqrt 3 \, \frac{2^{N-i}}{\sqrt{4^N - 1}}

(Eqs. 14, 21). The guide J stays as it is.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.errors import ConfigError, ImageError

Planes = NDArray[np.float32]


def domain_transform(planes: Planes, guide: Planes, *, sigma_s: float, sigma_r: float, iterations: int = 5) -> Planes:
    """Filter planes, guided by a picture.

    Args:
        planes: What is filtered, ``(H, W, C)`` float32.
        guide: Picture whose edges are kept, ``(H, W, G)`` float32, usually in [0, 1].
        sigma_s: Standard deviation in space, in pixels.
        sigma_r: Standard deviation in the guide's values.
        iterations: Passes over both axes; more of them leave fewer stripes.

    Returns:
        ``(H, W, C)`` float32. A constant stays constant.

    Raises:
        ImageError: The sizes differ.
        ConfigError: A sigma is not positive, or ``iterations`` below 1.
    """
    if planes.ndim != 3 or guide.ndim != 3 or planes.shape[:2] != guide.shape[:2]:
        raise ImageError(f"domain transform: expected (H, W, C) of one size, got {planes.shape} and {guide.shape}.")
    if not (sigma_s > 0 and sigma_r > 0 and iterations >= 1):
        raise ConfigError(
            f"domain transform: expected positive sigmas and 1 or more iterations, got {sigma_s}, {sigma_r} and "
            f"{iterations}."
        )
    down = _distances(guide, 0, sigma_s / sigma_r)
    across = _distances(guide, 1, sigma_s / sigma_r).T.copy()
    lines = np.array(planes.transpose(0, 2, 1), np.float32, order="C")  # (H, C, W): rows one after another
    for number in range(1, iterations + 1):
        reach = sigma_s * math.sqrt(3) * 2 ** (iterations - number) / math.sqrt(4**iterations - 1)
        rate = np.float32(-math.sqrt(2) / reach)
        columns = _turned(lines)
        _sweep(columns, np.exp(rate * across))
        lines = _turned(columns)
        _sweep(lines, np.exp(rate * down))
    return np.ascontiguousarray(lines.transpose(0, 2, 1))


def _distances(guide: Planes, axis: int, ratio: float) -> Planes:
    """Distance to the neighbour before, ``(H, W)``; 1 for the first, which has none."""
    distances = np.ones(guide.shape[:2], np.float32)
    inner = distances[1:] if axis == 0 else distances[:, 1:]
    for channel in range(guide.shape[2]):
        inner += np.float32(ratio) * np.abs(np.diff(guide[..., channel], axis=axis))
    return distances


def _turned(lines: Planes) -> Planes:
    """``(N, C, M)`` as ``(M, C, N)``; OpenCV transposes plane by plane some ten times as fast as numpy."""
    n, n_channels, m = lines.shape
    turned = np.empty((m, n_channels, n), np.float32)
    for channel in range(n_channels):
        cv2.transpose(lines[:, channel], dst=turned[:, channel])
    return turned


def _sweep(lines: Planes, weights: Planes) -> None:
    """Forward and back along the first axis of ``(N, C, M)``, in place; ``weights`` are ``(N, M)``."""
    step = np.empty_like(lines[0])
    for k in range(1, len(lines)):
        np.subtract(lines[k - 1], lines[k], out=step)
        step *= weights[k]
        lines[k] += step
    for k in range(len(lines) - 2, -1, -1):
        np.subtract(lines[k + 1], lines[k], out=step)
        step *= weights[k + 1]
        lines[k] += step

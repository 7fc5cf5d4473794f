r"""Bilinear shrinking without aliasing, as ``torch.nn.functional.interpolate`` has it, in one pass on the processor.

A value of the smaller picture is the mean of those of the larger one, weighted by a triangle whose half width is the
factor *s* between both, along each axis:

.. math:: w_{ij} \propto \max\left(0, 1 - \left|\frac{j + 1/2}{s} - (i + 1/2)\right|\right)

Values differ from torch's by rounding, and take a fraction of its time.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from sdd_bench.core.arrays import Plane
from sdd_bench.core.compiled import compiled
from sdd_bench.core.side_by_side import in_strips

_ROWS = 16


def shrunk(pictures: Tensor, size: Sequence[int]) -> Tensor:
    """Pictures ``(N, C, H, W)`` at a size smaller along both axes, ``(N, C, h, w)``, their memory in the same order.

    Example:
        >>> shrunk(torch.tensor([[[[0.0, 0.0, 8.0, 8.0]]]]), (1, 2)).tolist()
        [[[[1.142857..., 6.857142...]]]]
    """
    if pictures.device.type != "cpu" or (torch.is_grad_enabled() and pictures.requires_grad):
        return F.interpolate(pictures, tuple(size), mode="bilinear", align_corners=False, antialias=True)
    n, channels, height, width = pictures.shape
    beside = channels > 1 and pictures.stride(1) == 1
    source = pictures.permute(0, 2, 3, 1) if beside else pictures.reshape(n * channels, height, width, 1)
    stack = np.ascontiguousarray(source.detach().numpy(), np.float32)
    out = np.empty((len(stack), *size, stack.shape[3]), np.float32)
    down, across = _triangles(height, size[0]), _triangles(width, size[1])
    for picture, result in zip(stack, out, strict=True):
        work = partial(_shrink, picture.reshape(height, -1), *down, *across, result)
        in_strips(size[0], work, size=_ROWS, pixels=picture.size)
    small = torch.from_numpy(out)
    return small.permute(0, 3, 1, 2) if beside else small.view(n, channels, *size)


def _triangles(full: int, small: int) -> tuple[NDArray[np.int64], Plane]:
    """For each of ``small`` places the first of the ``full`` ones that count, and their weights, ``(small, taps)``."""
    factor = full / small
    middle = factor * (np.arange(small) + 0.5)
    first = np.maximum((middle - factor + 0.5).astype(np.int64), 0)
    places = first[:, None] + np.arange(int(np.ceil(2 * factor)) + 1)
    weights = np.maximum(0, 1 - np.abs(places + 0.5 - middle[:, None]) / factor) * (places < full)
    used = int(np.flatnonzero(weights.any(axis=0)).max()) + 1
    weights = weights[:, :used] / weights.sum(axis=1, keepdims=True)
    return first, weights.astype(np.float32)


@compiled
def _shrink(
    rows: Plane,
    top: NDArray[np.int64],
    down: Plane,
    left: NDArray[np.int64],
    across: Plane,
    out: Plane,
    first: int,
    last: int,
) -> None:
    """Rows ``first`` to ``last`` of ``out`` ``(h, w, C)`` from ``rows`` ``(H, W C)``."""
    n, channels = out.shape[1:]
    taps = across.shape[1]
    width = rows.shape[1]
    line = np.zeros(width + taps * channels, np.float32)  # zeros beyond the picture, where weights are zero
    middle = line[:width]
    for y in range(first, last):
        middle[:] = np.float32(0)
        for k in range(down.shape[1]):
            weight = down[y, k]
            if weight > np.float32(0):
                row = rows[top[y] + k]
                for x in range(len(middle)):
                    middle[x] += weight * row[x]
        for x in range(n):
            place, result = line[left[x] * channels :], out[y, x]
            for c in range(channels):
                total = np.float32(0)
                for k in range(taps):
                    total += across[x, k] * place[k * channels + c]
                result[c] = total

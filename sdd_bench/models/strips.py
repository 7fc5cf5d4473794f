"""Layers that see only neighbouring rows, applied to features strip by strip: exact, in a fraction of the memory."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_STRIP_NUMBERS = 1 << 23
"""Numbers of a strip (32 MiB): what layers make of it is several times that, and stays far below the whole."""


def by_strips(layers: Callable[[Tensor, slice], Tensor], x: Tensor, *, halo: int) -> Tensor:
    """Layers applied from top to bottom; to all rows at once with gradients, or while a program is traced.

    Args:
        layers: Function of a window of rows of ``x`` and of which of its rows to return, :math:`(N, C', h, W)`. It may
            see ``halo`` rows up and down, and takes what lies beyond the picture for zero.
        x: :math:`(N, C, H, W)`.
        halo: How many rows farther a window reaches. Too small a number gives a wrong result at the seams.

    Returns:
        :math:`(N, C', H, W)`.
    """
    n, channels, height, width = x.shape
    if torch.is_grad_enabled() or torch.compiler.is_compiling():
        return layers(x, slice(None))
    step = max(1, _STRIP_NUMBERS // (n * channels * width))
    if step >= height:
        return layers(x, slice(None))
    out = None
    for start in range(0, height, step):
        stop = min(start + step, height)
        first = max(0, start - halo)
        part = layers(x[:, :, first : stop + halo], slice(start - first, stop - first))
        if out is None:
            shape = (n, part.shape[1], height, width)
            out = torch.empty(shape, dtype=part.dtype, device=part.device, memory_format=_format_of(part))
        out[:, :, start:stop] = part
    assert out is not None
    return out


def _format_of(x: Tensor) -> torch.memory_format:
    last = x.stride(1) == 1 and x.shape[1] > 1
    return torch.channels_last if last else torch.contiguous_format

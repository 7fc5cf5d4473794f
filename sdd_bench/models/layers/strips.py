"""Layers that see only neighbouring rows, applied to features strip by strip: exact, in a fraction of the memory."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_STRIP_NUMBERS = 1 << 23
"""Numbers of a strip (32 MiB): what layers make of it is several times that, and stays far below the whole."""


def by_strips(layers: Callable[..., Tensor], *inputs: Tensor, halo: int) -> Tensor:
    """Layers applied from top to bottom; to all rows at once with gradients, or while a program is traced.

    Args:
        layers: Function of the inputs' windows of rows, and of which rows of the window to return,
            :math:`(N, C', h, W)`. It may see ``halo`` rows up and down, and takes what is beyond the picture for zero.
        inputs: :math:`(N, C, H, W)`, all of one size; the first decides on the height of a strip.
        halo: How many rows farther a window reaches. Too small a number gives a wrong result at the seams.

    Returns:
        :math:`(N, C', H, W)`.
    """
    n, channels, height, width = inputs[0].shape
    if torch.is_grad_enabled() or torch.compiler.is_compiling():
        return layers(*inputs, slice(None))
    step = max(1, _STRIP_NUMBERS // (n * channels * width))
    if step >= height:
        return layers(*inputs, slice(None))
    out = None
    for start in range(0, height, step):
        stop = min(start + step, height)
        first = max(0, start - halo)
        windows = (x[:, :, first : stop + halo] for x in inputs)
        part = layers(*windows, slice(start - first, stop - first))
        if out is None:
            shape = (n, part.shape[1], height, width)
            out = torch.empty(shape, dtype=part.dtype, device=part.device, memory_format=_format_of(part))
        out[:, :, start:stop] = part
    assert out is not None
    return out


def _format_of(x: Tensor) -> torch.memory_format:
    last = x.stride(1) == 1 and x.shape[1] > 1
    return torch.channels_last if last else torch.contiguous_format

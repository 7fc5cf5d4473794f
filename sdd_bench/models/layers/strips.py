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
        layers: Function of the inputs' windows of rows, and of which rows of the first window to return; the output,
            :math:`(N, C', s h, w')`, has one row or more for each of them. It may see ``halo`` rows up and down, and
            takes what is beyond the picture for zero.
        inputs: :math:`(N, C, H, W)`; the first decides on the height of a strip. Others may have several rows for each
            of its rows.
        halo: How many rows of the first input a window reaches farther. Too small a number gives a wrong result at the
            seams.

    Returns:
        :math:`(N, C', s H, w')`.
    """
    n, channels, height, width = inputs[0].shape
    if torch.is_grad_enabled() or torch.compiler.is_compiling():
        return layers(*inputs, slice(None))
    step = max(1, _STRIP_NUMBERS // (n * channels * width))
    if step >= height:
        return layers(*inputs, slice(None))
    out, scale = None, 1
    for start in range(0, height, step):
        stop = min(start + step, height)
        first = max(0, start - halo)
        last = min(stop + halo, height)
        windows = (x[:, :, first * x.shape[2] // height : last * x.shape[2] // height] for x in inputs)
        part = layers(*windows, slice(start - first, stop - first))
        if out is None:
            scale = part.shape[2] // (stop - start)
            shape = (n, part.shape[1], scale * height, part.shape[3])
            out = torch.empty(shape, dtype=part.dtype, device=part.device, memory_format=_format_of(part))
        out[:, :, scale * start : scale * stop] = part
    assert out is not None
    return out


def _format_of(x: Tensor) -> torch.memory_format:
    last = x.stride(1) == 1 and x.shape[1] > 1
    return torch.channels_last if last else torch.contiguous_format

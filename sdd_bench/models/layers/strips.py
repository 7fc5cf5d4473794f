"""Layers that see only neighbouring rows, applied to features strip by strip: exact, in a fraction of the memory."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from sdd_bench.models.layers.shared import plus

_CACHED_NUMBERS = 1 << 20
"""Numbers of a strip (4 MiB): what layers make of it is several times that, and most of it stays in the cache."""
_ROWS_PER_HALO = 32
"""Least height of a strip by that of its halo, which is computed twice."""
_STRIP_NUMBERS = 1 << 23
"""Most numbers of a strip (32 MiB), however wide the picture is."""


def by_strips(layers: Callable[..., Tensor], *inputs: Tensor, halo: int, onto: Tensor | None = None) -> Tensor:
    """Layers applied from top to bottom; to all rows at once with gradients, or while a program is traced.

    Args:
        layers: Function of the inputs' windows of rows, and of which rows of the first window to return; the output,
            :math:`(N, C', s h, w')`, has one row or more for each of them. It may see ``halo`` rows up and down, and
            takes what is beyond the picture for zero.
        inputs: :math:`(N, C, H, W)`; the first decides on the height of a strip. Others may have several rows for each
            of its rows.
        halo: How many rows of the first input a window reaches farther. Too small a number gives a wrong result at the
            seams.
        onto: What the output is added to, in its own memory where no gradient needs it; nothing else may need it.

    Returns:
        :math:`(N, C', s H, w')`.
    """
    n, channels, height, width = inputs[0].shape
    tracked = torch.is_grad_enabled() or torch.compiler.is_compiling()
    if tracked or (step := _rows(n * channels * width, halo)) >= height:
        whole = layers(*inputs, slice(None))
        return whole if onto is None else plus(onto, whole)
    out = onto
    for start in range(0, height, step):
        stop = min(start + step, height)
        first = max(0, start - halo)
        last = min(stop + halo, height)
        windows = (x[:, :, first * x.shape[2] // height : last * x.shape[2] // height] for x in inputs)
        part = layers(*windows, slice(start - first, stop - first))
        scale = part.shape[2] // (stop - start)
        if onto is not None:
            onto[:, :, scale * start : scale * stop] += part
            continue
        if out is None:
            shape = (n, part.shape[1], scale * height, part.shape[3])
            out = torch.empty(shape, dtype=part.dtype, device=part.device, memory_format=_format_of(part))
        out[:, :, scale * start : scale * stop] = part
    assert out is not None
    return out


def twice(rows: slice) -> slice:
    """The same rows at twice the resolution.

    Example:
        >>> twice(slice(2, 5)), twice(slice(None))
        (slice(4, 10, None), slice(None, None, None))
    """
    return slice(rows.start and 2 * rows.start, rows.stop and 2 * rows.stop)


def _rows(numbers: int, halo: int) -> int:
    """Height of a strip whose rows have so many numbers."""
    return max(1, min(max(_CACHED_NUMBERS // numbers, _ROWS_PER_HALO * halo), _STRIP_NUMBERS // numbers))


def _format_of(x: Tensor) -> torch.memory_format:
    last = x.stride(1) == 1 and x.shape[1] > 1
    return torch.channels_last if last else torch.contiguous_format

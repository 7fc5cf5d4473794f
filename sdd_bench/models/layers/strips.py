"""Layers that see only neighbouring rows, applied to features strip by strip: exact, in a fraction of the memory."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from sdd_bench.models.layers.shared import plus

_CACHED_NUMBERS = 1 << 21
"""Numbers of a strip (8 MiB): small, so that what layers make of it stays in the cache."""
_ROWS_PER_HALO = 32
"""Least height of a strip by that of its halo, which is computed twice."""
_STRIP_NUMBERS = 1 << 23
"""Most numbers of a strip (32 MiB), however wide the picture is."""


def by_strips(
    layers: Callable[..., Tensor],
    *inputs: Tensor,
    halo: int,
    beside: Tensor | None = None,
    onto: Tensor | None = None,
    numbers: int | None = None,
) -> Tensor:
    """Layers applied from top to bottom; to all rows at once with gradients, or while a program is traced.

    Args:
        layers: Function of the inputs' windows of rows, and of which rows of the first window to return; the output,
            :math:`(N, C', s h, w')`, has one row or more for each of them. It may see ``halo`` rows up and down, and
            takes what is beyond the picture for zero.
        inputs: :math:`(N, C, H, W)`; the first decides on the height of a strip. Others may have several rows for each
            of its rows.
        halo: How many rows of the first input a window reaches farther. Too small a number gives a wrong result at the
            seams.
        beside: What is added to the output, of its shape, and stays as it is.
        onto: In place of ``beside``: in its own memory where no gradient needs it, so nothing else may need it.
        numbers: Of the first input in a strip, at least; None for what fits the cache. More suits layers whose middle
            is so wide that it does not fit anyway: fewer rows are computed twice.

    Returns:
        :math:`(N, C', s H, w')`.
    """
    n, channels, height, width = inputs[0].shape
    tracked = torch.is_grad_enabled() or torch.compiler.is_compiling()
    if tracked or (step := _rows(height, n * channels * width, halo, numbers)) >= height:
        whole = layers(*inputs, slice(None))
        whole = whole if beside is None else plus(whole, beside)
        return whole if onto is None else plus(onto, whole)
    out = onto
    for start in range(0, height, step):
        stop = min(start + step, height)
        first = max(0, start - halo)
        last = min(stop + halo, height)
        windows = (x[:, :, first * x.shape[2] // height : last * x.shape[2] // height] for x in inputs)
        part = layers(*windows, slice(start - first, stop - first))
        scale = part.shape[2] // (stop - start)
        place = slice(scale * start, scale * stop)
        if onto is not None:
            onto[:, :, place] += part
            continue
        if out is None:
            shape = (n, part.shape[1], scale * height, part.shape[3])
            dtype = part.dtype if beside is None else torch.promote_types(part.dtype, beside.dtype)
            out = torch.empty(shape, dtype=dtype, device=part.device, memory_format=_format_of(part))
        if beside is None:
            out[:, :, place] = part
        else:
            torch.add(part, beside[:, :, place], out=out[:, :, place])
    assert out is not None
    return out


def twice(rows: slice) -> slice:
    """The same rows at twice the resolution.

    Example:
        >>> twice(slice(2, 5)), twice(slice(None))
        (slice(4, 10, None), slice(None, None, None))
    """
    return slice(rows.start and 2 * rows.start, rows.stop and 2 * rows.stop)


def _rows(height: int, a_row: int, halo: int, numbers: int | None) -> int:
    """Height of a strip of a map whose rows have ``a_row`` numbers; all strips have about the same."""
    suiting = max((numbers or _CACHED_NUMBERS) // a_row, _ROWS_PER_HALO * halo)
    most = max(1, min(suiting, _STRIP_NUMBERS // a_row))
    return -(-height // -(-height // most))


def _format_of(x: Tensor) -> torch.memory_format:
    last = x.stride(1) == 1 and x.shape[1] > 1
    return torch.channels_last if last else torch.contiguous_format

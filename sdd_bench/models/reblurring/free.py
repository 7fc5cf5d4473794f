"""Reblurring with one free kernel per pixel: the ablation of Table 4, #5."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from sdd_bench.models.reblurring.isotropic import SMALLEST_LOGIT

_STRIP_ROWS = 32
"""Rows per strip, which bounds the memory of the kernels."""


def free_reblur(image: Tensor, logits: Tensor) -> Tensor:
    """Blur every pixel by a kernel of its own, the softmax of the logits' magnitude.

    Args:
        image: Picture, :math:`(N, C, H, W)`, zero beyond its border.
        logits: Logits of kernels of odd side k, :math:`(N, k^2, H, W)`.

    Returns:
        Blurred picture, :math:`(N, C, H, W)`, in float32.

    """
    side = round(logits.shape[1] ** 0.5)
    padded = F.pad(image.float(), [side // 2] * 4).contiguous()

    def strip(rows: Tensor, logits: Tensor) -> Tensor:
        blurred: Tensor = _BlurByMaps.apply(rows, shares(logits.float().abs().contiguous()))
        return blurred

    strips = []
    for y in range(0, logits.shape[2], _STRIP_ROWS):
        part = logits[:, :, y : y + _STRIP_ROWS]
        rows = padded[:, :, y : y + part.shape[2] + side - 1]
        strips.append(checkpoint(strip, rows, part, use_reentrant=False, preserve_rng_state=False))
    return torch.cat(strips, dim=2)


def shares(logits: Tensor) -> Tensor:
    """Softmax over channels, without the subnormal numbers that make a CPU many times slower.

    Example:
        >>> shares(torch.tensor([0.0, 0.0, -99.0])[None, :, None, None]).flatten().round(decimals=3)
        tensor([0.5000, 0.5000, 0.0000])
    """
    return (logits - logits.amax(1, keepdim=True).detach()).clamp(min=SMALLEST_LOGIT).softmax(1)


class _BlurByMaps(torch.autograd.Function):
    """Sum of shifted pictures, each weighted by its map, so that the window of a pixel is never copied."""

    @staticmethod
    def forward(ctx: Any, padded: Tensor, maps: Tensor) -> Tensor:
        """Blur ``padded`` :math:`(N, C, H + k - 1, W + k - 1)` by ``maps`` :math:`(N, k^2, H, W)`."""
        ctx.save_for_backward(padded, maps)
        blurred = padded.new_zeros(*padded.shape[:2], *maps.shape[2:])
        for index, window in enumerate(_windows(padded, maps)):
            blurred.addcmul_(window, maps[:, index : index + 1])
        return blurred

    @staticmethod
    def backward(ctx: Any, given: Tensor) -> tuple[Tensor, Tensor]:
        """Gradients of the padded picture and of the maps."""
        padded, maps = ctx.saved_tensors
        of_padded, of_maps = torch.zeros_like(padded), torch.empty_like(maps)
        for index, (window, target) in enumerate(zip(_windows(padded, maps), _windows(of_padded, maps), strict=True)):
            torch.sum(given * window, 1, out=of_maps[:, index])
            target.addcmul_(given, maps[:, index : index + 1])
        return of_padded, of_maps


def _windows(padded: Tensor, maps: Tensor) -> Iterator[Tensor]:
    """Part of the picture under each tap of the kernel, row by row."""
    side = round(maps.shape[1] ** 0.5)
    height, width = maps.shape[2:]
    for y in range(side):
        for x in range(side):
            yield padded[:, :, y : y + height, x : x + width]

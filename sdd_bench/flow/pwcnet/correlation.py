r"""Local correlation, the cost volume of PWC-Net (Sun et al., CVPR 2018, Eq. 2).

.. math:: \mathrm{cost}(p, d) = \frac{1}{C} \sum_c a_c(p)\, b_c(p + d), \qquad |d_x|, |d_y| \le r

zero outside ``b``; channel ``(d_y + r)(2r + 1) + (d_x + r)``.

Computed as matrix products: the picture is cut into blocks of 2r x 2r pixels, and each block is multiplied with the
4r x 4r window of ``b`` around it. About a third of the products is needed (81 of 256 for r = 4), yet a matrix product
is so much faster than 81 passes over the picture that this wins by an order of magnitude. The needed entries are a
strided view of the product, and the windows are 2 x 2 neighbouring blocks, which makes the gradient four additions.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

RADIUS = 4
_PIXELS_PER_STEP = 1 << 13
"""Pixels of ``a`` multiplied at once: keeps the products within the cache and the memory bounded."""


def local_correlation(a: Tensor, b: Tensor, radius: int = RADIUS) -> Tensor:
    """Mean product of the features of every pixel of ``a`` with those of the pixels of ``b`` around it.

    Args:
        a: Features of the reference, :math:`(N, C, H, W)`; channels_last is fastest.
        b: Features of the moving picture, the same shape and type.
        radius: Largest displacement in pixels.

    Returns:
        :math:`(N, (2r+1)^2, H, W)`, channels_last, of the features' type.
    """
    correlation: Tensor = _LocalCorrelation.apply(a, b, radius)
    return correlation


class _LocalCorrelation(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, radius: int) -> Tensor:
        ctx.save_for_backward(a, b)
        ctx.radius = radius
        n, _, height, width = a.shape
        k = 2 * radius + 1
        out = a.new_empty((n, height, width, k * k))
        blocks, neighbours = _blocks(a, radius), _blocks(b, radius, margin=radius)
        for rows in _steps(blocks):
            products = torch.bmm(_matrix(blocks[:, rows]), _windows(neighbours, rows).transpose(1, 2))
            picked = _needed(products, blocks[:, rows].shape, radius)
            y = slice(rows.start * 2 * radius, min(rows.stop * 2 * radius, height))
            out[:, y] = picked.reshape(n, -1, blocks.shape[2] * 2 * radius, k * k)[:, : y.stop - y.start, :width]
        return out.div_(a.shape[1]).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        a, b = ctx.saved_tensors
        radius: int = ctx.radius
        n, channels, height, width = a.shape
        side, k = 2 * radius, 2 * radius + 1
        blocks, neighbours = _blocks(a, radius), _blocks(b, radius, margin=radius)
        grad = gradients[0].permute(0, 2, 3, 1) / channels
        grad = F.pad(grad, (0, 0, 0, blocks.shape[2] * side - width, 0, blocks.shape[1] * side - height))
        grad_a, grad_b = torch.empty_like(blocks), torch.zeros_like(neighbours)
        for rows in _steps(blocks):
            shape = blocks[:, rows].shape
            products = grad.new_zeros((shape[:3].numel(), side * side, 4 * side * side))
            cut = grad[:, rows.start * side : rows.stop * side].reshape(n, -1, side, shape[2], side, k, k)
            _needed(products, shape, radius).copy_(cut)
            grad_a[:, rows] = torch.bmm(products, _windows(neighbours, rows)).view(shape)
            windows = torch.bmm(products.transpose(1, 2), _matrix(blocks[:, rows]))
            windows = windows.view(*shape[:3], 2, side, 2, side, channels)
            for i in (0, 1):
                for j in (0, 1):
                    grad_b[:, rows.start + i : rows.stop + i, j : shape[2] + j] += windows[:, :, :, i, :, j]
        return _picture(grad_a, height, width), _picture(grad_b, height, width, margin=radius), None


def _blocks(features: Tensor, radius: int, margin: int = 0) -> Tensor:
    """``(N, rows, columns, 2r, 2r, C)`` blocks, zero beyond the picture; ``margin`` zeros come first on each side."""
    side = 2 * radius
    n, channels, height, width = features.shape
    bottom, right = (-size % side + margin for size in (height, width))
    padded = F.pad(features.permute(0, 2, 3, 1), (0, 0, margin, right, margin, bottom))
    rows, columns = padded.shape[1] // side, padded.shape[2] // side
    return padded.reshape(n, rows, side, columns, side, channels).transpose(2, 3).contiguous()


def _picture(blocks: Tensor, height: int, width: int, margin: int = 0) -> Tensor:
    """Inverse of :func:`_blocks`: ``(N, C, H, W)``."""
    n, rows, columns, side, _, channels = blocks.shape
    whole = blocks.transpose(2, 3).reshape(n, rows * side, columns * side, channels)
    return whole[:, margin : margin + height, margin : margin + width].permute(0, 3, 1, 2)


def _steps(blocks: Tensor) -> list[slice]:
    """Rows of blocks that are multiplied at once."""
    n, rows, columns, side = blocks.shape[:4]
    step = max(1, _PIXELS_PER_STEP // (n * columns * side * side))
    return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]


def _matrix(blocks: Tensor) -> Tensor:
    """``(blocks, pixels of a block, C)``."""
    return blocks.reshape(blocks.shape[:3].numel(), -1, blocks.shape[-1])


def _windows(neighbours: Tensor, rows: slice) -> Tensor:
    """Of every block in ``rows`` the 2 x 2 blocks of ``neighbours`` around it: ``(blocks, (4r)^2, C)``."""
    upper = neighbours[:, rows.start : rows.stop + 1]
    pairs = upper.unfold(1, 2, 1).unfold(2, 2, 1)  # (N, rows, columns, side, side, C, 2, 2)
    n, height, width, side, _, channels = pairs.shape[:6]
    return pairs.permute(0, 1, 2, 6, 3, 7, 4, 5).reshape(n * height * width, 4 * side * side, channels)


def _needed(products: Tensor, blocks: torch.Size, radius: int) -> Tensor:
    """View ``(N, rows, y, columns, x, dy, dx)`` of the products of pixels with those no further away than the radius.

    The pixel (y, x) of a block is row ``y * 2r + x`` of its matrix; its neighbour at (dy, dx) is column
    ``(y + dy) * 4r + x + dx``.
    """
    n, rows, columns = blocks[:3]
    side, reach, k = 2 * radius, 4 * radius, 2 * radius + 1
    row = reach * reach
    block = side * side * row
    return products.as_strided(
        (n, rows, side, columns, side, k, k),
        (rows * columns * block, columns * block, side * row + reach, block, row + 1, reach, 1),
    )

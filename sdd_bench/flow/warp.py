r"""Backward warping by optical flow (Eq. 3 of Li et al., 2023).

A flow is defined on the grid of the *reference* picture, in pixels, (x, y) order:
``moving(p + flow(p)) ~ reference(p)``. ``backwarp(moving, flow)`` samples ``moving`` at ``p + flow(p)``, so the
result looks like the reference. Outside the picture the border is replicated.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from sdd_bench.core.errors import ImageError
from sdd_bench.core.types import WarpMode

_ROWS_PER_STEP = 512
"""Rows of the result per step where no gradient is needed, which bounds the memory at any picture size."""


def backwarp(moving: Tensor, flow: Tensor, *, mode: WarpMode = WarpMode.EXACT) -> Tensor:
    r"""Sample ``moving`` bilinearly at :math:`p + \mathrm{flow}(p)`, border replicated.

    ``exact`` works in pixel coordinates: a flow of whole pixels copies pixels, zero flow returns the picture bit
    for bit. ``released`` is what the authors' code computes: a grid that spans [-1, 1] over pixel centres is read
    as if it spanned pixel edges, which moves the picture by up to half a pixel towards its borders even at zero
    flow. It serves only to reproduce published numbers.

    Differentiable in ``moving`` and ``flow``. Where the flow is NaN, so is the result.

    Args:
        moving: Picture to sample, :math:`(N, C, H, W)`, floating point.
        flow: Flow in pixels on the grid of the result, :math:`(N, 2, H', W')`; ``released`` needs :math:`H' = H`,
            :math:`W' = W`.
        mode: Sampling grid.

    Returns:
        The warped picture, :math:`(N, C, H', W')`, of ``moving``'s type.

    Raises:
        ImageError: The shapes do not belong together.

    Example:
        >>> picture = torch.rand(1, 3, 4, 5)
        >>> torch.equal(backwarp(picture, torch.zeros(1, 2, 4, 5)), picture)
        True
    """
    if moving.ndim != 4 or flow.ndim != 4 or flow.shape[1] != 2 or moving.shape[0] != flow.shape[0]:
        raise ImageError(
            f"backwarp: expected moving (N, C, H, W) and flow (N, 2, H, W), got {tuple(moving.shape)} and "
            f"{tuple(flow.shape)}."
        )
    if WarpMode(mode) is WarpMode.RELEASED:
        return _released(moving, flow)
    if torch.is_grad_enabled() and (moving.requires_grad or flow.requires_grad):
        return _exact(moving, flow, first_row=0)
    strips = [
        _exact(moving, flow[:, :, row : row + _ROWS_PER_STEP], first_row=row)
        for row in range(0, flow.shape[2], _ROWS_PER_STEP)
    ]
    return strips[0] if len(strips) == 1 else torch.cat(strips, dim=2)


def _corners(position: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Neighbouring indices and the weight of the second one; border replicated."""
    position = position.clamp(0, size - 1)
    first = position.floor()
    weight = position - first
    index = first.nan_to_num(0.0).long()  # where the position is NaN, the weight is too, and so is the result
    return index, (index + 1).clamp(max=size - 1), weight


def _exact(moving: Tensor, flow: Tensor, *, first_row: int) -> Tensor:
    """Bilinear sampling with weights in pixel coordinates; ``flow`` holds the rows from ``first_row`` on."""
    n, channels, height, width = moving.shape
    rows, columns = flow.shape[2:]
    offsets = flow.to(torch.promote_types(flow.dtype, torch.float32))
    y = torch.arange(first_row, first_row + rows, device=flow.device, dtype=offsets.dtype)[:, None]
    x = torch.arange(columns, device=flow.device, dtype=offsets.dtype)
    x0, x1, wx = _corners(x + offsets[:, 0], width)
    y0, y1, wy = _corners(y + offsets[:, 1], height)
    wx, wy = wx[:, None].to(moving.dtype), wy[:, None].to(moving.dtype)
    pixels = moving.reshape(n, channels, height * width)

    def at(row: Tensor, column: Tensor) -> Tensor:
        index = (row * width + column).view(n, 1, -1).expand(-1, channels, -1)
        return pixels.gather(2, index).view(n, channels, rows, columns)

    # lerp(a, b, 0) is a, exactly: whole-pixel flows copy pixels.
    upper = torch.lerp(at(y0, x0), at(y0, x1), wx)
    lower = torch.lerp(at(y1, x0), at(y1, x1), wx)
    return torch.lerp(upper, lower, wy)


def _released(moving: Tensor, flow: Tensor) -> Tensor:
    height, width = flow.shape[2:]
    if moving.shape[2:] != flow.shape[2:]:
        raise ImageError(f"backwarp: released warp of {tuple(moving.shape[2:])} by a flow of {(height, width)}.")
    x = torch.linspace(-1, 1, width, device=flow.device, dtype=flow.dtype) + flow[:, 0] / ((width - 1) / 2)
    y = torch.linspace(-1, 1, height, device=flow.device, dtype=flow.dtype)[:, None] + flow[:, 1] / ((height - 1) / 2)
    grid = torch.stack((x, y), dim=-1).to(moving.dtype)
    warped = F.grid_sample(moving, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return warped.masked_fill(flow.isnan().any(dim=1, keepdim=True), torch.nan)


def valid_mask(flow: Tensor) -> Tensor:
    r"""Mask of the pixels whose :math:`p + \mathrm{flow}(p)` is known and inside the picture, so not replicated.

    Args:
        flow: Flow in pixels, :math:`(N, 2, H, W)`.

    Returns:
        Boolean mask, :math:`(N, 1, H, W)`.

    Example:
        >>> flow = torch.zeros(1, 2, 1, 3)
        >>> flow[:, 0] = 1.0
        >>> valid_mask(flow).flatten().tolist()
        [True, True, False]
    """
    height, width = flow.shape[2:]
    x = torch.arange(width, device=flow.device, dtype=flow.dtype) + flow[:, 0]
    y = torch.arange(height, device=flow.device, dtype=flow.dtype)[:, None] + flow[:, 1]
    return ((x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1))[:, None]

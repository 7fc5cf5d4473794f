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
from sdd_bench.core.types import Interpolation, WarpMode

_LOBES = 3
"""Zeros of the Lanczos kernel on a side."""
_ROWS_PER_STEP = 512
"""Rows of the result per step where no gradient is needed, which bounds the memory at any picture size."""


def backwarp(
    moving: Tensor,
    flow: Tensor,
    *,
    mode: WarpMode = WarpMode.EXACT,
    interpolation: Interpolation = Interpolation.LINEAR,
) -> Tensor:
    r"""Sample ``moving`` at :math:`p + \mathrm{flow}(p)`, border replicated.

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
        interpolation: Between pixels. ``lanczos`` weighs 6x6 pixels by :math:`\mathrm{sinc}(x)\,\mathrm{sinc}(x/3)`,
            normalised; it leaves the range of the picture at edges, and is there for ``exact`` alone.

    Returns:
        The warped picture, :math:`(N, C, H', W')`, of ``moving``'s type.

    Raises:
        ImageError: The shapes do not belong together, or ``released`` is not to be linear.

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
    interpolation = Interpolation(interpolation)
    if WarpMode(mode) is WarpMode.RELEASED:
        if interpolation is not Interpolation.LINEAR:
            raise ImageError(f"backwarp: the released warp is linear, got {interpolation}. Take mode exact for it.")
        return _released(moving, flow)
    sample = _linear if interpolation is Interpolation.LINEAR else _lanczos
    if torch.is_grad_enabled() and (moving.requires_grad or flow.requires_grad):
        return sample(moving, flow, first_row=0)
    strips = [
        sample(moving, flow[:, :, row : row + _ROWS_PER_STEP], first_row=row)
        for row in range(0, flow.shape[2], _ROWS_PER_STEP)
    ]
    return strips[0] if len(strips) == 1 else torch.cat(strips, dim=2)


class _Places:
    """Where a flow samples a picture: the pixel at or before each place, and the rest of the way, of each axis."""

    def __init__(self, moving: Tensor, flow: Tensor, first_row: int) -> None:
        n, channels, self._height, self._width = moving.shape
        rows, columns = flow.shape[2:]
        self._shape = (n, channels, rows, columns)
        self._pixels = moving.reshape(n, channels, -1)
        offsets = flow.to(torch.promote_types(flow.dtype, torch.float32))
        y = torch.arange(first_row, first_row + rows, device=flow.device, dtype=offsets.dtype)[:, None]
        x = torch.arange(columns, device=flow.device, dtype=offsets.dtype)
        self._x, self.right = self._split(x + offsets[:, 0], self._width)
        self._y, self.down = self._split(y + offsets[:, 1], self._height)

    def _split(self, position: Tensor, size: int) -> tuple[Tensor, Tensor]:
        position = position.clamp(0, size - 1)
        first = position.floor()
        # Where the position is NaN, the rest is too, and so is the result.
        return first.nan_to_num(0.0).long(), (position - first)[:, None].to(self._pixels.dtype)

    def at(self, down: int, right: int) -> Tensor:
        """The pixels so many rows and columns on; border replicated."""
        n, channels = self._shape[:2]
        row = (self._y + down).clamp(0, self._height - 1)
        column = (self._x + right).clamp(0, self._width - 1)
        index = (row * self._width + column).view(n, 1, -1).expand(-1, channels, -1)
        return self._pixels.gather(2, index).view(self._shape)


def _linear(moving: Tensor, flow: Tensor, *, first_row: int) -> Tensor:
    """Bilinear sampling with weights in pixel coordinates; ``flow`` holds the rows from ``first_row`` on."""
    places = _Places(moving, flow, first_row)
    # lerp(a, b, 0) is a, exactly: whole-pixel flows copy pixels.
    upper = torch.lerp(places.at(0, 0), places.at(0, 1), places.right)
    lower = torch.lerp(places.at(1, 0), places.at(1, 1), places.right)
    return torch.lerp(upper, lower, places.down)


def _lanczos(moving: Tensor, flow: Tensor, *, first_row: int) -> Tensor:
    """The same with the weights of 6x6 pixels."""
    places = _Places(moving, flow, first_row)
    columns, rows = _windowed_sinc(places.right), _windowed_sinc(places.down)
    warped = torch.zeros_like(places.at(0, 0))
    for down, of_row in rows.items():
        across = torch.zeros_like(warped)
        for right, of_column in columns.items():
            across = across + of_column * places.at(down, right)
        warped = warped + of_row * across
    return warped


def _windowed_sinc(t: Tensor) -> dict[int, Tensor]:
    """Weights of the pixels at -2 to 3 for a place at *t* in [0, 1); at 0 the pixel there has all, exactly."""
    taps = range(1 - _LOBES, _LOBES + 1)
    weights = [
        torch.where(t == 0, float(tap == 0), torch.sinc(t - tap) * torch.sinc((t - tap) / _LOBES)) for tap in taps
    ]
    total = torch.stack(weights).sum(0)
    return {tap: weight / total for tap, weight in zip(taps, weights, strict=True)}


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

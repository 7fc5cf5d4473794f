"""Backward warping of one picture on the processor, in one pass, and its mask; else as :mod:`sdd_bench.flow.warp`."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sdd_bench.core.arrays import Plane
from sdd_bench.core.compiled import compiled
from sdd_bench.core.side_by_side import in_strips
from sdd_bench.core.types import WarpMode
from sdd_bench.flow.warp import backwarp

_ROWS = 32


def backwarp_picture(
    moving: NDArray[np.float32], flow: Tensor, *, mode: WarpMode = WarpMode.EXACT
) -> NDArray[np.float32]:
    """:func:`~sdd_bench.flow.warp.backwarp` of a picture ``(H, W, 3)`` by a flow ``(2, H', W')``: ``(H', W', 3)``.

    Example:
        >>> picture = np.random.default_rng(0).random((4, 5, 3), np.float32)
        >>> np.array_equal(backwarp_picture(picture, torch.zeros(2, 4, 5)), picture)
        True
    """
    if WarpMode(mode) is not WarpMode.EXACT:
        batch = torch.from_numpy(np.ascontiguousarray(moving.transpose(2, 0, 1)))[None]
        with torch.no_grad():
            moved = backwarp(batch, flow[None], mode=mode)[0]
        return np.ascontiguousarray(moved.permute(1, 2, 0).numpy())
    source = np.ascontiguousarray(moving, np.float32)
    vectors = np.ascontiguousarray(flow.numpy(), np.float32)
    out = np.empty((*vectors.shape[1:], 3), np.float32)
    in_strips(len(out), lambda first, last: _warp(source, vectors, out, first, last), size=_ROWS, pixels=out.size)
    return out


def valid_mask_of_picture(flow: Tensor) -> NDArray[np.bool_]:
    """:func:`~sdd_bench.flow.warp.valid_mask` of one flow, ``(2, H, W)``: ``(H, W)``.

    Example:
        >>> flow = torch.zeros(2, 1, 3)
        >>> flow[0] = 1.0
        >>> valid_mask_of_picture(flow).tolist()
        [[True, True, False]]
    """
    vectors = np.ascontiguousarray(flow.numpy(), np.float32)
    out = np.empty(vectors.shape[1:], np.bool_)
    in_strips(len(out), lambda first, last: _stays_inside(vectors, out, first, last), size=_ROWS, pixels=out.size)
    return out


@compiled
def _stays_inside(flow: Plane, out: NDArray[np.bool_], first: int, last: int) -> None:
    height, width = out.shape
    right, bottom, zero = np.float32(width - 1), np.float32(height - 1), np.float32(0)
    for y in range(first, last):
        along, down, result = flow[0, y], flow[1, y], out[y]
        for x in range(width):
            px, py = np.float32(x) + along[x], np.float32(y) + down[x]
            result[x] = (px >= zero) & (px <= right) & (py >= zero) & (py <= bottom)


@compiled
def _warp(moving: Plane, flow: Plane, out: Plane, first: int, last: int) -> None:
    height, width = moving.shape[:2]
    right, bottom = np.float32(width - 1), np.float32(height - 1)
    for y in range(first, last):
        for x in range(out.shape[1]):
            px, py = np.float32(x) + flow[0, y, x], np.float32(y) + flow[1, y, x]
            if np.isnan(px) or np.isnan(py):
                for c in range(3):
                    out[y, x, c] = np.nan
                continue
            px, py = min(max(px, np.float32(0)), right), min(max(py, np.float32(0)), bottom)
            x0, y0 = int(px), int(py)
            wx, wy = px - np.float32(x0), py - np.float32(y0)
            x1, y1 = min(x0 + 1, width - 1), min(y0 + 1, height - 1)
            for c in range(3):
                upper = moving[y0, x0, c] + wx * (moving[y0, x1, c] - moving[y0, x0, c])
                lower = moving[y1, x0, c] + wx * (moving[y1, x1, c] - moving[y1, x0, c])
                out[y, x, c] = upper + wy * (lower - upper)

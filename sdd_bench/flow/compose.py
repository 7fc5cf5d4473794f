"""Algebra of flows: the flow of a similarity, two flows after one another, and the flow back."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from sdd_bench.geometry.similarity import Similarity


def similarity_flow(similarity: Similarity, height: int, width: int) -> Tensor:
    """Flow of a similarity: ``similarity(p) - p``, ``(2, H, W)`` float32 in pixels.

    Example:
        >>> similarity_flow(Similarity(shift_x_px=2.0), height=1, width=2).tolist()
        [[[2.0, 2.0]], [[0.0, 0.0]]]
    """
    slope, shift = similarity.linear - 1, similarity.shift
    x, y = np.arange(width) - (width - 1) / 2, (np.arange(height) - (height - 1) / 2)[:, None]
    flow = np.empty((2, height, width), np.float32)
    flow[0] = slope.real * x - slope.imag * y + shift.real
    flow[1] = slope.imag * x + slope.real * y + shift.imag
    return torch.from_numpy(flow)


def compose_flow(first: Tensor, second: Tensor) -> Tensor:
    r"""Flow of two steps, :math:`f_1(p) + f_2(p + f_1(p))`, each ``(N, 2, H, W)`` in pixels.

    If ``first`` leads from a to b and ``second`` from b to c, the result leads from a to c.

    Example:
        >>> one = torch.ones(1, 2, 4, 4)
        >>> bool((compose_flow(one, one) == 2.0).all())
        True
    """
    from sdd_bench.flow.warp import backwarp

    return first + backwarp(second, first)


def invert_flow(flow: Tensor, *, steps: int = 20) -> Tensor:
    r"""Inverse *g* of a flow *f*, on the grid of the other picture: the fixed point of :math:`g(p) = -f(p + g(p))`.

    The iteration converges where the flow's slope stays below one. Smooth flows of zooms and shifts take a few steps.

    Args:
        flow: Flow, ``(N, 2, H, W)`` in pixels.
        steps: Number of iterations.

    Example:
        >>> bool((invert_flow(torch.ones(1, 2, 4, 4)) == -1.0).all())
        True
    """
    from sdd_bench.flow.warp import backwarp

    back = -flow
    for _ in range(steps):
        back = -backwarp(flow, back)
    return back

"""Algebra of flows: the flow of a similarity, two flows after one another, and the flow back."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from sdd_bench.geometry.fit import centred_grid
from sdd_bench.geometry.similarity import Similarity


def similarity_flow(similarity: Similarity, height: int, width: int) -> Tensor:
    """The flow of a similarity: ``similarity(p) - p``, ``(2, H, W)`` float32 in pixels."""
    u = (similarity.linear - 1) * centred_grid(height, width) + similarity.shift
    return torch.from_numpy(np.stack((u.real, u.imag)).astype(np.float32))


def compose_flow(first: Tensor, second: Tensor) -> Tensor:
    r"""The flow of two steps, :math:`f_1(p) + f_2(p + f_1(p))`, each ``(N, 2, H, W)`` in pixels.

    With ``first`` from a to b and ``second`` from b to c it leads from a to c.
    """
    from sdd_bench.flow.warp import backwarp

    return first + backwarp(second, first)


def invert_flow(flow: Tensor, *, steps: int = 20) -> Tensor:
    r"""The flow back, on the grid of the other picture: the fixed point of :math:`g(p) = -f(p + g(p))`.

    Converges where the flow's slope stays below one; smooth flows of zooms and shifts do within a few steps.

    Args:
        flow: ``(N, 2, H, W)`` in pixels.
        steps: Iterations.
    """
    from sdd_bench.flow.warp import backwarp

    back = -flow
    for _ in range(steps):
        back = -backwarp(flow, back)
    return back

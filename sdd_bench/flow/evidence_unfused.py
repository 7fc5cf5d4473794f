"""The passes of :mod:`sdd_bench.flow.evidence_fused` as torch expressions: what other devices run.

Same names, arguments and results, but for the order of sums; the docstrings are there.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from sdd_bench.flow.compose import similarity_flow
from sdd_bench.flow.warp import valid_mask
from sdd_bench.geometry.similarity import Similarity


def shown(
    gains: tuple[Tensor, Tensor],
    alike: Tensor,
    left: Tensor,
    size: Sequence[int],
    bounds: Sequence[tuple[float, float]],
) -> Tensor:
    gain, other, alike, left = (_grown(cells[None], size)[0] for cells in (*gains, alike, left))
    by_gain, explained = ramp((gain + other) / 2, *bounds[0]), 1 - ramp(left, *bounds[2])
    of_place = torch.maximum(by_gain, ramp(alike, *bounds[1]) * explained)
    return torch.stack((of_place, ramp(alike, *bounds[3]) * explained))


def means_of_beyond(weight: Tensor, flow: Tensor, similarity: Similarity, size: Sequence[int]) -> Tensor:
    beyond = flow - _steady(similarity, flow)
    return _means(torch.stack((weight, weight * torch.hypot(*beyond), *(weight * beyond))), size)


def means_inside(support: Tensor, flow: Tensor, size: Sequence[int]) -> Tensor:
    return _means(torch.stack((valid_mask(flow[None])[0, 0].to(support.dtype), support)), size)


def blended(near: Tensor, plane: Tensor, share: Tensor) -> Tensor:
    other, weight = _grown(torch.stack((near, share)), plane.shape)
    return torch.lerp(other, plane, weight)


def supported(flow: Tensor, similarity: Similarity, near: Tensor, support: Tensor) -> Tensor:
    steady = _steady(similarity, flow)
    return steady + torch.lerp(_grown(near, flow.shape[1:]), flow - steady, support)


def _steady(similarity: Similarity, flow: Tensor) -> Tensor:
    return similarity_flow(similarity, *flow.shape[1:]).to(flow)


def _grown(cells: Tensor, size: Sequence[int]) -> Tensor:
    return F.interpolate(cells[None], tuple(size), mode="bilinear", align_corners=False)[0]


def _means(planes: Tensor, size: Sequence[int]) -> Tensor:
    return F.interpolate(planes[None], tuple(size), mode="area")[0]


def ramp(values: Tensor, low: float, high: float) -> Tensor:
    """Smoothly from 0 at ``low`` to 1 at ``high``.

    Example:
        >>> ramp(torch.tensor([0.0, 1.5, 9.0]), 1.0, 2.0).tolist()
        [0.0, 0.5, 1.0]
    """
    share = ((values - low) / (high - low)).clamp(0, 1)
    return share * share * (3 - 2 * share)

r"""Where a pair shows its flow, and what the flow is where it does not.

A background far out of focus shows nothing that could tell one displacement from another, yet a network gives one. So
a flow is held against the similarity that fits it best where detail is seen. With the shares :math:`u` of the blurry
picture's variance that stay unexplained under each, at the blur the pair has,

.. math:: e = \ln \frac{u(\text{similarity})}{u(\text{flow})}

is the evidence for what the flow adds: layers that really moved reach 0.4 to 2, a flow astray in blur mostly stays
below 0.2. Places that are about as sharp in both pictures, and explained, need no such proof: there, fine
detail shows the flow.

Where neither holds, the flow is that of the similarity, or of sharp places nearby, which motion of a few pixels
continues smoothly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sdd_bench.flow.pwcnet.refinement import Luma, explain, resize_flow, texture
from sdd_bench.geometry.fit import fit_similarity
from sdd_bench.geometry.similarity import Similarity

_FINE, _COARSE = 2.0, (4.0, 8.0)
"""Scales, relative to that of the network, at which detail and evidence are looked at."""
_FINE_WINDOW, _COARSE_WINDOW = 4.0, 3.0
"""Standard deviations of the windows, in cells of four pixels at that scale."""
_EVIDENCE = 0.08, 0.2
"""Evidence at which a flow begins to count, and at which it counts fully."""
_ALIKE, _SURELY_ALIKE = (0.3, 0.6), (0.5, 0.8)
"""Sharpness of one picture over that of the other, likewise: for the flow of a place, and for that of its vicinity."""
_LEFT = 0.3, 0.7
"""Share unexplained at which fine detail ceases to be explained."""
_VICINITY_CELLS, _CELL_PX = 2.0, 16
_LEAST_WEIGHT = 0.05
_SMALLEST_SIDE = 64
"""Smallest side, in pixels of the network's scale, of pictures that are judged."""


@dataclass(frozen=True)
class Evidence:
    """What a pair shows of a flow."""

    support: Tensor
    """From 0 (the pictures show nothing) to 1 (they show this flow), ``(H, W)``."""
    sharp: Tensor
    """The same, by fine detail alone, in places as sharp in one picture as in the other."""
    similarity: Similarity
    """What fits the flow where detail is seen."""


def evidence_of(reference: Luma, moving: Luma, flow: Tensor, *, scale: float = 1.0) -> Evidence | None:
    """What two pictures show of the flow between them.

    Args:
        reference: Picture on whose grid the flow is.
        moving: The other picture.
        flow: ``(2, H, W)`` in pixels of these pictures at the size the flow has.
        scale: How many times smaller than the pictures the network saw them.

    Returns:
        The evidence; None for pictures too small to judge.
    """
    height, width = flow.shape[1:]
    if min(reference.at(scale).shape) < _SMALLEST_SIDE:
        return None
    fine = explain(reference, moving, flow, scale=_FINE * scale, window=_FINE_WINDOW)
    similarity = _similarity(reference, flow, fine.left, scale)
    steady = similarity_at(similarity, height, width, flow)
    gains = []
    for coarse in _COARSE:
        under = [explain(reference, moving, f, scale=coarse * scale, window=_COARSE_WINDOW) for f in (flow, steady)]
        gains.append(_grown(torch.log(under[1].left / under[0].left), height, width))
    by_gain = _ramp((gains[0] + gains[1]) / 2, *_EVIDENCE)
    alike = _grown(fine.alike, height, width)
    explained = 1 - _ramp(_grown(torch.maximum(fine.left, fine.noise), height, width), *_LEFT)
    support = torch.maximum(by_gain, _ramp(alike, *_ALIKE) * explained)
    return Evidence(support, _ramp(alike, *_SURELY_ALIKE) * explained, similarity)


def supported_flow(flow: Tensor, evidence: Evidence) -> Tensor:
    """``flow`` where the pictures show it; elsewhere that of the similarity and of the vicinity, smoothly joined.

    Args:
        flow: ``(2, H, W)`` in pixels.
        evidence: Of that flow.
    """
    height, width = flow.shape[1:]
    steady = similarity_at(evidence.similarity, height, width, flow)
    beyond = flow - steady
    size = max(1, height // _CELL_PX), max(1, width // _CELL_PX)
    weight = F.interpolate(evidence.sharp[None, None], size, mode="area")[0]
    vicinity = F.interpolate((evidence.sharp * beyond)[None], size, mode="area")[0]
    near = _blur(vicinity) / (_blur(weight) + _LEAST_WEIGHT)
    near = F.interpolate(near[None], (height, width), mode="bilinear", align_corners=False)[0]
    return steady + torch.lerp(near, beyond, evidence.support)


def similarity_at(similarity: Similarity, height: int, width: int, like: Tensor) -> Tensor:
    """Flow of a similarity, ``(2, H, W)``, on the device of ``like``; of float32 precision.

    Example:
        >>> similarity_at(Similarity(shift_x_px=2.0), 1, 2, torch.zeros(1)).tolist()
        [[[2.0, 2.0]], [[0.0, 0.0]]]
    """
    slope = similarity.linear - 1
    x = torch.arange(width, dtype=torch.float32, device=like.device) - (width - 1) / 2
    y = (torch.arange(height, dtype=torch.float32, device=like.device) - (height - 1) / 2)[:, None]
    return torch.stack(
        (
            slope.real * x - slope.imag * y + similarity.shift_x_px,
            slope.imag * x + slope.real * y + similarity.shift_y_px,
        )
    )


def _similarity(reference: Luma, flow: Tensor, left: Tensor, scale: float) -> Similarity:
    """The similarity of most of the flow, by cells: those with detail that the flow explains weigh most."""
    detail = texture(reference, scale=_FINE * scale, window=_FINE_WINDOW)
    weights = detail / (detail + 1e-4) / (left + 0.03)
    cells = resize_flow(flow, left.shape).cpu().numpy()
    fit = fit_similarity(cells, weights.cpu().numpy().astype(np.float64), robust=True).similarity
    return fit.scaled(flow.shape[2] / left.shape[1])


def _grown(cells: Tensor, height: int, width: int) -> Tensor:
    return F.interpolate(cells[None, None], (height, width), mode="bilinear", align_corners=False)[0, 0]


def _ramp(values: Tensor, low: float, high: float) -> Tensor:
    """Smoothly from 0 at ``low`` to 1 at ``high``."""
    share = ((values - low) / (high - low)).clamp(0, 1)
    return share * share * (3 - 2 * share)


def _blur(cells: Tensor) -> Tensor:
    """Gaussian over cells ``(k, h, w)``; beyond the border there is nothing."""
    reach = int(3 * _VICINITY_CELLS)
    taps = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, device=cells.device) / _VICINITY_CELLS) ** 2)
    taps = (taps / taps.sum()).to(cells.dtype)
    rows = F.conv2d(cells[:, None], taps.view(1, 1, -1, 1), padding=(reach, 0))
    return F.conv2d(rows, taps.view(1, 1, 1, -1), padding=(0, reach))[:, 0]

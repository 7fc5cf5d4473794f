r"""Where a pair shows its flow, and what the flow is where it does not.

A background far out of focus shows nothing that could tell one displacement from another, yet a network gives one. So
a flow is held against the similarity that fits it best where detail is seen. With the shares :math:`u` of the blurry
picture's variance that stay unexplained under each, at the blur the pair has,

.. math:: e = \ln \frac{u(\text{similarity})}{u(\text{flow})}

is the evidence for what the flow adds: layers that really moved reach 0.4 to 2, a flow astray in blur mostly stays
below 0.2. Places that are about as sharp in both pictures, and explained, need no such proof: there, fine
detail shows the flow.

How much is asked for depends on the scene. Where all that is surely shown follows the similarity, a place that does
not must prove it; where much is shown to move otherwise, less will do. A place whose counterpart is outside the moving
picture proves nothing, and is believed as far as its neighbours inside are.

Where nothing is shown, the flow is that of the similarity, or of sharp places nearby, which motion of a few pixels
continues smoothly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sdd_bench.flow import evidence_fused, evidence_unfused
from sdd_bench.flow.evidence_unfused import ramp
from sdd_bench.flow.pwcnet.refinement import Luminance, explain, resize_flow, texture
from sdd_bench.geometry.fit import fit_similarity
from sdd_bench.geometry.similarity import Similarity

_FINE, _COARSE = 2.0, (4.0, 8.0)
"""Scales, relative to that of the network, at which detail and evidence are looked at."""
_FINE_WINDOW, _COARSE_WINDOW = 4.0, 3.0
"""Standard deviations of the windows, in cells of four pixels at that scale."""
_EVIDENCE = (0.3, 0.6), (0.08, 0.2)
"""Evidence at which a flow begins to count, and at which it counts fully; in a scene that moves as one, and in one that
does not."""
_ALIKE, _SURELY_ALIKE = (0.3, 0.6), (0.5, 0.8)
"""Sharpness of one picture over that of the other, likewise: for the flow of a place, and for that of its vicinity."""
_LEFT = (0.02, 0.08), (0.1, 0.3)
"""Shares unexplained between which fine detail ceases to be explained; in such scenes likewise."""
_SPREAD_PX = 0.5, 1.5
"""Median distance of what is shown from the similarity, in pixels of the network's scale: a scene moves as one below
the first, and surely not above the second."""
_INSIDE, _INSIDE_CELLS, _INSIDE_CELL_PX, _BESIDE_CELLS = (0.8, 1.0), 4.0, 8, 6.0
"""Share of a window's counterpart inside the moving picture by which a place counts; deviation of that window in cells,
of so many pixels of the network's scale; and of the vicinity from which a place that does not count is judged."""
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


def evidence_of(reference: Luminance, moving: Luminance, flow: Tensor, *, scale: float = 1.0) -> Evidence | None:
    """What two pictures show of the flow between them.

    Args:
        reference: Picture on whose grid the flow is.
        moving: The other picture.
        flow: ``(2, H, W)`` in pixels of these pictures at the size the flow has.
        scale: How many times smaller than the pictures the network saw them.

    Returns:
        The evidence; None for pictures too small to judge.
    """
    size = flow.shape[1:]
    if min(reference.at(scale).shape) < _SMALLEST_SIDE:
        return None
    passes = _passes_of(flow)
    fine = explain(reference, moving, flow, scale=_FINE * scale, window=_FINE_WINDOW)
    similarity = _similarity(reference, flow, fine.left, scale)
    gains = []
    for coarse in _COARSE:
        small = reference.at(coarse * scale).shape
        flows = resize_flow(flow, small), similarity_at(similarity, size, small, flow)
        under = [explain(reference, moving, f, scale=coarse * scale, window=_COARSE_WINDOW) for f in flows]
        gains.append(torch.log(under[1].left / under[0].left))

    def shown(lax: float) -> Tensor:
        left = torch.maximum(fine.left, fine.noise)
        return passes.shown((gains[0], gains[1]), fine.alike, left, size, _bounds(lax))  # type: ignore[no-any-return]

    weight, weighted, _, _ = passes.means_of_beyond(shown(0.0)[0], flow, similarity, _cells(size, _CELL_PX))
    lax = _laxity(weight, weighted, scale)
    support, sharp = shown(lax)
    return Evidence(_beside_what_is_outside(support, flow, scale), sharp, similarity)


def supported_flow(flow: Tensor, evidence: Evidence) -> Tensor:
    """``flow`` where the pictures show it; elsewhere that of the similarity and of the vicinity, smoothly joined.

    Args:
        flow: ``(2, H, W)`` in pixels.
        evidence: Of that flow.
    """
    passes, similarity = _passes_of(flow), evidence.similarity
    weight, _, *vicinity = passes.means_of_beyond(evidence.sharp, flow, similarity, _cells(flow.shape[1:], _CELL_PX))
    near = _blur(torch.stack(vicinity)) / (_blur(weight[None]) + _LEAST_WEIGHT)
    supported: Tensor = passes.supported(flow, similarity, near, evidence.support)
    return supported


def similarity_at(similarity: Similarity, size: Sequence[int], smaller: Sequence[int], like: Tensor) -> Tensor:
    """Flow of a similarity of pictures of a size, resized with them: as :func:`resize_flow` gives it, on the device of
    ``like``.

    Example:
        >>> similarity_at(Similarity(shift_x_px=2.0), (2, 4), (1, 2), torch.zeros(1)).tolist()
        [[[1.0, 1.0]], [[0.0, 0.0]]]
    """
    slope = similarity.linear - 1
    y, x = (_places(full, small, like) for full, small in zip(size, smaller, strict=True))
    along = slope.real * x - slope.imag * y[:, None] + similarity.shift_x_px
    down = slope.imag * x + slope.real * y[:, None] + similarity.shift_y_px
    return torch.stack((along * (smaller[1] / size[1]), down * (smaller[0] / size[0])))


def _places(full: int, small: int, like: Tensor) -> Tensor:
    """Places along a side, from its middle, resized: beside the border they are means over fewer pixels."""
    places = torch.arange(full, dtype=torch.float32, device=like.device) - (full - 1) / 2
    resized = F.interpolate(
        places[None, None, None], (1, small), mode="bilinear", align_corners=False, antialias=small < full
    )
    return resized[0, 0, 0]


def _similarity(reference: Luminance, flow: Tensor, left: Tensor, scale: float) -> Similarity:
    """The similarity of most of the flow, by cells: those with detail that the flow explains weigh most."""
    detail = texture(reference, scale=_FINE * scale, window=_FINE_WINDOW)
    weights = detail / (detail + 1e-4) / (left + 0.03)
    cells = resize_flow(flow, left.shape).cpu().numpy()
    fit = fit_similarity(cells, weights.cpu().numpy().astype(np.float64), robust=True).similarity
    return fit.scaled(flow.shape[2] / left.shape[1])


def _bounds(lax: float) -> tuple[tuple[float, float], ...]:
    """Of the ramps by which a place is shown, if ``lax`` (0 to 1) of the leniency is granted."""
    return _between(_EVIDENCE, lax), _ALIKE, _between(_LEFT, lax), _SURELY_ALIKE


def _between(thresholds: tuple[tuple[float, float], tuple[float, float]], lax: float) -> tuple[float, float]:
    strict, lenient = thresholds
    return strict[0] + lax * (lenient[0] - strict[0]), strict[1] + lax * (lenient[1] - strict[1])


def _laxity(weight: Tensor, weighted: Tensor, scale: float) -> float:
    """Whether what is surely shown moves as one (0) or otherwise (1), by the median of its distance from the rest.

    Args:
        weight: How much of each cell is surely shown, ``(h, w)``.
        weighted: The mean of that times the distance in pixels.
        scale: Pixels of the picture for one of the network's.
    """
    distance, order = (weighted / scale / (weight + 1e-6)).flatten().sort()
    passed = weight.flatten()[order].cumsum(0)
    median = distance[min(int((passed < passed[-1] / 2).sum()), len(distance) - 1)]
    return float(ramp(median, *_SPREAD_PX))


def _beside_what_is_outside(support: Tensor, flow: Tensor, scale: float) -> Tensor:
    """``support``, but of its vicinity where the flow leads out of the moving picture."""
    passes = _passes_of(flow)
    within, cells = passes.means_inside(support, flow, _cells(support.shape, round(_INSIDE_CELL_PX * scale)))
    if bool((within == 1).all()):
        return support
    share, whole = _blur(torch.stack((within, torch.ones_like(within))), _INSIDE_CELLS)
    counts = ramp(share / whole, *_INSIDE)
    weighted, weight = _blur(torch.stack((counts * cells, counts)), _BESIDE_CELLS)
    blended: Tensor = passes.blended(weighted / (weight + 1e-3), support, counts)
    return blended


def _cells(size: Sequence[int], side: int) -> tuple[int, int]:
    """How many cells of a side in pixels a picture has, at least one."""
    return max(1, size[0] // max(1, side)), max(1, size[1] // max(1, side))


def _passes_of(flow: Tensor) -> ModuleType:
    """The passes for the device of a tensor."""
    return evidence_fused if flow.device.type == "cpu" else evidence_unfused


def _blur(cells: Tensor, deviation: float = _VICINITY_CELLS) -> Tensor:
    """Gaussian over cells ``(k, h, w)``; beyond the border there is nothing."""
    reach = int(3 * deviation)
    taps = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, device=cells.device) / deviation) ** 2)
    taps = (taps / taps.sum()).to(cells.dtype)
    rows = F.conv2d(cells[:, None], taps.view(1, 1, -1, 1), padding=(reach, 0))
    return F.conv2d(rows, taps.view(1, 1, 1, -1), padding=(0, reach))[:, 0]

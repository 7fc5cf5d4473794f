"""How the two pictures of a pair moved against each other: as a whole, in layers, and how much of it is shown.

Where a place's counterpart is outside the other picture, its flow is a guess that reaches some way inwards. So layers
are sought only where the counterpart is well inside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdd_bench.flow.compose import similarity_flow
from sdd_bench.geometry.affine import overlap
from sdd_bench.geometry.fit import fit_similarity

_LEAST_PX, _RESIDUALS = 1.0, 3.0
"""Distance from the similarity from which a place is of another layer: the larger of pixels and median residuals."""
_INSIDE = 1 / 16
"""Least distance of a counterpart from the edge of the other picture, as a share of the shorter side."""
_SHOWN = 0.5
"""Support from which a place shows its flow."""
_FEWEST_SHOWN = 0.01
"""Least share of a picture that shows its flow; with less, every place counts."""
_LITTLE_SHOWN = 0.05
"""Share of a picture that shows its flow below which the similarity is in doubt."""
_BENT_PX, _BENT_SHARE = 1.0, 0.001
"""Median distance of the flow from the similarity above which that describes no whole: the larger of pixels and a share
of the width, by which ``analyze`` may be off."""


@dataclass(frozen=True)
class PairMotion:
    """Motion between blurry and sharp, from the flow of the registered ground truth."""

    similarity_px: float
    """What moved as a whole: RMS displacement over the picture of the similarity of most of the flow."""
    layer_share: float
    """Share of the places well inside both pictures that are shown to be off that similarity by more than max(1 px, 3
    median residuals)."""
    layer_px: float
    """RMS distance of these places from it; 0 where there are none."""
    supported_share: float | None = None
    """Share of the picture whose flow the pictures show; None for a flow that does not know."""
    note: str = ""
    """What looks wrong about the roles of the two pictures."""
    doubt: str = ""
    """Why ``similarity_px`` may not be what moved as a whole; empty where nothing speaks against it."""


def pair_motion(flow: NDArray[Any], support: NDArray[Any] | None = None, note: str = "") -> PairMotion:
    """Motion between two pictures, split into what moved as a whole and what moved in layers.

    Args:
        flow: Flow in pixels, ``(2, H, W)``.
        support: Where the pictures show it, from 0 to 1, ``(H, W)``; None counts every place.
        note: On the roles of the pictures.

    Example:
        >>> flow = np.zeros((2, 32, 48))
        >>> flow[0] = 2.0
        >>> flow[0, :, 36:] = 12.0
        >>> found = pair_motion(flow)
        >>> round(found.similarity_px, 2), round(found.layer_share, 2), round(found.layer_px, 2)
        (2.0, 0.18, 10.0)
    """
    height, width = flow.shape[1:]
    shown = np.ones((height, width), np.bool_) if support is None else support >= _SHOWN
    share = float(shown.mean())
    counted = shown if share >= _FEWEST_SHOWN else np.ones_like(shown)
    similarity = fit_similarity(flow, counted.astype(np.float64), robust=True).similarity
    away = np.hypot(*(flow - similarity_flow(similarity, height, width).numpy()))
    known = away[counted & np.isfinite(away)]
    limit = max(_LEAST_PX, _RESIDUALS * float(np.median(known))) if len(known) else _LEAST_PX
    judged = overlap((height, width), similarity, margin=round(_INSIDE * min(height, width)))
    off = shown & judged & (away > limit)
    bent_px = float(np.median(known)) if len(known) else 0.0
    doubt = ""
    if share < _LITTLE_SHOWN:
        doubt = f"the pictures show the flow on {share:.1%} of the picture alone"
    elif bent_px > max(_BENT_PX, _BENT_SHARE * width):
        doubt = f"no similarity describes it: half of the flow is {bent_px:.1f} px or more off"
    return PairMotion(
        similarity_px=similarity.rms_px(height, width),
        layer_share=float(off.sum() / max(judged.sum(), 1)),
        layer_px=float(np.sqrt(np.mean(np.square(away[off])))) if off.any() else 0.0,
        supported_share=None if support is None else share,
        note=note,
        doubt=doubt,
    )

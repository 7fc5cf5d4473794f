"""The light of a pair whose similarity is known: its transfer, and what geometry and light each cost in PSNR.

The PSNR of the sharp picture against the blurry one rises when it is registered, and again when its light is matched
then. The two steps say how much of a pair's difference is geometry and how much is light. Blur is what is left.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdd_bench.flow.compose import similarity_flow
from sdd_bench.geometry.affine import overlap, warp
from sdd_bench.geometry.similarity import Similarity
from sdd_bench.images.photograph import to_float
from sdd_bench.registration.light.estimate import estimate_transfer
from sdd_bench.registration.light.transfer import Match, Transfer

_MOST_PIXELS = 1_000_000
"""Pixels that a PSNR is taken of; a larger picture is thinned out."""


@dataclass(frozen=True)
class PairLight:
    """The transfer of light of a pair, and PSNR of its sharp picture against the blurry one; None: infinite."""

    transfer: Transfer
    raw_db: float | None
    """As captured."""
    registered_db: float | None
    matched_db: float | None
    """Registered and matched."""

    @property
    def geometry_db(self) -> float | None:
        """What registration gains."""
        return _gain(self.registered_db, self.raw_db)

    @property
    def light_db(self) -> float | None:
        """What matching gains then."""
        return _gain(self.matched_db, self.registered_db)


def transfer_of_pair(
    blurry: NDArray[Any], sharp: NDArray[Any], similarity: Similarity, *, match: Match = Match.GAIN
) -> Transfer:
    """The transfer of light from the sharp to the blurry picture.

    Args:
        blurry: sRGB values, ``(H, W, 3)``, uint8 or uint16.
        sharp: The same shape and type.
        similarity: Map from blurry to sharp coordinates, about the picture's centre.
        match: What the transfer may do.

    Raises:
        ImageError: Shapes differ.
    """
    if match is Match.NONE:
        return Transfer()
    height, width = blurry.shape[:2]
    flow = similarity_flow(similarity, height, width).numpy()
    inside = overlap(blurry.shape, similarity)
    return estimate_transfer(to_float(blurry), to_float(sharp), flow=flow, valid=inside, model=match)


def light_of_pair(
    blurry: NDArray[Any], sharp: NDArray[Any], similarity: Similarity, *, match: Match = Match.GAIN
) -> PairLight:
    """The transfer, and what geometry and light each cost. Arguments as of :func:`transfer_of_pair`.

    Example:
        >>> blurry = np.full((64, 64, 3), 100, np.uint8)
        >>> light_of_pair(blurry, blurry, Similarity(), match=Match.NONE).light_db is None  # alike bit for bit
        True
    """
    transfer = transfer_of_pair(blurry, sharp, similarity, match=match)
    step = max(1, math.ceil(math.sqrt(blurry.shape[0] * blurry.shape[1] / _MOST_PIXELS)))
    thin = (slice(None, None, step),) * 2
    target, captured = to_float(blurry)[thin], to_float(sharp)
    registered = warp(captured, similarity)
    matched = transfer.apply(registered)[thin] if match is Match.FIELD else transfer.apply(registered[thin])
    inside = overlap(blurry.shape, similarity)[thin]
    found = [_psnr(picture, target, inside) for picture in (captured[thin], registered[thin], matched)]
    return PairLight(transfer, *found)


def _psnr(picture: NDArray[np.float32], target: NDArray[np.float32], inside: NDArray[np.bool_]) -> float | None:
    error = (picture - target)[inside].astype(np.float64)
    mean = float(np.mean(error**2)) if error.size else 0.0
    return -10 * math.log10(mean) if mean > 0 else None


def _gain(better: float | None, before: float | None) -> float | None:
    return None if better is None or before is None else better - before

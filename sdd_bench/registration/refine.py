r"""Direct registration: the similarity between a blurry and a sharp picture, to a few hundredths of a pixel.

Each tile gives a displacement :math:`d_i` with its covariance :math:`C_i` that no defocus moves
(:mod:`sdd_bench.registration.tiles`). They are fitted by a similarity, linear in :math:`\theta = (\mathrm{Re}\,\sigma,
\mathrm{Im}\,\sigma, \mathrm{Re}\,\tau, \mathrm{Im}\,\tau)`, :math:`u = \sigma q + \tau` with *q* from the centre, as
in :mod:`sdd_bench.geometry.fit`:

.. math:: \min_\theta \sum_i w_i\, r_i^T (k\,C_i + s^2 I)^{-1} r_i, \quad r_i = d_i - J_i \theta

*s* is how much tiles differ by more than their noise (parallax, distortion), *k* how much less is known in poor tiles
than :math:`C_i` says: such that the median of the summands is that of :math:`\chi^2_2` in the surest half of the tiles
and in the other. :math:`w_i` is Tukey's biweight. Then the picture is sampled again by the new similarity, at
half size first. Intervals are those of the sandwich estimator, which believes the residuals and not the :math:`C_i`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sdd_bench.geometry.similarity import Similarity
from sdd_bench.geometry.spline import spline
from sdd_bench.images.light import Plane, halve
from sdd_bench.registration.tile_fit import (
    LARGEST_DEVIATION_PX,
    LARGEST_STEP_PX,
    LEAST_EXPLAINED,
    Estimate,
    fit_tiles,
    squared_distance,
)
from sdd_bench.registration.tiles import Tiles, measure_tiles, smooth

_STEPS = (4, 8)
"""At most so many at half size, at full size."""
_SETTLED_PX = 0.002
_TRUSTED_CHI2 = 15.0


@dataclass(frozen=True)
class DirectFit:
    """A registration, in pixels of the planes it was made from."""

    similarity: Similarity
    standard_error: Similarity
    """Of each of its four numbers."""
    residual_px: float
    """RMS by which tiles differ from the similarity beyond their noise; surer tiles weigh more."""
    residual_p95_px: float
    """95 % of the tiles lie closer to the similarity."""
    n_tiles: int
    """Tiles that show the same texture in both pictures."""
    textured_share: float
    """Of the tiles inside both pictures."""
    trusted_share: float
    """Of these tiles, those that agree with the similarity."""
    settled: bool
    """The last step moved no corner by more than a few thousandths of a pixel."""


def register(
    reference: Plane,
    moving: Plane,
    start: Similarity,
    *,
    clipped: NDArray[np.uint8] | None = None,
    moving_clipped: NDArray[np.uint8] | None = None,
) -> DirectFit | None:
    """Refine ``start`` until it settles.

    Args:
        reference: The blurry picture, linear light, ``(H, W)`` with even sides.
        moving: The sharp picture, same shape; gain and offset may differ.
        start: Reference to moving coordinates, right to about 3 px.
        clipped: Non-zero where the reference is saturated.
        moving_clipped: Non-zero where ``moving`` is saturated.

    Returns:
        The fit, or None where fewer than six tiles have texture.
    """
    nothing = np.zeros(reference.shape, np.uint8)
    clipped = nothing if clipped is None else clipped
    moving_clipped = nothing if moving_clipped is None else moving_clipped
    level = (reference, moving, clipped, moving_clipped)
    coarse = (halve(reference), halve(moving), clipped[::2, ::2] | clipped[1::2, 1::2],
              moving_clipped[::2, ::2] | moving_clipped[1::2, 1::2])  # fmt: skip
    found = _settle(*coarse, start.scaled(0.5), _STEPS[0], halved=True)
    if found is not None:
        start = found.similarity.scaled(2.0)
    return _settle(*level, start, _STEPS[1], halved=False)


def _settle(
    reference: Plane,
    moving: Plane,
    clipped: NDArray[np.uint8],
    moving_clipped: NDArray[np.uint8],
    similarity: Similarity,
    steps: int,
    *,
    halved: bool,
) -> DirectFit | None:
    height, width = reference.shape
    tile, bank = _tiling(height, width, halved)
    reach = math.hypot(height, width) / 2
    reference, moving = smooth(reference), spline(smooth(moving))
    for _ in range(steps):
        tiles = measure_tiles(
            reference, moving, similarity, clipped=clipped, moving_clipped=moving_clipped, tile=tile, bank=bank
        )
        fitted = fit_tiles(tiles)
        if fitted is None:
            return None
        estimate = fitted
        step = Similarity.from_complex(1 + complex(*estimate.theta[:2]), complex(*estimate.theta[2:]))
        similarity = similarity @ step
        moved = abs(step.linear - 1) * reach + abs(step.shift)
        if moved < _SETTLED_PX:
            break
    return _report(tiles, estimate, similarity, settled=moved < 25 * _SETTLED_PX)


def _tiling(height: int, width: int, halved: bool) -> tuple[int, tuple[float, ...]]:
    """Side of a tile and bank of blurs for a picture: large ones are blurred by more pixels."""
    if height * width >= 700_000 * (0.25 if halved else 1):
        return (32, (1.0, 2.0, 4.0)) if halved else (64, (1.0, 2.0, 4.0, 7.0))
    return (16 if halved and min(height, width) < 256 else 32), ((1.0, 2.0) if halved else (1.0, 2.0, 4.0))


def _report(tiles: Tiles, estimate: Estimate, similarity: Similarity, *, settled: bool) -> DirectFit:
    """Judge the fit by every tile that shows the same thing in both pictures, whether it voted or not."""
    slope, shift = complex(*estimate.theta[:2]), complex(*estimate.theta[2:])
    noise = np.trace(tiles.covariance, axis1=1, axis2=2)
    judged = (noise < 2 * LARGEST_DEVIATION_PX**2) & (tiles.explained > LEAST_EXPLAINED)
    expected = slope * tiles.centre[judged] + shift
    moved = tiles.displacement[judged]
    residual = moved - np.stack((expected.real, expected.imag), axis=1)
    distance = squared_distance(residual, estimate.excess * tiles.covariance[judged], estimate.spread_px)
    length = np.minimum(np.hypot(*residual.T), 2 * LARGEST_STEP_PX)
    sureness = 1 / (noise[judged] + LARGEST_DEVIATION_PX**2 / 25)
    beyond_noise = float(np.sum(sureness * (length**2 - noise[judged])) / np.sum(sureness))
    error = np.sqrt(np.diag(estimate.covariance))
    return DirectFit(
        similarity,
        Similarity(float(error[0]), math.degrees(float(error[1])), float(error[2]), float(error[3])),
        residual_px=math.sqrt(max(beyond_noise, 0.0)),
        residual_p95_px=float(np.percentile(length, 95)),
        n_tiles=len(length),
        textured_share=len(length) / max(tiles.n_inside, 1),
        trusted_share=float(np.mean(distance < _TRUSTED_CHI2)),
        settled=settled,
    )

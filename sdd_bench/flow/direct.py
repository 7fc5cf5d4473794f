r"""Direct registration: the similarity between a blurry and a sharp picture, to a few hundredths of a pixel.

Each tile gives a displacement :math:`d_i` with its covariance :math:`C_i` that no defocus moves
(:mod:`sdd_bench.flow.tiles`). They are fitted by a similarity, linear in :math:`\theta = (\mathrm{Re}\,\sigma,
\mathrm{Im}\,\sigma, \mathrm{Re}\,\tau, \mathrm{Im}\,\tau)`, :math:`u = \sigma q + \tau` with *q* from the centre, as
in :mod:`sdd_bench.flow.registration`:

.. math:: \min_\theta \sum_i w_i\, r_i^T (k\,C_i + s^2 I)^{-1} r_i, \quad r_i = d_i - J_i \theta

*s* is how much tiles differ by more than their noise (parallax, distortion), *k* how much less is known in poor tiles
than :math:`C_i` says: such that the median of the summands is that of :math:`\chi^2_2` in the surest half of the tiles
and in the other. :math:`w_i` is Tukey's biweight. Then the picture is sampled again by the new similarity, at
half size first. Intervals are those of the sandwich estimator, which believes the residuals and not the :math:`C_i`.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from sdd_bench.flow.planes import Plane, halve
from sdd_bench.flow.registration import compose, scale
from sdd_bench.flow.tiles import Tiles, measure_tiles, smooth, spline
from sdd_bench.types import Similarity

_STEPS = (4, 8)
"""At most so many at half size, at full size."""
_SETTLED_PX = 0.002
_MEDIAN_CHI2 = 1.386
"""Of a chi-square with two degrees of freedom."""
_TUKEY_CHI2 = 4.685**2
_EXCESSES = np.geomspace(1.0, 1e4, 60)
_TRUSTED_CHI2 = 15.0
_SPREADS_PX = np.geomspace(0.001, 8.0, 90)
_LARGEST_STEP_PX = 3.0
"""A single linear step means nothing beyond; such tiles do not vote."""
_LARGEST_DEVIATION_PX = 1.0
"""Tiles whose displacement is less certain do not vote."""
_EXPLAINED, _LEAST_EXPLAINED = 0.6, 0.2
"""Tiles of which the other picture explains less than the first are left out where enough others are there; less than
the second, they show noise, or another scene."""
_ENOUGH_TILES = 40
_FEWEST_TILES = 6
_ROBUST_STEPS = 30


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


@dataclass(frozen=True)
class _Estimate:
    theta: NDArray[np.float64]
    covariance: NDArray[np.float64]
    spread_px: float
    excess: float
    voters: NDArray[np.bool_]


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
    found = _settle(*coarse, scale(start, 0.5), _STEPS[0], halved=True)
    if found is not None:
        start = scale(found.similarity, 2.0)
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
        slope, shift = 1 + complex(*estimate.theta[:2]), complex(*estimate.theta[2:])
        step = Similarity(abs(slope), math.degrees(cmath.phase(slope)), shift.real, shift.imag)
        similarity = compose(similarity, step)
        moved = abs(slope - 1) * reach + abs(shift)
        if moved < _SETTLED_PX:
            break
    return _report(tiles, estimate, similarity, settled=moved < 25 * _SETTLED_PX)


def _tiling(height: int, width: int, halved: bool) -> tuple[int, tuple[float, ...]]:
    """Side of a tile and bank of blurs for a picture: large ones are blurred by more pixels."""
    if height * width >= 700_000 * (0.25 if halved else 1):
        return (32, (1.0, 2.0, 4.0)) if halved else (64, (1.0, 2.0, 4.0, 7.0))
    return (16 if halved and min(height, width) < 256 else 32), ((1.0, 2.0) if halved else (1.0, 2.0, 4.0))


def fit_tiles(tiles: Tiles) -> _Estimate | None:
    """The robust fit of the module docstring; None where too few tiles can vote."""
    deviation = np.sqrt(np.linalg.eigvalsh(tiles.covariance)[:, -1]) if len(tiles.centre) else np.empty(0)
    certain = (deviation < _LARGEST_DEVIATION_PX) & (np.hypot(*tiles.displacement.T) < _LARGEST_STEP_PX)
    voters = certain & (tiles.explained > _EXPLAINED)
    if np.count_nonzero(voters) < _ENOUGH_TILES:
        voters = certain & (tiles.explained > _LEAST_EXPLAINED)
    if np.count_nonzero(voters) < _FEWEST_TILES:
        return None
    q, d, noise = tiles.centre[voters], tiles.displacement[voters], tiles.covariance[voters]
    jacobian = np.zeros((len(q), 2, 4))
    jacobian[:, 0] = np.stack((q.real, -q.imag, np.ones(len(q)), np.zeros(len(q))), axis=1)
    jacobian[:, 1] = np.stack((q.imag, q.real, np.zeros(len(q)), np.ones(len(q))), axis=1)
    length = max(float(np.sqrt(np.mean(np.abs(q) ** 2))), 1.0)
    jacobian[:, :, :2] /= length  # so that all four parameters are pixels
    excess, weights = 1.0, np.ones(len(q))
    spread = float(np.median(np.abs(d - np.median(d, axis=0)))) + 0.01
    for step in range(_ROBUST_STEPS):
        precision = np.linalg.inv(excess * noise + spread**2 * np.eye(2))
        pulled = jacobian.swapaxes(1, 2) @ precision * weights[:, None, None]
        normal = (pulled @ jacobian).sum(axis=0) + 1e-12 * np.eye(4)
        theta = np.linalg.solve(normal, (pulled @ d[..., None]).sum(axis=0)[:, 0])
        residual = d - jacobian @ theta
        before, (spread, excess) = (spread, excess), _scales(residual, noise)
        distance = _distance(residual, excess * noise, spread)
        weights = np.clip(1 - distance / _TUKEY_CHI2, 0, None) ** 2
        if (spread, excess) == before and step >= 8:
            break
    score = (pulled @ residual[..., None])[..., 0]
    inverse = np.linalg.inv(normal)
    n_effective = float(np.count_nonzero(weights > 0))
    covariance = inverse @ (score.T @ score) @ inverse * (n_effective / max(n_effective - 4, 1))
    unit = np.array([1 / length, 1 / length, 1, 1])
    return _Estimate(theta * unit, covariance * np.outer(unit, unit), spread, excess, voters)


def _distance(residual: NDArray[np.float64], noise: NDArray[np.float64], spread: float) -> NDArray[np.float64]:
    """Squared Mahalanobis length of each residual."""
    a, b, c = noise[:, 0, 0] + spread**2, noise[:, 0, 1], noise[:, 1, 1] + spread**2
    x, y = residual.T
    return np.asarray((c * x * x - 2 * b * x * y + a * y * y) / (a * c - b * b))


def _distance_in_excess(
    residual: NDArray[np.float64], noise: NDArray[np.float64], spread: float, excess: float
) -> NDArray[np.float64]:
    return _distance(residual, excess * noise, spread)


def _scales(residual: NDArray[np.float64], noise: NDArray[np.float64]) -> tuple[float, float]:
    """*s* and *k*: the surest half of the tiles gives the one, the other half the other, in turns."""
    size = np.trace(noise, axis1=1, axis2=2)
    sure = size <= np.median(size)
    if sure.all():
        return _smallest(_SPREADS_PX, partial(_distance, residual, noise)), 1.0
    excess = 1.0
    for _ in range(3):
        spread = _smallest(_SPREADS_PX, partial(_distance, residual[sure], excess * noise[sure]))
        poor = partial(_distance_in_excess, residual[~sure], noise[~sure], spread)
        excess = _smallest(_EXCESSES, poor)
    return spread, excess


def _smallest(ladder: NDArray[np.float64], distance: Callable[[float], NDArray[np.float64]]) -> float:
    """The smallest step of the ladder at which the median residual is no longer than its covariance says."""
    low, high = 0, len(ladder) - 1
    while low < high:
        middle = (low + high) // 2
        if float(np.median(distance(float(ladder[middle])))) <= _MEDIAN_CHI2:
            high = middle
        else:
            low = middle + 1
    return float(ladder[low])


def _report(tiles: Tiles, estimate: _Estimate, similarity: Similarity, *, settled: bool) -> DirectFit:
    """Judge the fit by every tile that shows the same thing in both pictures, whether it voted or not."""
    slope, shift = complex(*estimate.theta[:2]), complex(*estimate.theta[2:])
    noise = np.trace(tiles.covariance, axis1=1, axis2=2)
    judged = (noise < 2 * _LARGEST_DEVIATION_PX**2) & (tiles.explained > _LEAST_EXPLAINED)
    expected = slope * tiles.centre[judged] + shift
    moved = tiles.displacement[judged]
    residual = moved - np.stack((expected.real, expected.imag), axis=1)
    distance = _distance(residual, estimate.excess * tiles.covariance[judged], estimate.spread_px)
    length = np.minimum(np.hypot(*residual.T), 2 * _LARGEST_STEP_PX)
    sureness = 1 / (noise[judged] + _LARGEST_DEVIATION_PX**2 / 25)
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

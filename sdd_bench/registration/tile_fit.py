"""The robust fit of a similarity to displaced tiles; :mod:`sdd_bench.registration.refine` defines the symbols."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from sdd_bench.registration.tiles import Tiles

_MEDIAN_CHI2 = 1.386
"""Median of a chi-square variable with two degrees of freedom, 2 ln 2."""
_TUKEY_CHI2 = 4.685**2
"""Squared length from which a residual has no weight; Tukey's constant, which is 95 % efficient on normal residuals."""
_EXCESSES = np.geomspace(1.0, 1e4, 60)
"""Values that *k* may take, 17 % apart."""
_SPREADS_PX = np.geomspace(0.001, 8.0, 90)
"""Values that *s* may take, 11 % apart."""
LARGEST_STEP_PX = 3.0
"""Longest displacement of a tile that votes. A single linear step of more pixels means nothing."""
LARGEST_DEVIATION_PX = 1.0
"""Largest standard deviation of the displacement of a tile that votes."""
_EXPLAINED, LEAST_EXPLAINED = 0.6, 0.2
"""Least share of a tile's variance that the other picture explains in a tile that votes: the first where enough tiles
reach it, else the second. A tile below the second shows noise, or another scene."""
_ENOUGH_TILES = 40
"""Fewest tiles with which the stricter share is applied."""
_FEWEST_TILES = 6
"""Fewest tiles of a fit: twelve coordinates for four parameters."""
_ROBUST_STEPS = 30
"""Most steps of re-weighting."""


@dataclass(frozen=True)
class Estimate:
    """Result of the fit."""

    theta: NDArray[np.float64]
    """Parameters of the similarity, (4,)."""
    covariance: NDArray[np.float64]
    """Covariance of the parameters, (4, 4)."""
    spread_px: float
    """The spread *s*."""
    excess: float
    """The factor *k*."""
    voters: NDArray[np.bool_]
    """Mask of the tiles that the fit uses, (n,)."""


def fit_tiles(tiles: Tiles) -> Estimate | None:
    """Fit a similarity robustly to the displacements of tiles; None where fewer than six tiles can vote.

    Example:
        >>> x = np.arange(-1.0, 2.0)
        >>> nine = (x + 1j * x[:, None]).ravel() * 64
        >>> shift, noise = np.tile([0.5, -0.25], (9, 1)), np.tile(0.01 * np.eye(2), (9, 1, 1))
        >>> tiles = Tiles(nine, shift, noise, explained=np.ones(9), blur_px=np.ones(9), n_inside=9)
        >>> fit_tiles(tiles).theta[2:].round(3).tolist()
        [0.5, -0.25]
    """
    deviation = np.sqrt(np.linalg.eigvalsh(tiles.covariance)[:, -1]) if len(tiles.centre) else np.empty(0)
    certain = (deviation < LARGEST_DEVIATION_PX) & (np.hypot(*tiles.displacement.T) < LARGEST_STEP_PX)
    voters = certain & (tiles.explained > _EXPLAINED)
    if np.count_nonzero(voters) < _ENOUGH_TILES:
        voters = certain & (tiles.explained > LEAST_EXPLAINED)
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
        distance = squared_distance(residual, excess * noise, spread)
        weights = np.clip(1 - distance / _TUKEY_CHI2, 0, None) ** 2
        if (spread, excess) == before and step >= 8:
            break
    score = (pulled @ residual[..., None])[..., 0]
    inverse = np.linalg.inv(_slope(jacobian, precision, residual))
    n_effective = float(np.count_nonzero(weights > 0))
    covariance = inverse @ (score.T @ score) @ inverse.T * (n_effective / max(n_effective - 4, 1))
    unit = np.array([1 / length, 1 / length, 1, 1])
    return Estimate(theta * unit, covariance * np.outer(unit, unit), spread, excess, voters)


def _slope(
    jacobian: NDArray[np.float64], precision: NDArray[np.float64], residual: NDArray[np.float64]
) -> NDArray[np.float64]:
    r"""Derivative of the sum of scores by the parameters, :math:`\sum_i J_i^T (w P + 2 w' P r r^T P) J_i`.

    *P* is the inverse of a tile's covariance, *r* its residual, *w* Tukey's weight and *w'* the derivative of *w* by
    the squared length of *r*. The second term accounts for weights that fall as residuals grow; without it the
    intervals would be too short by a third.
    """
    pulled = (precision @ residual[..., None])[..., 0]
    left = np.clip(1 - (residual * pulled).sum(axis=1) / _TUKEY_CHI2, 0, None)
    outer = pulled[:, :, None] * pulled[:, None, :]
    kernel = left[:, None, None] ** 2 * precision - (4 * left / _TUKEY_CHI2)[:, None, None] * outer
    return np.asarray((jacobian.swapaxes(1, 2) @ kernel @ jacobian).sum(axis=0))


def squared_distance(residual: NDArray[np.float64], noise: NDArray[np.float64], spread: float) -> NDArray[np.float64]:
    r"""Squared Mahalanobis length :math:`r^T (C + s^2 I)^{-1} r` of each residual, (n,).

    Args:
        residual: Residuals *r*, (n, 2), pixels.
        noise: Covariances *C*, (n, 2, 2).
        spread: Spread *s* in pixels.

    Example:
        >>> squared_distance(np.array([[3.0, 4.0]]), np.eye(2)[None], spread=0.0).tolist()
        [25.0]
    """
    a, b, c = noise[:, 0, 0] + spread**2, noise[:, 0, 1], noise[:, 1, 1] + spread**2
    x, y = residual.T
    return np.asarray((c * x * x - 2 * b * x * y + a * y * y) / (a * c - b * b))


def _distance_in_excess(
    residual: NDArray[np.float64], noise: NDArray[np.float64], spread: float, excess: float
) -> NDArray[np.float64]:
    return squared_distance(residual, excess * noise, spread)


def _scales(residual: NDArray[np.float64], noise: NDArray[np.float64]) -> tuple[float, float]:
    """*s* from the surer half of the tiles and *k* from the other half, in turns."""
    size = np.trace(noise, axis1=1, axis2=2)
    sure = size <= np.median(size)
    if sure.all():
        return _smallest(_SPREADS_PX, partial(squared_distance, residual, noise)), 1.0
    excess = 1.0
    for _ in range(3):
        spread = _smallest(_SPREADS_PX, partial(squared_distance, residual[sure], excess * noise[sure]))
        poor = partial(_distance_in_excess, residual[~sure], noise[~sure], spread)
        excess = _smallest(_EXCESSES, poor)
    return spread, excess


def _smallest(ladder: NDArray[np.float64], distance: Callable[[float], NDArray[np.float64]]) -> float:
    """Smallest value of the ladder at which the median squared length is no larger than that of chi-square."""
    low, high = 0, len(ladder) - 1
    while low < high:
        middle = (low + high) // 2
        if float(np.median(distance(float(ladder[middle])))) <= _MEDIAN_CHI2:
            high = middle
        else:
            low = middle + 1
    return float(ladder[low])

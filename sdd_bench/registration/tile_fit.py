"""The robust fit of a similarity to displaced tiles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from sdd_bench.registration.tiles import Tiles

_MEDIAN_CHI2 = 1.386
"""Of a chi-square with two degrees of freedom."""
_TUKEY_CHI2 = 4.685**2
_EXCESSES = np.geomspace(1.0, 1e4, 60)
_SPREADS_PX = np.geomspace(0.001, 8.0, 90)
LARGEST_STEP_PX = 3.0
"""A single linear step means nothing beyond; such tiles do not vote."""
LARGEST_DEVIATION_PX = 1.0
"""Tiles whose displacement is less certain do not vote."""
_EXPLAINED, LEAST_EXPLAINED = 0.6, 0.2
"""Tiles of which the other picture explains less than the first are left out where enough others are there; less than
the second, they show noise, or another scene."""
_ENOUGH_TILES = 40
_FEWEST_TILES = 6
_ROBUST_STEPS = 30


@dataclass(frozen=True)
class Estimate:
    theta: NDArray[np.float64]
    covariance: NDArray[np.float64]
    spread_px: float
    excess: float
    voters: NDArray[np.bool_]


def fit_tiles(tiles: Tiles) -> Estimate | None:
    """The robust fit of the module docstring; None where too few tiles can vote."""
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
    r"""How the sum of scores changes with the parameters, :math:`\sum J^T (w P + 2 w' P r r^T P) J`, w of Tukey.

    The weights alone would leave out that they fall as residuals grow, and intervals would be short by a third.
    """
    pulled = (precision @ residual[..., None])[..., 0]
    left = np.clip(1 - (residual * pulled).sum(axis=1) / _TUKEY_CHI2, 0, None)
    outer = pulled[:, :, None] * pulled[:, None, :]
    kernel = left[:, None, None] ** 2 * precision - (4 * left / _TUKEY_CHI2)[:, None, None] * outer
    return np.asarray((jacobian.swapaxes(1, 2) @ kernel @ jacobian).sum(axis=0))


def squared_distance(residual: NDArray[np.float64], noise: NDArray[np.float64], spread: float) -> NDArray[np.float64]:
    """Squared Mahalanobis length of each residual."""
    a, b, c = noise[:, 0, 0] + spread**2, noise[:, 0, 1], noise[:, 1, 1] + spread**2
    x, y = residual.T
    return np.asarray((c * x * x - 2 * b * x * y + a * y * y) / (a * c - b * b))


def _distance_in_excess(
    residual: NDArray[np.float64], noise: NDArray[np.float64], spread: float, excess: float
) -> NDArray[np.float64]:
    return squared_distance(residual, excess * noise, spread)


def _scales(residual: NDArray[np.float64], noise: NDArray[np.float64]) -> tuple[float, float]:
    """*s* and *k*: the surest half of the tiles gives the one, the other half the other, in turns."""
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
    """The smallest step of the ladder at which the median residual is no longer than its covariance says."""
    low, high = 0, len(ladder) - 1
    while low < high:
        middle = (low + high) // 2
        if float(np.median(distance(float(ladder[middle])))) <= _MEDIAN_CHI2:
            high = middle
        else:
            low = middle + 1
    return float(ladder[low])

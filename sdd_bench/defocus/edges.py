r"""Blur at edges, from how fast their gradients fall when the picture is blurred further.

A step edge blurred by a Gaussian of :math:`\sigma` has, after a further blur by :math:`\sigma_i`, the gradient
:math:`m_i \propto (\sigma^2 + \sigma_i^2)^{-1/2}` on the edge. So with :math:`R = m_1 / m_2`

.. math:: \sigma = \sqrt{\frac{R^2 \sigma_1^2 - \sigma_2^2}{1 - R^2}}

(Zhuo and Sim, 2011). Karaali and Jung, "Edge-Based Defocus Blur Estimation With Adaptive Scale Selection" (TIP 2018),
take edges that persist over four scales and let :math:`\sigma_2` grow with the number of scales an edge survives.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import cg

from sdd_bench.core.arrays import Plane
from sdd_bench.core.threads import cores
from sdd_bench.defocus.canny import canny, gaussian_gradient

SCALES = tuple(0.5 * number for number in range(2, 11))
"""Sigmas at which edges are sought: 1, 1.5, .. 5 pixels."""
N_RELIABLE = 4
"""First scales at all of which an edge must be found."""
LARGEST_SIGMA_PX = 5.0
_SIGMA_1 = 1.0
_GAMMA = 10.0
"""How strongly neighbours on an edge are held together."""
_MOST_THREADS = 2
"""Scales looked at together; each holds some ten planes."""


@dataclass(frozen=True)
class EdgeBlur:
    """Blur along a picture's reliable edges."""

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    sigma_px: NDArray[np.float32]
    """Standard deviation in pixels, 0 to 5, one per edge pixel."""

    def plane(self, shape: tuple[int, int]) -> Plane:
        """``(H, W)`` float32, zero beside the edges."""
        plane = np.zeros(shape, np.float32)
        plane[self.rows, self.columns] = self.sigma_px
        return plane

    def mask(self, shape: tuple[int, int]) -> Plane:
        """``(H, W)`` float32, one on the edges."""
        plane = np.zeros(shape, np.float32)
        plane[self.rows, self.columns] = 1
        return plane


def edge_blur(light: Plane, *, ridge: bool = True) -> EdgeBlur:
    """Sigma of the blur on every reliable edge of a plane, consistent along the edges.

    Args:
        light: ``(H, W)`` float32 in [0, 1], in units in which blur is a convolution.
        ridge: Take gradients at the edge's ridge, by a parabola through their logarithms across it, instead of at the
            pixel's centre, as published; there they are up to 13 % off for an edge half a pixel away.
    """
    survived, first_lost = _edge_scales(light)
    rows, columns = np.nonzero(survived >= 0)
    if not len(rows):
        return EdgeBlur(rows, columns, np.zeros(0, np.float32))
    lost = first_lost[rows, columns]
    sigma_2 = 0.5 * np.array(SCALES, np.float32)[lost]
    weak = _gradients_at(light, rows, columns, {0: _SIGMA_1}, np.zeros_like(lost), ridge)
    strong = {index: 0.5 * SCALES[index] for index in range(N_RELIABLE - 1, len(SCALES))}
    ratio = weak / _gradients_at(light, rows, columns, strong, lost, ridge)
    sigma = sigma_of_ratio(ratio, sigma_2)
    return EdgeBlur(rows, columns, consistent_along_edges(rows, columns, sigma, survived[rows, columns], light.shape))


def _edge_scales(light: Plane) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """At how many scales a pixel is an edge (-1: not a reliable one), and the index of its last scale in a row."""
    with ThreadPoolExecutor(min(_MOST_THREADS, cores())) as pool:
        maps = list(pool.map(lambda sigma: canny(light, sigma), SCALES))
    reliable = np.logical_and.reduce(maps[:N_RELIABLE])
    count = np.zeros(light.shape, np.int8)
    last = np.zeros(light.shape, np.int8)
    alive = reliable.copy()
    for index, edges in enumerate(maps):
        count += edges
        alive &= edges
        last[alive] = index
    count[~reliable] = -1
    return count, last


def _gradients_at(
    light: Plane,
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    sigmas: dict[int, float],
    which: NDArray[np.int8],
    ridge: bool,
) -> NDArray[np.float32]:
    """Gradient magnitudes at the given pixels, each at the scale ``sigmas[which]``."""
    found = np.empty(len(rows), np.float32)
    for index, sigma in sigmas.items():
        ours = np.flatnonzero(which == index)
        if not len(ours):
            continue
        half = 2 * int(np.ceil(2 * sigma)) + 1
        x, y = gaussian_gradient(light, sigma, half=half, border=cv2.BORDER_REFLECT)
        magnitude = np.hypot(x, y)
        at = rows[ours], columns[ours]
        found[ours] = _on_ridge(magnitude, *at, x[at], y[at]) if ridge else magnitude[at]
    return np.maximum(found, np.float32(1e-20))


def _on_ridge(
    magnitude: Plane, rows: NDArray[np.intp], columns: NDArray[np.intp], x: Plane, y: Plane
) -> NDArray[np.float32]:
    """Magnitude at the top of the ridge that passes the pixels.

    Across the edge the magnitude is a Gaussian, along every line that crosses it; so three pixels in a line give its
    peak exactly: the parabola through their logarithms.
    """
    height, width = magnitude.shape
    tangent = np.float32(np.tan(np.pi / 8))
    step_x = np.where(np.abs(x) >= tangent * np.abs(y), np.sign(x), 0).astype(np.intp)
    step_y = np.where(np.abs(y) >= tangent * np.abs(x), np.sign(y), 0).astype(np.intp)

    def logarithm(side: int) -> NDArray[np.float32]:
        r = np.clip(rows + side * step_y, 0, height - 1)
        c = np.clip(columns + side * step_x, 0, width - 1)
        return np.asarray(np.log(np.maximum(magnitude[r, c], np.float32(1e-20))))

    behind, here, ahead = (logarithm(side) for side in (-1, 0, 1))
    slope, bend = (ahead - behind) / 2, ahead + behind - 2 * here
    is_ridge = (bend < 0) & (np.abs(slope) <= -bend)
    rise = np.where(is_ridge, slope**2 / np.where(is_ridge, -2 * bend, 1), 0)
    return np.asarray(np.exp(here + rise))


def sigma_of_ratio(ratio: NDArray[np.float32], sigma_2: NDArray[np.float32]) -> NDArray[np.float32]:
    """The closed form; a ratio too large for any blur gives 0, one that no blur is strong enough for the largest."""
    square = ratio.astype(np.float64) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = (square * _SIGMA_1**2 - sigma_2.astype(np.float64) ** 2) / (1 - square)
    variance[square <= 1] = np.inf
    return np.minimum(np.sqrt(np.maximum(variance, 0)), LARGEST_SIGMA_PX).astype(np.float32)


def consistent_along_edges(
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    sigma: NDArray[np.float32],
    n_scales: NDArray[np.int8],
    shape: tuple[int, int],
) -> NDArray[np.float32]:
    """Sigmas smoothed along the edges: ``(1 + t) (s - sigma)^2 + gamma * sum of squared differences`` at its minimum.

    ``t`` is the number of scales at which a pixel is an edge. The system's rows are 2 gamma n_i + 1 + t_i on the
    diagonal and -2 gamma for each of the n_i neighbours.
    """
    number = np.full((shape[0] + 2, shape[1] + 2), -1, np.int32)
    own = np.arange(len(rows), dtype=np.int32)
    number[rows + 1, columns + 1] = own
    pairs = []
    for down, right in ((0, 1), (1, -1), (1, 0), (1, 1)):
        other = number[rows + 1 + down, columns + 1 + right]
        pairs.append(np.stack([own[other >= 0], other[other >= 0]]))
    first, second = np.concatenate(pairs, axis=1)
    ones = np.full(len(first), 1.0)
    adjacency = sparse.coo_array((ones, (first, second)), shape=(len(rows), len(rows))).tocsr()
    adjacency = adjacency + adjacency.T
    own_weight = 1.0 + n_scales
    diagonal = 2 * _GAMMA * adjacency.sum(axis=1) + own_weight
    system = sparse.diags_array(diagonal) - 2 * _GAMMA * adjacency
    preconditioner = sparse.diags_array(1 / diagonal)
    solution, _ = cg(system, own_weight * sigma, x0=sigma.astype(np.float64), rtol=1e-6, M=preconditioner)
    return np.clip(solution, 0, LARGEST_SIGMA_PX).astype(np.float32)

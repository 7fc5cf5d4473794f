r"""Parts of a pair that moved differently from the similarity, however far.

A tile of the reference that a registration explains badly, or not at all, is searched for: it is correlated with the
aligned moving picture, blurred by every Gaussian of a bank, at all displacements of up to :data:`REACH_PX`. With the
correlation *r*, the share :math:`1 - r^2` of the tile's variance stays unexplained. A tile has moved where some
displacement leaves much less of it than none does. Repeated texture is explained by both, so it does not count, nor
does a tile that nothing explains.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.arrays import Plane
from sdd_bench.core.errors import ImageError
from sdd_bench.geometry.fit import fit_similarity
from sdd_bench.geometry.similarity import Similarity
from sdd_bench.geometry.spline import sample, spline
from sdd_bench.images.light import halve
from sdd_bench.registration.tile_fit import LARGEST_DEVIATION_PX, LARGEST_STEP_PX, LEAST_EXPLAINED
from sdd_bench.registration.tiles import measure_tiles, smooth

_MOST_PIXELS = 700_000
"""Larger planes are halved first: a displacement beyond a step is seen at half size as well."""
_TILE_PX = 32
_BANK = (1.0, 2.0, 4.0)
_SEARCHED_BANK = (0.0, 1.0, 2.0, 4.0, 7.0)
"""Standard deviations of the Gaussians of the search, in pixels of the planes it works on."""
REACH_PX = 24
"""Largest displacement of the search along an axis, in pixels of the planes it works on."""
_WELL_EXPLAINED = 0.9
"""Share of a tile's variance from which it is not searched for, if its displacement is within a linear step."""
_BEST_LEFT, _BETTER = 0.3, 0.45
"""Largest share left unexplained at the displacement found, and largest ratio to what no displacement leaves."""
_LEAST_PX = 1.0
"""Distance from the similarity from which a tile counts as off."""
_LAYER_SHARE = 0.05
"""Least share of the judged tiles that makes a layer with a similarity of its own."""
_FEWEST_TILES = 6


@dataclass(frozen=True)
class Layers:
    """How the textured tiles of a pair agree with one similarity."""

    n_judged: int
    """Number of tiles whose displacement is known."""
    disagree_share: float
    """Share of them that is off by more than max(1 px, three residuals)."""
    off_rms_px: float
    """RMS distance from the similarity of those that are; 0 where none is."""
    p95_px: float
    """Distance within which 95 % of them are."""
    second: Similarity | None
    """Similarity of most of the tiles that are off, blurry to sharp; None where they have none in common."""
    second_share: float
    """Share of the judged tiles that follow it."""


def find_layers(
    reference: Plane,
    moving: Plane,
    similarity: Similarity,
    *,
    clipped: NDArray[np.uint8],
    moving_clipped: NDArray[np.uint8],
    residual_px: float,
) -> Layers | None:
    """Judge every textured tile by its displacement from ``similarity``.

    Args:
        reference: Blurry picture in linear light, ``(H, W)`` with even sides.
        moving: Sharp picture of the same shape.
        similarity: Map from reference to moving coordinates.
        clipped: Mask, non-zero where ``reference`` must not be used.
        moving_clipped: Mask, non-zero where ``moving`` must not be used.
        residual_px: RMS by which agreeing tiles differ from ``similarity``, in pixels of these planes.

    Returns:
        The judgement, in pixels of these planes; None where no tile could be judged.
    """
    factor = 1
    while reference.size > _MOST_PIXELS and min(reference.shape) >= 4 * _TILE_PX:
        height, width = (2 * (side // 2) for side in reference.shape)
        reference, moving = halve(reference[:height, :width]), halve(moving[:height, :width])
        clipped, moving_clipped = (
            np.asarray(cv2.resize(mask[:height, :width], (width // 2, height // 2), interpolation=cv2.INTER_NEAREST))
            for mask in (clipped, moving_clipped)
        )
        factor *= 2
    at = similarity.scaled(1 / factor)
    reference, coefficients = smooth(reference), spline(smooth(moving))
    tiles = measure_tiles(
        reference, coefficients, at, clipped=clipped, moving_clipped=moving_clipped, tile=_TILE_PX, bank=_BANK
    )
    if not len(tiles.centre):
        return None
    noise = np.trace(tiles.covariance, axis1=1, axis2=2)
    length = np.hypot(*tiles.displacement.T)
    known = (noise < 2 * LARGEST_DEVIATION_PX**2) & (tiles.explained > LEAST_EXPLAINED)
    sure = known & (tiles.explained > _WELL_EXPLAINED) & (length < LARGEST_STEP_PX)
    displacement = np.minimum(1, LARGEST_STEP_PX / np.maximum(length, 1e-9))[:, None] * tiles.displacement
    aligned = sample(coefficients, at)
    bank = [aligned if sigma == 0 else np.asarray(cv2.GaussianBlur(aligned, (0, 0), sigma)) for sigma in _SEARCHED_BANK]
    for index in np.flatnonzero(~sure):
        found = _search(reference, bank, tiles.centre[index])
        if found is not None:
            displacement[index], known[index], noise[index] = found, True, 0.0
    return _judge(tiles.centre[known], displacement[known], noise[known], similarity, residual_px, factor)


def _search(reference: Plane, bank: list[Plane], centre: complex) -> tuple[float, float] | None:
    """Displacement (x, y) of the tile at ``centre`` if it is another than none, in pixels."""
    height, width = reference.shape
    left = round(centre.real + (width - 1) / 2 - (_TILE_PX - 1) / 2)
    top = round(centre.imag + (height - 1) / 2 - (_TILE_PX - 1) / 2)
    tile = reference[top : top + _TILE_PX, left : left + _TILE_PX]
    x0, y0 = max(0, left - REACH_PX), max(0, top - REACH_PX)
    x1, y1 = min(width, left + _TILE_PX + REACH_PX), min(height, top + _TILE_PX + REACH_PX)
    if float(tile.std()) < 1e-4:
        return None
    likeness = np.max([cv2.matchTemplate(plane[y0:y1, x0:x1], tile, cv2.TM_CCOEFF_NORMED) for plane in bank], axis=0)
    left_over = 1 - np.square(np.clip(likeness, 0, 1))
    row, column = np.unravel_index(int(np.argmin(left_over)), left_over.shape)
    here = left_over[top - y0, left - x0]
    best = left_over[row, column]
    if best > _BEST_LEFT or best > _BETTER * here:
        return None
    return _vertex(left_over[row], int(column)) - (left - x0), _vertex(left_over[:, column], int(row)) - (top - y0)


def _vertex(values: NDArray[np.floating], index: int) -> float:
    """Position of the minimum of the parabola through a value and its neighbours."""
    if not 0 < index < len(values) - 1:
        return float(index)
    before, here, after = (float(value) for value in values[index - 1 : index + 2])
    bend = before - 2 * here + after
    return index + (0.5 * (before - after) / bend if bend > 0 else 0.0)


def _judge(
    centre: NDArray[np.complex128],
    displacement: NDArray[np.float64],
    noise: NDArray[np.float64],
    similarity: Similarity,
    residual_px: float,
    factor: int,
) -> Layers | None:
    if not len(centre):
        return None
    length = factor * np.hypot(*displacement.T)
    limit = max(_LEAST_PX, 3 * residual_px)
    off = length**2 > limit**2 + factor**2 * 9 * noise
    second, second_share = None, 0.0
    if np.mean(off) >= _LAYER_SHARE and np.count_nonzero(off) >= _FEWEST_TILES:
        step, n_followers = _in_common(centre[off], displacement[off], limit / factor)
        if step is not None and n_followers >= max(_FEWEST_TILES, 0.4 * np.count_nonzero(off)):
            second, second_share = similarity @ step.scaled(factor), n_followers / len(centre)
    return Layers(
        n_judged=len(centre),
        disagree_share=float(np.mean(off)),
        off_rms_px=float(np.sqrt(np.mean(length[off] ** 2))) if off.any() else 0.0,
        p95_px=float(np.percentile(length, 95)),
        second=second,
        second_share=second_share,
    )


def _in_common(
    centre: NDArray[np.complex128], displacement: NDArray[np.float64], limit_px: float
) -> tuple[Similarity | None, int]:
    """The similarity by which most tiles are displaced, and how many are."""
    cells = centre / _TILE_PX
    columns, rows = (round(2 * float(np.abs(part).max())) + 1 for part in (cells.real, cells.imag))
    flow = np.full((2, rows, columns), np.nan)
    x = np.clip(np.rint(cells.real + (columns - 1) / 2).astype(int), 0, columns - 1)
    y = np.clip(np.rint(cells.imag + (rows - 1) / 2).astype(int), 0, rows - 1)
    flow[:, y, x] = displacement.T / _TILE_PX
    try:
        step = fit_similarity(flow, robust=True).similarity.scaled(_TILE_PX)
    except ImageError:
        return None, 0
    expected = (step.linear - 1) * centre + step.shift
    away = np.abs(displacement[:, 0] + 1j * displacement[:, 1] - expected)
    return step, int(np.count_nonzero(away < max(limit_px, 1.5)))

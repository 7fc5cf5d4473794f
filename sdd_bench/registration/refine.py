r"""Direct registration: the similarity between a blurry and a sharp picture, to a few hundredths of a pixel.

Tile *i* has its centre at :math:`q_i = x + i y`, in pixels from the picture's centre. It gives a displacement
:math:`d_i` in pixels and its covariance :math:`C_i` (:mod:`sdd_bench.registration.tiles`); defocus does not bias
:math:`d_i`. A similarity displaces the point *q* by :math:`\sigma q + \tau`. Of these complex numbers :math:`\sigma` is
the change of scale with the rotation, and :math:`\tau` the shift. The displacement is linear in the four parameters
:math:`\theta = (\mathrm{Re}\,\sigma, \mathrm{Im}\,\sigma, \mathrm{Re}\,\tau, \mathrm{Im}\,\tau)`, so that of tile *i*
is :math:`J_i \theta` with a matrix :math:`J_i` of :math:`q_i`. The fit is

.. math:: \min_\theta \sum_i w_i\, r_i^T (k\,C_i + s^2 I)^{-1} r_i, \quad r_i = d_i - J_i \theta

with three quantities that are estimated from the residuals :math:`r_i`, in turns with :math:`\theta`:

- *s*, the spread in pixels by which tiles differ beyond their noise (parallax, distortion). It is the least value at
  which the squared lengths :math:`r_i^T (k\,C_i + s^2 I)^{-1} r_i` of the surer half of the tiles have a median no
  larger than that of :math:`\chi^2_2`.
- *k*, the factor by which :math:`C_i` understates the uncertainty of poor tiles. It follows in the same way from the
  other half of the tiles.
- :math:`w_i`, the weight of Tukey's biweight, which leaves outliers out.

The moving picture is then sampled again by the new similarity, and the fit repeated until the similarity settles: at
half size first, then at full size. Standard errors are those of the sandwich estimator, which relies on the residuals
and not on :math:`C_i`. Far out of focus a step finds only a share of what is left to do, as blur and displacement
explain the same in part. The residuals of the tiles, and so these standard errors, are short by as much: where each
step leaves the share :math:`\rho` of the one before, by :math:`1 - \rho`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto

import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.arrays import Plane
from sdd_bench.geometry.similarity import Similarity
from sdd_bench.geometry.spline import spline
from sdd_bench.images.light import halve
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
"""Most steps at half size and at full size, for pictures that do not settle."""
_SETTLED_PX = 0.002
"""Motion of a corner at which the fit has settled: a tenth of the precision, so that stopping costs none of it."""
_MOST_LEFT_OVER = 0.7
"""Largest share that a step is said to leave to the next."""
_WIDE = 48, (1.0, 2.0, 4.0, 7.0)
"""Side of a tile and bank of blurs in small pictures far out of focus: 32 px do not hold a blur of 25 px."""
_WIDE_BLUR_PX = 2.75
"""Standard deviation of the blur from which that tiling is used: a circle of confusion of 11 px."""
_FEWEST_WIDE_TILES = 24
_LARGE = 700_000
"""Pixels from which a picture has tiles of 64 px."""
ENOUGH_TILES = 20
"""Fewest tiles of a fit that needs no other tiling, and is believed."""
_TRUSTED_CHI2 = 15.0
"""Largest squared length of the residual of a tile that agrees: noise alone exceeds it in 0.06 % of tiles."""


_Planes = tuple[Plane, Plane, NDArray[np.uint8], NDArray[np.uint8]]
"""Reference and moving picture, and the masks of what is clipped in each."""


class Tiling(Enum):
    """Where tiles are measured, and how large they are."""

    USUAL = auto()
    WIDE = auto()
    """Larger, for small pictures far out of focus."""
    HALVED = auto()
    """At half size: little texture stands out from noise there."""
    FINE = auto()
    """Smaller ones, between what is clipped."""


@dataclass(frozen=True)
class DirectFit:
    """Result of a registration, in pixels of the registered planes."""

    similarity: Similarity
    """Map from reference to moving coordinates."""
    standard_error: Similarity
    """Standard errors of the four numbers of ``similarity``, short by ``left_over``."""
    residual_px: float
    """RMS by which tiles differ from the similarity beyond their noise; surer tiles weigh more."""
    residual_p95_px: float
    """Distance from the similarity within which 95 % of these tiles are."""
    n_tiles: int
    """Number of tiles that show the same texture in both pictures."""
    textured_share: float
    """Share of the tiles inside both pictures that show the same texture."""
    trusted_share: float
    """Share of the ``n_tiles`` that agree with the similarity."""
    settled: bool
    """Whether the last step moved every corner by less than 0.05 px."""
    log_unexplained: float
    """Logarithm of the share of a tile's variance that the blurred moving picture leaves unexplained, median."""
    blur_px: float
    """Standard deviation of the blur of the reference against the moving picture, median over these tiles."""
    left_over: float = 0.0
    """The share of what is to be done that a step leaves to the next, 0 to 0.7."""
    tiling: Tiling = Tiling.USUAL
    """Which tiles it is of."""

    def doubled(self) -> DirectFit:
        """The fit of planes twice the size."""
        error = self.standard_error
        return replace(
            self,
            similarity=self.similarity.scaled(2.0),
            standard_error=Similarity(error.zoom, error.rotation_deg, 2 * error.shift_x_px, 2 * error.shift_y_px),
            residual_px=2 * self.residual_px,
            residual_p95_px=2 * self.residual_p95_px,
            blur_px=2 * self.blur_px,
        )


def register(
    reference: Plane,
    moving: Plane,
    start: Similarity,
    *,
    clipped: NDArray[np.uint8] | None = None,
    moving_clipped: NDArray[np.uint8] | None = None,
    from_half: bool = True,
    tiling: Tiling | None = None,
    steps: int = _STEPS[1],
) -> DirectFit | None:
    """Refine ``start`` until it settles.

    Args:
        reference: Blurry picture in linear light, ``(H, W)`` with even sides.
        moving: Sharp picture of the same shape; gain and offset may differ.
        start: Map from reference to moving coordinates, right to about 3 px.
        clipped: Mask, non-zero where ``reference`` is saturated.
        moving_clipped: Mask, non-zero where ``moving`` is saturated.
        from_half: Whether half the size is registered first, for a start that is off by more than a pixel.
        tiling: Tiles to use; None decides by the blur, and by the number of those that can be measured.
        steps: Most steps at full size. Each leaves about a quarter of what is to be done.

    Returns:
        The fit, or None where fewer than six tiles have texture.

    Example:
        >>> picture = np.random.default_rng(0).random((192, 192), np.float32)
        >>> found = register(picture, 0.5 * picture, Similarity(shift_x_px=0.6))
        >>> abs(found.similarity.shift_x_px) < 0.05
        True
    """
    nothing = np.zeros(reference.shape, np.uint8)
    clipped = nothing if clipped is None else clipped
    moving_clipped = nothing if moving_clipped is None else moving_clipped
    level = (reference, moving, clipped, moving_clipped)
    coarse = (halve(reference), halve(moving), clipped[::2, ::2] | clipped[1::2, 1::2],
              moving_clipped[::2, ::2] | moving_clipped[1::2, 1::2])  # fmt: skip

    def settled(which: Tiling, from_: Similarity, steps: int = steps) -> DirectFit | None:
        keep_noise = which is Tiling.WIDE or (reference.size >= _LARGE and which is not Tiling.FINE)
        halved = which is Tiling.HALVED
        planes: _Planes = coarse if halved else level
        begin = from_.scaled(0.5) if halved else from_
        found = _settle(*planes, begin, steps, _tiles_of(which, *planes[0].shape), keep_noise=keep_noise)
        if found is None:
            return None
        return replace(found.doubled() if halved else found, tiling=which)

    half = settled(Tiling.HALVED, start, _STEPS[0]) if from_half else None
    if half is not None:
        start = half.similarity
    if tiling is not None:
        return settled(tiling, start)
    found = settled(Tiling.USUAL, start)
    if found is None or found.n_tiles < ENOUGH_TILES:
        others = [found, settled(Tiling.HALVED, start)]
        if not _enough(others[-1]):
            others.append(settled(Tiling.FINE, start))
        return max(others, key=lambda fit: 0 if fit is None else fit.n_tiles)
    if _tiles_of(Tiling.USUAL, *reference.shape)[0] >= _WIDE[0] or found.blur_px < _WIDE_BLUR_PX:
        return found
    larger = settled(Tiling.WIDE, found.similarity)
    return found if larger is None or larger.n_tiles < _FEWEST_WIDE_TILES else larger


def _enough(fit: DirectFit | None) -> bool:
    return fit is not None and fit.n_tiles >= ENOUGH_TILES


def _settle(
    reference: Plane,
    moving: Plane,
    clipped: NDArray[np.uint8],
    moving_clipped: NDArray[np.uint8],
    similarity: Similarity,
    steps: int,
    tiling: tuple[int, tuple[float, ...]],
    *,
    keep_noise: bool,
) -> DirectFit | None:
    height, width = reference.shape
    tile, bank = tiling
    reach = math.hypot(height, width) / 2
    reference, moving = smooth(reference), spline(smooth(moving))
    thetas = []
    for _ in range(steps):
        tiles = measure_tiles(
            reference,
            moving,
            similarity,
            clipped=clipped,
            moving_clipped=moving_clipped,
            tile=tile,
            bank=bank,
            keep_noise=keep_noise,
        )
        fitted = fit_tiles(tiles)
        if fitted is None:
            return None
        estimate = fitted
        thetas.append(estimate.theta * np.array([reach, reach, 1.0, 1.0]))
        step = Similarity.from_complex(1 + complex(*estimate.theta[:2]), complex(*estimate.theta[2:]))
        similarity = similarity @ step
        moved = abs(step.linear - 1) * reach + abs(step.shift)
        if moved < _SETTLED_PX:
            break
    return _report(tiles, estimate, similarity, settled=moved < 25 * _SETTLED_PX, left_over=left_over(thetas))


def left_over(steps: Sequence[NDArray[np.float64]]) -> float:
    r"""The share :math:`\rho` that a step leaves to the next, by least squares, 0 to 0.7.

    Args:
        steps: Parameters of the steps in pixels, each (4,).

    Example:
        >>> left_over([np.array([0.4, 0.0, 0.0, 0.8]), np.array([0.1, 0.0, 0.0, 0.2])])
        0.25
    """
    earlier, later = np.array(steps[:-1]), np.array(steps[1:])
    power = float((earlier * earlier).sum())
    return min(max(float((earlier * later).sum()) / power, 0.0), _MOST_LEFT_OVER) if power > 0 else 0.0


def _tiles_of(tiling: Tiling, height: int, width: int) -> tuple[int, tuple[float, ...]]:
    """Side of a tile and standard deviations of the bank of blurs; the blur of large pictures spans more pixels."""
    if tiling is Tiling.WIDE:
        return _WIDE
    if tiling is Tiling.FINE:
        return (32, (1.0, 2.0, 4.0)) if height * width >= _LARGE else (16, (1.0, 2.0))
    halved = tiling is Tiling.HALVED
    if height * width >= _LARGE * (0.25 if halved else 1):
        return (32, (1.0, 2.0, 4.0)) if halved else (64, (1.0, 2.0, 4.0, 7.0))
    return (16 if halved and min(height, width) < 256 else 32), ((1.0, 2.0) if halved else (1.0, 2.0, 4.0))


def _report(tiles: Tiles, estimate: Estimate, similarity: Similarity, *, settled: bool, left_over: float) -> DirectFit:
    """Judge the fit by every tile that shows the same texture in both pictures, whether it voted or not."""
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
        log_unexplained=float(np.median(np.log(np.clip(1 - tiles.explained[judged], 1e-6, 1)))),
        blur_px=float(np.median(tiles.blur_px[judged])),
        left_over=left_over,
    )

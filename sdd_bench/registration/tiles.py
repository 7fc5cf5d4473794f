r"""Displacement of each tile of a picture, not biased by blur, exposure or vignetting.

Let *B* be the reference (blurry) picture in a tile, and *S* the moving (sharp) picture, sampled by the present
similarity. *B* is modelled by *S* blurred with a small bank of Gaussians :math:`G_k` of weights :math:`a_k`, a constant
*a*, and the displacement *d* with ``S(p + d) ~ B(p)``:

.. math:: B(p) \approx \sum_k a_k\,(G_k * S)(p) + a + d \cdot \nabla B(p)

The numbers :math:`a_k` and *a* are free in every tile. They absorb gain, offset, and any blur that is symmetric about
its centre, as all defocus is. No such blur explains *d*. To find it, their terms are projected out of *B* and of its
gradient (variable projection). With the residuals :math:`\tilde B` and :math:`\nabla\tilde B`

.. math:: d = H^{-1} \langle \nabla\tilde B, \tilde B \rangle,\quad
          H = \langle \nabla\tilde B, \nabla\tilde B^T \rangle,\quad \mathrm{cov}(d) = \sigma^2 H^{-1}

where :math:`\sigma^2` is the variance of what the fit leaves. A step is linear, so the registration iterates until *d*
vanishes. Only second moments of a tile are needed. They are taken about the tile's mean
in float32 and solved in float64.

Where much of the gradient is noise, as on a smooth wall, *d* is short of the truth, up to vanishing anywhere, and
:math:`\sigma^2 H^{-1}` is small all the same. So the gradient energy of the noise :math:`\nu`, known from its grain, is
taken off: with :math:`H_s = H - \nu I`, the step is :math:`d = H_s^{-1} \langle \nabla\tilde B, \tilde B \rangle` and
its covariance :math:`\sigma^2 H_s^{-1} H H_s^{-1}`. A tile whose gradient is noise knows nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.arrays import Plane
from sdd_bench.geometry.similarity import Similarity
from sdd_bench.geometry.spline import sample

SMOOTHING_PX = 0.8
"""Standard deviation of the smoothing of both pictures, which removes noise and detail that interpolation distorts."""
_RIDGE = 1e-6
"""Ridge on the normalised moments of the bank, which are nearly singular in tiles of little texture."""
_LOPSIDED = 0.03
"""Error of the displacement as a share of the blur's standard deviation. Real blur is not quite symmetric, as a lens
clips the disk off its axis. The covariance includes this error, so that tiles in focus weigh more."""
_STEP = 0.1 / 255
"""Standard deviation, in display values, of what rounding to 8 bits leaves after the smoothing. No tile knows its
displacement better than this noise allows, so that a tile without texture knows nothing, whatever its level."""
_ALIKE = [math.exp(-((lag / SMOOTHING_PX) ** 2) / 4) for lag in range(3)]
"""Correlation of smoothed white noise with itself, 0 to 2 px apart."""
_GRADIENT_OF_NOISE = (1 - _ALIKE[2]) / 2
"""Mean squared slope along an axis of smoothed noise of variance 1."""
_GRADIENT_OF_GRAIN = _GRADIENT_OF_NOISE / (6 - 8 * _ALIKE[1] + 2 * _ALIKE[2]) ** 2
"""The same over the mean square of its grain."""
_SURELY = 1.25
"""How many times the noise measured is taken off in the covariance, as a tile measures it within some hundredths."""
_LEAST_SCENE, _NOTHING_KNOWN = 0.15, 0.01
"""Least share of the gradient energy that is left to the scene in a step, and in its covariance."""
_GRAIN_KERNEL = np.outer((1, -2, 1), (1, -2, 1)).astype(np.float32)
"""What this leaves of a picture out of focus is noise."""
_LEAST_USABLE_SHARE = 0.6
"""Least share of usable pixels in a tile that is measured."""


@dataclass(frozen=True)
class Tiles:
    """Displacements of the tiles that could be measured."""

    centre: NDArray[np.complex128]
    """Centre of each tile, x + iy in pixels from the picture's centre, (n,)."""
    displacement: NDArray[np.float64]
    """Displacement of each tile, (n, 2), pixels, x then y."""
    covariance: NDArray[np.float64]
    """Covariance of each displacement, (n, 2, 2), from the residual of the tile."""
    explained: NDArray[np.float64]
    """Share of the reference's variance that the blurred moving picture explains, (n,); next to none for noise."""
    blur_px: NDArray[np.float64]
    """Standard deviation of the blur of each tile, (n,), at most that of the widest Gaussian of the bank."""
    n_inside: int
    """Number of tiles inside both pictures that are not clipped, textured or not."""


def smooth(plane: Plane) -> Plane:
    """``plane`` smoothed as :func:`measure_tiles` expects it.

    Example:
        >>> spot = np.zeros((9, 9), np.float32)
        >>> spot[4, 4] = 1.0
        >>> round(float(smooth(spot).sum()), 3), bool(smooth(spot)[4, 4] < 0.5)
        (1.0, True)
    """
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), SMOOTHING_PX))


def measure_tiles(
    reference: Plane,
    moving: Plane,
    similarity: Similarity,
    *,
    clipped: NDArray[np.uint8],
    moving_clipped: NDArray[np.uint8],
    tile: int,
    bank: tuple[float, ...],
    keep_noise: bool = False,
) -> Tiles:
    """Displacement of every tile from where ``similarity`` puts it.

    Args:
        reference: Blurry picture in linear light, ``(H, W)``, smoothed.
        moving: Sharp picture of the same shape, smoothed, as :func:`~sdd_bench.geometry.spline.spline` returns it.
        similarity: Map from reference to moving coordinates, in pixels of these planes.
        clipped: Mask, non-zero where ``reference`` must not be used, ``(H, W)``.
        moving_clipped: Mask, non-zero where ``moving`` must not be used, ``(H, W)``.
        tile: Side of a tile in pixels.
        bank: Standard deviations of the Gaussians in pixels, ascending; the unblurred picture is always included.
        keep_noise: Whether noise is not taken off. Far out of focus slopes are nearly all noise, and what is left
            without it is known too badly to divide by; in large tiles noise averages out.

    Example:
        >>> from sdd_bench.geometry.spline import spline
        >>> picture = smooth(np.random.default_rng(0).random((96, 96), np.float32))
        >>> none = np.zeros((96, 96), np.uint8)
        >>> tiles = measure_tiles(
        ...     picture, spline(picture), Similarity(), clipped=none, moving_clipped=none, tile=32, bank=(1.0,)
        ... )
        >>> tiles.n_inside, bool(np.abs(tiles.displacement).max() < 0.01)
        (9, True)
    """
    height, width = reference.shape
    rows, columns = height // tile, width // tile
    top, left = (height - rows * tile) // 2, (width - columns * tile) // 2

    def cut(plane: NDArray[np.generic]) -> NDArray[np.generic]:
        inner = plane[top : top + rows * tile, left : left + columns * tile]
        return inner.reshape(rows, tile, columns, tile).swapaxes(1, 2).reshape(rows * columns, tile * tile)

    x = np.arange(columns) * tile + left + (tile - 1) / 2 - (width - 1) / 2
    y = np.arange(rows) * tile + top + (tile - 1) / 2 - (height - 1) / 2
    centre = (x + 1j * y[:, None]).ravel()

    margin = math.ceil(2.5 * max(bank))
    usable = cut(_usable(similarity, clipped, moving_clipped, margin))
    count = usable.sum(axis=1, dtype=np.float64)
    kept = count >= _LEAST_USABLE_SHARE * tile * tile
    usable, count, centre = usable[kept].astype(np.float32), count[kept], centre[kept]

    def centred(plane: Plane) -> NDArray[np.float32]:
        values = cut(plane)[kept].astype(np.float32)
        mean = np.einsum("np,np->n", values, usable) / np.maximum(count, 1)
        values -= mean[:, None].astype(np.float32)
        values *= usable
        return values

    sharp = sample(moving, similarity)
    columns_of = []
    finer = sharp
    for sigma in bank:  # differences of neighbours span the same space as the bank and are far better conditioned
        coarser = np.asarray(cv2.GaussianBlur(sharp, (0, 0), sigma))
        columns_of.append(centred(finer - coarser))
        finer = coarser
    columns_of.append(centred(finer))
    slope = np.array([[-0.5, 0, 0.5]], np.float32)
    columns_of += [centred(np.asarray(cv2.filter2D(reference, -1, kernel))) for kernel in (slope, slope.T)]
    columns_of.append(centred(reference))
    level, grain = (
        np.einsum("np,np->n", cut(plane)[kept].astype(np.float32), usable) / np.maximum(count, 1)
        for plane in (reference, np.square(cv2.filter2D(reference, -1, _GRAIN_KERNEL)))
    )
    stacked = np.stack(columns_of, axis=1)
    moments = np.matmul(stacked, stacked.swapaxes(1, 2)).astype(np.float64)
    return _solve(
        centre,
        moments,
        count,
        bank,
        rounding=_STEP * light_per_display(level),
        grain=0.0 * grain if keep_noise else grain,
    )


def light_per_display(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """Change of linear light per change of its sRGB value, at ``light``; of any shape.

    Example:
        >>> light_per_display(np.array([0.0, 1.0])).round(2).tolist()
        [0.08, 2.27]
    """
    value = np.clip(light, 0.0, 1.0)
    return np.maximum(1 / 12.92, 2.4 / 1.055 * value ** (1.4 / 2.4))


def _usable(
    similarity: Similarity, clipped: NDArray[np.uint8], moving_clipped: NDArray[np.uint8], margin: int
) -> NDArray[np.uint8]:
    """One where both pictures are inside their borders by ``margin`` and not clipped, else zero."""
    height, width = clipped.shape
    inside = np.zeros((height, width), np.uint8)
    inside[margin : height - margin, margin : width - margin] = 1
    matrix = similarity.matrix(height, width)
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    there = cv2.warpAffine(inside & (moving_clipped == 0), matrix, (width, height), flags=flags)
    return np.asarray(inside & np.asarray(there) & (clipped == 0), np.uint8)


def _solve(
    centre: NDArray[np.complex128],
    moments: NDArray[np.float64],
    count: NDArray[np.float64],
    bank: tuple[float, ...],
    *,
    rounding: NDArray[np.float64],
    grain: NDArray[np.float64],
) -> Tiles:
    """Project the blurs out and solve for the displacement, as the module docstring says."""
    n = len(bank) + 1
    scale = np.sqrt(np.maximum(moments[:, range(n), range(n)], 1e-20))
    normal = moments[:, :n, :n] / (scale[:, :, None] * scale[:, None]) + _RIDGE * np.eye(n)
    mixed = moments[:, :n, n:] / scale[:, :, None]
    projection = np.linalg.solve(normal, mixed)
    left = moments[:, n:, n:] - mixed.swapaxes(1, 2) @ projection
    whole = np.maximum(np.trace(moments[:, n : n + 2, n : n + 2], axis1=1, axis2=2), 1e-20)
    hessian = left[:, :2, :2] + (1e-9 * whole)[:, None, None] * np.eye(2) + 1e-14 * np.eye(2)
    gradient, power = left[:, :2, 2], left[:, 2, 2]
    energy, axes = np.linalg.eigh(hessian)
    energy = np.maximum(energy, 1e-14)  # rounding
    along = (gradient[:, None] @ axes)[:, 0]
    freedom = np.maximum(count - n - 3, 1)
    variance = np.maximum(power - (along**2 / energy).sum(axis=1), 0) / freedom + rounding**2
    blur = _blur(projection[:, :, 2] / scale, bank)
    lopsided = _LOPSIDED * blur
    noise = (count * np.minimum(_GRADIENT_OF_GRAIN * grain, _GRADIENT_OF_NOISE * variance))[:, None]
    scene = np.maximum(energy - noise, _LEAST_SCENE * energy)
    displacement = (axes @ (along / scene)[..., None])[..., 0]
    surely = np.maximum(energy - _SURELY * noise, _NOTHING_KNOWN * energy)
    spread = variance[:, None] * energy / surely**2 + (lopsided**2)[:, None]
    covariance = (axes * spread[:, None]) @ axes.swapaxes(1, 2)
    known = np.isfinite(displacement).all(axis=1) & np.isfinite(covariance).all(axis=(1, 2))
    explained = 1 - power / np.maximum(moments[:, -1, -1], 1e-20)
    return Tiles(centre[known], displacement[known], covariance[known], explained[known], blur[known], len(centre))


def _blur(coefficients: NDArray[np.float64], bank: tuple[float, ...]) -> NDArray[np.float64]:
    r"""Standard deviation of each tile's blur: :math:`\sum a_k \sigma_k^2 / \sum a_k` under the root, (n,).

    ``coefficients`` are those of the differences of neighbours in the bank: :math:`a_k` is the difference of two.
    """
    gain = np.where(np.abs(coefficients[:, -1]) > 1e-6, coefficients[:, -1], 1.0)
    moment = (np.diff(coefficients, axis=1) @ np.square(bank)) / gain
    return np.asarray(np.sqrt(np.clip(moment, 0, max(bank) ** 2)))

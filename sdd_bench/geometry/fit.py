r"""The similarity (zoom, rotation, shift) that fits a flow best, and what it leaves of the flow.

Let :math:`p` be a pixel, :math:`c` the picture's centre, :math:`q = p - c`, :math:`z` the zoom, :math:`\theta` the
rotation, :math:`t` the shift, and :math:`a + ib = z e^{i\theta}`. The flow of a similarity is

.. math:: \mathrm{flow}(p) = \begin{pmatrix} a - 1 & -b \\ b & a - 1 \end{pmatrix} q + t.

It is linear in :math:`(a, b, t_x, t_y)`, so its weighted least-squares fit to a flow has a closed form: the complex
regression of :math:`u = \mathrm{flow}_x + i\,\mathrm{flow}_y` on :math:`q_x + i\,q_y`. All sums are in float64.
The convention is that of :class:`~sdd_bench.geometry.similarity.Similarity`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.compiled import compiled, compiled_in_any_order
from sdd_bench.core.errors import ImageError
from sdd_bench.core.side_by_side import in_strips
from sdd_bench.geometry.similarity import Similarity

Floats = NDArray[np.floating[Any]]
Complexes = NDArray[np.complex128]

_ROBUST_SAMPLES = 1 << 18
"""Pixels that a robust fit looks at, about, on a regular sub-grid: four parameters need no more."""
_ROBUST_STEPS = 30
"""Re-weightings at most; the fit ends earlier when the similarity no longer changes."""
_TUKEY = 4.685
"""Tukey's constant, which gives 95 % efficiency on normal residuals."""
_SMALLEST_SCALE_PX = 0.01
"""Smallest scale of the residuals, so that a perfect fit does not divide by zero."""
_ROWS = 64
"""Rows that a thread works on at once."""
_HYPOTHESES, _LOOKED_AT = 300, 1500
"""Random pairs of vectors that a robust fit tries as its start, and random vectors that judge each pair."""


@dataclass(frozen=True)
class SimilarityFit:
    """A fitted similarity and how much of the flow it explains."""

    similarity: Similarity
    rms_px: float
    """RMS of the similarity's own displacement over the whole picture (``drift_px``)."""
    residual_px: float
    """Weighted RMS of what the similarity leaves of the flow (``deform_px``), over the pixels of non-zero weight."""


def fit_similarity(flow: NDArray[Any], weights: NDArray[Any] | None = None, robust: bool = False) -> SimilarityFit:
    """Fit a similarity to a flow by weighted least squares.

    Args:
        flow: Flow in pixels, ``(2, H, W)``. Pixels whose flow is not finite are ignored.
        weights: Non-negative weights or a boolean mask, ``(H, W)``; None weighs all pixels alike.
        robust: Whether to down-weight pixels that move differently from the rest, which may be up to half of the
            picture. The weights are Tukey's biweight, updated in steps, with the scale of the median residual. The
            figures of the fit still count every pixel of non-zero weight.

    Raises:
        ImageError: The shapes do not fit, or fewer than two pixels have weight.

    Example:
        >>> zoom = np.stack(np.meshgrid([-0.02, 0.0, 0.02], [-0.01, 0.01]))  # 2 % about the centre of 3 x 2 pixels
        >>> fit = fit_similarity(zoom)
        >>> round(fit.similarity.zoom, 6), round(fit.residual_px, 6)
        (1.02, 0.0)
    """
    vectors, weight = _as_arrays(flow, weights)
    height, width = vectors.shape[1:]
    step = max(1, math.ceil(math.sqrt(height * width / _ROBUST_SAMPLES))) if robust else 1
    if np.count_nonzero(weight[step // 2 :: step, step // 2 :: step]) < 16:
        step = 1
    sampled = (slice(step // 2, None, step), slice(step // 2, None, step))
    u, q = vectors[0][sampled] + np.complex128(1j) * vectors[1][sampled], _grid(height, width, step)
    slope, shift = (_fit_robust if robust else _regress)(u, q, weight[sampled])
    similarity = Similarity.from_complex(1 + slope, shift)
    return SimilarityFit(
        similarity,
        rms_px=similarity.rms_px(height, width),
        residual_px=math.sqrt(_squares_left(vectors, weight, slope, shift) / float(weight.sum())),
    )


def _squares_left(vectors: Floats, weight: Floats, slope: complex, shift: complex) -> float:
    """Weighted sum over all pixels of the squared distance between a flow and that of a similarity."""
    parts = in_strips(
        len(weight),
        lambda first, last: _add_squares(vectors, weight, slope, shift, first, last),
        size=_ROWS,
        pixels=weight.size,
    )
    return float(sum(parts))


@compiled_in_any_order
def _add_squares(vectors: Floats, weight: Floats, slope: complex, shift: complex, first: int, last: int) -> float:
    height, width = weight.shape
    total = 0.0
    for row in range(first, last):
        y = row - (height - 1) / 2
        along, down, weights = vectors[0, row], vectors[1, row], weight[row]
        for column in range(width):
            x = column - (width - 1) / 2
            right = along[column] - (slope.real * x - slope.imag * y + shift.real)
            below = down[column] - (slope.imag * x + slope.real * y + shift.imag)
            total += weights[column] * (right * right + below * below)
    return total


def _as_arrays(flow: NDArray[Any], weights: NDArray[Any] | None) -> tuple[Floats, NDArray[np.float64]]:
    """The flow, 0 where it is not known and of its own type where that is one of floats, and the weights."""
    vectors = np.ascontiguousarray(flow)
    if vectors.dtype not in (np.float32, np.float64):
        vectors = vectors.astype(np.float64)
    if vectors.ndim != 3 or vectors.shape[0] != 2:
        raise ImageError(f"fit_similarity: expected a flow (2, H, W), got {vectors.shape}.")
    known: NDArray[np.bool_] = np.isfinite(vectors[0]) & np.isfinite(vectors[1])
    weight = known.astype(np.float64)
    if weights is not None:
        given = np.asarray(weights, dtype=np.float64)
        if given.shape != known.shape:
            raise ImageError(f"fit_similarity: weights {given.shape} for a flow of {known.shape}.")
        weight *= given
    if not known.all():
        vectors = np.where(known, vectors, 0)
    if np.count_nonzero(weight > 0) < 2 or weight.min() < 0:
        raise ImageError("fit_similarity: expected non-negative weights, at least two pixels above zero.")
    return vectors, weight


def _grid(height: int, width: int, step: int) -> Complexes:
    """Position relative to the picture's centre as x + iy of every ``step``-th pixel, the middle one of each group."""
    x = np.arange(step // 2, width, step) - (width - 1) / 2
    y = np.arange(step // 2, height, step) - (height - 1) / 2
    return np.asarray(x + 1j * y[:, None], dtype=np.complex128)


def _regress(u: Complexes, q: Complexes, weight: NDArray[np.float64]) -> tuple[complex, complex]:
    """Slope and intercept of the weighted complex regression of ``u`` on ``q``."""
    total = weight.sum()
    mean_u, mean_q = (weight * u).sum() / total, (weight * q).sum() / total
    centred = q - mean_q
    spread = float((weight * (centred.real**2 + centred.imag**2)).sum())
    slope = complex((weight * centred.conj() * (u - mean_u)).sum() / spread) if spread > 0 else 0j
    return slope, complex(mean_u - slope * mean_q)


def _fit_robust(u: Complexes, q: Complexes, weight: NDArray[np.float64]) -> tuple[complex, complex]:
    """Fit with Tukey's biweight by iterated re-weighting, starting at the least median of absolute residuals."""
    counted = weight > 0
    u, q, weights = u[counted], q[counted], weight[counted]
    slope, shift = _least_median(u, q)
    reach = math.hypot(*weight.shape) / 2
    squares = np.empty(len(u))
    for _ in range(_ROBUST_STEPS):
        _squared_residuals(u, q, slope, shift, squares)
        # The median of a length with two normal components is 1.1774 of their standard deviations (Rayleigh).
        deviation = max(math.sqrt(np.median(squares)) / 1.1774, _SMALLEST_SCALE_PX)
        before = slope, shift
        slope, shift = _regress_by_tukey(u, q, weights, squares, (_TUKEY * deviation) ** 2)
        if abs(slope - before[0]) * reach + abs(shift - before[1]) < 1e-7:
            break
    return slope, shift


@compiled
def _squared_residuals(u: Complexes, q: Complexes, slope: complex, shift: complex, out: NDArray[np.float64]) -> None:
    for k in range(len(out)):
        x, y = q[k].real, q[k].imag
        right = u[k].real - (slope.real * x - slope.imag * y + shift.real)
        below = u[k].imag - (slope.imag * x + slope.real * y + shift.imag)
        out[k] = right * right + below * below


@compiled_in_any_order
def _regress_by_tukey(
    u: Complexes, q: Complexes, weight: NDArray[np.float64], squares: NDArray[np.float64], limit: float
) -> tuple[complex, complex]:
    """:func:`_regress` by ``weight`` times Tukey's biweight, which is zero from squared residuals of ``limit`` on."""
    total = x = y = right = below = power = along = across = 0.0
    for k in range(len(u)):
        inside = max(1 - squares[k] / limit, 0.0)
        w = weight[k] * inside * inside
        qx, qy, ux, uy = q[k].real, q[k].imag, u[k].real, u[k].imag
        total += w
        x += w * qx
        y += w * qy
        right += w * ux
        below += w * uy
        power += w * (qx * qx + qy * qy)
        along += w * (qx * ux + qy * uy)
        across += w * (qx * uy - qy * ux)
    mean_q, mean_u = complex(x, y) / total, complex(right, below) / total
    spread = power - total * (mean_q.real**2 + mean_q.imag**2)
    slope = (complex(along, across) - total * mean_q.conjugate() * mean_u) / spread if spread > 0 else 0j
    return slope, mean_u - slope * mean_q


def _least_median(u: Complexes, q: Complexes) -> tuple[complex, complex]:
    """The similarity through two vectors with the least median residual, over random pairs with a fixed seed."""
    rng = np.random.default_rng(0)
    first, second = rng.integers(len(u), size=(2, _HYPOTHESES))
    apart = np.abs(q[first] - q[second]) > 0.25 * np.abs(q - q.mean()).max()
    first, second = first[apart], second[apart]
    slopes = np.append((u[first] - u[second]) / (q[first] - q[second]), 0)
    shifts = np.append(u[first] - slopes[:-1] * q[first], np.median(u.real) + 1j * np.median(u.imag))
    looked_at = rng.integers(len(u), size=_LOOKED_AT)
    residuals = _lengths(u[looked_at] - slopes[:, None] * q[looked_at] - shifts[:, None])
    best = int(np.median(residuals, axis=1).argmin())
    return complex(slopes[best]), complex(shifts[best])


def _lengths(vectors: Complexes) -> NDArray[np.float64]:
    """As ``np.abs``, which guards against overflow at several times the cost."""
    return np.sqrt(vectors.real**2 + vectors.imag**2)

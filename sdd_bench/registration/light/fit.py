r"""Gains, vignetting and the camera's curve of a pair, by robust least squares on windows and flats.

With scene light :math:`x = x(d; b)` of :mod:`~sdd_bench.registration.light.camera_curve`, a window or flat :math:`i` of
channel :math:`c` should have

.. math:: r_{ic} = \ln \bar x^B_{ic} - \ln \bar x^S_{ic} - \ln g_c - \ln(1 + a\, r_i^2) = 0 .

Residuals are brought from scene light to display light (times :math:`e^{-b}`), or a curve that makes all light alike
would have none. Flats tell the map from display to display exactly; it leaves open one number, as :math:`x^\gamma` with
:math:`g^\gamma` maps alike (Grossberg and Nayar, 2004). Windows tell it: blur keeps the mean of scene light, and of no
power of it. Where a pair has neither blur nor detail, the prior decides for a straight curve.

Weights are those of Geman and McClure (1985), so that what moved, or flares, does not count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sdd_bench.optics.light import linear_to_srgb
from sdd_bench.registration.light.camera_curve import KNOTS, STRAIGHT, hats, log_light
from sdd_bench.registration.light.samples import BINS, DISPLAY_LIGHT, GRID, Flats, Samples, Windows

Array = NDArray[np.float64]

DARKEST = 0.003
"""Display light below which noise, rounding and glare hide a ratio."""
_K = len(KNOTS)
_FIELD = _K + 3

_BEND_SD = 0.2
"""Prior: how much a camera's log-log slope (its logarithm) departs from 1."""
_KINK_SD = 0.1
"""Prior: how much bends change their slope from knot to knot."""
_CAST_SD = 0.07
"""Prior: channels' gains (ln) about their mean. One flat surface in each channel would also pass for a curve."""
_FIELD_SD = 0.5
_NOISE = 0.01
_DARK_NOISE = 0.0015
_LEAK = 0.3
"""Error of a window from blur over its border, per change of ln(light) to the next window."""
_LOST_DETAIL = 0.2
"""Error of a window per squared contrast: resizing, sharpening and compression change detail after the tone curve."""
_FLAT_DETAIL = 0.5
_MOST_DETAIL = 0.3
_MOST_FLATS = 3000
_LEAST_FLATS = 50
_WINDOW_OVERLAP, _FLAT_OVERLAP = 2.0, 4.0
"""Neighbours are not independent: so many count as one."""
_PER_COLOUR = 10.0
"""Flats of one colour count as at most so many: a large sky is one observation, with one error."""
_COLOURS_PER_AXIS = 16
_LEAST_SCALE = 0.03
_ROUNDS = 40
_LARGEST_STEP = 0.3


@dataclass(frozen=True)
class LightFit:
    """What was found. All in scene light, about the picture's centre."""

    log_gain: tuple[float, float, float]
    error: tuple[float, float, float]
    """Standard error of each."""
    field: float
    """*a* of the field 1 + a r^2, r = 1 at the corners."""
    bends: tuple[float, ...]
    """Of the camera's curve, one for each knot."""


@dataclass(frozen=True)
class _Part:
    """Observations of one kind."""

    variance: Array
    usable: NDArray[np.bool_]
    radius2: Array
    knots: Array
    """Weight of each knot at the observation's display light, ``(N, 3, K)``."""
    weight: Array
    """How much of an observation each one is, ``(N, 1)``."""


@dataclass(frozen=True)
class _Problem:
    windows: Windows
    flats: Flats
    window_part: _Part
    flat_part: _Part | None
    positions: tuple[Array, Array]
    """Of the flats' display values on the grid: blurry, sharp."""


def fit_light(samples: Samples, *, curve: bool = True, field: bool = True, fixed: LightFit | None = None) -> LightFit:
    """Fit a pair.

    Args:
        samples: At least one window in which each channel is brighter than :data:`DARKEST`.
        curve: Fit the camera's curve; else it is that of ``fixed``, or straight.
        field: Fit vignetting; else there is none.
        fixed: Where the curve is taken from if it is not fitted, and where the search starts.
    """
    problem = _prepare(samples)
    parameters = np.zeros(_K + 4)
    if fixed is None:
        parameters[_K:_FIELD] = _first_gain(samples.windows)
    else:
        parameters[:_K], parameters[_K:_FIELD] = fixed.bends, fixed.log_gain
    free = np.r_[np.arange(_K if curve else 0), np.arange(_K, _FIELD), np.arange(_FIELD, _FIELD + field)].astype(int)
    prior = _prior()[np.ix_(free, free)]
    normal = prior
    for _ in range(_ROUNDS):
        normal, slope = prior.copy(), prior @ parameters[free]
        for residual, jacobian, part in _residuals(problem, parameters):
            weight = _weights(residual, part)
            jacobian = jacobian[..., free]
            normal += np.einsum("nci,nc,ncj->ij", jacobian, weight, jacobian, optimize=True)
            slope += np.einsum("nci,nc,nc->i", jacobian, weight, residual, optimize=True)
        step = np.clip(-np.linalg.solve(normal, slope), -_LARGEST_STEP, _LARGEST_STEP)
        parameters[free] += step
        parameters[_FIELD] = max(parameters[_FIELD], -0.9)
        if np.abs(step).max() < 1e-5:
            break
    spread = np.sqrt(np.diag(np.linalg.inv(normal)))[np.searchsorted(free, np.arange(_K, _FIELD))]
    numbers = [tuple(float(value) for value in part) for part in (parameters[_K:_FIELD], spread, parameters[:_K])]
    red, green, blue = numbers[0]
    return LightFit((red, green, blue), (numbers[1][0], numbers[1][1], numbers[1][2]), float(parameters[_FIELD]),
                    numbers[2] if curve or fixed is not None else STRAIGHT)


def _first_gain(windows: Windows) -> Array:
    light, other = windows.blurry @ DISPLAY_LIGHT, windows.sharp @ DISPLAY_LIGHT
    bright = np.minimum(light, other) > DARKEST
    ratio = np.log(np.maximum(light, 1e-9) / np.maximum(other, 1e-9))
    return np.array([np.median(ratio[bright[:, c], c]) if bright[:, c].any() else 0.0 for c in range(3)])


def _prior() -> Array:
    """Inverse covariance of all parameters about zero."""
    gap = np.diff(KNOTS)
    kinks = np.zeros((_K - 2, _K))
    for k in range(_K - 2):
        kinks[k, k : k + 3] = 1 / gap[k], -1 / gap[k] - 1 / gap[k + 1], 1 / gap[k + 1]
        kinks[k] *= gap[k] + gap[k + 1]
    prior = np.zeros((_K + 4, _K + 4))
    prior[:_K, :_K] = kinks.T @ kinks / _KINK_SD**2 + np.eye(_K) / _BEND_SD**2
    prior[_K:_FIELD, _K:_FIELD] = (np.eye(3) - 1 / 3) / _CAST_SD**2
    prior[_FIELD, _FIELD] = _FIELD_SD**-2
    return prior


def _prepare(samples: Samples) -> _Problem:
    windows, flats = samples.windows, _choose(samples.flats)
    light, other = windows.blurry @ DISPLAY_LIGHT, windows.sharp @ DISPLAY_LIGHT
    variance = _noise(light, other) + (_LEAK * windows.gradient) ** 2 + (_LOST_DETAIL * windows.contrast**2) ** 2
    weight = np.full((len(light), 1), 1 / _WINDOW_OVERLAP)
    window_part = _part(light, other, variance, windows.radius2, weight)
    flat_part = None
    if np.count_nonzero(np.minimum(flats.blurry, flats.sharp) > DARKEST) > _LEAST_FLATS:
        variance = _noise(flats.blurry, flats.sharp) + (_FLAT_DETAIL * flats.detail) ** 2
        flat_part = _part(flats.blurry, flats.sharp, variance, flats.radius2, _per_colour(flats.sharp) / _FLAT_OVERLAP)
    positions = (_grid_position(flats.blurry), _grid_position(flats.sharp))
    return _Problem(windows, flats, window_part, flat_part, positions)


def _choose(flats: Flats) -> Flats:
    """The flattest."""
    worst = flats.detail.max(axis=1, initial=0.0)
    order = np.argsort(worst, kind="stable")[:_MOST_FLATS]
    order = order[worst[order] < _MOST_DETAIL]
    return Flats(flats.blurry[order], flats.sharp[order], flats.radius2[order], flats.detail[order])


def _noise(light: Array, other: Array) -> Array:
    return np.asarray(_NOISE**2 + _DARK_NOISE**2 / np.maximum(light * other, 1e-8))


def _part(light: Array, other: Array, variance: Array, radius2: Array, weight: Array) -> _Part:
    middle = linear_to_srgb(np.sqrt(np.maximum(light * other, 1e-8))).astype(np.float64)
    return _Part(variance, np.minimum(light, other) > DARKEST, radius2, hats(middle), weight)


def _per_colour(light: Array) -> Array:
    colour = np.minimum(linear_to_srgb(light) * _COLOURS_PER_AXIS, _COLOURS_PER_AXIS - 1).astype(np.int64)
    _, which, count = np.unique(colour, axis=0, return_inverse=True, return_counts=True)
    return np.minimum(1.0, _PER_COLOUR / count)[which.reshape(-1), None]


def _grid_position(light: Array) -> Array:
    return linear_to_srgb(light).astype(np.float64) * BINS


def _residuals(problem: _Problem, parameters: Array) -> list[tuple[Array, Array, _Part]]:
    """Residuals ``(N, 3)`` and their derivatives ``(N, 3, parameters)`` of windows, and of flats if there are any."""
    log, by_bend = log_light(parameters[:_K], GRID)
    light = np.exp(log)
    light[0] = 0.0
    both = []
    for histogram in (problem.windows.blurry, problem.windows.sharp):
        mean = np.maximum(histogram @ light, 1e-12)
        both.append((np.log(mean), histogram @ (light[:, None] * by_bend) / mean[..., None]))
    found = [_finish(both, parameters, problem.window_part)]
    if problem.flat_part is not None:
        both = [_between(position, log, by_bend) for position in problem.positions]
        found.append(_finish(both, parameters, problem.flat_part))
    return found


def _between(position: Array, log: Array, by_bend: Array) -> tuple[Array, Array]:
    first = np.minimum(position.astype(np.int64), BINS - 1)
    share = position - first
    slope = share[..., None]
    return log[first] * (1 - share) + log[first + 1] * share, by_bend[first] * (1 - slope) + by_bend[first + 1] * slope


def _finish(both: list[tuple[Array, Array]], parameters: Array, part: _Part) -> tuple[Array, Array, _Part]:
    (log, by_bend), (other, other_by_bend) = both
    field = 1 + parameters[_FIELD] * part.radius2[:, None]
    scale = np.exp(-(part.knots @ parameters[:_K]))
    residual = (log - other - parameters[_K:_FIELD] - np.log(field)) * scale
    jacobian = np.zeros((*residual.shape, _K + 4))
    jacobian[..., :_K] = (by_bend - other_by_bend) * scale[..., None] - residual[..., None] * part.knots
    for channel in range(3):
        jacobian[:, channel, _K + channel] = -scale[:, channel]
    jacobian[..., _FIELD] = -part.radius2[:, None] / field * scale
    return residual, jacobian, part


def _weights(residual: Array, part: _Part) -> Array:
    """Inverse variances, less for outliers; the scale of the noise is taken from the residuals."""
    relative = residual**2 / part.variance
    scale = 1.4826 * np.sqrt(np.median(relative[part.usable])) if part.usable.any() else 1.0
    scale = max(float(scale), _LEAST_SCALE)
    robust = (1 + relative / (2 * scale) ** 2) ** -2
    return np.asarray(np.where(part.usable, robust / (part.variance * scale**2), 0.0) * part.weight)

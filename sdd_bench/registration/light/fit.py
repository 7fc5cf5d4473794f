r"""Gains, vignetting, glare and the camera's curve of a pair, by robust least squares on windows and flats.

With scene light :math:`x = x(d; b)` of :mod:`~sdd_bench.registration.light.camera_curve`, a window or flat :math:`i` of
channel :math:`c` should have

.. math:: r_{ic} = \ln \bar x^B_{ic} - \ln \bar x^S_{ic} - \ln g_c - \ln(1 + a\, r_i^2 + v\, m_c / \bar x^S_{ic})
    - \kappa\, q_{ic} = 0 ,

:math:`m_c` being the mean light of the sharp picture, :math:`a` vignetting, :math:`v` veiling glare. Blur carries light
over the border of a window; to first order by :math:`\kappa` times the curvature :math:`q` of the light there. It is
fitted with the rest: left alone, it passes for lost detail, and so for another curve. Residuals are
brought from scene light to display light (times :math:`e^{-b}`), or a curve that makes all light alike would have none.

Flats tell the map from display to display exactly; it leaves open one number, as :math:`x^\gamma` with
:math:`g^\gamma` maps alike (Grossberg and Nayar, 2004). Windows tell it: blur keeps the mean of scene light, and of no
power of it. Where a pair has neither blur nor detail, the prior decides for a straight curve.

Weights are those of Geman and McClure (1987), so that what moved, or flares, does not count.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sdd_bench.registration.light.camera_curve import KNOTS, log_light
from sdd_bench.registration.light.observations import Part, Problem
from sdd_bench.registration.light.samples import BINS, GRID

Array = NDArray[np.float64]

_K = len(KNOTS)
_FIELD, _GLARE, _LEAK = _K + 3, _K + 4, _K + 5
_N = _K + 6
_GAINS = slice(_K, _FIELD)

_BEND_SD = 0.2
"""Prior: how much the logarithm of a camera's log-log slope departs from 0."""
_KINK_SD = 0.1
"""Prior: how much bends change their slope from knot to knot."""
_CAST_SD = 0.07
"""Prior: channels' gains (ln) about their mean. One flat surface in each channel would also pass for a curve."""
_FIELD_SD = 0.5
_GLARE_SD = 0.01
_LEAK_SD = 0.05
_LEAST_SCALE = 0.03
"""Noise is never taken for less than this share of what is expected: few residuals can be small by chance."""
_LEAST_FIELD = 0.1
_MOST_VEIL = 50.0
"""Mean light over the light of a window: in darker ones glare is all there is."""
_ROUNDS = 40
_LARGEST_STEP = 0.3
_SETTLED = 1e-5
_SYSTEMATIC = 0.2
"""Standard deviation, on 80 made pairs, of the exponent's error times the detail lost, over what windows leave."""


@dataclass(frozen=True)
class LightFit:
    """What was found, in scene light."""

    log_gain: tuple[float, float, float]
    error: tuple[float, float, float]
    """Standard error of each."""
    bends: tuple[float, ...]
    """Of the camera's curve, one for each knot."""
    field: float = 0.0
    """*a*: r = 1 at the corners."""
    glare: float = 0.0
    """*v*: share of the mean light."""
    glare_error: float = 0.0
    leak: float = 0.0
    """*kappa*."""
    veil: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Mean light *m* of the sharp picture, white = 1."""


def fit_light(
    problem: Problem,
    *,
    curve: bool = True,
    field: bool = True,
    glare: bool = False,
    start: LightFit | None = None,
) -> LightFit:
    """Fit a pair.

    Args:
        problem: What is compared.
        curve: Fit the camera's curve; else it is that of ``start``, or straight.
        field: Fit vignetting; else there is none.
        glare: Fit veiling glare; else there is none.
        start: Where the search starts, and the curve that is not fitted.
    """
    parameters = np.zeros(_N)
    parameters[_GAINS] = problem.first_gain
    if start is not None:
        parameters[:_K], parameters[_GAINS] = start.bends, start.log_gain
    chosen = np.repeat([curve, True, field, glare, True], [_K, 3, 1, 1, 1])
    free = np.flatnonzero(chosen)
    prior = _prior()[np.ix_(free, free)]
    normal = prior
    for _ in range(_ROUNDS):
        normal, slope = prior.copy(), prior @ parameters[free]
        for residual, jacobian, part in _residuals(problem, parameters):
            weight = _weights(residual, part)
            by_free = jacobian[..., free]
            weighed = (by_free * weight[..., None]).reshape(-1, len(free))
            normal += weighed.T @ by_free.reshape(-1, len(free))
            slope += weighed.T @ residual.ravel()
        step = np.clip(-np.linalg.solve(normal, slope), -_LARGEST_STEP, _LARGEST_STEP)
        parameters[free] += step
        parameters[_FIELD] = max(parameters[_FIELD], _LEAST_FIELD - 1)
        if np.abs(step).max() < _SETTLED:
            break
    spread = np.zeros(_N)
    spread[free] = np.sqrt(np.diag(np.linalg.inv(normal)))
    return LightFit(
        _three(parameters[_GAINS]),
        _three(spread[_GAINS]),
        tuple(float(bend) for bend in parameters[:_K]),
        float(parameters[_FIELD]),
        float(parameters[_GLARE]),
        float(spread[_GLARE]),
        float(parameters[_LEAK]),
        _three(_mean_light(problem, parameters)),
    )


def errors_left(problem: Problem, fit: LightFit) -> tuple[float, float | None]:
    """Mean relative error of display light that ``fit`` leaves in the windows, and in the flats (None: there are none).

    Of two fits, the one with less describes the pair better. Pixels would not do: where one picture is blurred, their
    difference is least for the transfer with the least contrast.
    """
    parameters = np.array([*fit.bends, *fit.log_gain, fit.field, fit.glare, fit.leak])
    left = []
    for residual, _, part in _residuals(problem, parameters):
        weight = np.where(part.usable, part.weight / part.variance, 0.0)
        left.append(float((weight * np.abs(residual)).sum() / weight.sum()))
    return left[0], left[1] if len(left) > 1 else None


def exponent_error(problem: Problem, fit: LightFit) -> float:
    r"""Standard error of the exponent :math:`\gamma` that flats leave open (see above); a gain's is that times its ln.

    Windows tell it by the light of detail that blur took away. What they leave unexplained is no noise that averages
    out, so it counts as a part of one systematic error, against the detail that was lost: the less of it, the less is
    known. The part is measured: :data:`_SYSTEMATIC`.
    """
    log, _ = log_light(np.array(fit.bends), GRID)
    light = _without_black(log)
    variance = []
    for histogram in (problem.windows.sharp, problem.windows.blurry):
        mean = np.maximum(histogram @ light, 1e-9)
        variance.append((histogram @ light**2) / mean**2)
    part = problem.window_part
    weight = np.where(part.usable, part.weight / part.variance, 0.0)
    lost = np.sqrt((weight * (variance[0] - variance[1]) ** 2).sum() / weight.sum()) / 2
    return float(_SYSTEMATIC * errors_left(problem, fit)[0] / max(lost, 1e-4))


def _three(values: Array) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in values)
    return red, green, blue


def _prior() -> Array:
    """Inverse covariance of all parameters about zero."""
    gap = np.diff(KNOTS)
    kinks = np.zeros((_K - 2, _K))
    for k in range(_K - 2):
        kinks[k, k : k + 3] = 1 / gap[k], -1 / gap[k] - 1 / gap[k + 1], 1 / gap[k + 1]
        kinks[k] *= gap[k] + gap[k + 1]
    prior = np.zeros((_N, _N))
    prior[:_K, :_K] = kinks.T @ kinks / _KINK_SD**2 + np.eye(_K) / _BEND_SD**2
    prior[_GAINS, _GAINS] = (np.eye(3) - 1 / 3) / _CAST_SD**2
    prior[_FIELD, _FIELD] = _FIELD_SD**-2
    prior[_GLARE, _GLARE] = _GLARE_SD**-2
    prior[_LEAK, _LEAK] = _LEAK_SD**-2
    return prior


def _mean_light(problem: Problem, parameters: Array) -> Array:
    log, _ = log_light(parameters[:_K], GRID)
    return np.asarray(problem.windows.sharp.mean(axis=0) @ _without_black(log))


def _without_black(log: Array) -> Array:
    light = np.exp(log)
    light[0] = 0.0
    return light


def _residuals(problem: Problem, parameters: Array) -> Iterator[tuple[Array, Array, Part]]:
    """Residuals ``(N, 3)`` and their derivatives ``(N, 3, parameters)`` of windows, and of flats if there are any."""
    log, by_bend = log_light(parameters[:_K], GRID)
    light = _without_black(log)
    basis = np.column_stack([light, light[:, None] * by_bend])
    both = []
    for histogram in (problem.windows.blurry, problem.windows.sharp):
        means = histogram @ basis
        mean = np.maximum(means[..., 0], 1e-12)
        both.append((np.log(mean), means[..., 1:] / mean[..., None]))
    veil = np.exp(both[1][0]).mean(axis=0)
    yield (*_residual(both, parameters, problem.window_part, veil), problem.window_part)
    if problem.flat_part is not None:
        both = [_between(position, log, by_bend) for position in problem.flat_positions]
        yield (*_residual(both, parameters, problem.flat_part, veil), problem.flat_part)


def _between(position: Array, log: Array, by_bend: Array) -> tuple[Array, Array]:
    """``log`` and ``by_bend`` at positions between the points of the grid."""
    first = np.minimum(position.astype(np.int64), BINS - 1)
    share = position - first
    rise, rise_by_bend = np.diff(log), np.diff(by_bend, axis=0)
    return log[first] + share * rise[first], by_bend[first] + share[..., None] * rise_by_bend[first]


def _residual(both: list[tuple[Array, Array]], parameters: Array, part: Part, veil: Array) -> tuple[Array, Array]:
    (log, by_bend), (other, other_by_bend) = both
    dark = np.minimum(veil / np.exp(other), _MOST_VEIL)
    field = 1 + parameters[_FIELD] * part.radius2[:, None] + parameters[_GLARE] * dark
    field = np.maximum(field, _LEAST_FIELD)
    scale = np.exp(-(part.knots @ parameters[:_K]))
    residual = (log - other - parameters[_GAINS] - np.log(field) - parameters[_LEAK] * part.curvature) * scale
    jacobian = np.zeros((*residual.shape, _N))
    jacobian[..., :_K] = (by_bend - other_by_bend) * scale[..., None] - residual[..., None] * part.knots
    for channel in range(3):
        jacobian[:, channel, _K + channel] = -scale[:, channel]
    jacobian[..., _FIELD] = -part.radius2[:, None] / field * scale
    jacobian[..., _GLARE] = -dark / field * scale
    jacobian[..., _LEAK] = -part.curvature * scale
    return residual, jacobian


def _weights(residual: Array, part: Part) -> Array:
    """Inverse variances, less for outliers; the scale of the noise is taken from the residuals."""
    relative = residual**2 / part.variance
    scale = max(1.4826 * float(np.sqrt(np.median(relative[part.usable]))), _LEAST_SCALE)
    robust = (1 + relative / (2 * scale) ** 2) ** -2
    return np.asarray(np.where(part.usable, robust / (part.variance * scale**2), 0.0) * part.weight)

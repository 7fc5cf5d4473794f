r"""A monotone curve for each channel, from display values of the sharp picture to those of the blurry one.

Knots are fitted by robust least squares to flats, and to windows, whose mean scene light is brought back to a display
value by the camera's curve, so that blurred detail does not count. Where a channel has no light to tell, the curve
follows the gain: the knots' prior is the transfer by ``gain``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sdd_bench.registration.light.camera_curve import log_light
from sdd_bench.registration.light.observations import Part, Problem
from sdd_bench.registration.light.samples import BINS, GRID
from sdd_bench.registration.light.transfer import TONE_KNOTS, Transfer

Array = NDArray[np.float64]

_X = np.array(TONE_KNOTS)
_AWAY_SD = 0.05
"""Prior: display value by which a knot departs from the gain."""
_KINK_SD = 0.03
"""Prior: second difference of these departures."""
_DISPLAY_PER_LN = 0.42
"""Change of an sRGB value per change of ln(light), over the value (its power is 1 / 2.4)."""
_ROUNDS = 8
_LEAST_RISE = 1e-3
"""Slope that a curve has at least, so that it can be undone."""
_LEAST_SCALE = 0.03


def fit_tone(problem: Problem, gain: Transfer) -> tuple[tuple[float, ...], ...]:
    """Display values at the knots, per channel.

    Args:
        problem: What is compared.
        gain: The transfer by gain: the prior, and the camera's curve.
    """
    parts = _display_values(problem, gain)
    prior = gain.display_curves(_X)
    return tuple(_fit_channel(parts, prior[c], c) for c in range(3))


def _display_values(problem: Problem, gain: Transfer) -> list[tuple[Array, Array, Part]]:
    """Display values (blurry, sharp) of windows and flats, ``(N, 3)`` each."""
    log, _ = log_light(np.array(gain.bends), GRID)
    light = np.exp(log)
    light[0] = 0.0
    windows = [np.interp(part @ light, light, GRID) for part in (problem.windows.blurry, problem.windows.sharp)]
    found = [(windows[0], windows[1], problem.window_part)]
    if problem.flat_part is not None:
        blurry, sharp = (position / BINS for position in problem.flat_positions)
        found.append((blurry, sharp, problem.flat_part))
    return found


def _fit_channel(parts: list[tuple[Array, Array, Part]], prior: Array, channel: int) -> tuple[float, ...]:
    from scipy.optimize import lsq_linear  # a quarter of a second, for the richest model alone

    n = len(_X)
    kinks = np.diff(np.eye(n), 2, axis=0) / _KINK_SD
    stiffness = kinks.T @ kinks + np.eye(n) / _AWAY_SD**2
    rises = np.tril(np.ones((n, n)))
    least = np.concatenate([[0.0], _LEAST_RISE * np.diff(_X)])
    knots = prior.copy()
    for _ in range(_ROUNDS):
        normal, right = stiffness.copy(), stiffness @ prior
        for blurry, sharp, part in parts:
            usable = part.usable[:, channel]
            hats = np.stack([np.interp(sharp[usable, channel], _X, row) for row in np.eye(n)], axis=1)
            weight = _weights(blurry[usable, channel] - hats @ knots, blurry[usable, channel], part, usable, channel)
            normal += hats.T @ (hats * weight[:, None])
            right += hats.T @ (weight * blurry[usable, channel])
        root = np.linalg.cholesky(normal)
        knots = rises @ lsq_linear(root.T @ rises, np.linalg.solve(root, right), (least, np.inf)).x
    return tuple(float(knot) for knot in np.clip(knots, 0.0, 1.0))


def _weights(residual: Array, display: Array, part: Part, usable: NDArray[np.bool_], channel: int) -> Array:
    variance = part.variance[usable, channel] * (_DISPLAY_PER_LN * (display + 0.055)) ** 2
    relative = residual**2 / variance
    scale = max(1.4826 * float(np.sqrt(np.median(relative))), _LEAST_SCALE)
    robust = (1 + relative / (2 * scale) ** 2) ** -2
    return np.asarray(robust / (variance * scale**2) * np.broadcast_to(part.weight[usable, 0], relative.shape))

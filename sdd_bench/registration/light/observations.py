"""Windows and flats as observations of a least-squares problem: which count, how much, and how far off they may be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sdd_bench.images.light import linear_to_srgb
from sdd_bench.registration.light.camera_curve import hats
from sdd_bench.registration.light.samples import BINS, DISPLAY_LIGHT, Flats, Samples, Windows

Array = NDArray[np.float64]

DARKEST = 0.003
"""Display light below which noise, rounding and glare hide a ratio."""
LEAST_WINDOWS = 12
"""Fewer windows with light in a channel say nothing about it."""

_NOISE = 0.01
"""Relative error of the best observation; the fit scales all errors by what it finds."""
_DARK_NOISE = 0.0015
_LEAK = 0.3
"""Error of a window from blur over its border, per change of ln(light) to the next window."""
_LOST_DETAIL = 0.2
"""Error of a window per squared contrast: resizing, sharpening and compression change detail after the tone curve."""
_FLAT_DETAIL = 0.5
"""Error of a flat per relative detail."""
_MOST_DETAIL = 0.3
_MOST_FLATS = 3000
_LEAST_FLATS = 50
_WINDOW_OVERLAP, _FLAT_OVERLAP = 2.0, 4.0
"""Neighbours are not independent: this many count as one."""
_PER_COLOUR = 10.0
"""Flats of one colour count as at most this many: a large sky is one observation, with one error."""
_COLOURS_PER_AXIS = 16


@dataclass(frozen=True)
class Part:
    """Observations of one kind."""

    variance: Array
    """Of the residual, up to a common scale, ``(N, 3)``."""
    usable: NDArray[np.bool_]
    radius2: Array
    """Squared distance from the picture's centre, 1 at the corners, ``(N,)``."""
    knots: Array
    """Weight of each knot of the camera's curve at the observation's light, ``(N, 3, K)``."""
    curvature: Array
    """Of the light around a window, ``(N, 3)``; 0 for flats."""
    weight: Array
    """How much of an independent observation each one is, ``(N, 1)``."""


@dataclass(frozen=True)
class Problem:
    """What is fitted."""

    windows: Windows
    window_part: Part
    flat_positions: tuple[Array, Array]
    """Display values of the flats in units of histogram bins: blurry, sharp; ``(N, 3)`` each."""
    flat_part: Part | None
    """None: too few."""
    first_gain: Array
    """ln(gain) to start from, ``(3,)``."""


def pose(samples: Samples) -> Problem | None:
    """The problem of a pair; None where some channel has fewer than :data:`LEAST_WINDOWS` windows with light."""
    windows, flats = samples.windows, _choose(samples.flats)
    light, other = windows.blurry @ DISPLAY_LIGHT, windows.sharp @ DISPLAY_LIGHT
    bright = np.minimum(light, other) > DARKEST
    if (np.count_nonzero(bright, axis=0) < LEAST_WINDOWS).any():
        return None
    variance = _noise(light, other) + (_LEAK * windows.gradient) ** 2 + (_LOST_DETAIL * windows.contrast**2) ** 2
    weight = np.full((len(light), 1), 1 / _WINDOW_OVERLAP)
    window_part = _part(light, other, variance, windows.radius2, windows.curvature, weight)
    flat_part = None
    if np.count_nonzero((np.minimum(flats.blurry, flats.sharp) > DARKEST).all(axis=1)) >= _LEAST_FLATS:
        variance = _noise(flats.blurry, flats.sharp) + (_FLAT_DETAIL * flats.detail) ** 2
        weight = _per_colour(flats.sharp) / _FLAT_OVERLAP
        flat_part = _part(flats.blurry, flats.sharp, variance, flats.radius2, np.zeros_like(flats.blurry), weight)
    positions = (BINS * display(flats.blurry), BINS * display(flats.sharp))
    first = [np.median(np.log(light[bright[:, c], c] / other[bright[:, c], c])) for c in range(3)]
    return Problem(windows, window_part, positions, flat_part, np.array(first))


def display(light: Array) -> Array:
    """Display values of display light."""
    return linear_to_srgb(light).astype(np.float64)


def _choose(flats: Flats) -> Flats:
    """The flattest."""
    worst = flats.detail.max(axis=1, initial=0.0)
    order = np.argsort(worst, kind="stable")[:_MOST_FLATS]
    order = order[worst[order] < _MOST_DETAIL]
    return Flats(flats.blurry[order], flats.sharp[order], flats.radius2[order], flats.detail[order])


def _noise(light: Array, other: Array) -> Array:
    return np.asarray(_NOISE**2 + _DARK_NOISE**2 / np.maximum(light * other, 1e-8))


def _part(light: Array, other: Array, variance: Array, radius2: Array, curvature: Array, weight: Array) -> Part:
    middle = display(np.sqrt(np.maximum(light * other, 0)))
    return Part(variance, np.minimum(light, other) > DARKEST, radius2, hats(middle), curvature, weight)


def _per_colour(light: Array) -> Array:
    colour = np.minimum(display(light) * _COLOURS_PER_AXIS, _COLOURS_PER_AXIS - 1).astype(np.int64)
    _, which, count = np.unique(colour, axis=0, return_inverse=True, return_counts=True)
    return np.asarray(np.minimum(1.0, _PER_COLOUR / count)[which.reshape(-1), None])

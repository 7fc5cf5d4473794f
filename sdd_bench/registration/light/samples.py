r"""What of two pictures can be compared although one of them is blurred.

Defocus is a convolution of *scene light* with a kernel much smaller than the picture. Two things survive it:

*Windows.* The mean light over a wide smooth window :math:`w`: with the kernel's second moment :math:`\sigma^2`,
:math:`w * k * x \approx w * x + \tfrac12 \sigma^2 \nabla^2 (w * x)`. Only scene light has this property: a mean of
display values, or of light decoded by the wrong curve, changes when detail is blurred. So windows tell the camera's
curve, if they are kept as histograms, of which the mean of any function of display values can be had.

*Flats.* Small cells without detail in either picture: there display values map to display values one by one, whatever
the curve is.

A clipped pixel has lost light in the sharp picture and spread it in the blurry one, so cells near one are left out.
The sharp picture is looked up at whole pixels: an interpolated value is a mean of display values, which looks like
another tone curve.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.images.light import srgb_to_linear
from sdd_bench.optics.tone import radius_squared

Picture = NDArray[np.float32]
Array = NDArray[np.float64]

CLIPPED = 0.97
"""Display light from which on a pixel counts as clipped."""
BINS = 64
GRID = np.arange(BINS + 1) / BINS
"""Display values that histograms count; a value between two is shared out between them."""
DISPLAY_LIGHT = srgb_to_linear(GRID).astype(np.float64)

_MOST_PIXELS = 1_600_000
"""Larger pictures are thinned out, not averaged: averages of display values would look like another tone curve."""
_CELLS = 50
"""Cells along the side of a square of the picture's area: a window (3 cells) then exceeds blur of 4 % of the side."""
_SMALLEST_CELL_PX = 16
_WINDOW_CELLS = 1.5
"""Standard deviation of a window, in cells."""
_WINDOW_REACH = 4
_WINDOW_STEP = 2
_LEAST_COVERED = 0.4
"""Share of a window's weight that must be usable."""
_MOST_CURVATURE = 2.0
"""Where light changes more from window to window, its second derivative says nothing."""
_CLIPPED_SHARE = 0.002
"""Share of clipped pixels from which on a cell and its neighbours are left out."""
_FLOW_CELL_PX, _FLOW_SIGMA_CELLS = 8, 2.0
"""Flow is smoothed by 16 px: windows need no detail of it, and its errors at edges would move light about."""


@dataclass(frozen=True)
class Windows:
    """Wide windows of both pictures."""

    blurry: Array
    """Histogram of display values, ``(N, 3, BINS + 1)``, each sums to 1."""
    sharp: Array
    radius2: Array
    """Squared distance from the picture's centre, 1 at the corners, ``(N,)``."""
    gradient: Array
    """Change of ln(light) of the sharp picture from window to window, ``(N, 3)``."""
    curvature: Array
    """What neighbouring windows have more light than this one, summed up, as a share of its light, ``(N, 3)``."""
    contrast: Array
    """Standard deviation over mean of the sharp picture's light in the window, ``(N, 3)``."""
    n_possible: int
    """Windows there would be if every pixel could be used."""


@dataclass(frozen=True)
class Flats:
    """Small cells without detail in either picture."""

    blurry: Array
    """Mean display light, ``(N, 3)``."""
    sharp: Array
    radius2: Array
    detail: Array
    """Standard deviation over mean inside and around the cell, the worse of both pictures, ``(N, 3)``."""


@dataclass(frozen=True)
class Samples:
    """A pair prepared for comparison."""

    windows: Windows
    flats: Flats
    blurry: Picture
    """Display values, thinned out, ``(H, W, 3)``."""
    sharp: Picture
    """The same of the sharp picture, brought onto the blurry grid."""
    valid: NDArray[np.bool_]
    """Where the sharp picture reaches, ``(H, W)``."""


def collect(
    blurry: Picture, sharp: Picture, flow: NDArray[np.float32] | None = None, valid: NDArray[np.bool_] | None = None
) -> Samples:
    """Everything in a pair that can be compared.

    Args:
        blurry: Display values in [0, 1], ``(H, W, 3)``.
        sharp: The same shape.
        flow: ``(2, H, W)`` in pixels on the blurry grid; None: the pictures lie on one another.
        valid: Pixels of the blurry grid that count, ``(H, W)``; None: all.
    """
    step, _, cell = _grid(*blurry.shape[:2])
    thin, other, usable = _thin_out(blurry, sharp, flow, valid, step)
    light, other_light = srgb_to_linear(thin), srgb_to_linear(other)
    clipped = np.any([plane >= CLIPPED for plane in cv2.split(np.maximum(light, other_light))], axis=0)
    windows = _windows(thin, other, _unclipped(usable, clipped, cell), cell)
    return Samples(windows, _flats(light, other_light, usable & ~clipped, cell // 2), thin, other, usable)


def holds_windows(height: int, width: int) -> bool:
    """Whether pictures of this size hold a window, so that :func:`collect` can be called.

    Example:
        >>> holds_windows(512, 768), holds_windows(512, 20)
        (True, False)
    """
    _, sides, cell = _grid(height, width)
    return min(sides) // cell > _WINDOW_STEP // 2


def _grid(height: int, width: int) -> tuple[int, tuple[int, int], int]:
    """Every which pixel is used, the sides of what is then left, and the side of a cell in it."""
    step = max(1, math.ceil(math.sqrt(height * width / _MOST_PIXELS)))
    thin = math.ceil(height / step), math.ceil(width / step)
    return step, thin, max(_SMALLEST_CELL_PX, round(math.sqrt(thin[0] * thin[1]) / _CELLS))


def _thin_out(
    blurry: Picture,
    sharp: Picture,
    flow: NDArray[np.float32] | None,
    valid: NDArray[np.bool_] | None,
    step: int,
) -> tuple[Picture, Picture, NDArray[np.bool_]]:
    """Every ``step``-th pixel of the blurry picture, the nearest pixel of the sharp one, and which are usable."""
    height, width = blurry.shape[:2]
    thin = np.ascontiguousarray(blurry[::step, ::step])
    usable: NDArray[np.bool_] = np.ones(thin.shape[:2], bool) if valid is None else valid[::step, ::step].astype(bool)
    rows, columns = np.arange(0, height, step)[:, None], np.arange(0, width, step)
    y, x = np.broadcast_arrays(rows, columns)
    if flow is not None:
        thin_flow = np.ascontiguousarray(flow[:, ::step, ::step].transpose(1, 2, 0))
        moved, known = _smooth_flow(thin_flow)
        x, y = (np.rint(at + part).astype(np.int64) for at, part in ((x, moved[..., 0]), (y, moved[..., 1])))
        usable = np.asarray(usable & known & (x >= 0) & (x < width) & (y >= 0) & (y < height))
    other = sharp[y.clip(0, height - 1), x.clip(0, width - 1)]
    usable = np.asarray(usable & _finite(thin) & _finite(other))
    thin, other = (np.clip(np.nan_to_num(picture), 0.0, 1.0).astype(np.float32) for picture in (thin, other))
    return thin, other, usable


def _finite(planes: Picture) -> NDArray[np.bool_]:
    """Where all channels of ``(H, W, C)`` are finite; adding them is ten times faster than reducing the last axis."""
    return np.isfinite(sum(cv2.split(planes)))


def _smooth_flow(flow: Picture) -> tuple[Picture, NDArray[np.bool_]]:
    """Flow ``(H, W, 2)`` smoothed where it is known, and where that is: NaN says that a pixel has no counterpart."""
    known = _finite(flow)
    height, width = known.shape
    size = max(1, width // _FLOW_CELL_PX), max(1, height // _FLOW_CELL_PX)
    planes = np.dstack([np.where(known[..., None], flow, np.float32(0)), known.astype(np.float32)])
    small = cv2.resize(planes, size, interpolation=cv2.INTER_AREA)
    total = cv2.resize(cv2.GaussianBlur(small, (0, 0), _FLOW_SIGMA_CELLS), (width, height))
    return np.asarray(total[..., :2] / np.maximum(total[..., 2:], 1e-6)), known


def _unclipped(usable: NDArray[np.bool_], clipped: NDArray[np.bool_], cell: int) -> NDArray[np.bool_]:
    """Usable pixels of cells that neither hold clipped pixels nor lie beside such cells."""
    share = _average(clipped.astype(np.float32), cell)
    near = cv2.dilate((share > _CLIPPED_SHARE).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    mask = np.zeros_like(usable)
    spread = near.repeat(cell, axis=0).repeat(cell, axis=1)
    mask[: spread.shape[0], : spread.shape[1]] = ~spread
    return mask & usable


def _average(plane: NDArray[np.float32], cell: int) -> NDArray[np.float32]:
    """Mean over whole cells; what is left over at the right and below is dropped."""
    height, width = plane.shape[0] // cell, plane.shape[1] // cell
    cropped = np.ascontiguousarray(plane[: height * cell, : width * cell])
    return np.asarray(cv2.resize(cropped, (width, height), interpolation=cv2.INTER_AREA))


def _windows(blurry: Picture, sharp: Picture, mask: NDArray[np.bool_], cell: int) -> Windows:
    height, width = mask.shape[0] // cell, mask.shape[1] // cell
    down, across = _window_weights(height), _window_weights(width)
    covered = down @ _average(mask.astype(np.float32), cell).astype(np.float64) @ across.T
    kept = covered > _LEAST_COVERED * _whole(down, across)
    weighted = radius_squared(*mask.shape) * mask
    radius2 = (down @ _average(weighted, cell).astype(np.float64) @ across.T)[kept] / covered[kept]
    counts = [
        np.stack([_window_histogram(picture[..., c], mask, cell, down, across) for c in range(3)], axis=2)
        for picture in (blurry, sharp)
    ]
    means = counts[1] @ DISPLAY_LIGHT / np.maximum(covered, 1e-9)[..., None]
    histograms = [count[kept] / covered[kept][:, None, None] for count in counts]
    mean = histograms[1] @ DISPLAY_LIGHT
    variance = histograms[1] @ DISPLAY_LIGHT**2 - mean**2
    contrast = np.sqrt(np.maximum(variance, 0)) / np.maximum(mean, 1e-4)
    gradient = _gradient(np.log(means + 1e-3), kept)[kept]
    curvature = _curvature(means, kept)[kept]
    return Windows(histograms[0], histograms[1], radius2, gradient, curvature, contrast, kept.size)


def _whole(down: Array, across: Array) -> float:
    """Weight of a window of which every pixel is usable; those at the border, which have less, count as covered."""
    return float(down.sum(axis=1).max() * across.sum(axis=1).max())


def _window_weights(n_cells: int) -> Array:
    """Weights of the cells along one side, ``(windows, cells)``: Gaussians two cells apart."""
    centres = np.arange(_WINDOW_STEP // 2, n_cells, _WINDOW_STEP)
    distance = np.arange(n_cells) - centres[:, None]
    weights = np.exp(-0.5 * (distance / _WINDOW_CELLS) ** 2)
    return np.where(np.abs(distance) <= _WINDOW_REACH, weights, 0.0) / (_WINDOW_CELLS * math.sqrt(2 * math.pi))


def _window_histogram(plane: Picture, mask: NDArray[np.bool_], cell: int, down: Array, across: Array) -> Array:
    """Histogram of one channel in every window, ``(rows, columns, BINS + 1)``, in shares of a cell."""
    height, width = plane.shape[0] // cell, plane.shape[1] // cell
    inside = (slice(0, height * cell), slice(0, width * cell))
    position = plane[inside] * np.float32(BINS)
    first = np.minimum(position.astype(np.int32), BINS - 1)
    share = position - first
    row, column = np.arange(height * cell) // cell, np.arange(width * cell) // cell
    index = ((row[:, None] * width + column) * (BINS + 1) + first).ravel()
    size = height * width * (BINS + 1)
    weight = mask[inside].astype(np.float32) / np.float32(cell**2)
    count = np.bincount(index, ((1 - share) * weight).ravel(), size)
    count += np.bincount(index + 1, (share * weight).ravel(), size)
    return np.einsum("ih,hwb,jw->ijb", down, count.reshape(height, width, BINS + 1), across, optimize=True)


def _gradient(log_light: Array, kept: NDArray[np.bool_]) -> Array:
    """Largest change to a neighbouring kept window along each axis, as a length; ``(rows, columns, 3)``."""
    squares = np.zeros_like(log_light)
    for axis in (0, 1):
        change = np.abs(np.diff(log_light, axis=axis))
        both = np.minimum(kept.take(range(1, kept.shape[axis]), axis), kept.take(range(kept.shape[axis] - 1), axis))
        change *= both[..., None]
        ends = [(1, 0), (0, 1)]
        padded = [np.pad(change, [end if axis == a else (0, 0) for a in range(2)] + [(0, 0)]) for end in ends]
        squares += np.maximum(*padded) ** 2
    return np.sqrt(squares)


def _curvature(means: Array, kept: NDArray[np.bool_]) -> Array:
    """Laplacian of the light over the light, from kept neighbours; ``(rows, columns, 3)``."""
    total = np.zeros_like(means)
    for axis in (0, 1):
        rise = np.diff(means, axis=axis)
        both = np.minimum(kept.take(range(1, kept.shape[axis]), axis), kept.take(range(kept.shape[axis] - 1), axis))
        rise = rise * both[..., None]
        ends = [[end if axis == a else (0, 0) for a in range(2)] + [(0, 0)] for end in ((0, 1), (1, 0))]
        total += np.pad(rise, ends[0]) - np.pad(rise, ends[1])
    return np.clip(total / np.maximum(means, 1e-4), -_MOST_CURVATURE, _MOST_CURVATURE)


def _flats(light: Picture, other: Picture, usable: NDArray[np.bool_], cell: int) -> Flats:
    """Cells all of whose pixels, and their neighbours', are usable."""
    bad = _average((~usable).astype(np.float32), cell) > 0
    kept = cv2.dilate(bad.astype(np.uint8), np.ones((5, 5), np.uint8)) == 0
    means = [_average(picture, cell) for picture in (light, other)]
    detail = np.maximum(*(_detail(picture, mean, cell) for picture, mean in zip((light, other), means, strict=True)))
    radius2 = _average(radius_squared(*usable.shape), cell)
    numbers = [part[kept].astype(np.float64) for part in (*means, radius2, detail)]
    return Flats(numbers[0], numbers[1], numbers[2], numbers[3])


def _detail(light: Picture, mean: Picture, cell: int) -> Picture:
    """Relative standard deviation in a cell, or half its neighbours' range where that is more."""
    variance = np.maximum(_average(light * light, cell) - mean * mean, 0)
    neighbours = np.ones((3, 3), np.uint8)
    span = cv2.dilate(mean, neighbours) - cv2.erode(mean, neighbours)
    return np.asarray(np.maximum(np.sqrt(variance), 0.5 * span) / np.maximum(mean, 1e-3))

r"""Patches of a pair and their sharpness, as DPDNet chooses them (Abuolaim and Brown, ECCV 2020).

Let :math:`g` be the grey sharp patch, :math:`S^x_k` and :math:`S^y_k` the Sobel filters of size :math:`k` along x and
y, and :math:`p` a pixel. The sharpness :math:`s` of the patch is the product of its normalised gradient sums
:math:`s_k`:

.. math:: s_k = \sum_p \sqrt{(S^x_k g)_p^2 + (S^y_k g)_p^2}, \qquad
          s = \prod_{k \in \{3, 7, 11, 15\}} \frac{s_k - \min s_k}{\max s_k - \min s_k}

where minimum and maximum are over the n patches of the picture. The ``int(drop * n)`` least sharp patches are dropped.

The recipe filters each patch separately, with its own reflected border (101). Patches overlap, so it would do most of
the work many times. Here

* the whole picture is filtered once, and only the strips within :math:`k / 2` of the border of a patch again;
* a Sobel kernel is the 3x3 kernel after smoothing by the binomial (1 4 6 4 1), once for size 7, twice for 11, three
  times for 15 (the smoothing is symmetric, so it commutes with the reflection);
* sums are stored per cell of the grid that the borders of all patches form.

Gradients are integers below :math:`2^{53}`, so they are exact in float64 and equal to those of the recipe bit for bit.
Only the order of summing the magnitudes differs, by a relative 1e-14.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.arrays import Pixels
from sdd_bench.core.errors import ImageError
from sdd_bench.core.types import Window

SOBEL_SIZES = (3, 7, 11, 15)
"""Sizes of DPDNet's Sobel kernels: from fine to coarse detail."""
_RADII = tuple(size // 2 for size in SOBEL_SIZES)
_REACH = max(_RADII)
_BINOMIAL = np.array([1.0, 4.0, 6.0, 4.0, 1.0])
# Rows per task, fixed and not divided by the number of threads, so that any number gives the same bits.
_BAND = 112

Magnitudes = NDArray[np.float64]
Indices = NDArray[np.intp]


def windows(height: int, width: int, *, patch: int = 512, overlap: float = 0.7) -> list[Window]:
    """Square windows, row by row, ``int((1 - overlap) * patch)`` apart; the last row and column touch the edge.

    Args:
        height: Height of the picture, pixels.
        width: Width of the picture, pixels.
        patch: Side of a window, pixels.
        overlap: Overlap of neighbouring windows, from 0 to less than 1.

    Raises:
        ImageError: The picture is smaller than a patch.

    Example:
        >>> len(windows(1080, 2048)), len(windows(1120, 1680, overlap=0.6))
        (60, 28)
    """
    if height < patch or width < patch:
        raise ImageError(
            f"a picture of {width}x{height} holds no patch of {patch}x{patch}. Choose a smaller patch, or resize less."
        )
    stride = stride_of(patch, overlap)
    rows, columns = (_starts(side, patch, stride) for side in (height, width))
    return [Window(y, x, patch, patch) for y in rows for x in columns]


def stride_of(patch: int, overlap: float) -> int:
    """Distance of neighbouring windows in pixels.

    Example:
        >>> stride_of(512, 0.7), stride_of(512, 0.6), stride_of(10, 0.9)
        (153, 204, 1)
    """
    # An overlap of 0.9 leaves 1 of 10 pixels, where floating point gives 0.9999999999999998.
    return max(1, int((1 - overlap) * patch + 1e-9))


def _starts(side: int, patch: int, stride: int) -> list[int]:
    starts = list(range(0, side - patch + 1, stride))
    return starts if starts[-1] == side - patch else [*starts, side - patch]


def choose(sharpness: NDArray[np.float64], drop: float = 0.3) -> Indices:
    """Indices of the patches to keep, ascending: all but the ``int(drop * n)`` least sharp of the n patches.

    Of equally sharp patches, the first are dropped.

    Example:
        >>> choose(np.array([0.5, 0.1, 0.9, 0.3]), drop=0.5).tolist()
        [0, 2]
    """
    order = np.argsort(sharpness, kind="stable")
    return np.sort(order[int(drop * len(order)) :])


def sharpness(sharp: Pixels, windows: Sequence[Window]) -> NDArray[np.float64]:
    """Sharpness of each patch relative to the other patches of its picture.

    A kernel size for which all patches score alike cannot rank them, and counts as 1.

    Args:
        sharp: Sharp picture, resized, (H, W, 3) uint8 or uint16 RGB.
        windows: Positions of the patches.

    Returns:
        Products of normalised gradient sums, in [0, 1], (n,).

    Example:
        >>> picture = np.zeros((40, 80, 3), np.uint8)
        >>> picture[:, 60:] = 255  # an edge in the right half
        >>> sharpness(picture, [Window(0, 0, 40, 40), Window(0, 40, 40, 40)]).tolist()
        [0.0, 1.0]
    """
    sums = gradient_sums(sharp, windows)
    if not len(sums):
        return np.zeros(0)
    low, high = sums.min(axis=0), sums.max(axis=0)
    spread = np.where(high > low, high - low, 1.0)
    normalised = np.where(high > low, (sums - low) / spread, 1.0)
    return normalised.prod(axis=1)


def gradient_sums(sharp: Pixels, windows: Sequence[Window]) -> NDArray[np.float64]:
    """Sum of the gradient magnitudes of each patch, as if each were filtered separately.

    Args:
        sharp: Sharp picture, (H, W, 3) uint8 or uint16 RGB.
        windows: Positions of the patches, inside the picture.

    Returns:
        Sums, (n, 4), one column per size in ``SOBEL_SIZES``.

    Raises:
        ImageError: A window is not inside the picture.

    Example:
        >>> picture = np.zeros((40, 40, 3), np.uint8)
        >>> picture[:, 20:] = 1  # a vertical edge: the 3x3 kernel gives 4 at 2 pixels of each row
        >>> float(gradient_sums(picture, [Window(0, 0, 40, 40)])[0, 0])
        320.0
    """
    height, width = sharp.shape[:2]
    for w in windows:
        if w.y < 0 or w.x < 0 or w.height < 1 or w.width < 1 or w.y + w.height > height or w.x + w.width > width:
            raise ImageError(f"{w} is not inside a picture of {width}x{height}. Make windows for this size.")
    grey = cv2.cvtColor(sharp, cv2.COLOR_RGB2GRAY)
    boxes = np.array([(w.y, w.x, w.y + w.height, w.x + w.width) for w in windows], np.intp).reshape(-1, 4)
    small = np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]) < 2 * _REACH
    sums = np.zeros((len(boxes), len(SOBEL_SIZES)))
    for index in np.flatnonzero(small):
        y, x, bottom, right = boxes[index]
        sums[index] = [magnitude.sum() for magnitude in _magnitudes(grey[y:bottom, x:right].astype(np.float64))]
    if not small.all():
        with ThreadPoolExecutor(max(1, cv2.getNumThreads())) as pool:
            sums[~small] = _interiors(grey, boxes[~small], pool) + _borders(grey, boxes[~small], pool)
    return sums


def _magnitudes(plane: Magnitudes) -> Iterator[Magnitudes]:
    """Gradient magnitudes of a grey plane, border reflected, one plane per kernel size; each overwrites the last."""
    dx, dy = np.empty_like(plane), np.empty_like(plane)
    for size in SOBEL_SIZES:
        if size > SOBEL_SIZES[0]:
            plane = cv2.sepFilter2D(plane, cv2.CV_64F, _BINOMIAL, _BINOMIAL, borderType=cv2.BORDER_REFLECT_101)
        cv2.Sobel(plane, cv2.CV_64F, 1, 0, dst=dx, ksize=3)
        cv2.Sobel(plane, cv2.CV_64F, 0, 1, dst=dy, ksize=3)
        yield cv2.magnitude(dx, dy, magnitude=dx)


def _interiors(grey: Pixels, boxes: Indices, pool: Executor) -> NDArray[np.float64]:
    """Sums over the part of each box that no border reaches, (n, 4)."""
    top, left, bottom, right = boxes.T
    height = len(grey)
    columns = [np.unique(np.concatenate([left + r, right - r])) for r in _RADII]
    cells = [np.empty((height, len(edges))) for edges in columns]

    def fill(start: int) -> None:
        end = min(start + _BAND, height)
        first = max(start - _REACH, 0)
        band = grey[first : end + _REACH].astype(np.float64)
        for magnitude, edges, rows in zip(_magnitudes(band), columns, cells, strict=True):
            np.add.reduceat(magnitude[start - first : end - first], edges, axis=1, out=rows[start:end])

    list(pool.map(fill, range(0, height, _BAND)))
    sums = np.empty((len(boxes), len(SOBEL_SIZES)))
    for size, (r, edges, rows) in enumerate(zip(_RADII, columns, cells, strict=True)):
        # reduceat sums from each edge to the next; its sum beyond the last edge belongs to no box.
        lines = np.unique(np.concatenate([top + r, bottom - r]))
        grid = np.add.reduceat(rows, lines, axis=0)
        spans = (np.searchsorted(lines, (top + r, bottom - r)), np.searchsorted(edges, (left + r, right - r)))
        sums[:, size] = [grid[a:b, c:d].sum() for a, b, c, d in zip(*spans[0], *spans[1], strict=True)]
    return sums


def _borders(grey: Pixels, boxes: Indices, pool: Executor) -> NDArray[np.float64]:
    """Sums over the part of each box that its border reaches, (n, 4)."""
    top, left, bottom, right = boxes.T
    turned = np.ascontiguousarray(grey.T)
    return (_strips(grey, top, bottom, left, right, pool) + _strips(turned, left, right, top, bottom, pool)) + _corners(
        grey, boxes
    )


def _strips(
    grey: Pixels, top: Indices, bottom: Indices, left: Indices, right: Indices, pool: Executor
) -> NDArray[np.float64]:
    """Sums over the top and bottom strips without their corners, (n, 4); boxes of one row share the filtering."""
    columns = [np.unique(np.concatenate([left + r, right - r])) for r in _RADII]

    def profile(start: int, is_top: bool) -> list[Magnitudes]:
        plane = grey[start : start + 2 * _REACH].astype(np.float64)
        strips = (
            magnitude[:r] if is_top else magnitude[-r:] for magnitude, r in zip(_magnitudes(plane), _RADII, strict=True)
        )
        return [np.add.reduceat(strip.sum(axis=0), edges) for strip, edges in zip(strips, columns, strict=True)]

    sums = np.zeros((len(top), len(SOBEL_SIZES)))
    for starts, is_top in ((top, True), (bottom - 2 * _REACH, False)):
        rows, which = np.unique(starts, return_inverse=True)
        profiles = list(pool.map(profile, rows.tolist(), [is_top] * len(rows)))
        for size, (r, edges) in enumerate(zip(_RADII, columns, strict=True)):
            spans = np.searchsorted(edges, (left + r, right - r))
            sums[:, size] += [profiles[row][size][a:b].sum() for row, a, b in zip(which, *spans, strict=True)]
    return sums


def _corners(grey: Pixels, boxes: Indices) -> NDArray[np.float64]:
    """Sums over the four corners of each box, (n, 4): one corner of all boxes side by side in one plane."""
    top, left, bottom, right = boxes.T
    # Offsets from a border inwards; those before it are reflected.
    inwards = np.abs(np.arange(-_REACH, 2 * _REACH))
    sums = np.zeros((len(boxes), len(SOBEL_SIZES)))
    for rows in (top[:, None] + inwards, bottom[:, None] - 1 - inwards):
        for columns in (left[:, None] + inwards, right[:, None] - 1 - inwards):
            blocks = grey[rows[:, :, None], columns[:, None, :]].astype(np.float64)
            plane = np.ascontiguousarray(blocks.transpose(1, 0, 2)).reshape(len(inwards), -1)
            for size, (magnitude, r) in enumerate(zip(_magnitudes(plane), _RADII, strict=True)):
                corners = magnitude.reshape(blocks.shape[1], len(boxes), -1)
                sums[:, size] += corners[_REACH : _REACH + r, :, _REACH : _REACH + r].sum(axis=(0, 2))
    return sums

r"""Patches of a pair and their sharpness, as DPDNet chooses them (Abuolaim and Brown, ECCV 2020).

The recipe, on the grey sharp patch :math:`g`, with Sobel kernels of size :math:`k`:

.. math:: s_k = \sum_p \sqrt{(S^x_k g)_p^2 + (S^y_k g)_p^2}, \qquad
          s = \prod_{k \in \{3, 7, 11, 15\}} \frac{s_k - \min s_k}{\max s_k - \min s_k}

and the ``int(drop * n)`` least sharp of the n patches are dropped. Each patch is filtered by itself, with its own
reflected border (101). Patches overlap, so that is most of the work done many times over. Here

* the whole picture is filtered once, and only the strips within :math:`k / 2` of a border of some patch again;
* a Sobel kernel is the 3x3 one after smoothing by the binomial (1 4 6 4 1), once for 7, twice for 11, three times for
  15 (the smoothing is symmetric, so it commutes with the reflection);
* sums are kept per cell of the grid that the borders of all patches draw.

Gradients are integers below :math:`2^{53}`, so they are exact in float64 and equal to those of the recipe bit for bit;
only the order in which the magnitudes are summed differs (relative 1e-14).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.errors import ImageError
from sdd_bench.core.types import Window

SOBEL_SIZES = (3, 7, 11, 15)
_RADII = tuple(size // 2 for size in SOBEL_SIZES)
_REACH = max(_RADII)
_BINOMIAL = np.array([1.0, 4.0, 6.0, 4.0, 1.0])
# Fixed, not shared out by threads: results are the same bits on any number of them.
_BAND = 112

Pixels = NDArray[np.generic]
Plane = NDArray[np.float64]
Indices = NDArray[np.intp]


def windows(height: int, width: int, *, patch: int = 512, overlap: float = 0.7) -> list[Window]:
    """Square windows row by row, ``int((1 - overlap) * patch)`` apart, the last row and column snapped to the edge.

    Args:
        height: Of the picture, pixels.
        width: Of the picture, pixels.
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
    # 0.9 of 10 pixels leave 1, not the 0.9999999999999998 of floating point.
    stride = max(1, int((1 - overlap) * patch + 1e-9))
    rows, columns = (_starts(side, patch, stride) for side in (height, width))
    return [Window(y, x, patch, patch) for y in rows for x in columns]


def _starts(side: int, patch: int, stride: int) -> list[int]:
    starts = list(range(0, side - patch + 1, stride))
    return starts if starts[-1] == side - patch else [*starts, side - patch]


def choose(sharpness: NDArray[np.float64], drop: float = 0.3) -> Indices:
    """Indices of the patches to keep, ascending: all but the ``int(drop * n)`` least sharp (of equals, the first)."""
    order = np.argsort(sharpness, kind="stable")
    return np.sort(order[int(drop * len(order)) :])


def sharpness(sharp: Pixels, windows: Sequence[Window]) -> NDArray[np.float64]:
    """Sharpness of each patch against the others of its picture.

    A kernel size for which all patches score alike says nothing and counts as 1.

    Args:
        sharp: The resized sharp picture, (H, W, 3) uint8 or uint16 RGB.
        windows: Where the patches are.

    Returns:
        Products of normalised gradient sums, in [0, 1], (n,).
    """
    sums = gradient_sums(sharp, windows)
    if not len(sums):
        return np.zeros(0)
    low, high = sums.min(axis=0), sums.max(axis=0)
    spread = np.where(high > low, high - low, 1.0)
    normalised = np.where(high > low, (sums - low) / spread, 1.0)
    return normalised.prod(axis=1)


def gradient_sums(sharp: Pixels, windows: Sequence[Window]) -> NDArray[np.float64]:
    """Sum of gradient magnitudes of each patch filtered by itself.

    Args:
        sharp: (H, W, 3) uint8 or uint16 RGB.
        windows: Where the patches are, inside the picture.

    Returns:
        (n, 4), one column for each of ``SOBEL_SIZES``.

    Raises:
        ImageError: A window is not inside the picture.
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


def _magnitudes(plane: Plane) -> Iterator[Plane]:
    """Gradient magnitudes of a grey plane for each kernel size, its border reflected; the next overwrites the last."""
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
        # reduceat sums from each edge to the next; what it sums beyond the last edge is in no box.
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

    def profile(start: int, is_top: bool) -> list[Plane]:
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
    # From a border inwards, after what its reflection puts before it.
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

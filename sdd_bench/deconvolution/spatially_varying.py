"""Deconvolution by a blur that differs from place to place: as published, and without seams.

Both take a map of sigma in pixels. ``published`` is the recipe that the field's tables were made with (the
deconvolution scripts of DMENet, used by IFAN and DRBNet too): sigma in up to 34 levels, the *whole* picture
deconvolved per level, every pixel from the level that is its own. Where levels meet it leaves seams.

``blend`` deconvolves the levels' own parts of the picture alone, and takes every pixel from its two neighbouring
levels, linearly in sigma.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.errors import ImageError
from sdd_bench.deconvolution.edge_taper import TAPERS
from sdd_bench.deconvolution.fourier import stay_on_one_core, workers
from sdd_bench.deconvolution.kernels import Kernel, compact_gaussian_kernel, gaussian_kernel
from sdd_bench.deconvolution.rectangles import Rectangle, cover
from sdd_bench.deconvolution.solve import Method, Picture, deconvolve

SigmaMap = NDArray[np.float32]
KernelOf = Callable[[float], Kernel]

_QUANTILES = 32
"""Quantiles of the distinct sigmas between which the published recipe draws its levels."""
LEVEL_RATIO = 1.2
"""Ratio of neighbouring levels of ``blend``."""
_SMALLEST_LEVEL_PX = 0.35
"""A blur of this sigma changes a picture by less than its noise; between 0 and it the picture itself is blended in."""
_TILE_PX = 96
_MARGIN_PX, _MARGIN_PER_SIGMA = 8, 2
"""Seen by a tile beyond the kernel's reach: a wider blur is undone from farther away."""
_BLEND_TAPERS = 1
"""One taper costs 0.01 dB against four on photographs, and two instead of eight transforms per solve."""


def published(
    picture: Picture,
    sigma_px: SigmaMap,
    method: Method,
    *,
    kernel_of: KernelOf = gaussian_kernel,
    stored_range_px: float | None = None,
) -> Picture:
    """Deconvolve by levels of sigma, whole pictures, hard selection.

    Args:
        picture: ``(H, W, C)`` float32.
        sigma_px: ``(H, W)`` float32, 0 or more.
        method: How a picture is deconvolved by one kernel.
        kernel_of: Kernel of a sigma.
        stored_range_px: Sigma of 255 in the 8-bit map that the recipe reads; None: the map as it is. It matters, since
            levels follow the number of distinct values.

    Returns:
        ``(H, W, C)`` float32 in [0, 1].

    Raises:
        ImageError: The sizes differ, or the map holds negative or infinite numbers.
    """
    _check(picture, sigma_px)
    if stored_range_px is not None:
        step = np.float32(stored_range_px / 255)
        sigma_px = np.rint(np.minimum(sigma_px, np.float32(stored_range_px)) / step) * step
    levels = quantised(sigma_px)
    out = np.empty(picture.shape, np.float32)
    for level in np.unique(levels):
        ours = levels == level
        out[ours] = deconvolve(picture, kernel_of(float(level)), method, tapers=TAPERS)[ours]
    return np.clip(out, 0, 1, out=out)


def quantised(sigma_px: SigmaMap) -> SigmaMap:
    """Every sigma lowered to the nearest of: the smallest, 32 quantiles of the *distinct* values, the largest.

    Quantiles at 1/33 .. 32/33, interpolated as MATLAB does ("hazen").
    """
    distinct = np.unique(sigma_px)
    shares = np.arange(1, _QUANTILES + 1) / (_QUANTILES + 1)
    inner = np.quantile(distinct, shares, method="hazen").astype(np.float32)
    edges = np.unique(np.concatenate([distinct[:1], inner, distinct[-1:]]))
    return np.asarray(edges[np.searchsorted(edges, sigma_px, side="right") - 1])


def blend(
    picture: Picture,
    sigma_px: SigmaMap,
    method: Method,
    *,
    kernel_of: KernelOf = compact_gaussian_kernel,
    ratio: float = LEVEL_RATIO,
) -> Picture:
    """Deconvolve by levels of sigma, each where it is needed, blended linearly in sigma.

    A constant map gives one plain deconvolution (with one taper); a map of zeros the picture, bit for bit.

    Args:
        picture: ``(H, W, C)`` float32 in [0, 1].
        sigma_px: ``(H, W)`` float32, 0 or more.
        method: How a picture is deconvolved by one kernel.
        kernel_of: Kernel of a sigma; one pixel means that the picture is taken as it is.
        ratio: Of neighbouring levels, above 1.

    Returns:
        ``(H, W, C)`` float32 in [0, 1].

    Raises:
        ImageError: The sizes differ, or the map holds negative or infinite numbers.
    """
    _check(picture, sigma_px)
    levels = blend_levels(float(sigma_px.min()), float(sigma_px.max()), ratio)
    place = np.interp(sigma_px, levels, np.arange(len(levels))).astype(np.float32)
    out = np.zeros(picture.shape, np.float32)

    def solve(job: _Job) -> Picture:
        seen = job.part.grown(job.margin, sigma_px.shape)
        solved = deconvolve(picture[seen.slices], job.kernel, method, tapers=_BLEND_TAPERS)[job.part.within(seen)]
        weight = np.maximum(0, 1 - np.abs(place[job.part.slices] - np.float32(job.number)))
        return np.multiply(solved, weight[..., None], dtype=np.float32)

    jobs = [job for number, level in enumerate(levels) for job in _jobs(number, level, kernel_of(level), place)]
    n_threads = workers()
    if len(jobs) < 2 * n_threads:
        for job in jobs:
            out[job.part.slices] += solve(job)
    else:
        with ThreadPoolExecutor(n_threads, initializer=stay_on_one_core) as pool:
            for job, solved in zip(jobs, pool.map(solve, jobs), strict=True):
                out[job.part.slices] += solved
    return np.clip(out, 0, 1, out=out)


@dataclass(frozen=True)
class _Job:
    """A part of the picture to solve by one level."""

    number: int
    kernel: Kernel
    margin: int
    part: Rectangle


def _jobs(number: int, sigma_px: float, kernel: Kernel, place: NDArray[np.float32]) -> list[_Job]:
    """Where a level is needed: at every pixel whose sigma lies between its neighbours'."""
    margin = 0
    if kernel.size > 1:
        margin = kernel.shape[0] // 2 + _MARGIN_PX + math.ceil(_MARGIN_PER_SIGMA * sigma_px)
    parts = cover(np.abs(place - number) < 1, tile=_TILE_PX, margin=margin)
    return [_Job(number, kernel, margin, part) for part in parts]


def blend_levels(smallest: float, largest: float, ratio: float = LEVEL_RATIO) -> list[float]:
    """Increasing sigmas from ``smallest`` to ``largest``, both among them, whose neighbours differ by about ``ratio``.

    Example:
        >>> blend_levels(2.0, 2.0), blend_levels(0.0, 0.0)
        ([2.0], [0.0])
    """
    levels, level = [smallest], _SMALLEST_LEVEL_PX
    half_step = ratio**0.5
    while level * half_step < largest:
        if level > smallest * half_step:
            levels.append(level)
        level *= ratio
    return levels if largest == smallest else [*levels, largest]


def _check(picture: Picture, sigma_px: SigmaMap) -> None:
    if picture.ndim != 3 or picture.shape[:2] != sigma_px.shape:
        raise ImageError(
            f"deconvolution: expected a picture (H, W, C) and a map (H, W) of one size, got {picture.shape} and "
            f"{sigma_px.shape}."
        )
    if not (np.isfinite(sigma_px).all() and (sigma_px >= 0).all()):
        raise ImageError("deconvolution: the blur map holds negative, infinite or undefined sigmas.")

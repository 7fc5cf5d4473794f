"""Measurement of the misalignment between a blurry and a sharp picture of one scene.

Flow at a small size gives a start (:mod:`sdd_bench.registration.coarse`). Direct registration, which defocus does not
bias, refines it (:mod:`sdd_bench.registration.refine`). Both work in linear light, with the exposure matched per
channel. A result that cannot be trusted is flagged, with the reason.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.errors import ImageError
from sdd_bench.flow.estimator import FlowEstimator
from sdd_bench.geometry.affine import overlap, warp
from sdd_bench.geometry.similarity import Similarity
from sdd_bench.images.light import grey_plane, linear_planes
from sdd_bench.registration.coarse import Coarse, align_by_flow, likeness, shrink
from sdd_bench.registration.exposure import Gain, exposure_gain, saturated
from sdd_bench.registration.options import MeasureOptions
from sdd_bench.registration.refine import DirectFit, register
from sdd_bench.registration.trust import Kind, distrust, name_kind

MOST_PIXELS = 2_400_000
"""Most pixels in direct registration. Larger pictures are averaged down by a whole factor, to bound time and memory."""
SMALLEST_SIDE_PX = 64
"""Smallest side of a picture that is measured: two tiles of direct registration."""
_GREY = (0.25, 0.5, 0.25)
"""Weights of red, green and blue in grey: their shares of a Bayer mosaic."""
_Z95 = 1.96
"""Two-sided 95 % quantile of the normal distribution."""
_CLOSE_PX = 1.5
"""Usual error of flow, in working pixels. A refinement that moves less is believed without a look at the likeness."""


@dataclass(frozen=True)
class Misalignment:
    """Measured misalignment of a pair, in pixels of the full picture."""

    similarity: Similarity
    """Map from blurry to sharp coordinates, about the picture's centre."""
    standard_error: Similarity
    """Standard errors of the four numbers of ``similarity``; NaN where only flow could be used."""
    width: int
    height: int
    rms_px: float
    """RMS displacement over the picture."""
    corner_px: float
    """Displacement of the corner that moves most."""
    zoom_centre_px: tuple[float, float] | None
    """Point (x, y) that stays in place; None where zoom and rotation are too small to locate it."""
    residual_px: float
    """RMS by which parts of the picture differ from the similarity, beyond noise."""
    residual_p95_px: float
    """Distance from the similarity within which 95 % of the textured tiles are."""
    trusted_share: float
    """Share of the textured tiles that agree with the similarity."""
    textured_share: float
    """Share of the tiles inside both pictures that are textured."""
    n_tiles: int
    """Number of textured tiles."""
    forward_backward_px: float
    """Median distance from the start after forward and backward flow."""
    flow_difference_px: float
    """RMS over the picture between flow's similarity and the measured one."""
    exposure_gain: Gain
    """Light of blurry over light of sharp: red, green, blue."""
    likeness: float
    """Correlation of the coarse detail of the aligned pictures."""
    kind: Kind
    distrust: tuple[str, ...]
    """Reasons not to believe the result, ``kind`` or ``kind: figure``; empty where none is known."""

    @property
    def rms_permille(self) -> float:
        """RMS displacement in thousandths of the width, comparable between picture sizes."""
        return 1000 * self.rms_px / self.width


def measure(
    blurry: NDArray[Any], sharp: NDArray[Any], flow: FlowEstimator, *, options: MeasureOptions | None = None
) -> Misalignment:
    """Measure the misalignment of one pair.

    Args:
        blurry: Blurry picture in sRGB, ``(H, W, 3)``, uint8 or uint16.
        sharp: Sharp picture of the same shape and type.
        flow: Estimator of the optical flow that gives the start.
        options: Thresholds and working size; None for the defaults.

    Raises:
        ImageError: Shapes differ, or a side is below 64 pixels.
    """
    options = options or MeasureOptions()
    height, width = blurry.shape[:2]
    if blurry.shape != sharp.shape or blurry.ndim != 3 or blurry.shape[2] != 3:
        raise ImageError(f"analyze: expected two pictures (H, W, 3) of one size, got {blurry.shape}, {sharp.shape}.")
    if min(height, width) < SMALLEST_SIDE_PX:
        raise ImageError(f"analyze: {width}x{height} is too small; expected at least {SMALLEST_SIDE_PX} px a side.")
    factor = max(1, math.ceil(math.sqrt(height * width / MOST_PIXELS)))
    light, other = linear_planes(blurry, factor), linear_planes(sharp, factor)
    coarse = align_by_flow(light, other, flow, working_width=options.working_width)
    fit = _refine(light, other, coarse)
    believed = fit is not None and _is_better(light, other, fit.similarity, coarse, options)
    found = fit.similarity if fit is not None and believed else coarse.similarity
    small, by = shrink(light, options.working_width)
    small_other, _ = shrink(other, options.working_width)
    at_small = found.scaled(by)
    gain = exposure_gain(small, warp(small_other, at_small), overlap(small.shape, at_small))
    # The planes are cropped to whole blocks of factor x factor pixels, so their centre is not that of the picture.
    by_px = (width - factor * light.shape[1]) / 2, (height - factor * light.shape[0]) / 2
    similarity = found.scaled(factor).about(by_px)
    difference = coarse.similarity.inverse() @ found
    return _describe(
        similarity,
        _error(fit if believed else None, factor),
        fit,
        coarse,
        (height, width),
        factor=factor,
        difference_px=factor * difference.rms_px(*light.shape[:2]),
        gain=gain,
        alike=likeness(small, small_other, at_small),
        options=options,
    )


def _refine(light: NDArray[np.float32], other: NDArray[np.float32], coarse: Coarse) -> DirectFit | None:
    weights = tuple(weight * gain for weight, gain in zip(_GREY, coarse.gain, strict=True))
    return register(
        grey_plane(light, _GREY),
        grey_plane(other, (weights[0], weights[1], weights[2])),
        coarse.similarity,
        clipped=_clipped(light),
        moving_clipped=_clipped(other),
    )


def _clipped(light: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.asarray(cv2.dilate(saturated(light).astype(np.uint8), np.ones((5, 5), np.uint8)))


def _is_better(
    light: NDArray[np.float32], other: NDArray[np.float32], found: Similarity, coarse: Coarse, options: MeasureOptions
) -> bool:
    """Whether the refined similarity is close to its start, or aligns the pictures no worse."""
    difference = (coarse.similarity.inverse() @ found).rms_px(*light.shape[:2])
    if difference * coarse.factor < _CLOSE_PX:
        return True
    small, by = shrink(light, options.working_width)
    small_other, _ = shrink(other, options.working_width)
    return likeness(small, small_other, found.scaled(by)) >= coarse.likeness - 0.005


def _error(fit: DirectFit | None, factor: int) -> Similarity:
    return Similarity(math.nan, math.nan, math.nan, math.nan) if fit is None else scale_error(fit, factor)


def scale_error(fit: DirectFit, factor: int) -> Similarity:
    """Standard errors of a fit, in pixels of the whole picture."""
    error = fit.standard_error
    return Similarity(error.zoom, error.rotation_deg, factor * error.shift_x_px, factor * error.shift_y_px)


def _describe(
    similarity: Similarity,
    error: Similarity,
    fit: DirectFit | None,
    coarse: Coarse,
    size: tuple[int, int],
    *,
    factor: int,
    difference_px: float,
    gain: Gain,
    alike: float,
    options: MeasureOptions,
) -> Misalignment:
    height, width = size
    residual_px = factor * fit.residual_px if fit is not None else math.nan
    reasons = distrust(
        similarity, error, fit, coarse, size, factor=factor, difference_px=difference_px, alike=alike, options=options
    )
    return Misalignment(
        similarity,
        error,
        width,
        height,
        rms_px=similarity.rms_px(height, width),
        corner_px=similarity.corner_px(*size),
        zoom_centre_px=_fixed_point(similarity, error, size),
        residual_px=residual_px,
        residual_p95_px=factor * fit.residual_p95_px if fit is not None else math.nan,
        trusted_share=fit.trusted_share if fit is not None else 0.0,
        textured_share=fit.textured_share if fit is not None else 0.0,
        n_tiles=fit.n_tiles if fit is not None else 0,
        forward_backward_px=factor * coarse.forward_backward_px,
        flow_difference_px=difference_px,
        exposure_gain=gain,
        likeness=alike,
        kind=name_kind(similarity, residual_px, size, options),
        distrust=reasons,
    )


def interval(value: float, standard_error: float) -> tuple[float, float]:
    """The 95 % interval of a normally distributed estimate.

    Example:
        >>> low, high = interval(1.0, standard_error=0.5)
        >>> round(low, 2), round(high, 2)
        (0.02, 1.98)
    """
    return value - _Z95 * standard_error, value + _Z95 * standard_error


def _fixed_point(similarity: Similarity, error: Similarity, size: tuple[int, int]) -> tuple[float, float] | None:
    r"""Fixed point :math:`p = c + z (p - c) + t` of a similarity with centre *c*, zoom and rotation *z*, and shift *t*.

    It is None where zoom and rotation move no corner by half a pixel, and where their errors are not known.
    """
    slope, shift = similarity.linear, similarity.shift
    if math.isnan(error.zoom) or abs(1 - slope) * math.hypot(*size) / 2 < 0.5:
        return None
    height, width = size
    point = complex((width - 1) / 2, (height - 1) / 2) + shift / (1 - slope)
    return point.real, point.imag

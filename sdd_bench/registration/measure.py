"""Measurement of the misalignment between a blurry and a sharp picture of one scene.

Flow at a small size gives a start (:mod:`sdd_bench.registration.coarse`). Direct registration, which defocus does not
bias, refines it (:mod:`sdd_bench.registration.refine`). Both work in linear light, with the exposure matched per
channel, and leave out what belongs to the frame (:mod:`sdd_bench.registration.evidence.frame`). Then every textured
tile is judged, also those that moved far from the rest (:mod:`sdd_bench.registration.evidence.layers`). A result that
cannot be trusted is flagged, with the reason.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.arrays import Plane
from sdd_bench.core.errors import ImageError
from sdd_bench.flow.estimator import FlowEstimator
from sdd_bench.geometry.affine import overlap, warp
from sdd_bench.geometry.similarity import Similarity
from sdd_bench.images.light import grey_plane, linear_planes
from sdd_bench.registration.coarse import Coarse, align_by_flow, kept, likeness, shrink
from sdd_bench.registration.evidence.encoding import encoding_error
from sdd_bench.registration.evidence.frame import Mask, display, equal_places, fixed_parts, with_rim
from sdd_bench.registration.evidence.layers import Layers, find_layers
from sdd_bench.registration.evidence.repetition import rival
from sdd_bench.registration.evidence.roles import note_on_roles
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
_STILL_PX = 1.0
"""RMS displacement, in pixels of the planes, below which a second layer stands still."""
_CLOSE_PX = 1.5
"""Usual error of flow, in working pixels. A refinement that moves less is believed without a look at the likeness."""


@dataclass(frozen=True)
class Misalignment:
    """Measured misalignment of a pair, in pixels of the full picture."""

    similarity: Similarity
    """Map from blurry to sharp coordinates, about the picture's centre."""
    standard_error: Similarity
    """Standard errors of the four numbers of ``similarity``, with what an unknown tone curve may do to them
    (:mod:`sdd_bench.registration.evidence.encoding`); NaN where only flow could be used."""
    width: int
    height: int
    rms_px: float
    """RMS displacement over the picture."""
    corner_px: float
    """Displacement of the corner that moves most."""
    zoom_centre_px: tuple[float, float] | None
    """Point (x, y) that stays in place; None where zoom and rotation are too small to locate it."""
    residual_px: float
    """RMS by which parts of the picture differ from the similarity, beyond noise, however far they moved."""
    residual_p95_px: float
    """Distance from the similarity within which 95 % of the textured tiles are."""
    disagree_share: float
    """Share of the textured tiles that are off the similarity by more than max(1 px, 3 residuals)."""
    second: Similarity | None
    """Similarity of a second layer, blurry to sharp; None where the tiles that are off have none in common."""
    second_share: float
    """Share of the textured tiles that follow ``second``."""
    static_share: float
    """Share of the picture that is a frame: equal in both at the same place although the rest moves."""
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
    note: str = ""
    """What looks wrong about the two files (:mod:`sdd_bench.registration.evidence.roles`)."""

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
    found, fixed = _attempts(light, other, flow, options)
    layers = _layers(light, other, found)
    if fixed.any() and layers is not None and _stands_still(layers, light.shape):
        # What is equal without motion is of a layer that stands still, most of which is not equal but blurred.
        fixed = np.zeros_like(fixed)
        layers = _layers(light, other, replace(found, excluded=None))
    small, by = shrink(light, options.working_width)
    small_other, _ = shrink(other, options.working_width)
    at_small = found.similarity.scaled(by)
    aligned, counted = warp(small_other, at_small), kept(found.excluded, small)
    shared = overlap(small.shape, at_small) & counted
    gain = exposure_gain(small, aligned, shared)
    # The planes are cropped to whole blocks of factor x factor pixels, so their centre is not that of the picture.
    by_px = (width - factor * light.shape[1]) / 2, (height - factor * light.shape[0]) / 2
    return _describe(
        found,
        (height, width),
        by_px,
        note=note_on_roles(blurry, sharp),
        factor=factor,
        layers=layers,
        beyond=_beyond_statistics(light, other, found),
        static_share=float(fixed.mean()),
        gain=gain,
        alike=likeness(small, small_other, at_small, counted),
        clipped_share=float(np.mean(saturated(light) | saturated(other))),
        repeated=rival(grey_plane(small, _GREY), grey_plane(aligned, _GREY), shared),
        options=options,
    )


@dataclass(frozen=True)
class _Attempt:
    """A registration, in pixels of the planes."""

    coarse: Coarse
    fit: DirectFit | None
    believed: bool
    """Whether ``fit`` aligns the pictures no worse than ``coarse``."""
    excluded: Mask | None
    """What was left out."""

    @property
    def similarity(self) -> Similarity:
        return self.fit.similarity if self.fit is not None and self.believed else self.coarse.similarity


def _attempts(
    light: NDArray[np.float32], other: NDArray[np.float32], flow: FlowEstimator, options: MeasureOptions
) -> tuple[_Attempt, Mask]:
    """The registration to believe, and the mask of the frame; without what is equal in both pictures first."""
    shown = display(grey_plane(light, _GREY)), display(grey_plane(other, _GREY))
    equal = equal_places(*shown)
    if equal.any():
        attempt = _attempt(light, other, flow, options, with_rim(equal))
        if attempt.fit is not None and attempt.believed:
            fixed = fixed_parts(equal, *shown, attempt.similarity)
            if fixed.any():
                return attempt, fixed
    return _attempt(light, other, flow, options, None), np.zeros_like(equal)


def _attempt(
    light: NDArray[np.float32],
    other: NDArray[np.float32],
    flow: FlowEstimator,
    options: MeasureOptions,
    excluded: Mask | None,
) -> _Attempt:
    coarse = align_by_flow(light, other, flow, working_width=options.working_width, excluded=excluded)
    fit = _refine(light, other, coarse, excluded)
    believed = fit is not None and _is_better(light, other, fit.similarity, coarse, excluded, options)
    return _Attempt(coarse, fit, believed, excluded)


def _refine(
    light: NDArray[np.float32], other: NDArray[np.float32], coarse: Coarse, excluded: Mask | None
) -> DirectFit | None:
    planes = _planes(light, other, coarse)
    masks = _masks(light, other, excluded)
    return register(*planes, coarse.similarity, clipped=masks[0], moving_clipped=masks[1])


def _layers(light: NDArray[np.float32], other: NDArray[np.float32], found: _Attempt) -> Layers | None:
    if found.fit is None:
        return None
    masks = _masks(light, other, found.excluded)
    return find_layers(
        *_planes(light, other, found.coarse),
        found.similarity,
        clipped=masks[0],
        moving_clipped=masks[1],
        residual_px=found.fit.residual_px if found.believed else 0.0,
    )


def _stands_still(layers: Layers, shape: tuple[int, ...]) -> bool:
    return layers.second is not None and layers.second.rms_px(*shape[:2]) < _STILL_PX


def _beyond_statistics(light: NDArray[np.float32], other: NDArray[np.float32], found: _Attempt) -> Similarity:
    """Standard errors by an unknown tone curve, in pixels of the planes."""
    if found.fit is None or not found.believed:
        return Similarity(0.0, 0.0, 0.0, 0.0)
    masks = _masks(light, other, found.excluded)
    planes = grey_plane(light, _GREY), grey_plane(other, _GREY)
    return encoding_error(*planes, found.fit, clipped=masks[0], moving_clipped=masks[1])


def _together(error: Similarity, other: Similarity, factor: int, left_over: float) -> Similarity:
    """Standard errors of both parts, those of a fit being short; ``other`` in pixels ``factor`` times as large."""
    names = ("zoom", "rotation_deg", "shift_x_px", "shift_y_px")
    own, added = ([getattr(part, name) for name in names] for part in (error, other))
    scaled = (by * value for by, value in zip((1, 1, factor, factor), added, strict=True))
    return Similarity(*(math.hypot(a / (1 - left_over), b) for a, b in zip(own, scaled, strict=True)))


def _planes(light: NDArray[np.float32], other: NDArray[np.float32], coarse: Coarse) -> tuple[Plane, Plane]:
    """Grey planes of both pictures, exposed alike."""
    weights = tuple(weight * gain for weight, gain in zip(_GREY, coarse.gain, strict=True))
    return grey_plane(light, _GREY), grey_plane(other, (weights[0], weights[1], weights[2]))


def _masks(light: NDArray[np.float32], other: NDArray[np.float32], excluded: Mask | None) -> tuple[Mask, Mask]:
    masks = _clipped(light), _clipped(other)
    return masks if excluded is None else (masks[0] | excluded, masks[1] | excluded)


def _clipped(light: NDArray[np.float32]) -> Mask:
    return np.asarray(cv2.dilate(saturated(light).astype(np.uint8), np.ones((5, 5), np.uint8)))


def _is_better(
    light: NDArray[np.float32],
    other: NDArray[np.float32],
    found: Similarity,
    coarse: Coarse,
    excluded: Mask | None,
    options: MeasureOptions,
) -> bool:
    """Whether the refined similarity is close to its start, or aligns the pictures no worse."""
    difference = (coarse.similarity.inverse() @ found).rms_px(*light.shape[:2])
    if difference * coarse.factor < _CLOSE_PX:
        return True
    small, by = shrink(light, options.working_width)
    small_other, _ = shrink(other, options.working_width)
    return likeness(small, small_other, found.scaled(by), kept(excluded, small)) >= coarse.likeness - 0.005


def _error(fit: DirectFit | None, factor: int) -> Similarity:
    return Similarity(math.nan, math.nan, math.nan, math.nan) if fit is None else scale_error(fit, factor)


def scale_error(fit: DirectFit, factor: int) -> Similarity:
    """Standard errors of a fit, in pixels of the whole picture."""
    error = fit.standard_error
    return Similarity(error.zoom, error.rotation_deg, factor * error.shift_x_px, factor * error.shift_y_px)


def _describe(
    found: _Attempt,
    size: tuple[int, int],
    by_px: tuple[float, float],
    *,
    note: str,
    factor: int,
    layers: Layers | None,
    beyond: Similarity,
    static_share: float,
    gain: Gain,
    alike: float,
    clipped_share: float,
    repeated: float,
    options: MeasureOptions,
) -> Misalignment:
    height, width = size
    fit, coarse = found.fit, found.coarse
    similarity = found.similarity.scaled(factor).about(by_px)
    error = _error(fit if found.believed else None, factor)
    difference = (coarse.similarity.inverse() @ found.similarity).rms_px(height // factor, width // factor) * factor
    residual_px, p95_px = _residual(fit, layers, factor)
    agreeing_px = factor * fit.residual_px if fit is not None else math.nan
    second = layers.second.scaled(factor).about(by_px) if layers is not None and layers.second is not None else None
    disagree_share = layers.disagree_share if layers is not None else 0.0
    reasons = distrust(
        similarity,
        error,
        fit,
        coarse,
        size,
        factor=factor,
        difference_px=difference,
        alike=alike,
        clipped_share=clipped_share,
        repeated=repeated if second is None else 0.0,  # a second layer is aligned by another shift, too
        disagree_share=disagree_share,
        options=options,
    )
    return Misalignment(
        similarity,
        _together(error, beyond, factor, fit.left_over if fit is not None else 0.0),
        width,
        height,
        rms_px=similarity.rms_px(height, width),
        corner_px=similarity.corner_px(*size),
        zoom_centre_px=_fixed_point(similarity, error, size),
        residual_px=residual_px,
        residual_p95_px=p95_px,
        disagree_share=disagree_share,
        second=second,
        second_share=layers.second_share if layers is not None else 0.0,
        static_share=static_share,
        trusted_share=fit.trusted_share if fit is not None else 0.0,
        textured_share=fit.textured_share if fit is not None else 0.0,
        n_tiles=fit.n_tiles if fit is not None else 0,
        forward_backward_px=factor * coarse.forward_backward_px,
        flow_difference_px=difference,
        exposure_gain=gain,
        likeness=alike,
        kind=name_kind(similarity, agreeing_px, size, options, disagree_share=disagree_share),
        distrust=reasons,
        note=note,
    )


def _residual(fit: DirectFit | None, layers: Layers | None, factor: int) -> tuple[float, float]:
    """RMS and 95 % of the distances from the similarity, in pixels of the whole picture."""
    if fit is None:
        return math.nan, math.nan
    if layers is None:
        return factor * fit.residual_px, factor * fit.residual_p95_px
    share = layers.disagree_share
    rms_px = math.sqrt((1 - share) * fit.residual_px**2 + share * layers.off_rms_px**2)
    return factor * rms_px, factor * max(fit.residual_p95_px, layers.p95_px)


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

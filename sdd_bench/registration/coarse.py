"""The start of a registration: a similarity from flow, at a small size.

Flow reaches only some tens of pixels, so it is estimated at a quarter of the working size first, then at the working
size on the sharp picture brought as near as is known, again until it adds little. Vectors are weighed by texture and
by agreement of the flow forth and back.

A network's last digits depend on the number of threads, so what it says is rounded: results do not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from sdd_bench.flow.estimator import FlowEstimator
from sdd_bench.geometry.affine import overlap, warp
from sdd_bench.geometry.fit import fit_similarity
from sdd_bench.geometry.similarity import Similarity
from sdd_bench.images.light import grey_plane, linear_to_srgb
from sdd_bench.registration.exposure import Gain, exposure_gain

Picture = NDArray[np.float32]

_FIRST_SHARE = 0.25
_SETTLED_PX = 4.0
"""At the working size: a step this small is left to direct registration."""
_MOST_STEPS = 4
_CONSISTENT_PX = 1.0
_MEAN = (1 / 3, 1 / 3, 1 / 3)


@dataclass(frozen=True)
class Coarse:
    """What flow says."""

    similarity: Similarity
    """Blurry to sharp, in pixels of the pictures given."""
    forward_backward_px: float
    """Median over textured pixels of the last flow, in pixels of the pictures given."""
    consistent_share: float
    """Of the textured pixels, those whose flow comes back to within one working pixel."""
    gain: Gain
    factor: float
    """Working pixels per pixel given."""
    likeness: float
    """Correlation of the pictures when aligned so, both smoothed; 1 is equal."""


@dataclass(frozen=True)
class _Step:
    similarity: Similarity
    forward_backward_px: float
    consistent_share: float


def align_by_flow(blurry: Picture, sharp: Picture, flow: FlowEstimator, *, working_width: int = 1024) -> Coarse:
    """Zoom, rotation and shift between two pictures from flow.

    Args:
        blurry: Linear light, ``(H, W, 3)``.
        sharp: The same shape.
        flow: Estimator.
        working_width: Longer side at which flow is estimated.
    """
    blurry, factor = shrink(blurry, working_width)
    sharp, _ = shrink(sharp, working_width)
    small_blurry, small = shrink(blurry, max(128, round(working_width * _FIRST_SHARE)))
    small_sharp, _ = shrink(sharp, max(128, round(working_width * _FIRST_SHARE)))
    gain = exposure_gain(small_blurry, small_sharp)
    similarity = Similarity()
    for _ in range(2):
        step = _estimate(small_blurry, small_sharp, similarity, gain, flow)
        similarity = _rounded(similarity @ step.similarity)
    candidates = [Similarity(), similarity]
    likenesses = [likeness(small_blurry, small_sharp, candidate) for candidate in candidates]
    similarity = (candidates[int(np.argmax(likenesses))]).scaled(1 / small)
    for _ in range(_MOST_STEPS):
        step = _estimate(blurry, sharp, similarity, gain, flow)
        similarity = _rounded(similarity @ step.similarity)
        gain = exposure_gain(blurry, warp(sharp, similarity), overlap(blurry.shape, similarity))
        if step.similarity.rms_px(*blurry.shape[:2]) < _SETTLED_PX:
            break
    return Coarse(
        similarity.scaled(1 / factor),
        round(step.forward_backward_px, 3) / factor,
        step.consistent_share,
        gain,
        factor,
        likeness(blurry, sharp, similarity),
    )


def _rounded(similarity: Similarity) -> Similarity:
    """``similarity`` to about a hundredth of a pixel: a start need be no better."""
    shift_x, shift_y = round(similarity.shift_x_px, 2), round(similarity.shift_y_px, 2)
    return Similarity(round(similarity.zoom, 5), round(similarity.rotation_deg, 3), shift_x, shift_y)


def shrink(picture: Picture, longest: int) -> tuple[Picture, float]:
    """``picture`` averaged down to a longer side of at most ``longest``, and by how much."""
    height, width = picture.shape[:2]
    factor = longest / max(height, width)
    if factor >= 1:
        return picture, 1.0
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA)), factor


def likeness(blurry: Picture, sharp: Picture, similarity: Similarity) -> float:
    """Correlation of ``blurry`` and aligned ``sharp`` where they overlap, coarse detail only."""
    usable = overlap(blurry.shape, similarity)
    if np.count_nonzero(usable) < 64:
        return -1.0
    a, b = (_band(grey_plane(picture, _MEAN)) for picture in (blurry, warp(sharp, similarity)))
    a, b = a[usable] - a[usable].mean(), b[usable] - b[usable].mean()
    return float((a * b).sum() / math.sqrt(max(float((a * a).sum() * (b * b).sum()), 1e-20)))


def _band(grey: Picture) -> Picture:
    return np.asarray(cv2.GaussianBlur(grey, (0, 0), 2.0) - cv2.GaussianBlur(grey, (0, 0), 8.0))


def to_tensor(light: Picture) -> torch.Tensor:
    """Linear light ``(H, W, 3)`` as sRGB in [0, 1], ``(1, 3, H, W)``: what flow networks know."""
    return torch.from_numpy(linear_to_srgb(light)).permute(2, 0, 1)[None].contiguous()


def _estimate(blurry: Picture, sharp: Picture, similarity: Similarity, gain: Gain, flow: FlowEstimator) -> _Step:
    """The similarity that is left after ``similarity``."""
    near = warp(sharp, similarity) * np.array(gain, np.float32)
    forth, back = flow.estimate_both(to_tensor(blurry), to_tensor(near))
    vectors = forth[0].numpy()
    round_trip = _round_trip(vectors, back[0].numpy())
    texture = _texture(grey_plane(blurry, _MEAN))
    usable = overlap(blurry.shape, similarity, margin=4)
    textured = usable & (texture > 0.05)
    weights = texture * usable / (1 + (round_trip / _CONSISTENT_PX) ** 2) + 1e-6
    fit = fit_similarity(vectors, weights, robust=True)
    if not textured.any():
        return _Step(fit.similarity, math.inf, 0.0)
    trip = round_trip[textured]
    return _Step(fit.similarity, float(np.median(trip)), float(np.mean(trip < _CONSISTENT_PX)))


def _round_trip(forth: Picture, back: Picture) -> Picture:
    """How far from its start each pixel ends that goes forth and back, in pixels, ``(H, W)``; flows ``(2, H, W)``."""
    y, x = np.indices(forth.shape[1:], dtype=np.float32)
    x += forth[0]
    y += forth[1]
    border = cv2.BORDER_REPLICATE
    returned = [np.asarray(cv2.remap(part, x, y, cv2.INTER_LINEAR, borderMode=border)) for part in back]
    return np.asarray(np.hypot(forth[0] + returned[0], forth[1] + returned[1]))


def _texture(grey: Picture) -> Picture:
    """From 0 (plain) to 1, by the smaller eigenvalue of the structure tensor of relative gradients."""
    smooth = cv2.GaussianBlur(grey, (0, 0), 1.0)
    x, y = (cv2.Sobel(smooth, cv2.CV_32F, dx, 1 - dx, scale=1 / 8) for dx in (1, 0))
    window = (15, 15)
    xx, xy, yy = (cv2.blur(np.asarray(product), window) for product in (x * x, x * y, y * y))
    least = 0.5 * (xx + yy - np.sqrt((xx - yy) ** 2 + 4 * xy * xy))
    level = np.sqrt(np.maximum(least, 0)) / (np.asarray(cv2.blur(smooth, window)) + 0.02)
    return np.asarray(np.clip(level / 0.02, 0, 1), np.float32)

"""The start of a registration: a similarity from optical flow, at a small size.

Flow reaches only some tens of pixels. It is therefore estimated at a quarter of the working size first, then at the
working size on the sharp picture aligned by what is known so far. This is repeated until a step changes little. Flow
vectors are weighted by texture and by the agreement of forward and backward flow.

The last digits of a network's flow depend on the number of threads. The similarity is rounded, so that the results of
a registration do not.
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
"""Share of the working size at which flow is estimated first, where it reaches motions four times as large."""
_SETTLED_PX = 4.0
"""Step in working pixels at which estimation stops, because direct registration can correct it."""
_MOST_STEPS = 4
"""Most steps at the working size, for pictures on which flow does not settle."""
_CONSISTENT_PX = 1.0
"""Distance in working pixels within which forward and backward flow agree."""
_MEAN = (1 / 3, 1 / 3, 1 / 3)
"""Weights of the channels in grey."""


@dataclass(frozen=True)
class Coarse:
    """Similarity that flow finds, and the evidence for it."""

    similarity: Similarity
    """Map from blurry to sharp coordinates, in pixels of the pictures given."""
    forward_backward_px: float
    """Median over textured pixels of the last flow, in pixels of the pictures given."""
    consistent_share: float
    """Share of the textured pixels whose forward and backward flow agree to within one working pixel."""
    gain: Gain
    """Light of the blurry picture over light of the sharp one, per channel."""
    factor: float
    """Working pixels per pixel given."""
    likeness: float
    """Correlation of the coarse detail of the aligned pictures; 1 is equal."""


@dataclass(frozen=True)
class _Step:
    similarity: Similarity
    forward_backward_px: float
    consistent_share: float


def align_by_flow(
    blurry: Picture,
    sharp: Picture,
    flow: FlowEstimator,
    *,
    working_width: int = 1024,
    excluded: NDArray[np.uint8] | None = None,
) -> Coarse:
    """Zoom, rotation and shift between two pictures from flow.

    Args:
        blurry: Blurry picture in linear light, ``(H, W, 3)``.
        sharp: Sharp picture of the same shape.
        flow: Estimator of optical flow.
        working_width: Longer side in pixels at which flow is estimated.
        excluded: Mask, non-zero where ``blurry`` does not show the scene, ``(H, W)``; None excludes nothing.
    """
    blurry, factor = shrink(blurry, working_width)
    sharp, _ = shrink(sharp, working_width)
    small_blurry, small = shrink(blurry, max(128, round(working_width * _FIRST_SHARE)))
    small_sharp, _ = shrink(sharp, max(128, round(working_width * _FIRST_SHARE)))
    left, small_left = (kept(excluded, picture) for picture in (blurry, small_blurry))
    gain = exposure_gain(small_blurry, small_sharp, small_left)
    similarity = Similarity()
    for _ in range(2):
        step = _estimate(small_blurry, small_sharp, similarity, gain, flow, small_left)
        similarity = _rounded(similarity @ step.similarity)
    candidates = [Similarity(), similarity]
    likenesses = [likeness(small_blurry, small_sharp, candidate, small_left) for candidate in candidates]
    similarity = (candidates[int(np.argmax(likenesses))]).scaled(1 / small)
    for _ in range(_MOST_STEPS):
        step = _estimate(blurry, sharp, similarity, gain, flow, left)
        similarity = _rounded(similarity @ step.similarity)
        gain = exposure_gain(blurry, warp(sharp, similarity), overlap(blurry.shape, similarity) & left)
        if step.similarity.rms_px(*blurry.shape[:2]) < _SETTLED_PX:
            break
    return Coarse(
        similarity.scaled(1 / factor),
        round(step.forward_backward_px, 3) / factor,
        step.consistent_share,
        gain,
        factor,
        likeness(blurry, sharp, similarity, left),
    )


def kept(excluded: NDArray[np.uint8] | None, picture: Picture) -> NDArray[np.bool_]:
    """The pixels of ``picture``, ``(h, w)``, that no excluded pixel of the full picture falls on.

    Example:
        >>> kept(np.array([[0, 0, 0, 1]], np.uint8), np.zeros((1, 2, 3), np.float32)).tolist()
        [[True, False]]
    """
    height, width = picture.shape[:2]
    if excluded is None:
        return np.ones((height, width), np.bool_)
    share = cv2.resize(excluded.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(share == 0)


def _rounded(similarity: Similarity) -> Similarity:
    """``similarity`` rounded to about a hundredth of a pixel, which is exact enough for a start."""
    shift_x, shift_y = round(similarity.shift_x_px, 2), round(similarity.shift_y_px, 2)
    return Similarity(round(similarity.zoom, 5), round(similarity.rotation_deg, 3), shift_x, shift_y)


def shrink(picture: Picture, longest: int) -> tuple[Picture, float]:
    """Average ``picture`` down to a longer side of at most ``longest`` pixels.

    Returns:
        The small picture, and its pixels per pixel of ``picture`` along a side (1 where nothing is done).

    Example:
        >>> small, factor = shrink(np.ones((4, 8, 3), np.float32), 4)
        >>> small.shape, factor
        ((2, 4, 3), 0.5)
    """
    height, width = picture.shape[:2]
    factor = longest / max(height, width)
    if factor >= 1:
        return picture, 1.0
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA)), factor


def likeness(
    blurry: Picture, sharp: Picture, similarity: Similarity, counted: NDArray[np.bool_] | None = None
) -> float:
    """Correlation of the coarse detail of ``blurry`` and aligned ``sharp`` where they overlap and are ``counted``.

    It is -1 where they overlap in fewer than 64 pixels.

    Example:
        >>> picture = np.random.default_rng(0).random((32, 32, 3), np.float32)
        >>> round(likeness(picture, picture, Similarity()), 3)
        1.0
    """
    usable = overlap(blurry.shape, similarity)
    if counted is not None:
        usable &= counted
    if np.count_nonzero(usable) < 64:
        return -1.0
    a, b = (_band(grey_plane(picture, _MEAN)) for picture in (blurry, warp(sharp, similarity)))
    a, b = a[usable] - a[usable].mean(), b[usable] - b[usable].mean()
    return float((a * b).sum() / math.sqrt(max(float((a * a).sum() * (b * b).sum()), 1e-20)))


def _band(grey: Picture) -> Picture:
    return np.asarray(cv2.GaussianBlur(grey, (0, 0), 2.0) - cv2.GaussianBlur(grey, (0, 0), 8.0))


def to_tensor(light: Picture) -> torch.Tensor:
    """Linear light ``(H, W, 3)`` as sRGB in [0, 1], ``(1, 3, H, W)``, the form that flow networks expect.

    Example:
        >>> to_tensor(np.full((2, 4, 3), 0.2140, np.float32)).mean(dim=(-2, -1)).round(decimals=3)
        tensor([[0.5000, 0.5000, 0.5000]])
    """
    return torch.from_numpy(linear_to_srgb(light)).permute(2, 0, 1)[None].contiguous()


def _estimate(
    blurry: Picture,
    sharp: Picture,
    similarity: Similarity,
    gain: Gain,
    flow: FlowEstimator,
    counted: NDArray[np.bool_],
) -> _Step:
    """Similarity that remains after ``sharp`` is aligned by ``similarity``."""
    near = warp(sharp, similarity) * np.array(gain, np.float32)
    forth, back = flow.estimate_both(to_tensor(blurry), to_tensor(near))
    vectors = forth[0].numpy()
    round_trip = _round_trip(vectors, back[0].numpy())
    texture = _texture(grey_plane(blurry, _MEAN))
    usable = overlap(blurry.shape, similarity, margin=4) & counted
    textured = usable & (texture > 0.05)
    weights = texture * usable / (1 + (round_trip / _CONSISTENT_PX) ** 2) + 1e-6
    fit = fit_similarity(vectors, weights, robust=True)
    if not textured.any():
        return _Step(fit.similarity, math.inf, 0.0)
    trip = round_trip[textured]
    return _Step(fit.similarity, float(np.median(trip)), float(np.mean(trip < _CONSISTENT_PX)))


def _round_trip(forth: Picture, back: Picture) -> Picture:
    """Distance of each pixel from its start after forward and backward flow ``(2, H, W)``, in pixels, ``(H, W)``."""
    y, x = np.indices(forth.shape[1:], dtype=np.float32)
    x += forth[0]
    y += forth[1]
    border = cv2.BORDER_REPLICATE
    returned = [np.asarray(cv2.remap(part, x, y, cv2.INTER_LINEAR, borderMode=border)) for part in back]
    return np.asarray(np.hypot(forth[0] + returned[0], forth[1] + returned[1]))


def _texture(grey: Picture) -> Picture:
    """Texture from 0 (plain) to 1, by the smaller eigenvalue of the structure tensor of relative gradients."""
    smooth = cv2.GaussianBlur(grey, (0, 0), 1.0)
    x, y = (cv2.Sobel(smooth, cv2.CV_32F, dx, 1 - dx, scale=1 / 8) for dx in (1, 0))
    window = (15, 15)
    xx, xy, yy = (cv2.blur(np.asarray(product), window) for product in (x * x, x * y, y * y))
    least = 0.5 * (xx + yy - np.sqrt((xx - yy) ** 2 + 4 * xy * xy))
    level = np.sqrt(np.maximum(least, 0)) / (np.asarray(cv2.blur(smooth, window)) + 0.02)
    return np.asarray(np.clip(level / 0.02, 0, 1), np.float32)

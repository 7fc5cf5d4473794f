r"""Sub-pixel refinement of a flow that blur and exposure differences do not bias.

Lucas and Kanade (IJCAI 1981) ask which small step :math:`\delta` makes the warped moving picture :math:`M` equal the
reference :math:`R` in a window. Here one of the two is defocused and exposed otherwise, which a plain difference
mistakes for motion. So the sharper picture is first made equally blurry: in every window, the blurrier one is regressed
on Gaussian-blurred versions of the sharper one,

.. math:: R \approx \sum_i a_i\, (G_{\sigma_i} * M) + b \quad (= \bar M),

a symmetric kernel, gain and offset by least squares; then on what a step would change,

.. math:: R \approx \delta_x\, \partial_x \bar M + \delta_y\, \partial_y \bar M + c\, \bar M + d + e\, \Delta \bar M .

The Laplacian takes up what is left of the difference in blur.

Pictures are compared in linear light, in which defocus is such a symmetric kernel. In sRGB values it is none: the
middle of an edge between black and white lies nearly a quarter of the circle of confusion on the dark side, which is
taken for motion. Around bright and dark tiles, 10 px out of focus, flows of sRGB values are off by 0.98 px, those of
light by 0.09 px (docs/measured.md).

Windows are Gaussian; their normal equations are accumulated, and solved, on a grid of 4 x 4 pixels. The passes over the
pictures are compiled on the processor (:mod:`sdd_bench.flow.pwcnet.fused`) and torch expressions elsewhere
(:mod:`sdd_bench.flow.pwcnet.unfused`).

A step is kept only where it explains the reference better than what it replaces (:func:`choose`); the same test picks,
place by place, between flows estimated at several resolutions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

import torch
import torch.nn.functional as F
from torch import Tensor

from sdd_bench.flow.pwcnet import fused, unfused
from sdd_bench.flow.shrink import shrunk

_BLURS = (0.0, 1.0, 2.0, 4.0)
"""Standard deviations of the Gaussians the sharper picture is regressed on, in pixels of the working scale."""
_DENOISE = 0.7
"""Standard deviation of the blur that both pictures get first: derivatives of raw pixels are noise."""
_RIDGE_KERNEL = 1e-5
_RIDGE_REST = 1e-7
_DAMPING = 0.3
"""Share of the variance left unexplained by blur alone that is added to the ridge of the step."""
_NOISE = 1e-5
"""Variance of light, as :class:`Luminance` has it, at the working scale that noise can make."""
_LARGEST_STEP_PX = 1.0
"""A picture is linear over about a pixel. Unlimited, windows of rounding errors alone would step millions of pixels."""
_FAVOUR = 8
"""Power with which the better of two explanations is preferred."""
_SMALLEST_SIDE = 16
_SQUARES = ((0, 0), (1, 1), (3, 5), (5, 5))
"""Of the regressors of a step: squared derivatives along x and y, the mean, and the mean square."""
_ONE_WAY = 0.9
"""Share of cells in which one picture is the sharper one, above which only that one is made blurrier."""


class Luminance:
    """Luminance of one picture at any size, each computed once.

    Args:
        picture: ``(3, H, W)``, sRGB values in [0, 1].
    """

    def __init__(self, picture: Tensor) -> None:
        self._planes: dict[float, Tensor] = {1.0: passes_of(picture).luminance(picture)}
        self._bank: tuple[float, Tensor] | None = None

    def at(self, scale: float) -> Tensor:
        """``(h, w)`` at ``1 / scale`` of the size."""
        if scale not in self._planes:
            plane = self._planes[1.0]
            size = [max(1, round(side / scale)) for side in plane.shape]
            self._planes[scale] = shrunk(plane[None, None], size)[0, 0]
        return self._planes[scale]

    def bank(self, scale: float) -> Tensor:
        """:meth:`at` ``scale``, blurred by each of the Gaussians, ``(k, h, w)``; the last scale asked for is kept."""
        if self._bank is None or self._bank[0] != scale:
            self._bank = None  # two of full size need not be in memory
            self._bank = scale, _bank(self.at(scale))
        return self._bank[1]


def choose(
    reference: Luminance,
    moving: Luminance,
    candidates: tuple[Tensor, Tensor],
    *,
    scale: float,
    window: float,
    margin: float = 1.0,
) -> Tensor:
    """Of two flows, place by place, the one under which the pictures explain each other better.

    Args:
        reference: Picture on whose grid the flows are.
        moving: The other picture.
        candidates: Flows ``(2, H, W)`` in pixels.
        scale: Pictures are compared at ``1 / scale`` of their size.
        window: Standard deviation of the windows, in cells of four pixels at that size.
        margin: The second is chosen only if it leaves this many times less unexplained.

    Returns:
        Flow ``(2, H, W)``; softly blended where the candidates are about as good.
    """
    first, second = reference.at(scale), moving.at(scale)
    passes = passes_of(first)
    bank = reference.bank(scale)
    left = []
    for flow in candidates:
        warped = _bank(passes.warp(second, resize_flow(flow, first.shape), _no_step(first)))
        left.append(torch.minimum(_unexplained(bank[0], warped, window), _unexplained(warped[0], bank, window)))
    share = _share_of_second(left[0], left[1] * margin)
    pixels = passes.spread(share[None], first.shape)[None]
    if pixels.shape[2:] != candidates[0].shape[1:]:
        pixels = F.interpolate(pixels, candidates[0].shape[1:], mode="bilinear", align_corners=False)
    return torch.lerp(candidates[0], candidates[1], pixels[0])


@dataclass(frozen=True)
class Explanation:
    """How well one picture explains the other under a flow, per cell ``(h, w)``."""

    left: Tensor
    """Share of the variance that no symmetric blur of the sharper picture explains."""
    alike: Tensor
    """Sharpness of the blurrier picture over that of the sharper one, at most 1."""
    noise: Tensor
    """Share of the reference's variance that noise of :data:`_NOISE` makes, or more, at most 1."""


def explain(reference: Luminance, moving: Luminance, flow: Tensor, *, scale: float, window: float) -> Explanation:
    """How well two pictures explain each other under a flow.

    Args:
        reference: Picture on whose grid the flow is.
        moving: The other picture.
        flow: ``(2, H, W)`` in pixels.
        scale: Pictures are compared at ``1 / scale`` of their size.
        window: Standard deviation of the windows, in cells of four pixels at that size.
    """
    first, second = reference.at(scale), moving.at(scale)
    passes, own = passes_of(first), reference.bank(scale)
    warped = _bank(passes.warp(second, resize_flow(flow, first.shape), _no_step(first)))
    found, sums = _regression(own[0], warped, window)
    power = (sums[-1] - sums[-2] ** 2).clamp(min=0)
    left = torch.minimum(_left_over(found[-1], power=sums[-1], mean=sums[-2]), _unexplained(warped[0], own, window))
    a, b = _sharpness(own[0], window) + 1e-6, _sharpness(warped[0], window) + 1e-6
    return Explanation(left, torch.minimum(a, b) / torch.maximum(a, b), _NOISE / (power + _NOISE))


def texture(picture: Luminance, *, scale: float, window: float) -> Tensor:
    """Mean squared derivative per cell ``(h, w)``, in units of :class:`Luminance` per pixel of ``1 / scale``."""
    plane = picture.at(scale)
    passes = passes_of(plane)
    sums = passes.blur(passes.step_sums(plane, plane, _SQUARES[:2]), _taps(window, plane))
    return sums[0] + sums[1]


def refine(
    reference: Luminance,
    moving: Luminance,
    flow: Tensor,
    *,
    scale: float,
    window: float,
    ridge: float = 1e-6,
    steps: int = 3,
) -> Tensor:
    """A few blur-equalised Lucas-Kanade steps.

    Args:
        reference: Picture on whose grid the flow is.
        moving: The other picture.
        flow: ``(2, H, W)`` in pixels, at most about a pixel (of the working scale) off.
        scale: Steps are computed at ``1 / scale`` of the size.
        window: Standard deviation of the windows, in cells of four pixels at that size.
        ridge: Mean squared derivative, in units of :class:`Luminance` per pixel, below which nothing moves.
        steps: Warps.

    Returns:
        The refined flow, ``(2, H, W)``.
    """
    first, second = reference.at(scale), moving.at(scale)
    if min(first.shape) < _SMALLEST_SIDE:
        return flow
    passes = passes_of(first)
    start, total, own = resize_flow(flow, first.shape), _no_step(first), reference.bank(scale)
    sharper = 0.5
    for index in range(steps):
        warped = _bank(passes.warp(second, start, total))
        if index == 0:
            sharper = float((_sharpness(own[0], window) > _sharpness(warped[0], window)).float().mean())
        if sharper < 1 - _ONE_WAY:
            step, _ = _step(own[0], warped, window, ridge)
        elif sharper > _ONE_WAY:
            step = -_step(warped[0], own, window, ridge)[0]
        else:
            (forth, left), (back, other) = _step(own[0], warped, window, ridge), _step(warped[0], own, window, ridge)
            step = torch.lerp(forth, -back, _share_of_second(left, other))
        total += step * (_LARGEST_STEP_PX / torch.hypot(*step).clamp(min=_LARGEST_STEP_PX))
    return flow + resize_flow(passes.spread(total, first.shape), flow.shape[1:])


def _share_of_second(left: Tensor, other: Tensor) -> Tensor:
    """Weight of the second of two explanations that leave ``left`` and ``other``: a soft choice."""
    return 1 / (1 + (other / left) ** _FAVOUR)


def _step(blurry: Tensor, sharps: Tensor, window: float, ridge: float) -> tuple[Tensor, Tensor]:
    r"""Per cell, :math:`\delta` with ``blurry(p)`` ~ ``sharp(p + delta)`` but for blur and exposure; what is left."""
    passes = passes_of(blurry)
    found = _regression(blurry, sharps, window)[0]
    damping = ridge + _DAMPING * found[-1].clamp(min=0)
    equalised = passes.equalise(sharps, found[:-1])
    sums = passes.blur(passes.step_sums(equalised, blurry), _taps(window, blurry))
    rest = torch.full_like(damping, _RIDGE_REST)
    found = passes.solve(sums, torch.stack((damping, damping, rest, rest, rest)))
    return found[:2] / found[2].clamp(min=0.5), _left_over(found[-1], power=sums[-1], mean=sums[-3])


def _unexplained(blurry: Tensor, sharps: Tensor, window: float) -> Tensor:
    """Per cell, the share of the variance of ``blurry`` that no symmetric blur of the sharp picture explains."""
    found, sums = _regression(blurry, sharps, window)
    return _left_over(found[-1], power=sums[-1], mean=sums[-2])


def _regression(blurry: Tensor, sharps: Tensor, window: float) -> tuple[Tensor, Tensor]:
    """``blurry`` by the blurred versions of the other picture and a constant: what ``solve`` gives, and from what."""
    passes = passes_of(blurry)
    sums = passes.blur(passes.product_sums(sharps, blurry), _taps(window, blurry))
    ridge = blurry.new_tensor([_RIDGE_KERNEL] * len(sharps) + [_RIDGE_REST]).view(-1, 1, 1)
    return passes.solve(sums, ridge), sums


def _left_over(unexplained: Tensor, *, power: Tensor, mean: Tensor) -> Tensor:
    return (unexplained.clamp(min=0) + 1e-6) / (power - mean**2 + 1e-5)


def _sharpness(smooth: Tensor, window: float) -> Tensor:
    """Energy of derivatives relative to the contrast, per cell."""
    passes = passes_of(smooth)
    along, down, mean, power = passes.blur(passes.step_sums(smooth, smooth, _SQUARES), _taps(window, smooth))
    return (along + down) / (power - mean**2 + 1e-5)


def _bank(picture: Tensor) -> Tensor:
    """The picture blurred by each of the Gaussians, ``(k, H, W)``; the first one only takes off the noise."""
    passes, bank = passes_of(picture), picture.new_empty(len(_BLURS), *picture.shape)
    for sigma, blurred in zip(_BLURS, bank, strict=True):
        passes.blur(picture[None], _taps(math.hypot(sigma, _DENOISE), picture), out=blurred[None])
    return bank


def _taps(sigma: float, like: Tensor) -> Tensor:
    """A Gaussian that sums to one."""
    reach = max(1, math.ceil(2.5 * sigma))
    kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, dtype=torch.float32) / sigma) ** 2)
    return (kernel / kernel.sum()).to(like.device)


def _no_step(picture: Tensor) -> Tensor:
    return picture.new_zeros(2, *(-(-side // fused.CELL) for side in picture.shape))


def passes_of(picture: Tensor) -> ModuleType:
    """The passes for the device of a tensor."""
    return fused if picture.device.type == "cpu" else unfused


def resize_flow(flow: Tensor, size: Sequence[int]) -> Tensor:
    """The flow ``(2, H, W)`` of the pictures resized to ``size``."""
    height, width = flow.shape[1:]
    if (height, width) == tuple(size):
        return flow
    if size[0] < height:
        flow = shrunk(flow[None], size)[0]
    else:
        flow = F.interpolate(flow[None], tuple(size), mode="bilinear", align_corners=False)[0]
    return flow * flow.new_tensor([size[1] / width, size[0] / height]).view(2, 1, 1)

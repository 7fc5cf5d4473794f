r"""Sub-pixel refinement of a flow that blur and exposure differences do not bias.

Lucas and Kanade (IJCAI 1981) ask which small step :math:`\delta` makes the warped moving picture :math:`M` equal the
reference :math:`R` in a window. Here one of the two is defocused and exposed otherwise, which a plain difference
mistakes for motion. So the sharper picture is first made equally blurry: in every window, the blurrier one is regressed
on Gaussian-blurred versions of the sharper one,

.. math:: R \approx \sum_i a_i\, (G_{\sigma_i} * M) + b \quad (= \bar M),

a symmetric kernel, gain and offset by least squares; then on what a step would change,

.. math:: R \approx \delta_x\, \partial_x \bar M + \delta_y\, \partial_y \bar M + c\, \bar M + d + e\, \Delta \bar M .

The Laplacian takes up what is left of the difference in blur. Windows are Gaussian; their normal equations are
accumulated on a grid of 4 x 4 pixels, so a pass costs about as much as thirty additions of pictures.

A step is kept only where it explains the reference better than what it replaces (:func:`choose`); the same test picks,
place by place, between flows estimated at several resolutions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import torch
import torch.nn.functional as F
from torch import Tensor

from sdd_bench.flow.warp import backwarp

_CELL = 4
"""Side of the cells on which normal equations are accumulated and solved."""
_BLURS = (0.0, 1.0, 2.0, 4.0)
"""Standard deviations of the Gaussians the sharper picture is regressed on, in pixels of the working scale."""
_DENOISE = 0.7
"""Standard deviation of the blur that both pictures get first: derivatives of raw pixels are noise."""
_RIDGE_KERNEL = 1e-5
_RIDGE_REST = 1e-7
_DAMPING = 0.3
"""Share of the variance left unexplained by blur alone that is added to the ridge of the step."""
_LARGEST_STEP_PX = 1.0
_FAVOUR = 8
"""Power with which :func:`choose` prefers the better explanation."""
_SMALLEST_SIDE = 16


def choose(
    reference: Tensor, moving: Tensor, candidates: Sequence[Tensor], *, scale: float, window: float, margin: float = 1.0
) -> Tensor:
    """Of several flows, place by place, the one under which the pictures explain each other best.

    Args:
        reference: Picture on whose grid the flows are, ``(N, 3, H, W)`` in [0, 1].
        moving: The other picture.
        candidates: Flows ``(N, 2, H, W)`` in pixels.
        scale: Pictures are compared at ``1 / scale`` of their size.
        window: Standard deviation of the windows, in cells of four pixels at that size.
        margin: All but the first are chosen only if they leave this many times less unexplained.

    Returns:
        Flow ``(N, 2, H, W)``; softly blended where the candidates are about as good.
    """
    first, second = _grey_at(reference, scale), _grey_at(moving, scale)
    total, blend = torch.zeros_like(candidates[0][:, :1]), torch.zeros_like(candidates[0])
    for index, flow in enumerate(candidates):
        warped = backwarp(second, _resize_flow(flow, first.shape[2:]))
        left = torch.minimum(_unexplained(first, warped, window), _unexplained(warped, first, window))
        weight = (left * (margin if index else 1)) ** -_FAVOUR
        weight = F.interpolate(_spread(weight, first.shape[2:]), flow.shape[2:], mode="bilinear", align_corners=False)
        blend += weight * flow
        total += weight
    return blend / total


def refine(
    reference: Tensor, moving: Tensor, flow: Tensor, *, scale: float, window: float, ridge: float = 1e-6, steps: int = 3
) -> Tensor:
    """A few blur-equalised Lucas-Kanade steps.

    Args:
        reference: Picture on whose grid the flow is, ``(N, 3, H, W)`` in [0, 1].
        moving: The other picture.
        flow: ``(N, 2, H, W)`` in pixels, at most about a pixel (of the working scale) off.
        scale: Steps are computed at ``1 / scale`` of the size.
        window: Standard deviation of the windows, in cells of four pixels at that size.
        ridge: Mean squared derivative (grey levels in [0, 1] per pixel) below which nothing moves.
        steps: Warps.

    Returns:
        The refined flow, ``(N, 2, H, W)``.
    """
    first, second = _grey_at(reference, scale), _grey_at(moving, scale)
    size = first.shape[2:]
    if min(size) < _SMALLEST_SIDE:
        return flow
    working = start = _resize_flow(flow, size)
    for _ in range(steps):
        warped = backwarp(second, working)
        sharper = _sharpness(first, window) > _sharpness(warped, window)
        share = float(sharper.float().mean())
        if share < 0.1:
            step, _ = _step(first, warped, window, ridge)
        elif share > 0.9:
            step = -_step(warped, first, window, ridge)[0]
        else:
            (forth, left), (back, other) = _step(first, warped, window, ridge), _step(warped, first, window, ridge)
            step = torch.where(left < other, forth, -back)
        step = step * (_LARGEST_STEP_PX / step.norm(dim=1, keepdim=True).clamp(min=_LARGEST_STEP_PX))
        working = working + _spread(step, size)
    return flow + _resize_flow(working - start, flow.shape[2:])


def _step(blurry: Tensor, sharp: Tensor, window: float, ridge: float) -> tuple[Tensor, Tensor]:
    r"""Per cell, :math:`\delta` with ``blurry(p)`` ~ ``sharp(p + delta)`` but for blur and exposure; what is left."""
    size = blurry.shape[2:]
    blurry = _gaussian(blurry, _DENOISE)
    sharps = [_gaussian(sharp, math.hypot(sigma, _DENOISE)) for sigma in _BLURS]
    ones = torch.ones_like(blurry)
    moments, products, power = _normal_equations([*sharps, ones], blurry, window)
    solution = _solve(moments, products, _diagonal([_RIDGE_KERNEL] * len(sharps) + [_RIDGE_REST]))
    damping = ridge + _DAMPING * (power - (solution * products).sum(1, keepdim=True)).clamp(min=0)
    kernel = _spread(solution, size)
    equalised = kernel[:, -1:]
    for index, picture in enumerate(sharps):
        equalised = equalised + kernel[:, index : index + 1] * picture
    del kernel, sharps
    dx, dy, laplacian = _derivatives(equalised)
    regressors = [dx, dy, equalised, ones, laplacian]
    moments, products, power = _normal_equations(regressors, blurry, window)
    rest = torch.full_like(damping, _RIDGE_REST)
    solution = _solve(moments, products, torch.cat([damping, damping, rest, rest, rest], dim=1))
    left = _left_over(solution, products, power, products[:, 3:4])
    return solution[:, :2] / solution[:, 2:3].clamp(min=0.5), left


def _unexplained(blurry: Tensor, sharp: Tensor, window: float) -> Tensor:
    """Per cell, the share of the variance of ``blurry`` that no symmetric blur of ``sharp`` explains."""
    blurry = _gaussian(blurry, _DENOISE)
    sharps = [_gaussian(sharp, math.hypot(sigma, _DENOISE)) for sigma in _BLURS]
    moments, products, power = _normal_equations([*sharps, torch.ones_like(blurry)], blurry, window)
    solution = _solve(moments, products, _diagonal([_RIDGE_KERNEL] * len(sharps) + [_RIDGE_REST]))
    return _left_over(solution, products, power, products[:, -1:])


def _left_over(solution: Tensor, products: Tensor, power: Tensor, mean: Tensor) -> Tensor:
    left = (power - (solution * products).sum(1, keepdim=True)).clamp(min=0)
    return (left + 1e-6) / (power - mean**2 + 1e-5)


def _normal_equations(regressors: Sequence[Tensor], target: Tensor, window: float) -> tuple[Tensor, Tensor, Tensor]:
    """Windowed moments ``(N, k, k, h, w)``, products with the target ``(N, k, h, w)``, its power; per cell."""
    k = len(regressors)
    pairs = [(i, j) for i in range(k) for j in range(i, k)]
    cells = [_cells(regressors[i] * regressors[j]) for i, j in pairs]
    cells += [_cells(regressor * target) for regressor in regressors]
    cells.append(_cells(target * target))
    windowed = _gaussian(torch.cat(cells, dim=1), window)
    order = torch.empty(k, k, dtype=torch.long)
    for place, (i, j) in enumerate(pairs):
        order[i, j] = order[j, i] = place
    moments = windowed[:, order.flatten()].unflatten(1, (k, k))
    return moments, windowed[:, len(pairs) : -1], windowed[:, -1:]


def _solve(moments: Tensor, products: Tensor, ridge: Tensor) -> Tensor:
    """Regularised least squares per cell, ``(N, k, h, w)``; in float64, as the regressors are nearly collinear."""
    matrix = moments.permute(0, 3, 4, 1, 2).double() + torch.diag_embed(ridge.permute(0, 2, 3, 1).to(moments).double())
    right = products.permute(0, 2, 3, 1).double()
    return torch.linalg.solve(matrix, right).permute(0, 3, 1, 2).to(products.dtype)


def _diagonal(ridge: Sequence[float]) -> Tensor:
    """The same ridge for all cells, ``(1, k, 1, 1)``."""
    return torch.tensor(ridge).view(1, -1, 1, 1)


def _sharpness(picture: Tensor, window: float) -> Tensor:
    """Energy of derivatives relative to the contrast, per cell."""
    smooth = _gaussian(picture, _DENOISE)
    dx, dy, _ = _derivatives(smooth)
    energy, mean, power = (_gaussian(_cells(x), window) for x in (dx**2 + dy**2, smooth, smooth**2))
    return energy / (power - mean**2 + 1e-5)


def _derivatives(picture: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Central differences in x and y, and the five-point Laplacian; border replicated."""
    padded = F.pad(picture, (1, 1, 1, 1), mode="replicate")
    left, right = padded[:, :, 1:-1, :-2], padded[:, :, 1:-1, 2:]
    above, below = padded[:, :, :-2, 1:-1], padded[:, :, 2:, 1:-1]
    return (right - left) / 2, (below - above) / 2, left + right + above + below - 4 * picture


def _gaussian(picture: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of every channel, border replicated; by OpenCV on the CPU, where it is some 25 times faster."""
    reach = max(1, math.ceil(2.5 * sigma))
    offsets = torch.arange(-reach, reach + 1, dtype=picture.dtype, device=picture.device)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    kernel = kernel / kernel.sum()
    n, channels, height, width = picture.shape
    if picture.device.type == "cpu":
        taps, blurred = kernel.numpy(), torch.empty_like(picture, memory_format=torch.contiguous_format)
        for source, target in zip(picture.flatten(0, 1).numpy(), blurred.flatten(0, 1).numpy(), strict=True):
            cv2.sepFilter2D(source, -1, taps, taps, dst=target, borderType=cv2.BORDER_REPLICATE)
        return blurred
    planes = picture.reshape(n * channels, 1, height, width)
    planes = F.conv2d(F.pad(planes, (reach, reach, 0, 0), mode="replicate"), kernel.view(1, 1, 1, -1))
    planes = F.conv2d(F.pad(planes, (0, 0, reach, reach), mode="replicate"), kernel.view(1, 1, -1, 1))
    return planes.view(n, channels, height, width)


def _cells(picture: Tensor) -> Tensor:
    """Means of the cells; the last ones are filled up by replication."""
    height, width = picture.shape[2:]
    if height % _CELL or width % _CELL:
        picture = F.pad(picture, (0, -width % _CELL, 0, -height % _CELL), mode="replicate")
    return F.avg_pool2d(picture, _CELL)


def _spread(cells: Tensor, size: Sequence[int]) -> Tensor:
    """Values of cells at the pixels."""
    pixels = F.interpolate(cells, scale_factor=_CELL, mode="bilinear", align_corners=False)
    return pixels[:, :, : size[0], : size[1]]


def _grey_at(picture: Tensor, scale: float) -> Tensor:
    """Luma at 1 / scale of the size, ``(N, 1, h, w)``."""
    luma = (picture.float() * picture.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)
    size = [max(1, round(side / scale)) for side in picture.shape[2:]]
    if scale == 1:
        return luma
    return F.interpolate(luma, size, mode="bilinear", align_corners=False, antialias=True)


def _resize_flow(flow: Tensor, size: Sequence[int]) -> Tensor:
    """The flow of the pictures resized to ``size``."""
    height, width = flow.shape[2:]
    if (height, width) == tuple(size):
        return flow
    flow = F.interpolate(flow, tuple(size), mode="bilinear", align_corners=False, antialias=size[0] < height)
    return flow * flow.new_tensor([size[1] / width, size[0] / height]).view(1, 2, 1, 1)

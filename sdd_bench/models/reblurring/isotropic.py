r"""Spatially varying isotropic blur in a factorised form (Eq. 7-9 of Li et al., 2023).

Every pixel of the deblurred picture :math:`\hat I` is blurred by its own mixture of kernels i = 1 ... m, of
:math:`(2i-1) \times (2i-1)` pixels and weight :math:`W_i`; kernel 1 does not blur. A kernel is a softmax of logits that
depend on the distance to its centre alone. The matrix A interpolates them linearly over distance from the magnitudes
of the predicted kernel seeds s.

The distances in the largest kernel fall into few classes. For m = 8 these are 24 squared distances up to
:math:`(m-1)^2 = 49`, and one more per kernel: the corners beyond its radius, whose logit is 0. Let
:math:`\Sigma_k \hat I` be the sum of the picture over class k around a pixel, and :math:`n_{ik}` the number of pixels
of class k in kernel i. Then the reblurred picture is

.. math:: \hat I_B = W_1 \hat I + \sum_k c_k \, \Sigma_k \hat I, \qquad
          c_k = \sum_{i=2}^m W_i q_{ik}, \qquad q_{ik} = \frac{e^{(A|s|)_{ik}}}{\sum_j n_{ij} e^{(A|s|)_{ij}}}

This equals the direct form (679 kernel maps for m = 8) in a fraction of its time and memory. The window is symmetric,
so its rows and columns are first added to their mirror images, and :math:`\Sigma_k` is computed from m rows and m
columns. The forward and the backward pass work on strips of rows, so that intermediate values stay in the cache; the
backward pass computes them again.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

_STRIP_PIXELS = {"cpu": 1 << 13}
"""Pixels per strip on a CPU, small enough for its cache."""
_STRIP_PIXELS_ELSEWHERE = 1 << 18
"""Pixels per strip on other devices, large enough to occupy them."""
SMALLEST_LOGIT = -30.0
"""Least logit, counted from the largest one. Its share of 1e-13 adds nothing to a float32 sum. Smaller shares and their
gradients become subnormal numbers, which make a CPU many times slower."""


@dataclass(frozen=True)
class _Rings:
    """Fixed tables: L = number of rows (kernel size, class), K = of classes, M = of kernel seeds, m = of levels."""

    interpolation: Tensor  # (L, M): A
    count: Tensor  # (L, 1): pixels of the row's class
    group: Tensor  # (L,): kernel size of the row, 0 for 3x3
    sizes: tuple[int, ...]  # rows of each kernel size
    classes: Tensor  # (K, L): 1 where the row is of the class
    fold: Tensor  # (K, m * m): 1 where |dx|, |dy| is of the class


@functools.cache
def _rings(levels: int, device: torch.device) -> _Rings:
    axis = torch.arange(levels)
    squared = axis[:, None] ** 2 + axis[None, :] ** 2
    far = torch.maximum(axis[:, None], axis[None, :])
    distances = sorted({int(d) for d in squared.flatten() if d <= (levels - 1) ** 2})
    corners = [(far <= radius) & (squared > radius**2) for radius in range(1, levels)]
    fold = torch.stack([squared == d for d in distances] + corners).float().flatten(1)
    copies = torch.where(axis > 0, 2.0, 1.0)
    count = fold @ (copies[:, None] * copies[None, :]).flatten()

    interpolation, classes, group = [], [], []
    offset = 0
    for radius in range(1, levels):
        for k, d in enumerate(distances):
            if d <= radius**2:
                low = int(d**0.5)
                row = torch.zeros(sum(range(2, levels + 1)))
                row[offset + low] = 1 - (d**0.5 - low)
                if d**0.5 > low:
                    row[offset + low + 1] = d**0.5 - low
                interpolation.append(row)
                classes.append(k)
                group.append(radius - 1)
        interpolation.append(torch.zeros_like(interpolation[0]))
        classes.append(len(distances) + radius - 1)
        group.append(radius - 1)
        offset += radius + 1
    return _Rings(
        interpolation=torch.stack(interpolation).to(device),
        count=count[classes][:, None].to(device),
        group=torch.tensor(group, device=device),
        sizes=tuple(group.count(g) for g in range(levels - 1)),
        classes=F.one_hot(torch.tensor(classes), len(fold)).float().t().contiguous().to(device),
        fold=fold.to(device),
    )


def _softmax(seeds: Tensor, rings: _Rings) -> Tensor:
    """Kernel values q of every row, (L, P), from kernel seeds (M, P) of P pixels."""
    logits = rings.interpolation @ seeds.abs()
    for part, count in zip(logits.split(rings.sizes), rings.count.split(rings.sizes), strict=True):
        part.sub_(part.amax(0)).clamp_(min=SMALLEST_LOGIT).exp_()
        part.div_((part * count).sum(0))
    return logits


def _folded_sums(padded: Tensor, rings: _Rings, levels: int) -> Tensor:
    """Sums over every class, (3, K, P), of a padded strip (3, h + 2r, W + 2r) with r = m - 1."""
    channels, height, width = padded.shape
    r, h, w = levels - 1, height - 2 * (levels - 1), width - 2 * (levels - 1)
    rows = padded.new_empty(channels, levels, h, width)
    rows[:, 0] = padded[:, r : r + h]
    for a in range(1, levels):
        torch.add(padded[:, r - a : r - a + h], padded[:, r + a : r + a + h], out=rows[:, a])
    pairs = padded.new_empty(channels, levels, levels, h, w)
    pairs[:, :, 0] = rows[..., r : r + w]
    for b in range(1, levels):
        torch.add(rows[..., r - b : r - b + w], rows[..., r + b : r + b + w], out=pairs[:, :, b])
    return rings.fold @ pairs.view(channels, levels * levels, h * w)


def _unfold_sums(grad: Tensor, rings: _Rings, levels: int, h: int, w: int) -> Tensor:
    """The adjoint of :func:`_folded_sums`: (3, K, P) -> (3, h + 2r, W + 2r)."""
    channels, r = len(grad), levels - 1
    pairs = (rings.fold.t() @ grad).view(channels, levels, levels, h, w)
    rows = grad.new_zeros(channels, levels, h, w + 2 * r)
    rows[..., r : r + w] = pairs[:, :, 0]
    for b in range(1, levels):
        rows[..., r - b : r - b + w] += pairs[:, :, b]
        rows[..., r + b : r + b + w] += pairs[:, :, b]
    padded = grad.new_zeros(channels, h + 2 * r, w + 2 * r)
    padded[:, r : r + h] = rows[:, 0]
    for a in range(1, levels):
        padded[:, r - a : r - a + h] += rows[:, a]
        padded[:, r + a : r + a + h] += rows[:, a]
    return padded


class _IsotropicReblur(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, image: Tensor, seeds: Tensor, weights: Tensor, rows: int) -> Tensor:
        n, channels, height, width = image.shape
        levels = weights.shape[1]
        rings, r = _rings(levels, image.device), levels - 1
        padded = F.pad(image, [r] * 4)
        out = torch.empty_like(image, memory_format=torch.contiguous_format)
        for i in range(n):
            for y in range(0, height, rows):
                y1 = min(y + rows, height)
                w = weights[i, :, y:y1].flatten(1)
                q = _softmax(seeds[i, :, y:y1].flatten(1), rings)
                c = rings.classes @ q.mul_(w[1:].index_select(0, rings.group))
                sums = _folded_sums(padded[i, :, y : y1 + 2 * r], rings, levels)
                blurred = sums.mul_(c).sum(1).addcmul_(w[0], image[i, :, y:y1].flatten(1))
                out[i, :, y:y1] = blurred.view(channels, y1 - y, width)
        ctx.save_for_backward(image, seeds, weights)
        ctx.rows = rows
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        image, seeds, weights = ctx.saved_tensors
        n, _, height, width = image.shape
        levels = weights.shape[1]
        rings, r = _rings(levels, image.device), levels - 1
        padded = F.pad(image, [r] * 4)
        d_padded = torch.zeros_like(padded, memory_format=torch.contiguous_format)
        d_seeds, d_weights = torch.empty_like(seeds), torch.empty_like(weights)
        for i in range(n):
            for y in range(0, height, ctx.rows):
                y1 = min(y + ctx.rows, height)
                g = grad[i, :, y:y1].flatten(1)
                w = weights[i, :, y:y1].flatten(1)
                s = seeds[i, :, y:y1].flatten(1)
                q = _softmax(s, rings)
                wq = q * w[1:].index_select(0, rings.group)
                c = rings.classes @ wq
                sums = _folded_sums(padded[i, :, y : y1 + 2 * r], rings, levels)
                # By the chain rule: dq = d(out)/dc; dlogit_l = W_i (q_l dq_l - n_l q_l sum_j q_j dq_j).
                dq = rings.classes.t() @ sums.mul_(g[:, None]).sum(0)
                t = q.mul_(dq)
                d_w = torch.stack([part.sum(0) for part in t.split(rings.sizes)])
                d_logits = dq.sub_(rings.count * d_w.index_select(0, rings.group)).mul_(wq)
                d_s = (rings.interpolation.t() @ d_logits).mul_(s.sign())
                d_seeds[i, :, y:y1] = d_s.view(-1, y1 - y, width)
                d_weights[i, 1:, y:y1] = d_w.view(-1, y1 - y, width)
                d_weights[i, 0, y:y1] = (g * image[i, :, y:y1].flatten(1)).sum(0).view(y1 - y, width)
                d_sums = g[:, None] * c
                d_padded[i, :, y : y1 + 2 * r] += _unfold_sums(d_sums, rings, levels, y1 - y, width)
        d_image = d_padded[..., r : r + height, r : r + width] + grad * weights[:, :1]
        return d_image, d_seeds, d_weights, None


def isotropic_reblur(image: Tensor, seeds: Tensor, weights: Tensor) -> Tensor:
    r"""Blur every pixel by its own mixture of isotropic kernels (Eq. 7-9).

    Args:
        image: Picture to blur, :math:`(N, C, H, W)`, zero beyond its border.
        seeds: Kernel seeds S of all sizes one after another, :math:`(N, M, H, W)` with
            :math:`M = \sum_{i=2}^m i` (35 for m = 8); their magnitude counts, as in the released code.
        weights: Weight maps W, :math:`(N, m, H, W)`, with the sum 1 in each pixel. The first map is that of no blur.

    Returns:
        Blurred picture, :math:`(N, C, H, W)`, in float32.

    Example:
        >>> spot = torch.zeros(1, 1, 3, 3)
        >>> spot[0, 0, 1, 1] = 1.0
        >>> seeds, weights = torch.zeros(1, 2, 3, 3), torch.zeros(1, 2, 3, 3)
        >>> weights[:, 1] = 1.0
        >>> bool(torch.allclose(isotropic_reblur(spot, seeds, weights), torch.tensor(1 / 9)))
        True
    """
    image, seeds, weights = image.float(), seeds.float(), weights.float()
    pixels = _STRIP_PIXELS.get(image.device.type, _STRIP_PIXELS_ELSEWHERE)
    with torch.autocast(image.device.type, enabled=False):
        blurred: Tensor = _IsotropicReblur.apply(image, seeds, weights, max(1, pixels // image.shape[-1]))
    return blurred

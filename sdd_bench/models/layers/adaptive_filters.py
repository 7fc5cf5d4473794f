r"""Filters that differ from pixel to pixel, predicted by a network: separable ones per channel, and one per pixel.

Separable filters are the step of iterative adaptive convolution (IAC) of Lee et al., "Iterative Filter Adaptive Network
for Single Image Defocus Deblurring" (CVPR 2021), Eq. 2 and 3: three taps along y, then three along x. Kernels per pixel
are the filter adaptive convolution (FAC) of Zhou et al. (ICCV 2019), here with one kernel for all channels. Both are
cross-correlations and repeat the border.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

_STRIP_PIXELS = 1 << 13
"""Pixels filtered at once: their 49 maps (1.6 MB) stay in the cache, which makes it twice to four times as fast."""


def filter_separably(
    features: Tensor, vertical: Sequence[Tensor], horizontal: Sequence[Tensor], bias: Tensor
) -> Tensor:
    r"""One iteration of IAC without its activation.

    .. math:: y = b + \sum_j h_j\, (\sum_i v_i\, x)(p + j - 1), \qquad
              (\sum_i v_i\, x)(p) = \sum_i v_i(p)\, x(p + i - 1)

    where i steps along y and j along x.

    Args:
        features: What is filtered, :math:`(N, C, H, W)`.
        vertical: Weight of the pixel above, of the pixel itself and of the pixel below, each :math:`(N, C, H, W)`.
        horizontal: Weight of the pixel to the left, of the pixel itself and of the pixel to the right.
        bias: :math:`(N, C, H, W)`.

    Returns:
        Filtered features, :math:`(N, C, H, W)`.
    """
    return _filter_along(_filter_along(features, vertical, 2), horizontal, 3) + bias


def _filter_along(features: Tensor, taps: Sequence[Tensor], axis: int) -> Tensor:
    first, last = features.narrow(axis, 0, 1), features.narrow(axis, features.shape[axis] - 1, 1)
    padded = torch.cat((first, features, last), dim=axis)
    before, here, after = (padded.narrow(axis, offset, features.shape[axis]) for offset in range(3))
    return torch.addcmul(torch.addcmul(taps[0] * before, taps[1], here), taps[2], after)


def filter_by_pixel(picture: Tensor, kernels: Tensor) -> Tensor:
    r"""Filter every pixel with a kernel of its own (FAC).

    .. math:: y_c(p) = \sum_{i, j} K_{k i + j}(p)\, x_c(p + (j - r, i - r)), \qquad r = (k - 1) / 2

    Args:
        picture: :math:`(N, C, H, W)`.
        kernels: Kernels of side k, row by row and not normalised, :math:`(N, k^2, H, W)`, k odd.

    Returns:
        The filtered picture, :math:`(N, C, H, W)`.
    """
    side = round(kernels.shape[1] ** 0.5)
    padded = F.pad(picture, [side // 2] * 4, mode="replicate")
    if torch.compiler.is_compiling():
        return _filter_traced(padded, kernels, side)
    height, width = kernels.shape[2:]
    rows = max(1, _STRIP_PIXELS // width)
    strips = [
        _filter_rows(padded[:, :, start : start + rows + side - 1], kernels[:, :, start : start + rows], side)
        for start in range(0, height, rows)
    ]
    return strips[0] if len(strips) == 1 else torch.cat(strips, dim=2)


def _filter_traced(padded: Tensor, kernels: Tensor, side: int) -> Tensor:
    """For programs: any height, and a row of taps in a few operations, since tracing hundreds takes minutes."""
    height = kernels.shape[2]
    rows = kernels.unflatten(1, (side, side)).movedim(2, -1).unbind(1)
    windows = (padded[:, :, y : y + height].unfold(3, side, 1) for y in range(side))
    return torch.stack([(taps[:, None] * window).sum(-1) for taps, window in zip(rows, windows, strict=True)]).sum(0)


def _filter_rows(padded: Tensor, kernels: Tensor, side: int) -> Tensor:
    # Channels of a picture stored pixel by pixel lie apart; a map each is read in one go.
    padded, kernels = padded.contiguous(), kernels.contiguous()
    height, width = kernels.shape[2:]
    windows = (padded[:, :, y : y + height, x : x + width] for y in range(side) for x in range(side))
    taps = kernels.unbind(1)
    total = taps[0][:, None] * next(windows)
    for tap, window in zip(taps[1:], windows, strict=True):
        total = torch.addcmul(total, tap[:, None], window)
    return total

r"""A U-Net that turns up the bands of a picture's Laplacian pyramid, and adds what bands cannot give.

With :math:`g_0` the blurry picture, :math:`g_{k+1}` its means over 2x2 pixels and :math:`u` bilinear doubling, the
bands are :math:`w_k = g_k - u(g_{k+1})` (Burt and Adelson, *The Laplacian Pyramid as a Compact Image Code*, 1983). The
network gives a gain :math:`a_k` for every pixel of each band and a residual :math:`r`; the deblurred picture is

.. math:: g_0 + r + a_0 w_0 + u(a_1 w_1 + u(a_2 w_2)) .

Gains alone are sharpening that follows the blur: they are learned within minutes, and where all are zero nothing is
changed, so what is sharp stays. The bands are what the network sees, too: blur shows in them, and in the picture they
are too faint to be learned from quickly. No convolution runs at full size, where a U-Net spends most time for
the fewest parameters. Blocks are two 3x3 convolutions around a ReLU, without normalisation (Lim and others, *EDSR*,
2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_FOLD = 2
_BANDS = 3
_SEEN = 8.0
"""Bands are so much fainter than the picture, and seen with this factor."""
_GAIN_SCALE = 10.0
"""Makes gains learn faster than residuals: they are of the order of 1, residuals of 0.1."""
_FIRST_STD = 1e-3
"""Spread of the last weights: small, to start next to the identity; not zero, so that blocks learn at once."""


class ResidualBlock(nn.Module):
    """``x + conv(relu(conv(x)))``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = (nn.Conv2d(width, width, 3, padding=1) for _ in range(2))
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        """:math:`(N, C, H, W)` to the same."""
        return x + self.second(F.relu(self.first(x)))


class LaplacianUNet(nn.Module):
    """Blurry picture in, deblurred picture out.

    Args:
        width: Channels of the first stage, at half the picture's size; each further stage halves the size and has
            twice as many.
        blocks: Residual blocks per stage on the way down; all but the last stage have as many on the way up.
    """

    def __init__(self, width: int = 32, *, blocks: Sequence[int] = (1, 2, 4)) -> None:
        super().__init__()
        widths = [width * 2**stage for stage in range(len(blocks))]
        steps = list(pairwise(widths))
        self.fold = nn.Conv2d(6 * _FOLD**2 + 3 * (_BANDS - 1), width, 3, padding=1)
        self.down_blocks = nn.ModuleList(_stage(wide, count) for wide, count in zip(widths, blocks, strict=True))
        self.down = nn.ModuleList(nn.Conv2d(fine, coarse, 2, stride=2) for fine, coarse in steps)
        self.up = nn.ModuleList(nn.Conv2d(coarse, 4 * fine, 1) for fine, coarse in steps)
        self.up_blocks = nn.ModuleList(_stage(wide, count) for wide, count in zip(widths[:-1], blocks, strict=False))
        # The residual (3) and the gain of the finest band (1) at full size, the other gains and the blur at half.
        self.unfold = nn.Conv2d(width, 4 * _FOLD**2 + _BANDS, 3, padding=1)
        nn.init.normal_(self.unfold.weight, std=_FIRST_STD)
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                nn.init.zeros_(module.bias)
        self.size_multiple = max(2**_BANDS, _FOLD * 2 ** (len(blocks) - 1))
        self.receptive_radius_px = _radius(blocks)

    def forward(self, blurry: Tensor) -> Tensor:
        """Deblur.

        Args:
            blurry: RGB in [0, 1], :math:`(N, 3, H, W)`; H and W are multiples of ``size_multiple``.

        Returns:
            Deblurred RGB, :math:`(N, 3, H, W)`; clipped to [0, 1] unless training, where clipping would end gradients.
        """
        deblurred, _ = self.deblur_and_measure(blurry)
        return deblurred if self.training else deblurred.clamp(0, 1)

    def deblur_and_measure(self, blurry: Tensor) -> tuple[Tensor, Tensor]:
        """The deblurred picture, not clipped, and the blur that was seen: ``log2(1 + coc_diameter_px)`` at half size.

        The second helps training: which blur is where is learned faster from being told than from what it does.
        """
        finest, middle, coarsest = _pyramid(blurry)
        seen = F.pixel_unshuffle(torch.cat((blurry - 0.5, _SEEN * finest), dim=1), _FOLD)
        told = self._unet(torch.cat((seen, _SEEN * middle, _SEEN * _double(coarsest)), dim=1)).to(blurry.dtype)
        fine, coarse, blur = told.split((4 * _FOLD**2, _BANDS - 1, 1), dim=1)
        residual, gain = F.pixel_shuffle(fine, _FOLD).split((3, 1), dim=1)
        lower = coarse[:, :1] * middle + _double(F.avg_pool2d(coarse[:, 1:], 2) * coarsest)
        return blurry + residual + _GAIN_SCALE * (gain * finest + _double(lower)), blur

    def _unet(self, x: Tensor) -> Tensor:
        x = self.fold(x)
        skips = []
        for blocks, down in zip(self.down_blocks, self.down, strict=False):
            x = blocks(x)
            skips.append(x)
            x = down(x)
        x = self.down_blocks[-1](x)
        for stage in reversed(range(len(skips))):
            x = self.up_blocks[stage](F.pixel_shuffle(self.up[stage](x), 2) + skips[stage])
        return self.unfold(x)


def _stage(width: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(width) for _ in range(count)))


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def _pyramid(picture: Tensor) -> list[Tensor]:
    """The bands from fine to coarse: at full, half and quarter size."""
    bands = []
    for _ in range(_BANDS):
        smaller = F.avg_pool2d(picture, 2)
        bands.append(picture - _double(smaller))
        picture = smaller
    return bands


def _radius(blocks: Sequence[int]) -> int:
    """Pixels from an output pixel to the farthest input pixel it depends on, on either side (at most)."""
    last = len(blocks) - 1
    radius = 2 * _FOLD  # the first and the last convolution
    for stage, count in enumerate(blocks):
        side = _FOLD * 2**stage
        radius += 2 * count * side * (1 if stage == last else 2)
    # Folding and the coarse grids reach to the far end of their own cell. Bands that are seen reach 4 + 8 + 7 pixels,
    # from a pixel to the next ones of a quarter and of an eighth the size; gains of the coarsest band 2 + 4 + 3.
    return radius + _FOLD * 2**last - 1 + (4 + 8 + 7) + (2 + 4 + 3)

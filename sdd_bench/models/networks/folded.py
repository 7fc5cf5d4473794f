r"""A residual U-Net whose finest convolutions run at half the picture's size.

Pixels are folded into channels first (pixel-unshuffle; Shi and others, *ESPCN*, 2016), so that every convolution sees
twice as far for a quarter of the time, and the residual :math:`r` is unfolded again: the deblurred picture is
:math:`x + r(x)`. Blocks are two 3x3 convolutions around a ReLU, without normalisation (Lim and others, *EDSR*, 2017):
each starts as the identity, so that what is sharp stays from the first step on.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from sdd_bench.models.networks.laplacian import ResidualBlock

_LAST_STD = 1e-3
"""Spread of the last weights: small, to start next to the identity; not zero, so that blocks learn at once."""


class FoldedUNet(nn.Module):
    """Blurry picture in, deblurred picture out.

    Args:
        width: Channels of the first stage; each further stage halves the size and has twice as many.
        blocks: Residual blocks per stage; all but the last stage have as many again on the way up.
        fold: Side of the squares of pixels that are folded into channels.
    """

    def __init__(self, width: int = 48, *, blocks: Sequence[int] = (2, 5), fold: int = 2) -> None:
        super().__init__()
        widths = [width * 2**stage for stage in range(len(blocks))]
        steps = list(pairwise(widths))
        self.fold_px = fold
        self.fold = nn.Conv2d(3 * fold**2, width, 3, padding=1)
        self.down_blocks = nn.ModuleList(_stage(wide, count) for wide, count in zip(widths, blocks, strict=True))
        self.down = nn.ModuleList(nn.Conv2d(fine, coarse, 2, stride=2) for fine, coarse in steps)
        self.up = nn.ModuleList(nn.Conv2d(coarse, 4 * fine, 1) for fine, coarse in steps)
        self.up_blocks = nn.ModuleList(_stage(wide, count) for wide, count in zip(widths[:-1], blocks, strict=False))
        self.unfold = nn.Conv2d(width, 3 * fold**2, 3, padding=1)
        nn.init.normal_(self.unfold.weight, std=_LAST_STD)
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                nn.init.zeros_(module.bias)
        self.size_multiple = fold * 2 ** (len(blocks) - 1)
        self.receptive_radius_px = _radius(blocks, fold)

    def forward(self, blurry: Tensor) -> Tensor:
        """Deblur.

        Args:
            blurry: RGB in [0, 1], :math:`(N, 3, H, W)`; H and W are multiples of ``size_multiple``.

        Returns:
            Deblurred RGB, :math:`(N, 3, H, W)`; clipped to [0, 1] unless training, where clipping would end gradients.
        """
        x = self.fold(F.pixel_unshuffle(blurry - 0.5, self.fold_px))
        skips = []
        for blocks, down in zip(self.down_blocks, self.down, strict=False):
            x = blocks(x)
            skips.append(x)
            x = down(x)
        x = self.down_blocks[-1](x)
        for stage in reversed(range(len(skips))):
            x = self.up_blocks[stage](F.pixel_shuffle(self.up[stage](x), 2) + skips[stage])
        deblurred = blurry + F.pixel_shuffle(self.unfold(x), self.fold_px).to(blurry.dtype)
        return deblurred if self.training else deblurred.clamp(0, 1)


def _stage(width: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(width) for _ in range(count)))


def _radius(blocks: Sequence[int], fold: int) -> int:
    """Pixels from an output pixel to the farthest input pixel it depends on, on either side (at most)."""
    last = len(blocks) - 1
    radius = 2 * fold  # the first and the last convolution
    for stage, count in enumerate(blocks):
        radius += 2 * count * fold * 2**stage * (1 if stage == last else 2)
    return radius + fold * 2**last - 1  # folding and coarse grids reach to the far end of their own cell

r"""A residual U-Net whose finest convolutions run at half the picture's size.

Pixels are folded into channels first (pixel-unshuffle; Shi and others, *ESPCN*, 2016), so that every convolution sees
twice as far for a quarter of the time, and the residual :math:`r` is unfolded again: the deblurred picture is
:math:`x + r(x)`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isqrt
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from sdd_bench.models.layers.residual_unet import ResidualUNet, body_radius, width_and_blocks
from sdd_bench.models.shapes import Shapes


class FoldedUNet(ResidualUNet):
    """Blurry picture in, deblurred picture out.

    Args:
        width: Channels of the first stage; each further stage halves the size and has twice as many.
        blocks: Residual blocks per stage; all but the last stage have as many again on the way up.
        fold: Side of the squares of pixels that are folded into channels.
    """

    def __init__(self, width: int = 48, *, blocks: Sequence[int] = (2, 2, 2), fold: int = 2) -> None:
        super().__init__(3 * fold**2, 3 * fold**2, width, blocks)
        self.fold_px = fold
        self.size_multiple = fold * 2 ** (len(blocks) - 1)
        self.receptive_radius_px = body_radius(blocks, fold)

    @staticmethod
    def read_options(shapes: Shapes) -> Mapping[str, Any] | None:
        """Options of the network of a checkpoint, None where it is another one's."""
        options, first = width_and_blocks(shapes), shapes.get("fold.weight", ())
        return options | {"fold": isqrt(first[1] // 3)} if options and len(first) == 4 else None

    def forward(self, blurry: Tensor) -> Tensor:
        """Deblur.

        Args:
            blurry: RGB in [0, 1], :math:`(N, 3, H, W)`; H and W are multiples of ``size_multiple``.

        Returns:
            Deblurred RGB, :math:`(N, 3, H, W)`; clipped to [0, 1] unless training, where clipping would end gradients.
        """
        residual = self.body(F.pixel_unshuffle(blurry - 0.5, self.fold_px))
        deblurred = blurry + F.pixel_shuffle(residual, self.fold_px).to(blurry.dtype)
        return deblurred if self.training else deblurred.clamp(0, 1)

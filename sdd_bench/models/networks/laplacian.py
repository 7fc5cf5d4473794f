r"""A U-Net that turns up the bands of a picture's Laplacian pyramid, and adds what bands cannot give.

With :math:`g_0` the blurry picture, :math:`g_{k+1}` its means over 2x2 pixels and :math:`u` bilinear doubling, the
bands are :math:`w_k = g_k - u(g_{k+1})` (Burt and Adelson, *The Laplacian Pyramid as a Compact Image Code*, 1983). The
network gives a gain :math:`a_k` for every pixel of each band and a residual :math:`r`; the deblurred picture is

.. math:: g_0 + r + a_0 w_0 + u(a_1 w_1 + u(a_2 w_2)) .

Gains alone are sharpening that follows the blur: they are learned within minutes, and where all are zero nothing is
changed, so what is sharp stays. The bands are what the network sees, too: blur shows in them, and in the picture they
are too faint to be learned from quickly. No convolution runs at full size, where a U-Net spends most time for
the fewest parameters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from sdd_bench.models.layers.residual_unet import ResidualUNet, body_radius, width_and_blocks
from sdd_bench.models.shapes import Shapes

_FOLD = 2
_BANDS = 3
_SEEN = 8.0
"""Bands are so much fainter than the picture, and seen with this factor."""
_GAIN_SCALE = 10.0
"""Makes gains learn faster than residuals: they are of the order of 1, residuals of 0.1."""


class LaplacianUNet(ResidualUNet):
    """Blurry picture in, deblurred picture out.

    Args:
        width: Channels of the first stage, at half the picture's size; each further stage halves the size and has
            twice as many.
        blocks: Residual blocks per stage on the way down; all but the last stage have as many on the way up.
    """

    def __init__(self, width: int = 32, *, blocks: Sequence[int] = (1, 2, 4)) -> None:
        # Out: the residual (3) and the gain of the finest band (1) at full size, the other gains and the blur at half.
        super().__init__(6 * _FOLD**2 + 3 * (_BANDS - 1), 4 * _FOLD**2 + _BANDS, width, blocks)
        self.size_multiple = max(2**_BANDS, _FOLD * 2 ** (len(blocks) - 1))
        # Bands that are seen reach 4 + 8 + 7 pixels, from a pixel to the next ones of a quarter and of an eighth the
        # size; gains of the coarsest band 2 + 4 + 3.
        self.receptive_radius_px = body_radius(blocks, _FOLD) + (4 + 8 + 7) + (2 + 4 + 3)

    @staticmethod
    def read_options(shapes: Shapes) -> Mapping[str, Any] | None:
        """Options of the network of a checkpoint, None where it is another one's."""
        return width_and_blocks(shapes)

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
        told = self.body(torch.cat((seen, _SEEN * middle, _SEEN * _double(coarsest)), dim=1)).to(blurry.dtype)
        fine, coarse, blur = told.split((4 * _FOLD**2, _BANDS - 1, 1), dim=1)
        residual, gain = F.pixel_shuffle(fine, _FOLD).split((3, 1), dim=1)
        lower = coarse[:, :1] * middle + _double(F.avg_pool2d(coarse[:, 1:], 2) * coarsest)
        return blurry + residual + _GAIN_SCALE * (gain * finest + _double(lower)), blur


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

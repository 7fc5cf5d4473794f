r"""DRBNet: Ruan, Chen, Li, Lam, "Learning to Deblur using Light Field Generated and Real Defocus Images" (CVPR 2022).

The variant for single pictures. At 1/8, 1/4, 1/2 and full resolution an estimate e of the sharp picture is refined by
kernels K of 7x7 pixels, one per pixel, and a residual r, both predicted from features of the blurry picture and of e:

.. math:: e \leftarrow e + K * e + r

and then enlarged by repeating pixels. The first estimate is the mean of 8x8 pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sdd_bench.models.layers.adaptive_filters import filter_by_pixel
from sdd_bench.models.layers.checks import check_whole
from sdd_bench.models.layers.shared import Residual, add_encoder, conv, encode, plus, up
from sdd_bench.models.layers.strips import by_strips, twice
from sdd_bench.models.shapes import Shapes

_KERNEL_TAPS = 7 * 7
_STRIP_PIXELS = 1 << 16
"""Pixels of a strip in which the estimate is refined, at least."""
_SCALES = (8, 4, 2, 1)
_PICTURE = {8: (2, 4, 8), 4: (2, 4, 4), 2: (2, 2, 2), 1: (2, 2, 1)}
"""Channels of the layers that see the estimate, by scale, as multiples of the width."""
_KERNELS = {8: (16, 8, 4), 4: (8, 4, 4), 2: (4, 2, 2), 1: (2, 2, 2)}
_RESIDUAL = {8: (16, 8, 2), 4: (8, 4, 2), 2: (4, 2, 2), 1: (2, 2, 2)}


class DRBNet(nn.Module):
    """Blurry picture in, deblurred picture out.

    Args:
        width: Channels at full resolution; 32 in the paper.

    Raises:
        ConfigError: The width is below 1.
    """

    size_multiple = 8
    receptive_radius_px = 144
    """No output pixel depends on an input pixel farther away along either axis."""
    bytes_per_pixel: int
    """Upper estimate of the memory in evaluation mode, 7 numbers per pixel and width; measured: 4.9 at 0.2 megapixels,
    5.4 at 8.8 with what the C library keeps."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        check_whole("drbnet", width=width)
        self.bytes_per_pixel = 4 * 7 * width
        deep = 8 * width
        add_encoder(self, "conv", (width, 2 * width, 4 * width, deep))
        self.conv4_4 = nn.Sequential(conv(deep, deep), _residual(deep), _residual(deep), conv(deep, deep))
        for level, scale in zip((3, 2, 1, 0), _SCALES, strict=True):
            self.add_module(f"img_d{scale}_feature", _convs(3, *(width * c for c in _PICTURE[scale])))
            fused, kernels, last = (width * c for c in _KERNELS[scale])
            self.add_module(
                f"upconv{level}_kernel", nn.Sequential(*_convs(fused, kernels, last), nn.Conv2d(last, _KERNEL_TAPS, 1))
            )
            fused, residual, last = (width * c for c in _RESIDUAL[scale])
            self.add_module(f"upconv{level}_res", nn.Sequential(*_convs(fused, residual, last), conv(last, 3, 1)))
            if level:
                outputs = width * 2 ** (level - 1)
                self.add_module(f"upconv{level}_u", up(2 * outputs, outputs))
                self.add_module(f"upconv{level}_1", _residual(outputs))
                self.add_module(f"upconv{level}_2", _residual(outputs))

    @staticmethod
    def read_options(shapes: Shapes) -> Mapping[str, Any] | None:
        """Options of the network of a checkpoint, None where it is another one's."""
        first = shapes.get("conv1_1.0.weight")
        return {"width": first[0]} if first and "img_d8_feature.0.0.weight" in shapes else None

    def forward(self, blurry: Tensor) -> Tensor:
        """Deblur.

        Args:
            blurry: RGB in [0, 1], :math:`(N, 3, H, W)`; H and W are multiples of 8.

        Returns:
            Deblurred RGB, :math:`(N, 3, H, W)`; in [0, 1] in evaluation mode, not clipped in training.
        """
        deblurred = (self.restore(2 * blurry - 1) + 1) / 2
        return deblurred if self.training else deblurred.clamp(0, 1)

    def restore(self, blurry: Tensor) -> Tensor:
        """The same in the range of the released network, [-1, 1], never clipped."""
        skips: list[Tensor] = []
        features = self.conv4_4(encode(self, "conv", blurry, skips=skips))
        estimate = self._refine(3, features, F.avg_pool2d(blurry, _SCALES[0]))
        for level in (3, 2, 1):
            features = by_strips(partial(self._decode, level), features, skips.pop(), halo=3)
            estimate = F.interpolate(estimate, scale_factor=2.0, mode="nearest")
            estimate = self._refine(level - 1, features, estimate)
        return estimate

    def _decode(self, level: int, features: Tensor, skip: Tensor, rows: slice) -> Tensor:
        features = plus(self.get_submodule(f"upconv{level}_u")(features), skip)
        features = self.get_submodule(f"upconv{level}_1")(features)
        return self.get_submodule(f"upconv{level}_2")(features)[:, :, twice(rows)]

    def _refine(self, level: int, features: Tensor, estimate: Tensor) -> Tensor:
        return by_strips(partial(self._refined, level), estimate, features, halo=5, numbers=3 * _STRIP_PIXELS)

    def _refined(self, level: int, estimate: Tensor, features: Tensor, rows: slice) -> Tensor:
        seen = self.get_submodule(f"img_d{2**level}_feature")(estimate)
        fused = torch.cat((features, seen), dim=1)
        del seen
        filtered = filter_by_pixel(estimate, self.get_submodule(f"upconv{level}_kernel")(fused))
        return (estimate + filtered + self.get_submodule(f"upconv{level}_res")(fused))[:, :, rows]


def _convs(*channels: int) -> nn.Sequential:
    return nn.Sequential(*(conv(inputs, outputs) for inputs, outputs in pairwise(channels)))


def _residual(channels: int) -> Residual:
    return Residual(channels, active=False)

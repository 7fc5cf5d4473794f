"""KPAC (Son et al., "Single Image Defocus Deblurring Using Kernel-Sharing Parallel Atrous Convolutions", ICCV 2021).

An encoder, two blocks at its coarsest level, a decoder that adds to the input. A block runs one shared 5x5 filter at
five dilations, so that blurs of five sizes are undone by one inverse kernel; two attentions weigh the results, one per
pixel and dilation (scale), one per channel from the global mean (shape).

Pictures are RGB in [0, 1] outside and [-1, 1] inside, as the released weights expect. The authors' program is
TensorFlow, whose stride-2 convolution on an even size has its zeros at the bottom and at the right. The global mean
makes every output depend on the whole picture, so tiles change the result.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sdd_bench.core.errors import ConfigError
from sdd_bench.models.layers.checks import check_whole
from sdd_bench.models.layers.same_padding import SameConv2d
from sdd_bench.models.layers.strips import by_strips
from sdd_bench.models.shapes import Shapes

_DILATIONS = (1, 2, 3, 4, 5)
_SLOPE = 0.2


def _leaky(x: Tensor) -> Tensor:
    return F.leaky_relu(x, _SLOPE, inplace=not torch.is_grad_enabled())


def _transposed(inputs: int, outputs: int) -> nn.ConvTranspose2d:
    """TensorFlow's ``SAME`` at kernel 4 and stride 2, which is PyTorch's padding 1."""
    return nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1)


class _SharedConv(nn.Conv2d):
    """One filter without bias at every dilation, results put together along the channels."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 5, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """:math:`(N, C, H, W)` to :math:`(N, 5 C', H, W)`, activated."""
        maps = [_leaky(F.conv2d(x, self.weight, padding=2 * step, dilation=step)) for step in _DILATIONS]
        return torch.cat(maps, dim=1)


class _Block(nn.Module):
    """Kernel-sharing parallel atrous convolutions; ``width`` channels per dilation, twice as many in and out."""

    def __init__(self, width: int) -> None:
        super().__init__()
        wide, narrow, hidden = 2 * width, 2 * width // 3, width // 3
        self.shared = _SharedConv(wide, width)
        self.scale1 = SameConv2d(wide, narrow, 5, dilation=2)
        self.scale2 = SameConv2d(narrow, narrow, 5, dilation=2)
        self.scale3 = SameConv2d(narrow, hidden, 5, dilation=2)
        self.scale4 = SameConv2d(hidden, hidden, 5, dilation=2)
        self.scale5 = SameConv2d(hidden, len(_DILATIONS), 5)
        self.shape1 = SameConv2d(wide, width // 4, 1)
        self.shape2 = SameConv2d(width // 4, width, 1)
        self.fuse = SameConv2d(len(_DILATIONS) * width, wide, 3)

    def forward(self, x: Tensor) -> Tensor:
        """:math:`(N, C, H, W)` to the same size."""
        scale = x
        for layer in (self.scale1, self.scale2, self.scale3, self.scale4):
            scale = _leaky(layer(scale))
        scale = torch.sigmoid(self.scale5(scale))
        shape = torch.sigmoid(self.shape2(_leaky(self.shape1(x.mean((2, 3), keepdim=True)))))
        maps = self.shared(x).unflatten(1, (len(_DILATIONS), -1))
        return _leaky(self.fuse((maps * scale[:, :, None] * shape[:, None]).flatten(1, 2)))


class KPAC(nn.Module):
    """Blurry picture in, deblurred picture out. Parameters lie in the order of the released files.

    Args:
        width: Channels at full size; 48 as published (1,578,277 parameters with two levels, 2,057,893 with three).
        levels: How often the size is halved and two blocks follow: 2 or 3 as published.

    Raises:
        ConfigError: An option is out of range.
    """

    bytes_per_pixel: int
    """Upper estimate of the memory in evaluation mode, 7 numbers per pixel and width; measured: 6.0."""

    def __init__(self, width: int = 48, *, levels: int = 3) -> None:
        super().__init__()
        check_whole("kpac", width=width, least=4)
        if levels not in (2, 3):
            raise ConfigError(f"kpac: levels: expected 2 or 3, got {levels!r}.")
        self.levels = levels
        self.size_multiple = 2**levels
        self.bytes_per_pixel = 4 * 7 * width
        wide = 2 * width
        self.c0, self.c0_2 = SameConv2d(3, width, 5), SameConv2d(width, width, 3)
        self.c2, self.c2_2 = SameConv2d(width, width, 3, stride=2), SameConv2d(width, width, 3)
        self.c3, self.c3_2 = SameConv2d(width, wide, 3, stride=2), SameConv2d(wide, wide, 3)
        if levels == 3:
            self.c4, self.c4_2 = SameConv2d(wide, wide, 3, stride=2), SameConv2d(wide, wide, 3)
        self.block0, self.block1 = _Block(width), _Block(width)
        self.cm_1, self.cm_2 = SameConv2d(3 * wide, wide, 3), SameConv2d(wide, wide, 3)
        if levels == 3:
            self.d0, self.d0_2 = _transposed(wide, wide), SameConv2d(2 * wide, wide, 3)
        self.d1, self.d1_2 = _transposed(wide, width), SameConv2d(wide, width, 3)
        self.d2, self.d2_2 = _transposed(width, width), SameConv2d(wide, 3, 5)
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                nn.init.kaiming_normal_(module.weight, _SLOPE)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    @staticmethod
    def read_options(shapes: Shapes) -> Mapping[str, Any] | None:
        """Options of the network of a checkpoint, None where it is another one's."""
        first = shapes.get("c0.weight")
        return {"width": first[0]} if first else None

    def forward(self, blurry: Tensor) -> Tensor:
        """Deblur.

        Args:
            blurry: RGB in [0, 1], :math:`(N, 3, H, W)`; H and W are multiples of 4 (two levels) or 8 (three).

        Returns:
            Deblurred RGB, :math:`(N, 3, H, W)`, about [0, 1] and not clamped.
        """
        one = _leaky(self.c0_2(_leaky(self.c0(2 * blurry - 1))))
        two = _leaky(self.c2_2(_leaky(self.c2(one))))
        three = _leaky(self.c3_2(_leaky(self.c3(two))))
        x = _leaky(self.c4_2(_leaky(self.c4(three)))) if self.levels == 3 else three
        x = self._blocks(x)
        if self.levels == 3:
            x = _leaky(self.d0_2(torch.cat((_leaky(self.d0(x)), three), dim=1)))
        x = _leaky(self.d1_2(torch.cat((_leaky(self.d1(x)), two), dim=1)))
        x = _leaky(self.d2(x))
        change = by_strips(lambda up, skip, rows: self.d2_2(torch.cat((up, skip), dim=1))[:, :, rows], x, one, halo=2)
        return blurry + change / 2

    def _blocks(self, x: Tensor) -> Tensor:
        first = self.block0(x)
        stack = torch.cat((x, first, self.block1(first)), dim=1)
        out: Tensor = _leaky(self.cm_2(_leaky(self.cm_1(stack))))
        return out

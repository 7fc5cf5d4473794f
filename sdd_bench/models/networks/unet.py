"""The baseline deblurring U-Net (Table 6 of Li et al., 2023) and the variant released with the paper.

Table 6 with 3x3 convolutions everywhere has 34,515,011 parameters at width 64. The released network differs in
its up-convolutions: nearest upsampling, then a 2x2 convolution padded right and bottom (31,033,411 parameters).
In both the up-convolution has no ReLU, dropout follows stages four and five, and the skip of stage four is taken
after dropout. Parameters are named as in the released checkpoints.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sdd_bench.models.layers.strips import by_strips, twice
from sdd_bench.models.shapes import Shapes

_DROPOUT = 0.4
"""Probability of dropping an activation, as in the paper."""


def _block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(outputs, outputs, 3, padding=1),
        nn.ReLU(inplace=True),
    )


class UpConv(nn.Conv2d):
    r"""Nearest upsampling by two, then a convolution of side k (2 or 3) padded with zeros to keep the size.

    It is computed on the small picture. Along one axis the output pixel :math:`2i + a` with the phase *a* (0 or 1)
    depends on the small pixels :math:`i + a - 1` and :math:`i + a` alone. Each of the four phases of both axes is
    therefore a 2x2 convolution whose taps are sums of the k taps. This takes less than half the products of k = 3, and
    the upsampled picture is never computed.
    """

    _taps: Tensor

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__(inputs, outputs, kernel)
        before = (kernel - 1) // 2
        taps = torch.zeros(2, 2, kernel)
        for phase in range(2):
            for tap in range(kernel):
                taps[phase, (phase - before + tap) // 2 - phase + 1, tap] = 1
        self.register_buffer("_taps", taps, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Upsample :math:`(N, C, H, W)` to :math:`(N, C', 2H, 2W)`."""
        weight = torch.einsum("apt,bqu,oitu->aboipq", self._taps, self._taps, self.weight)
        bias = None if self.bias is None else self.bias.repeat(4)
        height, width = x.shape[2:]
        phases = F.conv2d(x, weight.flatten(0, 2), bias, padding=1).permute(0, 2, 3, 1)
        if not (torch.is_grad_enabled() or torch.compiler.is_compiling()):
            return _interleaved(phases, height, width)
        rows = []
        for a, both in enumerate(phases.chunk(2, dim=3)):
            even, odd = both[:, a : a + height].chunk(2, dim=3)
            rows.append(torch.stack((even[:, :, :width], odd[:, :, 1:]), dim=3).flatten(2, 3))
        return torch.stack(rows, dim=2).flatten(1, 2).permute(0, 3, 1, 2)


def _interleaved(phases: Tensor, height: int, width: int) -> Tensor:
    """The four phases :math:`(N, H + 1, W + 1, 4C)` in their places, :math:`(N, C, 2H, 2W)`; one copy."""
    n, channels = phases.shape[0], phases.shape[3] // 4
    out = phases.new_empty(n, 2 * height, 2 * width, channels)
    for i, phase in enumerate(phases.split(channels, dim=3)):
        a, b = divmod(i, 2)
        out[:, a::2, b::2] = phase[:, a : a + height, b : b + width]
    return out.permute(0, 3, 1, 2)


def _up(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(OrderedDict({"1": UpConv(inputs, outputs, kernel)}))


class UNet(nn.Module):
    """U-Net that maps a blurry picture to a deblurred one.

    Args:
        width: Channels of the first stage; 64 is the paper's.
        released: Whether up-convolutions are 2x2, as in the released code, and not 3x3, as in Table 6.
        bgr: Whether the weights expect blue first, as those of the released U-Net do. Pictures stay RGB outside.
        dropout: Probability of dropping an activation in stages four and five.
        residual: Whether the output is added to the blurry picture, in place of a picture through a sigmoid. Such a
            network starts as the identity and learns to deblur within minutes; it is not the paper's.
    """

    size_multiple = 16
    receptive_radius_px = 144
    """Distance along either axis beyond which no input pixel changes an output pixel."""
    bytes_per_pixel: int
    """Upper estimate of the memory without gradients, when the upper two resolutions pass in strips; measured with what
    the C library keeps: 15.3 per pixel and width at 2.2 megapixels (width 64), 16.3 at 8.8 (width 16)."""

    def __init__(
        self,
        width: int = 64,
        *,
        released: bool = False,
        bgr: bool = False,
        dropout: float = _DROPOUT,
        residual: bool = False,
    ) -> None:
        super().__init__()
        one, two, three, four, five = (width * 2**stage for stage in range(5))
        kernel = 2 if released else 3
        self.bgr = bgr
        # At full resolution only the skip, at half of it the skip and what comes up; the rest is in strips or small.
        self.bytes_per_pixel = 17 * width + 24
        self.encoder = nn.ModuleDict(
            {
                "block1": _block(3, one),
                "block2": _block(one, two),
                "block3": _block(two, three),
                "block4": _block(three, four),
                "block5": _block(four, five),
            }
        )
        self.up6, self.block6 = _up(five, four, kernel), _block(five, four)
        self.up7, self.block7 = _up(four, three, kernel), _block(four, three)
        self.up8, self.block8 = _up(three, two, kernel), _block(three, two)
        self.up9, self.block9 = _up(two, one, kernel), _block(two, one)
        last = nn.Conv2d(one, 3, 3, padding=1)
        self.residual = residual
        self.out = nn.Sequential(last) if residual else nn.Sequential(last, nn.Sigmoid())
        self.dropout = nn.Dropout(dropout)
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(module.bias)
        if residual:
            nn.init.zeros_(last.weight)

    @staticmethod
    def read_options(shapes: Shapes) -> Mapping[str, Any] | None:
        """Options of the network of a checkpoint, None where it is another one's."""
        first = shapes.get("encoder.block1.0.weight")
        return {"width": first[0]} if first else None

    def forward(self, blurry: Tensor) -> Tensor:
        """Deblur.

        Args:
            blurry: RGB in [0, 1], :math:`(N, 3, H, W)`; H and W are multiples of 16.

        Returns:
            Deblurred RGB in [0, 1], :math:`(N, 3, H, W)`.
        """
        picture = blurry.flip(1) if self.bgr else blurry
        one = self._encode("block1", picture)
        two = self._encode("block2", F.max_pool2d(one, 2))
        three = self.encoder["block3"](F.max_pool2d(two, 2))
        four = self.dropout(self.encoder["block4"](F.max_pool2d(three, 2)))
        x = self.dropout(self.encoder["block5"](F.max_pool2d(four, 2)))
        x = self.block6(torch.cat((self.up6(x), four), dim=1))
        x = self.block7(torch.cat((self.up7(x), three), dim=1))
        del three, four
        x = by_strips(self._half_resolution, x, two, halo=2)
        x = by_strips(self._full_resolution, x, one, halo=3)
        x = (picture + x).clamp(0, 1) if self.residual else x
        return x.flip(1) if self.bgr else x

    def _encode(self, block: str, x: Tensor) -> Tensor:
        return by_strips(lambda window, rows: self.encoder[block](window)[:, :, rows], x, halo=2)

    def _half_resolution(self, x: Tensor, skip: Tensor, rows: slice) -> Tensor:
        return self.block8(torch.cat((self.up8(x), skip), dim=1))[:, :, twice(rows)]

    def _full_resolution(self, x: Tensor, skip: Tensor, rows: slice) -> Tensor:
        return self.out(self.block9(torch.cat((self.up9(x), skip), dim=1)))[:, :, twice(rows)]

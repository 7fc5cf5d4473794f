"""DPDNet (Abuolaim and Brown, "Defocus Deblurring Using Dual-Pixel Data", ECCV 2020); of one view, DPDNet_S.

A U-Net of five levels with a ReLU after every convolution but the last. Three things set it apart from the U-Net that
was released with JDRL, so that weights cannot be exchanged: the up-convolution has a ReLU, the skip comes before the
upsampled map in the concatenation, and a 1x1 convolution with a sigmoid follows the one that makes three channels.

Pictures are RGB in [0, 1] outside and blue first inside, as the released weights expect. The authors' program is Keras,
whose 2x2 ``same`` convolution has its zeros at the bottom and at the right.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sdd_bench.core.errors import ConfigError
from sdd_bench.models.layers.checks import check_whole
from sdd_bench.models.layers.strips import by_strips, twice
from sdd_bench.models.networks.unet import UpConv
from sdd_bench.models.shapes import Shapes


def _block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(outputs, outputs, 3, padding=1),
        nn.ReLU(inplace=True),
    )


class _Up(nn.Module):
    """One level up: the small map brought to the size of the skip, then both through two convolutions."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.up = UpConv(inputs, outputs, 2)
        self.block = _block(2 * outputs, outputs)

    def forward(self, small: Tensor, skip: Tensor) -> Tensor:
        up = F.relu(self.up(small), inplace=not torch.is_grad_enabled())
        out: Tensor = self.block(torch.cat((skip, up), dim=1))
        return out


class DPDNet(nn.Module):
    """Blurry picture in, deblurred picture out. Parameters lie in the order of the Keras layers.

    Args:
        width: Channels of the first level; 64 as published (31,033,423 parameters in all, of one view).
        bgr: The weights expect B, G, R, as the released ones do; pictures stay RGB outside.
        dropout: Probability of dropping an activation in levels four and five; 0.4 as published.
        views: 1 for a plain picture; 2 for the left and right views of a dual-pixel sensor, six channels in that order.

    Raises:
        ConfigError: An option is out of range.
    """

    size_multiple = 16
    receptive_radius_px = 123
    """No output pixel depends on an input pixel farther away along either axis."""
    bytes_per_pixel: int
    """Upper estimate of the memory without gradients, when the upper two resolutions pass in strips; measured with what
    the C library keeps: 17.4 per pixel and width at 1.7 megapixels, up to 19.6 at 7 (width 64); the rest is for process
    and picture."""

    def __init__(self, width: int = 64, *, bgr: bool = True, dropout: float = 0.4, views: int = 1) -> None:
        super().__init__()
        check_whole("dpdnet", width=width, least=1)
        if not 0 <= dropout < 1:
            raise ConfigError(f"dpdnet: dropout: expected 0 up to, but not, 1, got {dropout!r}.")
        if views not in (1, 2):
            raise ConfigError(f"dpdnet: views: expected 1 or 2, got {views!r}.")
        self.bgr, self.views = bgr, views
        self.bytes_per_pixel = 22 * width + 24
        one, two, three, four, five = (width * 2**level for level in range(5))
        self.encoder1 = _block(3 * views, one)
        self.encoder2 = _block(one, two)
        self.encoder3 = _block(two, three)
        self.encoder4 = _block(three, four)
        self.encoder5 = _block(four, five)
        self.decoder4 = _Up(five, four)
        self.decoder3 = _Up(four, three)
        self.decoder2 = _Up(three, two)
        self.decoder1 = _Up(two, one)
        self.out = nn.Sequential(
            OrderedDict(
                three=nn.Conv2d(one, 3, 3, padding=1), relu=nn.ReLU(), mix=nn.Conv2d(3, 3, 1), sigmoid=nn.Sigmoid()
            )
        )
        self.dropout = nn.Dropout(dropout)
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)

    @staticmethod
    def read_options(shapes: Shapes) -> Mapping[str, Any] | None:
        """Options of the network of a checkpoint, None where it is another one's."""
        first = shapes.get("encoder1.0.weight")
        return {"width": first[0]} if first else None

    def forward(self, blurry: Tensor) -> Tensor:
        """Deblur.

        Args:
            blurry: RGB in [0, 1], :math:`(N, 3, H, W)`, or the two views, :math:`(N, 6, H, W)`; H and W are multiples
                of 16.

        Returns:
            Deblurred RGB in [0, 1], :math:`(N, 3, H, W)`.
        """
        x = self._swapped(blurry)
        one = self._encode(self.encoder1, x)
        two = self._encode(self.encoder2, F.max_pool2d(one, 2))
        three = self.encoder3(F.max_pool2d(two, 2))
        four = self.dropout(self.encoder4(F.max_pool2d(three, 2)))
        x = self.dropout(self.encoder5(F.max_pool2d(four, 2)))
        x = self.decoder4(x, four)
        x = self.decoder3(x, three)
        del three, four
        x = by_strips(lambda small, skip, rows: self.decoder2(small, skip)[:, :, twice(rows)], x, two, halo=2)
        x = by_strips(self._full_resolution, x, one, halo=3)
        return self._swapped(x)

    def _encode(self, block: nn.Module, x: Tensor) -> Tensor:
        return by_strips(lambda window, rows: block(window)[:, :, rows], x, halo=2)

    def _full_resolution(self, small: Tensor, skip: Tensor, rows: slice) -> Tensor:
        out: Tensor = self.out(self.decoder1(small, skip))[:, :, twice(rows)]
        return out

    def _swapped(self, picture: Tensor) -> Tensor:
        """RGB to the order of the weights, or back."""
        return torch.cat([view.flip(1) for view in picture.split(3, dim=1)], dim=1) if self.bgr else picture

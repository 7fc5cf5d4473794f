"""The baseline deblurring U-Net (Table 6 of Li et al., 2023) and the variant released with the paper.

Table 6 with 3x3 convolutions everywhere has 34,515,011 parameters at width 64. The released network differs in
its up-convolutions: nearest upsampling, then a 2x2 convolution padded right and bottom (31,033,411 parameters).
In both the up-convolution has no ReLU, dropout follows stages four and five, and the skip of stage four is taken
after dropout. Parameters are named as in the released checkpoints.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_DROPOUT = 0.4


def _block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(outputs, outputs, 3, padding=1),
        nn.ReLU(inplace=True),
    )


class _Upsample(nn.Module):
    """Nearest x2, then zeros such that a convolution of side ``kernel`` keeps the size."""

    def __init__(self, kernel: int) -> None:
        super().__init__()
        before = (kernel - 1) // 2
        self.padding = [before, kernel - 1 - before] * 2

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(F.interpolate(x, scale_factor=2, mode="nearest"), self.padding)


def _up(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(_Upsample(kernel), nn.Conv2d(inputs, outputs, kernel))


class UNet(nn.Module):
    """Blurry picture in, deblurred picture out.

    Args:
        width: Channels of the first stage; 64 is the paper's.
        released: 2x2 up-convolutions as in the released code instead of the 3x3 of Table 6.
        bgr: The weights expect B, G, R (the released U-Net does); pictures stay RGB outside.
        dropout: Probability of dropping an activation in stages four and five.
        residual: Predict what to add to the blurry picture, in place of the picture through a sigmoid. Starts as the
            identity, so that a small network learns to deblur within minutes; not the paper's.
    """

    size_multiple = 16
    receptive_radius_px = 144
    """No output pixel depends on an input pixel farther away along either axis."""

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

    def forward(self, blurry: Tensor) -> Tensor:
        """Deblur.

        Args:
            blurry: RGB in [0, 1], :math:`(N, 3, H, W)`; H and W are multiples of 16.

        Returns:
            Deblurred RGB in [0, 1], :math:`(N, 3, H, W)`.
        """
        picture = blurry.flip(1) if self.bgr else blurry
        one = self.encoder["block1"](picture)
        two = self.encoder["block2"](F.max_pool2d(one, 2))
        three = self.encoder["block3"](F.max_pool2d(two, 2))
        four = self.dropout(self.encoder["block4"](F.max_pool2d(three, 2)))
        x = self.dropout(self.encoder["block5"](F.max_pool2d(four, 2)))
        x = self.block6(torch.cat((self.up6(x), four), dim=1))
        x = self.block7(torch.cat((self.up7(x), three), dim=1))
        x = self.block8(torch.cat((self.up8(x), two), dim=1))
        x = self.block9(torch.cat((self.up9(x), one), dim=1))
        x = (picture + self.out(x)).clamp(0, 1) if self.residual else self.out(x)
        return x.flip(1) if self.bgr else x

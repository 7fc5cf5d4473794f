"""DMPHN(1-2-4) (Zhang et al., "Deep Stacked Hierarchical Multi-Patch Network for Image Deblurring", CVPR 2019).

Three levels, each an encoder and a decoder of one shape and weights of their own, see four quadrants (level 3), two
halves (level 2) and the whole picture (level 1). A level adds the residual of the level below to its picture, and the
features of the level below to its own. Level 1 puts out the picture itself.

Pictures are RGB in [0, 1] outside, shifted by -0.5 inside, as the released weights expect. Parameters are named as in
the six released files, after the name of each file (``encoder_lv1.layer1.weight``). Quadrants and halves make the
output depend on where the picture's middle is, so tiles change the result. Residuals are computed strip by strip, which
does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from sdd_bench.models.layers.checks import check_whole
from sdd_bench.models.layers.strips import by_strips
from sdd_bench.models.shapes import Shapes

_SHIFT = 0.5


def _residual(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, width, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(width, width, 3, padding=1)
    )


def _add(residual: nn.Sequential, x: Tensor) -> Tensor:
    """``x`` and its residual."""
    return by_strips(lambda window, rows: residual(window)[:, :, rows], x, halo=2, beside=x)


class _Encoder(nn.Module):
    """Picture :math:`(N, 3, H, W)` to features :math:`(N, 4C, H / 4, W / 4)`."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layer1 = nn.Conv2d(3, width, 3, padding=1)
        self.layer2, self.layer3 = _residual(width), _residual(width)
        self.layer5 = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.layer6, self.layer7 = _residual(2 * width), _residual(2 * width)
        self.layer9 = nn.Conv2d(2 * width, 4 * width, 3, stride=2, padding=1)
        self.layer10, self.layer11 = _residual(4 * width), _residual(4 * width)

    def forward(self, picture: Tensor) -> Tensor:
        x: Tensor = self.layer1(picture)
        for residual in (self.layer2, self.layer3):
            x = _add(residual, x)
        x = self.layer5(x)
        for residual in (self.layer6, self.layer7):
            x = _add(residual, x)
        x = self.layer9(x)
        for residual in (self.layer10, self.layer11):
            x = _add(residual, x)
        return x


class _Decoder(nn.Module):
    """Features :math:`(N, 4C, H / 4, W / 4)` to a picture or residual :math:`(N, 3, H, W)`."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layer13, self.layer14 = _residual(4 * width), _residual(4 * width)
        self.layer16 = nn.ConvTranspose2d(4 * width, 2 * width, 4, stride=2, padding=1)
        self.layer17, self.layer18 = _residual(2 * width), _residual(2 * width)
        self.layer20 = nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1)
        self.layer21, self.layer22 = _residual(width), _residual(width)
        self.layer24 = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        x = features
        for residual in (self.layer13, self.layer14):
            x = _add(residual, x)
        x = self.layer16(x)
        for residual in (self.layer17, self.layer18):
            x = _add(residual, x)
        x = self.layer20(x)
        for residual in (self.layer21, self.layer22):
            x = _add(residual, x)
        out: Tensor = self.layer24(x)
        return out


class DMPHN(nn.Module):
    """Blurry picture in, deblurred picture out.

    Args:
        width: Channels at full size; 32 as published (5,424,393 parameters in all).

    Raises:
        ConfigError: ``width`` is no whole number from 1 on.
    """

    size_multiple = 8
    bytes_per_pixel: int
    """Upper estimate of the memory in evaluation mode, 9 numbers per pixel and width; measured: 7.9."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        check_whole("dmphn", width=width, least=1)
        self.bytes_per_pixel = 4 * 9 * width
        self.encoder_lv1, self.encoder_lv2, self.encoder_lv3 = (_Encoder(width) for _ in range(3))
        self.decoder_lv1, self.decoder_lv2, self.decoder_lv3 = (_Decoder(width) for _ in range(3))
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                _initialise(module)

    @staticmethod
    def read_options(shapes: Shapes) -> Mapping[str, Any] | None:
        """Options of the network of a checkpoint, None where it is another one's."""
        first = shapes.get("encoder_lv1.layer1.weight")
        return {"width": first[0]} if first else None

    def forward(self, blurry: Tensor) -> Tensor:
        """Deblur.

        Args:
            blurry: RGB in [0, 1], :math:`(N, 3, H, W)`; H and W are multiples of 8.

        Returns:
            Deblurred RGB, :math:`(N, 3, H, W)`, about [0, 1] and not clamped.
        """
        picture = blurry - _SHIFT
        residuals, features = self._quarters(picture)
        residual, features = self._halves(picture, residuals, features)
        features = self.encoder_lv1(picture + residual) + features
        out: Tensor = self.decoder_lv1(features) + _SHIFT
        return out

    def _quarters(self, picture: Tensor) -> tuple[list[Tensor], Tensor]:
        """Level 3: residuals of the two halves, which are decoded apart, and features of the picture."""
        halves = [
            torch.cat([self.encoder_lv3(quarter) for quarter in half.chunk(2, dim=3)], dim=3)
            for half in picture.chunk(2, dim=2)
        ]
        return [self.decoder_lv3(half) for half in halves], torch.cat(halves, dim=2)

    def _halves(self, picture: Tensor, residuals: list[Tensor], features: Tensor) -> tuple[Tensor, Tensor]:
        """Level 2: residual and features of the picture."""
        halves = zip(picture.chunk(2, dim=2), residuals, strict=True)
        features = torch.cat([self.encoder_lv2(half + residual) for half, residual in halves], dim=2) + features
        return self.decoder_lv2(features), features


def _initialise(layer: nn.Conv2d | nn.ConvTranspose2d) -> None:
    """Half the spread of He's initialisation over the outputs, as the authors train it."""
    outputs = layer.out_channels * layer.kernel_size[0] * layer.kernel_size[1]
    nn.init.normal_(layer.weight, 0, 0.5 * (2 / outputs) ** 0.5)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)

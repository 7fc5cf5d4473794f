r"""NAFNet: Chen, Chu, Zhang, Sun, "Simple Baselines for Image Restoration" (ECCV 2022).

A U-shaped network of blocks without activation functions. With g(x), the product of the two halves of the channels,
and m, the mean of each channel over the picture:

.. math:: y = x + \beta\, W_3\, s(g(D\, W_1\, \mathrm{LN}(x))), \quad s(z) = z \cdot (W_s\, m(z) + b), \qquad
          z = y + \gamma\, W_5\, g(W_4\, \mathrm{LN}(y))

(W 1x1 convolutions, D a depthwise 3x3). The mean over the whole picture makes tiles inexact. It is also another
statistic than the mean over the small crops of training, so published scores take it over windows of 1.5 times the
crop (Chu et al., "Improving Image Restoration by Revisiting Global Information Aggregation", ECCV 2022): ``window``.

Where a side is no multiple of 16, the original pads with zeros; here ``predict`` pads, by reflection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sdd_bench.core.errors import ConfigError
from sdd_bench.models.layers.checks import check_whole
from sdd_bench.models.layers.shared import plus
from sdd_bench.models.layers.strips import by_strips
from sdd_bench.models.shapes import Shapes, count_blocks

_NORM_EPS = 1e-6


class _ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of every pixel."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=_NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class _Block(nn.Module):
    def __init__(self, channels: int, window: int | None) -> None:
        super().__init__()
        self.window = window
        self.norm1, self.norm2 = _ChannelNorm(channels), _ChannelNorm(channels)
        self.conv1 = nn.Conv2d(channels, 2 * channels, 1)
        self.conv2 = nn.Conv2d(2 * channels, 2 * channels, 3, padding=1, groups=2 * channels)
        self.sca = nn.Sequential(nn.Identity(), nn.Conv2d(channels, channels, 1))
        self.conv3 = nn.Conv2d(channels, channels, 1)
        self.conv4 = nn.Conv2d(channels, 2 * channels, 1)
        self.conv5 = nn.Conv2d(channels, channels, 1)
        self.beta = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.gamma = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """:math:`(N, C, H, W)` to the same shape."""
        z = by_strips(self._spatial, x, halo=1)
        scale = self.sca(self._mean(z))
        return by_strips(self._mix_channels, x, z, scale.expand_as(z), halo=0)

    def _spatial(self, window: Tensor, rows: slice) -> Tensor:
        return _gate(self.conv2(self.conv1(self.norm1(window)))[:, :, rows])

    def _mix_channels(self, x: Tensor, z: Tensor, scale: Tensor, _rows: slice) -> Tensor:
        x = plus(self.conv3(z * scale) * self.beta, x)
        return plus(self.conv5(_gate(self.conv4(self.norm2(x)))) * self.gamma, x)

    def _mean(self, z: Tensor) -> Tensor:
        return z.mean(dim=(2, 3), keepdim=True) if self.window is None else local_mean(z, self.window)


class NAFNet(nn.Module):
    """Blurry picture in, deblurred picture out.

    Args:
        width: Channels at full resolution; released networks have 32 and 64.
        encoder: Blocks at each resolution, from full on; each is half the one before.
        middle: Blocks at the smallest resolution.
        decoder: Blocks at each resolution, to full, as many numbers as for the encoder.
        window: Side in pixels of the windows whose mean is taken; None for the whole picture, as in training. The
            scores of networks trained on crops of 256 are for 384.

    Raises:
        ConfigError: A count is below 1, or encoder and decoder differ in length.
    """

    size_multiple: int
    """16 for four resolutions."""
    bytes_per_pixel: int
    """Upper estimate of the memory in evaluation mode, 8 numbers per pixel and width, 10 with windows; measured: 4.4
    and 7.2 at 2.4 megapixels, 7.9 and 7.4 at 0.4."""

    def __init__(
        self,
        width: int = 32,
        *,
        encoder: Sequence[int] = (1, 1, 1, 28),
        middle: int = 1,
        decoder: Sequence[int] = (1, 1, 1, 1),
        window: int | None = None,
    ) -> None:
        super().__init__()
        _check(width, encoder, middle, decoder, window)
        self.size_multiple = 2 ** len(encoder)
        self.bytes_per_pixel = 4 * (8 if window is None else 10) * width
        self.intro = nn.Conv2d(3, width, 3, padding=1)
        self.ending = nn.Conv2d(width, 3, 3, padding=1)
        self.encoders, self.downs, self.ups, self.decoders = (nn.ModuleList() for _ in range(4))
        for level, (down, up) in enumerate(zip(encoder, reversed(decoder), strict=True)):
            channels = width * 2**level
            self.encoders.append(_stage(channels, down, level, window))
            self.downs.append(nn.Conv2d(channels, 2 * channels, 2, stride=2))
            self.ups.insert(0, nn.Sequential(nn.Conv2d(2 * channels, 4 * channels, 1, bias=False), nn.PixelShuffle(2)))
            self.decoders.insert(0, _stage(channels, up, level, window))
        self.middle_blks = _stage(width * 2 ** len(encoder), middle, len(encoder), window)

    @staticmethod
    def read_options(shapes: Shapes) -> Mapping[str, Any] | None:
        """Options of the network of a checkpoint, None where it is another one's."""
        first, levels = shapes.get("intro.weight"), count_blocks(shapes, "encoders.")
        if not first:
            return None
        return {
            "width": first[0],
            "encoder": tuple(count_blocks(shapes, f"encoders.{level}.") for level in range(levels)),
            "middle": count_blocks(shapes, "middle_blks."),
            "decoder": tuple(count_blocks(shapes, f"decoders.{level}.") for level in range(levels)),
        }

    def forward(self, blurry: Tensor) -> Tensor:
        """Deblur.

        Args:
            blurry: RGB in [0, 1], :math:`(N, 3, H, W)`; H and W are multiples of ``size_multiple``.

        Returns:
            Deblurred RGB, :math:`(N, 3, H, W)`; in [0, 1] in evaluation mode, not clipped in training.
        """
        deblurred = self.restore(blurry)
        return deblurred if self.training else deblurred.clamp(0, 1)

    def restore(self, blurry: Tensor) -> Tensor:
        """The same, never clipped."""
        skips = []
        x = self.intro(blurry)
        for blocks, down in zip(self.encoders, self.downs, strict=True):
            x = blocks(x)
            skips.append(x)
            x = down(x)
        x = self.middle_blks(x)
        for up, blocks in zip(self.ups, self.decoders, strict=True):
            x = blocks(plus(up(x), skips.pop()))
        return plus(self.ending(x), blurry)


def local_mean(x: Tensor, side: int) -> Tensor:
    """Mean over the window of ``side`` pixels around each; at the border, over the nearest window that fits.

    Args:
        x: :math:`(N, C, H, W)`.
        side: Where the picture is smaller, its own side counts.

    Returns:
        :math:`(N, C, H, W)`.
    """
    for axis in (2, 3):
        x = _mean_along(x, side, axis)
    return x


def _mean_along(x: Tensor, side: int, axis: int) -> Tensor:
    size = x.shape[axis]
    side = min(side, size)
    windows = size + 1 - side
    sums = torch.cat((torch.zeros_like(x.narrow(axis, 0, 1)), x), dim=axis)
    sums = sums.cumsum(axis, dtype=torch.promote_types(x.dtype, torch.float32))
    means = (sums.narrow(axis, side, windows) - sums.narrow(axis, 0, windows)) / side
    before = (size - windows) // 2
    pad = (before, size - windows - before)
    return F.pad(means, (*pad, 0, 0) if axis == 3 else (0, 0, *pad), mode="replicate").to(x.dtype)


def _gate(x: Tensor) -> Tensor:
    first, second = x.chunk(2, dim=1)
    return first * second


def _stage(channels: int, blocks: int, level: int, window: int | None) -> nn.Sequential:
    side = None if window is None else max(1, window >> level)
    return nn.Sequential(*(_Block(channels, side) for _ in range(blocks)))


def _check(width: int, encoder: Sequence[int], middle: int, decoder: Sequence[int], window: int | None) -> None:
    if not encoder or len(encoder) != len(decoder):
        raise ConfigError(
            f"nafnet: expected one count of blocks per resolution in encoder and decoder, got {len(encoder)} and "
            f"{len(decoder)}."
        )
    counts = {f"encoder[{level}]": count for level, count in enumerate(encoder)}
    counts |= {f"decoder[{level}]": count for level, count in enumerate(decoder)}
    check_whole("nafnet", width=width, middle=middle, **counts)
    if window is not None:
        check_whole("nafnet", window=window)

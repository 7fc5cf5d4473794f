"""DMENet: a network that puts out a map of the circle of confusion.

Lee, Lee, Cho and Lee, "Deep Defocus Map Estimation using Domain Adaptation" (CVPR 2019), written from a description of
its layers. An encoder shaped as VGG19 and a decoder that joins its features. Habits of TensorFlow 1 matter for released
weights: 3x3 convolutions pad by the edge pixel, and batch normalisation has an offset and no scale.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SIZE_MULTIPLE = 16
"""H and W must be multiples of it: four poolings."""
_BGR_MEAN = (103.939, 116.779, 123.68)
ENCODER = ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512))
"""Convolutions and channels per level, as VGG19."""
_DECODER = ((3, 1024, 256), (2, 512, 128), (1, 256, 64))
"""Level, channels in, channels out."""
N_BLOCKS = 7
_SLOPE = 0.2
_EPSILON = 1e-5
_ENCODER_RADIUS = 2
_DECODER_RADIUS = 1 + 2 * N_BLOCKS + 3
_STRIP_NUMBERS = 2**26
"""Numbers in the widest layer of a strip: 256 MiB."""
_LEAST_ROWS = 2


class ShiftNorm(nn.Module):
    """Batch normalisation by stored statistics, with an offset and no scale."""

    moving_mean: Tensor
    moving_variance: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.beta = nn.Parameter(torch.zeros(channels))
        self.register_buffer("moving_mean", torch.zeros(channels))
        self.register_buffer("moving_variance", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``(N, C, H, W)``."""
        return F.batch_norm(x, self.moving_mean, self.moving_variance, bias=self.beta, eps=_EPSILON)


class ConvNorm(nn.Module):
    """Convolution, normalisation, leaky ReLU."""

    def __init__(self, channels_in: int, channels_out: int, side: int = 3) -> None:
        super().__init__()
        self.conv = _conv(channels_in, channels_out, side)
        self.norm = ShiftNorm(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, H, W)`` to ``(N, C', H, W)``."""
        return F.leaky_relu(self.norm(self.conv(x)), _SLOPE, inplace=True)


class Block(nn.Module):
    """Two convolutions beside one of 1x1, added up without an activation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = ConvNorm(channels, channels)
        self.second = ConvNorm(channels, channels)
        self.shortcut = ConvNorm(channels, channels, side=1)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, H, W)`` to the same."""
        return self.second(self.first(x)) + self.shortcut(x)


class DMENet(nn.Module):
    """The network at inference, without its auxiliary heads: 25,349,025 parameters.

    Layers pass in strips of rows, exactly, so that 4096x2160 fits into 4 GiB.
    """

    def __init__(self) -> None:
        super().__init__()
        channels, levels = 3, []
        for depth, width in ENCODER:
            layers: list[nn.Module] = []
            for _ in range(depth):
                layers += [_conv(channels, width, 3), nn.ReLU(inplace=True)]
                channels = width
            levels.append(nn.Sequential(*layers))
        self.encoder = nn.ModuleList(levels)
        self.up = nn.ModuleDict(
            {
                f"u{level}": nn.Sequential(ConvNorm(first, width), ConvNorm(width, width), ConvNorm(width, width))
                for level, first, width in _DECODER
            }
        )
        self.start = ConvNorm(128, 64)
        self.blocks = nn.Sequential(*(Block(64) for _ in range(N_BLOCKS)))
        self.final = nn.Sequential(ConvNorm(64, 64), ConvNorm(64, 32), _conv(32, 1, 3))

    def forward(self, blurry: Tensor) -> Tensor:
        """The raw map.

        Args:
            blurry: RGB in [0, 1], ``(N, 3, H, W)``; H and W multiples of 16.

        Returns:
            ``(N, 1, H, W)`` in [0, 1]; 15 times it is a diameter of the circle of confusion in the authors' units.
        """
        x = 255 * blurry.flip(1) - blurry.new_tensor(_BGR_MEAN).view(1, 3, 1, 1)
        pooled = _gather(x, self._pooled_strips(x), 64, shrink=2)
        features = []
        for level, (depth, width) in list(zip(self.encoder, ENCODER, strict=True))[1:]:
            features.append(_gather(pooled, _strips(pooled, depth, width, _on(level, pooled)), width))
            pooled = F.max_pool2d(features[-1], 2)
        y = features.pop()
        for number, channels, width in _DECODER:
            skip = features.pop()
            y = _gather(skip, _strips(skip, 3, channels, _joined(self.up[f"u{number}"], y, skip)), width)
        return _gather(x, self._map_strips(x, y), 1)

    def _pooled_strips(self, x: Tensor) -> Iterator[Tensor]:
        """The first level's features, pooled."""
        return (F.max_pool2d(part, 2) for part in _strips(x, _ENCODER_RADIUS, 64, _on(self.encoder[0], x)))

    def _map_strips(self, x: Tensor, y: Tensor) -> Iterator[Tensor]:
        """The map, from the first level's features (made again: all at once take 2.3 GB) and those below."""

        def strip(top: int, bottom: int) -> Tensor:
            above, below = max(0, top - _ENCODER_RADIUS), min(x.shape[2], bottom + _ENCODER_RADIUS)
            skip = self.encoder[0](x[:, :, above:below])[:, :, top - above : bottom - above]
            joined = torch.cat([enlarge(y, rows=(top, bottom)), skip], dim=1)
            return torch.sigmoid(self.final(self.blocks(self.start(joined))))

        return _strips(x, _DECODER_RADIUS, 128, strip)


def enlarge(x: Tensor, *, rows: tuple[int, int] | None = None) -> Tensor:
    """``(N, C, h, w)`` to twice the size, every value four times; of it, the ``rows`` asked for.

    TensorFlow's nearest neighbour with aligned corners, ``round(i * (n - 1) / (2 n - 1))``, is ``i // 2``: the two
    differ by less than a half at every i.
    """
    first, last = rows or (0, 2 * x.shape[2])
    return x[:, :, torch.arange(first, last, device=x.device) // 2].repeat_interleave(2, dim=3)


def _conv(channels_in: int, channels_out: int, side: int) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels_out, side, padding=side // 2, padding_mode="replicate")


def _on(stage: nn.Module, x: Tensor) -> Callable[[int, int], Tensor]:
    return lambda top, bottom: stage(x[:, :, top:bottom])


def _joined(stage: nn.Module, y: Tensor, skip: Tensor) -> Callable[[int, int], Tensor]:
    """The stage on the enlarged ``y`` beside ``skip``."""
    return lambda top, bottom: stage(torch.cat([enlarge(y, rows=(top, bottom)), skip[:, :, top:bottom]], dim=1))


def _strips(x: Tensor, radius: int, channels: int, function: Callable[[int, int], Tensor]) -> Iterator[Tensor]:
    """``function(top, bottom)`` on strips of rows that look ``radius`` rows beyond themselves; without those rows.

    Args:
        x: What has the height and width.
        radius: How far the function looks.
        channels: Most channels of a layer of it.
        function: Of the rows asked for, it computes the features as if the picture ended there.
    """
    height, width = x.shape[2:]
    rows = max(_LEAST_ROWS, _STRIP_NUMBERS // (channels * width) // _LEAST_ROWS * _LEAST_ROWS)
    for top in range(0, height, rows):
        bottom = min(height, top + rows)
        above = max(0, top - radius)
        part = function(above, min(height, bottom + radius))
        yield part[:, :, top - above : bottom - above]


def _gather(x: Tensor, strips: Iterator[Tensor], channels: int, *, shrink: int = 1) -> Tensor:
    """One tensor of strips, filled as they come."""
    n, _, height, width = x.shape
    out = x.new_empty(n, channels, height // shrink, width // shrink)
    top = 0
    for part in strips:
        out[:, :, top : top + part.shape[2]] = part
        top += part.shape[2]
    return out

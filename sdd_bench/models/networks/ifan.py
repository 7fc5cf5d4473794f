r"""IFAN: Lee, Son, Rim, Cho, Lee, "Iterative Filter Adaptive Network for Single Image Defocus Deblurring" (CVPR 2021).

Two encoders see the picture. The features of one are filtered 17 times by separable filters, a different one for every
pixel and channel, which are predicted from the other; a decoder makes of them what is added to the picture.

The filters take 238 numbers per pixel of the picture, more than all else that is alive at once. The layer that
predicts them is a 1x1 convolution, so each iteration's share of it (14 numbers per pixel) is computed when needed.

The released code filters along x with the weights of the pass along y, and its checkpoints need that
(``ifan-released``). New training uses both (``ifan``); its checkpoints hold a flag, so that neither loads as the other.
The defocus map (``DME``) is an unsupervised bottleneck of one channel here: the losses that supervise it in the paper
need dual pixels, and training with JDRL alone (``IFAN*``) does without. The heads of those losses (``reblurNet``) are
never part of the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from sdd_bench.models.layers.adaptive_filters import filter_separably
from sdd_bench.models.layers.checks import check_whole
from sdd_bench.models.layers.shared import Residual, activation, add_encoder, conv, encode, plus, up
from sdd_bench.models.shapes import Shapes

_TAPS = 3
_RADIUS_PX = 385
"""How far the network would look without iterations, each of which looks one pixel at 1/8 farther."""
_MOST_ITERATIONS = 1000
"""Of a checkpoint; a file that claims more is damaged, and its network would not fit into memory."""
_FILTER_GAIN = 1.5
"""Gain of the initial weights of the filter predictor; 1 elsewhere. The authors' values."""


class IFAN(nn.Module):
    """Blurry picture in, deblurred picture out.

    Args:
        width: Channels at full resolution; 32 in the paper.
        iterations: How often the features are filtered; 17 in the paper, released variants have 8, 17, 26, 35 and 44.
        shared_taps: Filter along x with the weights of the pass along y, as the released code does.

    Raises:
        ConfigError: A count is below 1.
    """

    size_multiple = 8
    receptive_radius_px: int
    """No output pixel depends on an input pixel farther away along either axis; 521 for 17 iterations."""
    bytes_per_pixel: int
    """Upper estimate of the memory in evaluation mode, 7 numbers per pixel and width; measured: 3.1 to 5.0, and 6.6 at
    1.1 megapixels with what the C library keeps."""

    _rows: Tensor

    def __init__(self, width: int = 32, *, iterations: int = 17, shared_taps: bool = False) -> None:
        super().__init__()
        check_whole("ifan", width=width, iterations=iterations)
        self.shared_taps = shared_taps
        self.receptive_radius_px = _RADIUS_PX + self.size_multiple * iterations
        self.bytes_per_pixel = 4 * 7 * width
        deep = 4 * width
        channels = (width, 2 * width, deep, deep)
        add_encoder(self, "conv", channels)
        add_encoder(self, "kconv", channels)
        self.DME = nn.Sequential(conv(deep, deep), _residual(deep, 2), _residual(deep, 2), _plain(deep, 1, 3))
        self.conv_DME = conv(1, deep)
        self.conv4_4 = nn.Sequential(conv(2 * deep, deep), _residual(deep, 2), _residual(deep, 2), conv(deep, deep))
        filters = iterations * deep * (2 * _TAPS + 1)
        self.F = nn.Sequential(conv(deep, deep), _residual(deep, 2), _residual(deep, 2), _plain(deep, filters, 1))
        self.conv_res = nn.Sequential(conv(deep, deep), _residual(deep, 3), conv(deep, deep))
        for level, inputs, outputs in ((3, deep, deep), (2, deep, 2 * width), (1, 2 * width, width)):
            self.add_module(f"upconv{level}_u", up(inputs, outputs))
            self.add_module(f"upconv{level}_1", _residual(outputs, 1))
            self.add_module(f"upconv{level}_2", _residual(outputs, 1))
        self.out_res = conv(width, 3)
        self.activation = activation()
        self.register_buffer("_rows", _rows_of_iterations(iterations, deep, shared_taps), persistent=False)
        if not shared_taps:
            self.register_buffer("separate_taps", torch.tensor(True))
        self._initialise()

    @staticmethod
    def own_name(key: str) -> str | None:
        """Name here of a released tensor; None for one of the training heads."""
        key = key.removeprefix("module.")
        return None if key.startswith("reblurNet.") else key.removeprefix("Network.")

    @staticmethod
    def read_options(shapes: Shapes) -> Mapping[str, Any] | None:
        """Options of the network of a checkpoint, None where it is another one's."""
        try:
            width, filters = shapes["conv1_1.0.weight"][0], shapes["F.3.weight"][0]
            iterations = filters // (4 * width * (2 * _TAPS + 1))
        except (KeyError, IndexError, ZeroDivisionError):
            return None
        return {"width": width, "iterations": iterations} if iterations <= _MOST_ITERATIONS else None

    def forward(self, blurry: Tensor) -> Tensor:
        """Deblur.

        Args:
            blurry: RGB in [0, 1], :math:`(N, 3, H, W)`; H and W are multiples of 8.

        Returns:
            Deblurred RGB, :math:`(N, 3, H, W)`; in [0, 1] in evaluation mode, not clipped in training.
        """
        deblurred = self.restore(blurry)
        return deblurred if self.training else deblurred.clamp(0, 1)

    def restore(self, blurry: Tensor) -> Tensor:
        """The same, never clipped."""
        seen = self._see(blurry)
        skips: list[Tensor] = []
        x = encode(self, "conv", blurry, skips=skips)
        x = self.conv_res(self._filter(x, seen))
        for level in (3, 2, 1):
            x = plus(self.get_submodule(f"upconv{level}_u")(x), skips.pop())
            x = self.get_submodule(f"upconv{level}_1")(x)
            x = self.get_submodule(f"upconv{level}_2")(x)
        return plus(self.out_res(x), blurry)

    def _see(self, blurry: Tensor) -> Tensor:
        """What the filters are linear in, at 1/8 of the resolution."""
        x = encode(self, "kconv", blurry)
        return self.F[:3](self.conv4_4(torch.cat((x, self.conv_DME(self.DME(x))), dim=1)))

    def _filter(self, x: Tensor, seen: Tensor) -> Tensor:
        """Features after all iterations."""
        weight, bias = (self.F[3].get_parameter(name) for name in ("weight", "bias"))
        for rows in self._rows:
            filters = functional.conv2d(seen, weight[rows], bias[rows])
            *taps, offset = filters.unflatten(1, (-1, x.shape[1])).unbind(1)
            x = self.activation(filter_separably(x, taps[:_TAPS], taps[-_TAPS:], offset))
        return x

    def _initialise(self) -> None:
        """Xavier's weights, no biases (the authors')."""
        for name, module in self.named_modules():
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                nn.init.xavier_uniform_(module.weight, gain=_FILTER_GAIN if name.startswith("F.") else 1.0)
                assert module.bias is not None
                nn.init.zeros_(module.bias)


def ifan_released(width: int = 32, *, iterations: int = 17) -> IFAN:
    """The network of the released checkpoints, which filter along x with the weights of the pass along y."""
    return IFAN(width, iterations=iterations, shared_taps=True)


def _residual(channels: int, blocks: int) -> Residual:
    return Residual(channels, blocks, active=True)


def _plain(inputs: int, outputs: int, kernel: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)


def _rows_of_iterations(iterations: int, channels: int, shared_taps: bool) -> Tensor:
    """Which outputs of the filter predictor an iteration needs, :math:`(N, R)`: by tap, then channel; biases last.

    The released order is: iteration, pass (y, x), channel, tap; then the biases: iteration, channel.
    """
    passes, each = range(1 if shared_taps else 2), range(channels)
    per_pass = _TAPS * channels
    first_bias = 2 * per_pass * iterations
    return torch.tensor(
        [
            [(2 * i + p) * per_pass + _TAPS * c + tap for p in passes for tap in range(_TAPS) for c in each]
            + [first_bias + i * channels + c for c in each]
            for i in range(iterations)
        ]
    )

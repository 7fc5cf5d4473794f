r"""PWC-Net (Sun, Yang, Liu, Kautz, CVPR 2018): pyramid, warping, cost volume.

A pyramid of features of both pictures; from the coarsest level on, the features of the moving picture are warped by
the flow so far, correlated with those of the reference, and a few convolutions turn the cost volume into a better
flow; a dilated context network refines the finest one. The network's flow is in units of 20 px, at a quarter of the
picture's size.

Two flags tell the bundled network from the published one:

* ``dense=False`` ("PWC-Net-small"): the decoder's layers are a plain chain, half the parameters.
* ``normalise=True``: features are centred and L2-normalised over channels before correlation ("cost volume
  normalisation", Jonschkowski et al., ECCV 2020, Sec. 4.2), without which training from scratch hardly starts. This
  variant also warps without a validity mask (border replicated), and adds nothing to the published one's parameters.

The modules' names are our own; :func:`sdd_bench.flow.pwcnet.checkpoint.published_name_to_own` translates those of the
published checkpoints.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sdd_bench.core.winograd import MOST_DILATION, WORTH, Winograd
from sdd_bench.flow.pwcnet.correlation import local_correlation

SIZE_MULTIPLE = 64
"""Both sides of the pictures must be multiples of this."""
FLOW_UNIT_PX = 20.0
"""The network's flow times this is in pixels of the full picture."""

PYRAMID_CHANNELS = (16, 32, 64, 96, 128, 196)
DECODER_CHANNELS = (128, 128, 96, 64, 32)
_CONTEXT = ((128, 1), (128, 2), (128, 4), (96, 8), (64, 16), (32, 1))
_CORRELATIONS = 81
_HALO = 48
"""Rows around a strip of the finest level that its flow depends on: 5 decoder layers, dilations 1 + 2 + 4 + 8 + 16 + 1,
two flow heads, rounded up to whole blocks of the correlation."""
_PIXELS_PER_STRIP = 1 << 17
_SLOPE = 0.1


class _Convolution(nn.Sequential):
    """A convolution of side 3 and its leaky ReLU."""

    def __init__(self, channels: int, out: int, *, stride: int = 1, dilation: int = 1) -> None:
        convolution = nn.Conv2d(channels, out, 3, stride, padding=dilation, dilation=dilation)
        super().__init__(convolution, nn.LeakyReLU(_SLOPE, inplace=True))
        self._fast: Winograd | None = None

    def take_fewer_products(self) -> None:
        """From now on, where no gradient is asked for; the weights may not change any more."""
        layer = self[0]
        assert isinstance(layer, nn.Conv2d)
        assert layer.bias is not None
        around = layer.dilation[0]
        wide = layer.in_channels * layer.out_channels >= WORTH
        if layer.stride == (1, 1) and around <= MOST_DILATION and wide:
            self._fast = Winograd(layer.weight, layer.bias, (around, around), dilation=around, slope=_SLOPE)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, C, H, W)`` to ``(N, O, H, W)``, channels_last."""
        if self._fast is None or torch.is_grad_enabled():
            for layer in self:
                x = layer(x)
            return x
        return self._fast.of_batch(x)


def _in_float32(module: nn.Module, x: Tensor) -> Tensor:
    """Flow heads never run in bf16: three digits of 20 px are not sub-pixel."""
    with torch.autocast(x.device.type, enabled=False):
        result: Tensor = module(x.float())
    return result


class PWCNet(nn.Module):
    """PWC-Net as published by default; see the module's docstring for the flags.

    Args:
        dense: Dense connections in the decoders, as published.
        normalise: Cost-volume normalisation and warping without a mask, as in the bundled weights.
    """

    def __init__(self, *, dense: bool = True, normalise: bool = False) -> None:
        super().__init__()
        self.normalise = normalise
        self.pyramid = nn.ModuleList()
        channels = 3
        for out in PYRAMID_CHANNELS:
            self.pyramid.append(
                nn.Sequential(_Convolution(channels, out, stride=2), _Convolution(out, out), _Convolution(out, out))
            )
            channels = out
        # Decoders from the coarsest level (1/64) to the finest (1/4).
        self.decoders = nn.ModuleList()
        previous = 0
        for features in (0, *PYRAMID_CHANNELS[-2:0:-1]):
            decoder = _Decoder(features, previous, dense=dense)
            previous = decoder.out_channels
            self.decoders.append(decoder)
        context: list[nn.Module] = []
        channels = previous
        for out, dilation in _CONTEXT:
            context.append(_Convolution(channels, out, dilation=dilation))
            channels = out
        self.context = nn.Sequential(*context)
        self.context_flow = nn.Conv2d(channels, 2, 3, padding=1)

    def take_fewer_products(self) -> None:
        """Convolve by :class:`~sdd_bench.core.winograd.Winograd` where that is faster: on the processor, in float32,
        for a network whose weights do not change any more. Flows differ by rounding.
        """
        for module in self.modules():
            if isinstance(module, _Convolution):
                module.take_fewer_products()

    def features(self, picture: Tensor) -> list[Tensor]:
        """Feature pyramid of pictures ``(N, 3, H, W)`` in [0, 1]: the levels used, coarsest (1/64) to finest (1/4)."""
        levels = []
        x = picture
        for stage in self.pyramid:
            x = stage(x)
            levels.append(x)
        return levels[:0:-1]

    def decode(self, reference: Sequence[Tensor], moving: Sequence[Tensor]) -> list[Tensor]:
        """Flows / 20 px, coarsest to finest, from two pyramids of :meth:`features`."""
        flows: list[Tensor] = []
        flow, state = None, None
        for index, (decoder, first, second) in enumerate(zip(self.decoders, reference, moving, strict=True)):
            assert isinstance(decoder, _Decoder)
            units = FLOW_UNIT_PX / 2 ** (len(self.pyramid) - index)
            finest = index + 1 == len(self.decoders)
            if flow is not None and state is not None:
                flow, state = decoder.upsample(flow, state)
            if finest and not torch.is_grad_enabled():
                flow = self._finest_in_strips(first, second, flow, state, units)
            else:
                flow, state = self._level(decoder, first, second, flow, state, units)
                if finest:
                    flow = flow + _in_float32(self.context_flow, self.context(state))
            flows.append(flow)
        return flows

    def forward(self, reference: Tensor, moving: Tensor) -> list[Tensor]:
        """Flows / 20 px at 1/64 to 1/4 of the size (finest last), pictures ``(N, 3, H, W)`` RGB in [0, 1]."""
        return self.decode(self.features(reference), self.features(moving))

    def _level(
        self, decoder: _Decoder, first: Tensor, second: Tensor, flow: Tensor | None, state: Tensor | None, units: float
    ) -> tuple[Tensor, Tensor]:
        cost = self._cost(first, second if flow is None else self._warp(second, flow * units)).to(first.dtype)
        inputs = [cost] if flow is None or state is None else [cost, first, flow.to(first.dtype), state.to(first.dtype)]
        level: tuple[Tensor, Tensor] = decoder(torch.cat(inputs, dim=1))
        return level

    def _finest_in_strips(
        self, first: Tensor, second: Tensor, flow: Tensor | None, state: Tensor | None, units: float
    ) -> Tensor:
        """The finest level with its context network, a few rows at a time: the same flow in bounded memory."""
        assert flow is not None
        assert state is not None
        height, width = first.shape[2:]
        warped = self._warp(second, flow * units)
        rows = max(_HALO, _PIXELS_PER_STRIP // (width * first.shape[0]))
        strips = []
        for start in range(0, height, rows):
            top, bottom = max(0, start - _HALO), min(height, start + rows + _HALO)
            # The correlation looks further than the strip, so its part of `warped` stays whole.
            cost = self._cost_rows(first, warped, top, bottom)
            part = [cost.to(first.dtype), *(x[:, :, top:bottom].to(first.dtype) for x in (first, flow, state))]
            strip, inner = self.decoders[-1](torch.cat(part, dim=1))
            strip = strip + _in_float32(self.context_flow, self.context(inner))
            strips.append(strip[:, :, start - top : start - top + min(rows, height - start)])
        return torch.cat(strips, dim=2)

    def _cost_rows(self, first: Tensor, second: Tensor, top: int, bottom: int) -> Tensor:
        reach = 4
        above, below = min(reach, top), min(reach, first.shape[2] - bottom)
        rows = slice(top - above, bottom + below)
        cost = self._cost(first[:, :, rows], second[:, :, rows])
        return cost[:, :, above : above + bottom - top]

    def _cost(self, first: Tensor, second: Tensor) -> Tensor:
        with torch.autocast(first.device.type, enabled=False):
            first, second = first.float(), second.float()
            if self.normalise:
                first, second = (F.normalize(x - x.mean(1, keepdim=True), dim=1) for x in (first, second))
                return F.leaky_relu(local_correlation(first, second) * first.shape[1], 0.1)
            return F.leaky_relu(local_correlation(first, second), 0.1)

    def _warp(self, features: Tensor, flow: Tensor) -> Tensor:
        """Features of the moving picture at p + flow(p); float32, as bf16 coordinates are useless."""
        features, flow = features.float(), flow.float()
        height, width = flow.shape[2:]
        if not self.normalise:
            return _published_warp(features, flow)
        x = torch.arange(width, dtype=torch.float32, device=flow.device) + flow[:, 0] + 0.5
        y = torch.arange(height, dtype=torch.float32, device=flow.device)[:, None] + flow[:, 1] + 0.5
        grid = torch.stack((x * (2 / width) - 1, y * (2 / height) - 1), dim=-1)
        return F.grid_sample(features, grid, padding_mode="border", align_corners=False)


def _published_warp(features: Tensor, flow: Tensor) -> Tensor:
    """The published network's warp: what was interpolated from outside the picture is zero.

    It divides the flow by (size - 1) / 2 where size / 2 were right, so it moves by size / (size - 1) of the flow.
    """
    height, width = flow.shape[2:]
    x = torch.linspace(-1 + 1 / width, 1 - 1 / width, width, device=flow.device) + flow[:, 0] / ((width - 1) / 2)
    y = torch.linspace(-1 + 1 / height, 1 - 1 / height, height, device=flow.device)[:, None]
    grid = torch.stack((x, y + flow[:, 1] / ((height - 1) / 2)), dim=-1)
    inside = F.grid_sample(features.new_ones(features.shape[0], 1, height, width), grid, align_corners=False) > 0.999
    return F.grid_sample(features, grid, align_corners=False) * inside.to(features.dtype)


class _Decoder(nn.Module):
    """Convolutions of one level: cost volume (and features, flow and state from the level above) to flow and state."""

    def __init__(self, features: int, previous: int, *, dense: bool) -> None:
        super().__init__()
        self.dense = dense
        channels = _CORRELATIONS
        if previous:
            channels += features + 2 + 2
            self.upsample_flow = nn.ConvTranspose2d(2, 2, 4, 2, 1)
            self.upsample_state = nn.ConvTranspose2d(previous, 2, 4, 2, 1)
        self.layers = nn.ModuleList()
        for out in DECODER_CHANNELS:
            self.layers.append(_Convolution(channels, out))
            channels = channels + out if dense else out
        self.out_channels = channels
        self.flow = nn.Conv2d(channels, 2, 3, padding=1)

    def upsample(self, flow: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Flow and state of the level above at twice the size, the state down to two channels."""
        smaller: Tensor = self.upsample_state(state)
        return _in_float32(self.upsample_flow, flow), smaller

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        for layer in self.layers:
            y = layer(x)
            x = torch.cat((y, x.to(y.dtype)), dim=1) if self.dense else y
        return _in_float32(self.flow, x), x

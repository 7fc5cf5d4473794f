"""Convolutions of a network that is trained already by fewer products, where that is faster."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sdd_bench.core.winograd import MOST_DILATION, WORTH, Winograd

_MOST = 512 * 512
"""Products of input and output channels up to which it pays: with more, the transformed kernels, four times the
weights, take memory for what is a small part of the time."""


def take_fewer_products(network: nn.Module) -> None:
    """Convolve by :class:`~sdd_bench.core.winograd.Winograd` from now on; results differ by rounding.

    For a network on the processor, in float32, whose weights do not change any more. Layers of side 3 that are worth it
    and convolve at every pixel take part; where a gradient is asked for, they convolve plainly.
    """
    for layer in network.modules():
        if (
            type(layer) is nn.Conv2d
            and layer.kernel_size == (3, 3)
            and layer.stride == (1, 1)
            and layer.groups == 1
            and layer.padding_mode == "zeros"
            and isinstance(layer.padding, tuple)
            and layer.dilation[0] == layer.dilation[1] <= MOST_DILATION
            and WORTH <= layer.in_channels * layer.out_channels <= _MOST
        ):
            layer.forward = _ByFewerProducts(layer)  # type: ignore[assignment, method-assign]


class _ByFewerProducts:
    """What stands in for the ``forward`` of a convolution."""

    def __init__(self, layer: nn.Conv2d) -> None:
        bias = torch.zeros(layer.out_channels) if layer.bias is None else layer.bias
        assert isinstance(layer.padding, tuple)
        rows, columns = layer.padding
        self._plain = layer._conv_forward
        self._layer = layer
        self._fast = Winograd(layer.weight, bias, (rows, columns), dilation=layer.dilation[0], slope=1.0)

    def __call__(self, x: Tensor) -> Tensor:
        """``(N, C, H, W)`` to ``(N, O, H', W')``, channels_last."""
        if x.requires_grad:
            return self._plain(x, self._layer.weight, self._layer.bias)
        return self._fast.of_batch(x)

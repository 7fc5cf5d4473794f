"""Layers that IFAN and DRBNet share; their parameters are named as in the released checkpoints of both."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_SLOPE = 0.1
"""Of every leaky ReLU in both networks."""


def conv(inputs: int, outputs: int, kernel: int = 3, *, stride: int = 1) -> nn.Sequential:
    """Convolution that keeps the size but for its stride, and a leaky ReLU."""
    layer = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=(kernel - 1) // 2)
    return nn.Sequential(layer, activation())


def up(inputs: int, outputs: int) -> nn.Sequential:
    """Transposed convolution that doubles the size, and a leaky ReLU."""
    return nn.Sequential(nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1), activation())


def activation() -> nn.LeakyReLU:
    """In place: its input is the output of a convolution or a sum, which nothing else needs."""
    return nn.LeakyReLU(_SLOPE, inplace=True)


def plus(fresh: Tensor, other: Tensor) -> Tensor:
    """Sum; into ``fresh`` where no gradient needs it, which saves the memory of one more map.

    Args:
        fresh: Output of a layer, which nothing else needs.
        other: Of the same shape. Its precision, where higher, is kept.
    """
    if torch.is_grad_enabled() or torch.promote_types(fresh.dtype, other.dtype) != fresh.dtype:
        return fresh + other
    return fresh.add_(other)


def times(fresh: Tensor, other: Tensor) -> Tensor:
    """Product; into ``fresh`` as :func:`plus`.

    Args:
        fresh: Output of a layer, which nothing else needs.
        other: Of the same shape, or one that is expanded to it. Its precision, where higher, is kept.
    """
    if torch.is_grad_enabled() or torch.promote_types(fresh.dtype, other.dtype) != fresh.dtype:
        return fresh * other
    return fresh.mul_(other)


def add_encoder(network: nn.Module, prefix: str, channels: tuple[int, int, int, int]) -> None:
    """Give ``network`` layers ``<prefix>1_1`` to ``<prefix>4_3``: three convolutions at each of four resolutions."""
    inputs = 3
    for level, outputs in enumerate(channels, start=1):
        network.add_module(f"{prefix}{level}_1", conv(inputs, outputs, stride=1 if level == 1 else 2))
        network.add_module(f"{prefix}{level}_2", conv(outputs, outputs))
        network.add_module(f"{prefix}{level}_3", conv(outputs, outputs))
        inputs = outputs


def encode(network: nn.Module, prefix: str, picture: Tensor, *, skips: list[Tensor] | None = None) -> Tensor:
    """Features at 1/8 of the resolution.

    Args:
        network: Module that :func:`add_encoder` was called with.
        prefix: The same prefix.
        picture: :math:`(N, 3, H, W)`, H and W multiples of 8.
        skips: List to which the features at full, half and quarter resolution are appended.
    """
    x = picture
    for level in range(1, 5):
        for layer in range(1, 4):
            x = network.get_submodule(f"{prefix}{level}_{layer}")(x)
        if skips is not None and level < 4:
            skips.append(x)
    return x


class Residual(nn.Module):
    r"""Residual blocks :math:`x \leftarrow a(x + \mathrm{conv}(\mathrm{LReLU}(\mathrm{conv}(x))))`.

    Args:
        channels: Channels in and out.
        blocks: Number of blocks; where there are several, their common input is added once more at the end.
        active: a is a leaky ReLU (IFAN); otherwise the identity (DRBNet).
    """

    def __init__(self, channels: int, blocks: int = 1, *, active: bool) -> None:
        super().__init__()
        self.stem = nn.ModuleList(
            nn.Sequential(*conv(channels, channels), nn.Conv2d(channels, channels, 3, padding=1)) for _ in range(blocks)
        )
        self.activation = activation() if active else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """:math:`(N, C, H, W)` to the same shape."""
        given = x
        for block in self.stem:
            x = self.activation(plus(block(x), x))
        return plus(x, given) if len(self.stem) > 1 else x

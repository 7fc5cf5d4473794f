"""The five convolutions of AlexNet with the weights that come with this package."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

POOLED = (1, 2)
"""Layers before which AlexNet takes the maximum over 3x3, stride 2."""


def load_alexnet(file: Path) -> nn.ModuleList:
    """The convolutions without what lies between them, frozen, channels_last.

    Args:
        file: ``weights.path("alexnet")``.

    Example:
        >>> from sdd_bench import weights
        >>> [layer.out_channels for layer in load_alexnet(weights.path("alexnet"))]
        [64, 192, 384, 256, 256]
    """
    trunk = nn.ModuleDict(
        {
            "0": nn.Conv2d(3, 64, 11, stride=4, padding=2, device="meta"),
            "3": nn.Conv2d(64, 192, 5, padding=2, device="meta"),
            "6": nn.Conv2d(192, 384, 3, padding=1, device="meta"),
            "8": nn.Conv2d(384, 256, 3, padding=1, device="meta"),
            "10": nn.Conv2d(256, 256, 3, padding=1, device="meta"),
        }
    )
    tensors = {name.removeprefix("features."): value for name, value in load_file(file).items()}
    trunk.load_state_dict(tensors, strict=True, assign=True)
    return nn.ModuleList(trunk.values()).to(memory_format=torch.channels_last).eval().requires_grad_(False)


def activations(layers: nn.ModuleList, x: Tensor) -> Iterator[Tensor]:
    """Activations of one layer after the other of a batch ``(N, 3, H, W)``, each before pooling, with gradients.

    Example:
        >>> from sdd_bench import weights
        >>> layers = load_alexnet(weights.path("alexnet"))
        >>> [tuple(values.shape[1:]) for values in activations(layers, torch.zeros(1, 3, 64, 64))][:2]
        [(64, 15, 15), (192, 7, 7)]
    """
    for number, layer in enumerate(layers):
        x = F.relu(layer(F.max_pool2d(x, 3, 2) if number in POOLED else x))
        yield x

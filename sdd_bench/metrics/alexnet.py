"""The five convolutions of AlexNet with the weights that come with this package."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn


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

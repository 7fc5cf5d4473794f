"""What the contextual loss compares: features of a network for recognition, and patches of colour.

VGG19 is what the papers use; its weights do not come with this package, AlexNet's do. Bring torchvision's file
(``vgg19-dcbb9e9d.pth``) for the former.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sdd_bench import weights
from sdd_bench.core.errors import WeightsError
from sdd_bench.core.storage.files import sha256_of
from sdd_bench.metrics.alexnet import activations, load_alexnet
from sdd_bench.weights.tensors import load_into, read_tensors

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of the pictures that torchvision's networks were trained on."""
_VGG_LAYERS = {"0": (3, 64), "2": (64, 64), "5": (64, 128), "7": (128, 128), "10": (128, 256), "12": (256, 256)}
"""Convolutions up to conv3_2 by their number in torchvision's list, with their channels."""
_VGG_KEPT = {"2": 1.0, "7": 1.0, "12": 0.5}
"""Layers that are compared, conv1_2, conv2_2 and conv3_2, with their weights in the authors' program."""
_VGG_POOLED = ("5", "10")
_ALEXNET_STRIDES_PX, _ALEXNET_WEIGHTS = (4, 8, 16), (1.0, 1.0, 0.5)
"""Of the first three layers; the weights are after the example of VGG's."""


@dataclass(frozen=True)
class Layer:
    """Features of a batch."""

    values: Tensor
    """``(N, C, h, w)``."""
    stride_px: int
    """Distance of neighbours in the picture."""
    weight: float


class FeatureNetwork(nn.Module):
    """A frozen network that gives some of its layers.

    Args:
        name: What the features are of, with the digest of the weights.
        network: What holds the weights.
        layers: From the scaled picture ``(N, 3, H, W)`` to its layers.
        smallest: Least side of a picture.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, name: str, network: nn.Module, layers: Callable[[Tensor], list[Layer]], *, smallest: int
    ) -> None:
        super().__init__()
        self.name, self.smallest, self._layers = name, smallest, layers
        self.network = network.eval().requires_grad_(False)
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1))

    def forward(self, picture: Tensor) -> list[Layer]:
        """Layers of ``(N, 3, H, W)`` RGB in [0, 1]."""
        return self._layers((picture - self.mean) / self.std)


def load_features(file: Path | None = None) -> FeatureNetwork:
    """AlexNet, which comes with this package, or VGG19 from torchvision's file.

    Raises:
        WeightsError: The file is damaged or holds something else.

    Example:
        >>> network = load_features()
        >>> [tuple(layer.values.shape[1:]) for layer in network(torch.rand(1, 3, 64, 64))]
        [(64, 15, 15), (192, 7, 7), (384, 3, 3)]
    """
    if file is None:
        trunk = load_alexnet(weights.path("alexnet"))
        return FeatureNetwork(
            f"alexnet:{sha256_of(weights.path('alexnet'))}", trunk, lambda x: _alexnet_layers(trunk, x), smallest=31
        )
    vgg = nn.ModuleDict({number: nn.Conv2d(*channels, 3, padding=1) for number, channels in _VGG_LAYERS.items()})
    tensors = {name.removeprefix("features."): value for name, value in read_tensors(file).items()}
    ours = {name: value for name, value in tensors.items() if name in vgg.state_dict()}
    if not ours:
        raise WeightsError(
            f"{file}: expected torchvision's VGG19 (features.0.weight ...), got other tensors. Leave it out to use "
            "AlexNet."
        )
    load_into(vgg, ours, file)
    return FeatureNetwork(f"vgg19:{sha256_of(file)}", vgg, lambda x: _vgg_layers(vgg, x), smallest=16)


def _alexnet_layers(trunk: nn.ModuleList, x: Tensor) -> list[Layer]:
    """The first three activations, before each pooling."""
    kept = zip(_ALEXNET_STRIDES_PX, _ALEXNET_WEIGHTS, activations(trunk, x), strict=False)
    return [Layer(values, stride_px, weight) for stride_px, weight, values in kept]


def _vgg_layers(network: nn.ModuleDict, x: Tensor) -> list[Layer]:
    """The kept activations; average pooling, as the authors have it."""
    layers, stride = [], 1
    for number, convolution in network.items():
        if number in _VGG_POOLED:
            x, stride = F.avg_pool2d(x, 2), 2 * stride
        x = F.relu(convolution(x))
        if number in _VGG_KEPT:
            layers.append(Layer(x, stride, _VGG_KEPT[number]))
    return layers

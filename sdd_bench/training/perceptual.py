"""LPIPS as a loss (Zhang et al., CVPR 2018): what :mod:`sdd_bench.metrics.lpips` measures, for batches, with gradients.

A loss of pixels alone rewards smooth pictures. A network that has learnt to make clear ones forgets it by such a loss.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sdd_bench import weights
from sdd_bench.core.errors import ConfigError
from sdd_bench.metrics.alexnet import activations, load_alexnet
from sdd_bench.metrics.lpips import SMALLEST, linear_file, load_linear, scaling
from sdd_bench.training.config import TrainConfig


class PerceptualDistance(nn.Module):
    """LPIPS, AlexNet v0.1, of batches.

    Raises:
        WeightsError: As :class:`sdd_bench.metrics.lpips.Lpips`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers = load_alexnet(weights.path("alexnet"))
        for number, values in enumerate(load_linear(linear_file())):
            self.register_buffer(f"linear{number}", values.view(1, -1, 1, 1))
        gain, offset = scaling()
        self.register_buffer("gain", gain.view(1, 3, 1, 1))
        self.register_buffer("offset", offset.view(1, 3, 1, 1))

    def forward(self, predicted: Tensor, target: Tensor) -> Tensor:
        """Mean LPIPS over the batch.

        Args:
            predicted: :math:`(N, 3, H, W)` RGB in [0, 1], with a gradient; at least 31 pixels a side.
            target: The same shape.

        Raises:
            ConfigError: The pictures are too small.
        """
        if min(predicted.shape[2:]) < SMALLEST:
            raise ConfigError(f"crop: LPIPS as a loss takes {SMALLEST} pixels or more, got {min(predicted.shape[2:])}.")
        with torch.no_grad():
            wanted = self._features(target)
        distances = [
            (self.get_buffer(f"linear{number}") * (ours - theirs).square()).sum(1).mean()
            for number, (ours, theirs) in enumerate(zip(self._features(predicted), wanted, strict=True))
        ]
        return torch.stack(distances).sum()

    def _features(self, picture: Tensor) -> list[Tensor]:
        """Of every layer, with unit length along the channels, float32."""
        x = self.get_buffer("offset") + picture.clamp(0, 1) * self.get_buffer("gain")
        return [F.normalize(values.float(), dim=1, eps=1e-10) for values in activations(self.layers, x)]


def load_perceptual(config: TrainConfig, device: torch.device) -> PerceptualDistance | None:
    """LPIPS where a configuration gives it a weight."""
    return PerceptualDistance().to(device) if config.perceptual_weight else None

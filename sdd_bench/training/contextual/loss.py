"""The contextual loss between pictures: features of a network, and patches of colour.

The sum of the layers' losses, plus five times that of patches of 5x5 pixels, each stride 1 (the weights of the authors'
program). Of a layer with many places some are drawn at random, the same in both pictures, and keep their coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sdd_bench.core.errors import ConfigError
from sdd_bench.training.config import TrainConfig
from sdd_bench.training.contextual.features import FeatureNetwork, load_features
from sdd_bench.training.contextual.similarity import (
    Form,
    Places,
    Similarity,
    contextual_loss,
    cosine_features,
    squared_distance,
)

MOST_PLACES = 63**2
"""Places drawn of a layer, as in the authors' program."""
_PATCH = 5
_PATCH_WEIGHT = 5.0
_LEVELS = 255.0
"""Patches are compared in levels of 8 bits, to which the epsilon of the relative distances belongs."""


@dataclass(frozen=True)
class Drawn:
    """Places that are compared, as indices into a map of features and where they lie."""

    rows: Tensor
    columns: Tensor
    places: Places


class ContextualLoss(nn.Module):
    """Distance of a prediction and a target that need not be aligned.

    Args:
        features: Network whose features are compared.
        options: Form and weights of the similarities.
        most_places: Places that are drawn of a layer that has more.
    """

    def __init__(
        self, features: FeatureNetwork, options: Similarity | None = None, *, most_places: int = MOST_PLACES
    ) -> None:
        super().__init__()
        self.features, self.options, self.most_places = features, options or Similarity(), most_places

    @property
    def signature(self) -> str:
        """What the loss compares, with the digest of the weights."""
        return f"{self.features.name} rgb{_PATCH}x{_PATCH}"

    def forward(self, predicted: Tensor, target: Tensor) -> Tensor:
        """Mean loss over the batch, float32 whatever the precision outside.

        Args:
            predicted: ``(N, 3, H, W)`` RGB in [0, 1], with a gradient.
            target: The same shape.

        Raises:
            ConfigError: The pictures are smaller than the network takes.
        """
        (height, width), smallest = predicted.shape[2:], self.features.smallest
        if min(height, width) < smallest:
            raise ConfigError(
                f"crop: the network of the contextual loss takes {smallest} pixels or more, got {width}x{height}."
            )
        with torch.autocast(predicted.device.type, enabled=False):
            predicted, target = predicted.float(), target.float()
            loss = _PATCH_WEIGHT * self._patches(predicted, target)
            with torch.no_grad():
                wanted = self.features(target)
            for ours, theirs in zip(self.features(predicted), wanted, strict=True):
                loss = loss + ours.weight * self._layer(ours.values, theirs.values, ours.stride_px)
        return loss

    def _layer(self, predicted: Tensor, target: Tensor, stride_px: int) -> Tensor:
        drawn = self.draw(*predicted.shape[2:], stride_px=stride_px, device=predicted.device)
        losses = []
        for pair in zip(predicted, target, strict=True):
            ours, theirs = (values[:, drawn.rows, drawn.columns].T for values in pair)
            losses.append(contextual_loss(*cosine_features(ours, theirs), drawn.places, options=self.options))
        return torch.stack(losses).mean()

    def _patches(self, predicted: Tensor, target: Tensor) -> Tensor:
        height, width = (side - _PATCH + 1 for side in predicted.shape[2:])
        drawn = self.draw(height, width, stride_px=1, device=predicted.device)
        losses = []
        for ours, theirs in zip(predicted, target, strict=True):
            middle = theirs.mean(dim=(1, 2), keepdim=True)  # the distance stays; its rounding error falls
            patches, wanted = (_patches_at(_LEVELS * (picture - middle), drawn) for picture in (ours, theirs))
            loss = contextual_loss(patches, wanted, drawn.places, distance=squared_distance, options=self.options)
            losses.append(loss)
        return torch.stack(losses).mean()

    def draw(self, height: int, width: int, *, stride_px: int, device: torch.device) -> Drawn:
        """Places of a map of features, all or :attr:`most_places` at random; torch's seed decides.

        Args:
            height: Rows of the map.
            width: Columns of the map.
            stride_px: Distance of neighbours in the picture.
            device: Where the result shall be.
        """
        n = height * width
        # Drawn on the CPU: the same places for one seed on every device.
        chosen = (torch.randperm(n)[: self.most_places] if n > self.most_places else torch.arange(n)).to(device)
        rows, columns = chosen // width, chosen % width
        indices = torch.stack([rows, columns], dim=1).float()
        return Drawn(rows, columns, Places(stride_px * indices, indices / indices.new_tensor((height, width))))


def _patches_at(picture: Tensor, drawn: Drawn) -> Tensor:
    """Patches of ``(3, H, W)`` with their first corners at the places, ``(M, 75)``."""
    patches = picture.unfold(1, _PATCH, 1).unfold(2, _PATCH, 1)
    return patches[:, drawn.rows, drawn.columns].transpose(0, 1).flatten(start_dim=1)


def load_contextual(config: TrainConfig, device: torch.device) -> ContextualLoss | None:
    """The contextual loss that a configuration asks for; None where it asks for the adaptive one.

    Raises:
        WeightsError: The file of weights is damaged or holds something else.
    """
    if not config.contextual:
        return None
    options = Similarity(Form(config.loss), spatial_weight=config.spatial_weight, reach_px=config.reach_px)
    return ContextualLoss(load_features(config.loss_weights), options, most_places=config.most_places).to(device)

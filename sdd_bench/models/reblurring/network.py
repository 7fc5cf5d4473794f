"""The reblurring network R (Table 7, Eq. 6-9 of Li et al., 2023).

Two small networks see the deblurred and the blurry picture. For m levels of blur one predicts kernel seeds (35 for
m = 8), the other m weight maps. The deblurred picture is blurred by the isotropic kernels that these describe, so the
result keeps its geometry. Parameters are named as in the released checkpoints: ``kpn`` for kernels,
``kernel_map_gene`` for weights.

:class:`ReblurKernels` has three forms: ``isotropic`` (the paper), ``free`` (Table 4 #5: a free kernel of each size in
place of the isotropic one, weight maps kept), and ``single`` (Table 4 #6: one isotropic kernel of full size, no weight
maps).
"""

from __future__ import annotations

from enum import StrEnum

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from sdd_bench.models.reblurring.free import free_reblur, shares
from sdd_bench.models.reblurring.isotropic import isotropic_reblur


class ReblurKernels(StrEnum):
    """Kind of the kernels that the reblurring network predicts."""

    ISOTROPIC = "isotropic"
    FREE = "free"
    SINGLE = "single"


class _ResidualBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.conv2(F.relu(self.conv1(x)))
        return out


class PredictionNetwork(nn.Module):
    """Network of Table 7: convolution, three residual blocks, convolution; it predicts ``outputs`` maps."""

    def __init__(self, outputs: int, width: int = 64) -> None:
        super().__init__()
        self.conv_first = nn.Conv2d(6, width, 3, padding=1)
        self.block1 = _ResidualBlock(width)
        self.block2 = _ResidualBlock(width)
        self.block3 = _ResidualBlock(width)
        self.out = nn.Conv2d(width, outputs, 3, padding=1)

    def forward(self, deblurred: Tensor, blurry: Tensor) -> Tensor:
        """Maps, :math:`(N, outputs, H, W)`, from two pictures :math:`(N, 3, H, W)`."""
        x = self.conv_first(torch.cat((deblurred, blurry), dim=1))
        out: Tensor = self.out(self.block3(self.block2(self.block1(x))))
        return out


class ReblurNetwork(nn.Module):
    """Network R(deblurred, blurry), which blurs the deblurred picture as much as the blurry one is.

    Args:
        levels: Number m of blur levels, 8 in the paper; the largest kernel is 2m - 1 pixels wide.
        kernels: Kind of kernels: the paper's isotropic ones, or one of the two ablations.
        width: Channels of the two prediction networks.
        recompute: Whether the backward pass computes their activations again, which saves the memory to keep them.
    """

    def __init__(
        self,
        levels: int = 8,
        *,
        kernels: ReblurKernels = ReblurKernels.ISOTROPIC,
        width: int = 64,
        recompute: bool = False,
    ) -> None:
        super().__init__()
        self.levels, self.kernels, self.recompute = levels, kernels, recompute
        self._free_sides = [2 * i - 1 for i in range(2, levels + 1)]
        outputs = {
            ReblurKernels.ISOTROPIC: sum(range(2, levels + 1)),
            ReblurKernels.FREE: sum(side * side for side in self._free_sides),
            ReblurKernels.SINGLE: levels,
        }[kernels]
        self.kpn = PredictionNetwork(outputs, width)
        if kernels is not ReblurKernels.SINGLE:
            self.kernel_map_gene = PredictionNetwork(levels, width)
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)

    def forward(self, deblurred: Tensor, blurry: Tensor) -> Tensor:
        """Reblur.

        Args:
            deblurred: Picture to blur, :math:`(N, 3, H, W)`.
            blurry: Picture whose blur is copied, :math:`(N, 3, H, W)`.

        Returns:
            Reblurred picture, :math:`(N, 3, H, W)`, float32.
        """
        seeds = self._predict(self.kpn, deblurred, blurry)
        if self.kernels is ReblurKernels.SINGLE:
            return self._single(deblurred, seeds)
        weights = shares(self._predict(self.kernel_map_gene, deblurred, blurry).float())
        if self.kernels is ReblurKernels.ISOTROPIC:
            return isotropic_reblur(deblurred, seeds, weights)
        reblurred = weights[:, :1] * deblurred
        kernels = seeds.split([side * side for side in self._free_sides], dim=1)
        for level, logits in enumerate(kernels, start=1):
            reblurred = reblurred + weights[:, level : level + 1] * free_reblur(deblurred, logits)
        return reblurred

    def _predict(self, network: PredictionNetwork, deblurred: Tensor, blurry: Tensor) -> Tensor:
        if self.recompute and torch.is_grad_enabled():
            maps: Tensor = checkpoint(network, deblurred, blurry, use_reentrant=False, preserve_rng_state=False)
        else:
            maps = network(deblurred, blurry)
        return maps

    def _single(self, deblurred: Tensor, seeds: Tensor) -> Tensor:
        """Blur by the largest kernel alone: the smaller ones get zero seeds and the weight 0."""
        n, _, height, width = seeds.shape
        absent = seeds.new_zeros(n, sum(range(2, self.levels)), height, width)
        weights = seeds.new_zeros(n, self.levels, height, width)
        weights[:, -1] = 1
        return isotropic_reblur(deblurred, torch.cat((absent, seeds), dim=1), weights)

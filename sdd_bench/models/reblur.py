"""The reblurring network R (Table 7, Eq. 6-9 of Li et al., 2023).

Two small networks see the deblurred and the blurry picture: one predicts kernel seeds (35 for m = 8), the other
weight maps (8). The deblurred picture is blurred by the isotropic kernels they describe, so what comes out keeps its
geometry. Parameters are named as in the released checkpoints: ``kpn`` for kernels, ``kernel_map_gene`` for weights.

Three forms, by :class:`ReblurKernels`: ``isotropic`` (the paper), ``free`` (Table 4 #5: a free kernel of each size
in place of the isotropic one, weight maps kept), ``single`` (Table 4 #6: one isotropic kernel of full size, no
weight maps).
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from sdd_bench.models.rings import SMALLEST_LOGIT, isotropic_reblur

_STRIP_ROWS = 32


class ReblurKernels(StrEnum):
    """Which kernels the reblurring network predicts."""

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
    """Table 7: convolution, three residual blocks, convolution; ``outputs`` maps from two pictures."""

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


def free_reblur(image: Tensor, logits: Tensor) -> Tensor:
    """Blur every pixel by a kernel of its own, the softmax of the logits' magnitude.

    Args:
        image: Picture, :math:`(N, C, H, W)`, zero beyond its border.
        logits: :math:`(N, k^2, H, W)`, k odd.

    Returns:
        The blurred picture, :math:`(N, C, H, W)`, in float32.
    """
    side = round(logits.shape[1] ** 0.5)
    padded = F.pad(image.float(), [side // 2] * 4).contiguous()

    def strip(rows: Tensor, logits: Tensor) -> Tensor:
        blurred: Tensor = _BlurByMaps.apply(rows, _shares(logits.float().abs().contiguous()))
        return blurred

    strips = []
    for y in range(0, logits.shape[2], _STRIP_ROWS):
        part = logits[:, :, y : y + _STRIP_ROWS]
        rows = padded[:, :, y : y + part.shape[2] + side - 1]
        strips.append(checkpoint(strip, rows, part, use_reentrant=False, preserve_rng_state=False))
    return torch.cat(strips, dim=2)


def _shares(logits: Tensor) -> Tensor:
    """Softmax over channels, without the subnormal numbers that make a processor crawl."""
    return (logits - logits.amax(1, keepdim=True).detach()).clamp(min=SMALLEST_LOGIT).softmax(1)


class _BlurByMaps(torch.autograd.Function):
    """A sum of shifted pictures, each weighed by its map: no window of a pixel is ever copied out."""

    @staticmethod
    def forward(ctx: Any, padded: Tensor, maps: Tensor) -> Tensor:
        """``padded`` :math:`(N, C, H + k - 1, W + k - 1)`, ``maps`` :math:`(N, k^2, H, W)`."""
        ctx.save_for_backward(padded, maps)
        blurred = padded.new_zeros(*padded.shape[:2], *maps.shape[2:])
        for index, window in enumerate(_windows(padded, maps)):
            blurred.addcmul_(window, maps[:, index : index + 1])
        return blurred

    @staticmethod
    def backward(ctx: Any, given: Tensor) -> tuple[Tensor, Tensor]:
        """Of the padded picture and of the maps."""
        padded, maps = ctx.saved_tensors
        of_padded, of_maps = torch.zeros_like(padded), torch.empty_like(maps)
        for index, (window, target) in enumerate(zip(_windows(padded, maps), _windows(of_padded, maps), strict=True)):
            torch.sum(given * window, 1, out=of_maps[:, index])
            target.addcmul_(given, maps[:, index : index + 1])
        return of_padded, of_maps


def _windows(padded: Tensor, maps: Tensor) -> Iterator[Tensor]:
    """The picture under each tap of the kernel, row by row."""
    side = round(maps.shape[1] ** 0.5)
    height, width = maps.shape[2:]
    for y in range(side):
        for x in range(side):
            yield padded[:, :, y : y + height, x : x + width]


class ReblurNetwork(nn.Module):
    """R(deblurred, blurry): the deblurred picture made as blurry as the blurry one.

    Args:
        levels: m, the number of blur levels; 8 in the paper, the largest kernel is 2m - 1 pixels wide.
        kernels: The paper's isotropic kernels or one of the two ablations.
        width: Channels of the two prediction networks.
        recompute: Compute their activations again in the backward pass in place of keeping them.
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
            deblurred: The picture to blur, :math:`(N, 3, H, W)`.
            blurry: The picture whose blur is wanted, :math:`(N, 3, H, W)`.

        Returns:
            Reblurred, :math:`(N, 3, H, W)`, float32.
        """
        seeds = self._predict(self.kpn, deblurred, blurry)
        if self.kernels is ReblurKernels.SINGLE:
            return self._single(deblurred, seeds)
        weights = _shares(self._predict(self.kernel_map_gene, deblurred, blurry).float())
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
        """Only the largest kernel: the smaller sizes' seeds are absent and get weight 0."""
        n, _, height, width = seeds.shape
        absent = seeds.new_zeros(n, sum(range(2, self.levels)), height, width)
        weights = seeds.new_zeros(n, self.levels, height, width)
        weights[:, -1] = 1
        return isotropic_reblur(deblurred, torch.cat((absent, seeds), dim=1), weights)

"""How good the network is on held-out patches: PSNR against what it is trained towards.

Without flow that is the sharp picture as captured; with flow the sharp picture warped to the *blurry* one, the same
target for every state of the network (``registered`` ground truth), so that moving the picture does not pay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sdd_bench.flow.warp import backwarp
from sdd_bench.models.network import final_output
from sdd_bench.prepared.torch_dataset import PairDataset
from sdd_bench.training.step import JointNetworks

_LEAST_MSE = 1e-10


@dataclass(frozen=True)
class Validation:
    """Means over the held-out patches, in dB, and the first of them to look at."""

    psnr: float
    blurry_psnr: float
    """Of the network's own input."""
    pictures: Tensor
    """Blurry, deblurred, reblurred where there is a reblurring network, target: :math:`(k, 3, H, W)`."""


def validate(networks: JointNetworks, dataset: PairDataset, indices: Sequence[int], device: torch.device) -> Validation:
    """Score the networks in evaluation mode; leaves them in training mode."""
    networks.eval()
    scores, inputs = [], []
    pictures: list[Tensor] = []
    with torch.inference_mode():
        for index in indices:
            item = dataset[index]
            blurry, target = (item[name][None].to(device) for name in ("blurry", "sharp"))
            if "flow" in item:
                target = backwarp(target, item["flow"][None].to(device))
            deblurred = final_output(networks.deblur(blurry)).float().clamp(0, 1)
            scores.append(_psnr(deblurred, target))
            inputs.append(_psnr(blurry, target))
            if not pictures:
                reblurred = [] if networks.reblur is None else [networks.reblur(deblurred, blurry)]
                pictures = [blurry, deblurred, *reblurred, target]
    networks.train()
    mean = sum(scores) / len(scores)
    return Validation(mean, sum(inputs) / len(inputs), torch.cat(pictures).float().cpu().clamp(0, 1))


def _psnr(picture: Tensor, target: Tensor) -> float:
    mse = (picture - target).double().square().mean().clamp(min=_LEAST_MSE)
    return float(-10 * mse.log10())

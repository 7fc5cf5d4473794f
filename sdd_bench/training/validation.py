"""Validation on held-out patches: PSNR against the target of the training.

Without flow the target is the sharp picture as captured. With flow it is the sharp picture warped to the *blurry* one
(``registered`` ground truth). This target is the same for every state of the network, so that a network gains nothing
by moving the picture.
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
"""Least squared error that is counted, so that the PSNR of equal pictures is 100 dB and not infinite."""


@dataclass(frozen=True)
class Validation:
    """Mean scores of the held-out patches, and the pictures of the first one."""

    psnr: float
    """Mean PSNR of the network's output, in dB."""
    blurry_psnr: float
    """Mean PSNR of the network's input, in dB."""
    pictures: Tensor
    """Blurry, deblurred, reblurred (with a reblurring network) and target picture, :math:`(k, 3, H, W)`."""


def validate(networks: JointNetworks, dataset: PairDataset, indices: Sequence[int], device: torch.device) -> Validation:
    """Score the networks in evaluation mode, and set them back to training mode."""
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

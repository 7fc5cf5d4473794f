r"""The metrics on batches of tensors, ``(N, 3, H, W)`` on any device: one score per picture.

The formulas are those of the functions on arrays, and so are the figures, to rounding. They are for scores, not for
losses: no gradient flows through them.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from sdd_bench.core.errors import ImageError
from sdd_bench.core.precision import full_float32
from sdd_bench.metrics.loops import WINDOW
from sdd_bench.metrics.lpips import SMALLEST, lpips_on


@torch.no_grad()
def psnr_of_batch(prediction: Tensor, truth: Tensor) -> Tensor:
    """PSNR in dB of each picture, ``(N,)`` float64; infinite where both are equal.

    Example:
        >>> psnr_of_batch(torch.full((2, 3, 8, 8), 0.1), torch.zeros(2, 3, 8, 8)).round(decimals=3).tolist()
        [20.0, 20.0]
    """
    check_batch(prediction, truth)
    squared = (prediction - truth).double().square().mean(dim=(1, 2, 3))
    return -10 * squared.log10()


@torch.no_grad()
def mae_of_batch(prediction: Tensor, truth: Tensor) -> Tensor:
    """Mean absolute error of each picture, ``(N,)`` float64.

    Example:
        >>> mae_of_batch(torch.full((1, 3, 8, 8), 0.25), torch.zeros(1, 3, 8, 8)).tolist()
        [0.25]
    """
    check_batch(prediction, truth)
    return (prediction - truth).double().abs().mean(dim=(1, 2, 3))


@torch.no_grad()
def ssim_of_batch(prediction: Tensor, truth: Tensor) -> Tensor:
    """SSIM of each picture, ``(N,)`` float64; see :mod:`sdd_bench.metrics.ssim`.

    Example:
        >>> picture = torch.rand(2, 3, 16, 16)
        >>> ssim_of_batch(picture, picture).tolist()
        [1.0, 1.0]
    """
    check_batch(prediction, truth, smallest=WINDOW)
    p, t = prediction.double(), truth.double()
    norm = WINDOW**2 / (WINDOW**2 - 1)

    def mean(values: Tensor) -> Tensor:
        return F.avg_pool2d(values, WINDOW, stride=1)

    mean_p, mean_t = mean(p), mean(t)
    variance_p, variance_t = norm * (mean(p * p) - mean_p**2), norm * (mean(t * t) - mean_t**2)
    covariance = norm * (mean(p * t) - mean_p * mean_t)
    c1, c2 = 0.01**2, 0.03**2
    above = (2 * mean_p * mean_t + c1) * (2 * covariance + c2)
    below = (mean_p**2 + mean_t**2 + c1) * (variance_p + variance_t + c2)
    return (above / below).mean(dim=(1, 2, 3))


@torch.no_grad()
@full_float32()
def lpips_of_batch(prediction: Tensor, truth: Tensor) -> Tensor:
    """LPIPS of each picture, ``(N,)`` float64, computed on the device of the tensors.

    Example:
        >>> picture = torch.rand(2, 3, 64, 64)
        >>> lpips_of_batch(picture, picture).tolist()
        [0.0, 0.0]
    """
    check_batch(prediction, truth, smallest=SMALLEST)
    network = lpips_on(str(prediction.device))
    distances = [
        network.distance(*(network.features(x.permute(1, 2, 0)) for x in pair))
        for pair in zip(prediction, truth, strict=True)
    ]
    return torch.tensor(distances, dtype=torch.float64, device=prediction.device)


def check_batch(prediction: Tensor, truth: Tensor, *, smallest: int = 1) -> None:
    """Refuse what no metric is defined on.

    Raises:
        ImageError: Not two equal shapes ``(N, 3, H, W)`` of floats on one device, pictures too small, or not finite.

    Example:
        >>> check_batch(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8))
    """
    if prediction.shape != truth.shape or prediction.ndim != 4 or prediction.shape[1] != 3:
        shapes = f"{tuple(prediction.shape)} and {tuple(truth.shape)}"
        raise ImageError(f"metrics: expected two tensors (N, 3, H, W) of one shape, got {shapes}.")
    if not (prediction.is_floating_point() and truth.is_floating_point()):
        raise ImageError(
            f"metrics: expected floats in [0, 1], got {prediction.dtype} and {truth.dtype}; divide by 255 or 65535."
        )
    if prediction.device != truth.device:
        raise ImageError(f"metrics: one tensor is on {prediction.device}, the other on {truth.device}; move one.")
    if min(prediction.shape[2:]) < smallest:
        height, width = prediction.shape[2:]
        raise ImageError(f"metrics: expected at least {smallest}x{smallest} pixels, got {width}x{height}.")
    for name, batch in (("prediction", prediction), ("ground truth", truth)):
        if not math.isfinite(float(batch.sum())):
            raise ImageError(f"{name}: holds NaN or infinite values, which have no score.")

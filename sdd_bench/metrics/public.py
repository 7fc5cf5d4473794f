"""The metrics as ``sdd_bench.metrics`` offers them: on two pictures, or on two batches of tensors.

Arrays are one picture, ``(H, W, 3)`` float RGB in [0, 1], and give a float. Tensors are a batch, ``(N, 3, H, W)`` on
any device, and give ``(N,)`` float64 there. Each raises an ImageError where shapes differ, a picture is too small, or
holds NaN or infinite values.
"""

from __future__ import annotations

from typing import overload

from torch import Tensor

from sdd_bench.core.errors import ImageError
from sdd_bench.metrics.batches import lpips_of_batch, mae_of_batch, psnr_of_batch, ssim_of_batch
from sdd_bench.metrics.checks import Picture
from sdd_bench.metrics.dists import dists_of_batch, dists_of_picture
from sdd_bench.metrics.lpips import lpips as lpips_of_picture
from sdd_bench.metrics.mae import mae as mae_of_picture
from sdd_bench.metrics.psnr import psnr as psnr_of_picture
from sdd_bench.metrics.ssim import ssim as ssim_of_picture


@overload
def psnr(prediction: Picture, truth: Picture) -> float: ...
@overload
def psnr(prediction: Tensor, truth: Tensor) -> Tensor: ...
def psnr(prediction: Picture | Tensor, truth: Picture | Tensor) -> float | Tensor:
    """PSNR in dB, 10 log10(1/MSE); infinite where both are equal.

    Example:
        >>> import numpy as np, torch
        >>> round(psnr(np.full((8, 8, 3), 0.1, np.float32), np.zeros((8, 8, 3), np.float32)), 3)
        20.0
        >>> psnr(torch.full((2, 3, 8, 8), 0.1), torch.zeros(2, 3, 8, 8)).round(decimals=3).tolist()
        [20.0, 20.0]
    """
    if isinstance(prediction, Tensor) and isinstance(truth, Tensor):
        return psnr_of_batch(prediction, truth)
    return psnr_of_picture(*_pictures(prediction, truth))


@overload
def ssim(prediction: Picture, truth: Picture) -> float: ...
@overload
def ssim(prediction: Tensor, truth: Tensor) -> Tensor: ...
def ssim(prediction: Picture | Tensor, truth: Picture | Tensor) -> float | Tensor:
    """SSIM of scikit-image with its defaults (7x7 windows, sample covariance), mean over channels.

    Example:
        >>> import numpy as np, torch
        >>> picture = np.full((8, 8, 3), 0.5, np.float32)
        >>> ssim(picture, picture), ssim(torch.ones(1, 3, 8, 8), torch.ones(1, 3, 8, 8)).tolist()
        (1.0, [1.0])
    """
    if isinstance(prediction, Tensor) and isinstance(truth, Tensor):
        return ssim_of_batch(prediction, truth)
    return ssim_of_picture(*_pictures(prediction, truth))


@overload
def mae(prediction: Picture, truth: Picture) -> float: ...
@overload
def mae(prediction: Tensor, truth: Tensor) -> Tensor: ...
def mae(prediction: Picture | Tensor, truth: Picture | Tensor) -> float | Tensor:
    """Mean absolute error on [0, 1].

    Example:
        >>> import numpy as np, torch
        >>> mae(np.full((4, 4, 3), 0.25, np.float32), np.zeros((4, 4, 3), np.float32))
        0.25
        >>> mae(torch.ones(1, 3, 4, 4), torch.zeros(1, 3, 4, 4)).tolist()
        [1.0]
    """
    if isinstance(prediction, Tensor) and isinstance(truth, Tensor):
        return mae_of_batch(prediction, truth)
    return mae_of_picture(*_pictures(prediction, truth))


@overload
def lpips(prediction: Picture, truth: Picture, *, device: str = "cpu") -> float: ...
@overload
def lpips(prediction: Tensor, truth: Tensor, *, device: str = "cpu") -> Tensor: ...
def lpips(prediction: Picture | Tensor, truth: Picture | Tensor, *, device: str = "cpu") -> float | Tensor:
    """LPIPS, AlexNet v0.1; pictures of at least 31 pixels a side.

    Args:
        prediction: Picture or batch.
        truth: Likewise.
        device: Where pictures are computed; batches are computed where they are.

    Example:
        >>> import numpy as np, torch
        >>> picture = np.zeros((64, 64, 3), np.float32)
        >>> lpips(picture, picture), lpips(torch.zeros(1, 3, 64, 64), torch.zeros(1, 3, 64, 64)).tolist()
        (0.0, [0.0])
    """
    if isinstance(prediction, Tensor) and isinstance(truth, Tensor):
        return lpips_of_batch(prediction, truth)
    return lpips_of_picture(*_pictures(prediction, truth), device=device)


@overload
def dists(prediction: Picture, truth: Picture, *, device: str = "cpu") -> float: ...
@overload
def dists(prediction: Tensor, truth: Tensor, *, device: str = "cpu") -> Tensor: ...
def dists(prediction: Picture | Tensor, truth: Picture | Tensor, *, device: str = "cpu") -> float | Tensor:
    """DISTS of torchmetrics (Ding et al., TPAMI 2020); needs the weights of VGG16, see :mod:`sdd_bench.metrics.dists`.

    Args:
        prediction: Picture or batch.
        truth: Likewise.
        device: Where pictures are computed; batches are computed where they are.

    Raises:
        WeightsError: torchmetrics or the weights of VGG16 are not there; nothing is downloaded.

    Example:
        >>> import torch
        >>> dists(torch.zeros(1, 3, 64, 64), torch.zeros(1, 3, 64, 64)).tolist()  # doctest: +SKIP
        [0.0]
    """
    if isinstance(prediction, Tensor) and isinstance(truth, Tensor):
        return dists_of_batch(prediction, truth)
    return dists_of_picture(*_pictures(prediction, truth), device=device)


def _pictures(prediction: Picture | Tensor, truth: Picture | Tensor) -> tuple[Picture, Picture]:
    if isinstance(prediction, Tensor) or isinstance(truth, Tensor):
        raise ImageError("metrics: expected two arrays or two tensors, got one of each; convert one.")
    return prediction, truth

"""DISTS: deep image structure and texture similarity (Ding, Ma, Wang, Simoncelli, TPAMI 2020), by torchmetrics.

torchmetrics (Apache-2.0) brings DISTS's own weights. Its backbone is torchvision's VGG16, 528 MB that no package holds
and that torchvision would fetch; here nothing is fetched in passing. The file ``vgg16-397923af.pth`` is expected in
torch's folder of checkpoints, and its SHA-256 must begin as its name says, so that a figure never comes from other
weights.
"""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sdd_bench.core.errors import WeightsError
from sdd_bench.core.precision import full_float32
from sdd_bench.core.storage.files import sha256_of
from sdd_bench.metrics.batches import check_batch
from sdd_bench.metrics.checks import Picture, check_pair

VGG16 = "vgg16-397923af.pth"
_SHA256_START = "397923af"
_SMALLEST = 32


def vgg16_file() -> Path:
    """Where the weights of VGG16 are expected: torch's folder of checkpoints.

    Example:
        >>> vgg16_file().name
        'vgg16-397923af.pth'
    """
    return Path(torch.hub.get_dir()) / "checkpoints" / VGG16


@lru_cache(maxsize=2)
def load_dists(device: str) -> Any:
    """The network on a device.

    Raises:
        WeightsError: torchmetrics or VGG16 is not there, or the file is another one.
    """
    if importlib.util.find_spec("torchmetrics") is None:
        raise WeightsError("dists: the package torchmetrics is not installed. pip install 'sdd-bench[dists]'")
    file = vgg16_file()
    if not file.is_file():
        raise WeightsError(
            f"{file}: missing; DISTS stands on torchvision's VGG16, which is not downloaded in passing. Fetch it once: "
            "python -c \"import torchvision; torchvision.models.vgg16(weights='IMAGENET1K_V1')\""
        )
    if not sha256_of(file).startswith(_SHA256_START):
        raise WeightsError(f"{file}: expected a sha256 that begins with {_SHA256_START}; remove it and fetch it again.")
    from torchmetrics.functional.image.dists import DISTSNetwork

    return DISTSNetwork().to(device).eval()


def dists_signature() -> str:
    """What a figure depends on.

    Example:
        >>> dists_signature().startswith("dists:")
        True
    """
    installed = version("torchmetrics") if importlib.util.find_spec("torchmetrics") else "none"
    return f"dists: torchmetrics={installed} vgg16={_SHA256_START}"


@torch.no_grad()
@full_float32()
def dists_of_batch(prediction: Tensor, truth: Tensor) -> Tensor:
    """DISTS of each picture of two batches ``(N, 3, H, W)`` in [0, 1], ``(N,)`` float64; 0 where both are equal.

    Raises:
        ImageError: The shapes differ or are too small, or a value is not finite.
        WeightsError: As :func:`load_dists`.
    """
    check_batch(prediction, truth, smallest=_SMALLEST)
    network = load_dists(str(prediction.device))
    return network(prediction.float(), truth.float()).double().flatten()


def dists_of_picture(prediction: Picture, truth: Picture, *, device: str = "cpu") -> float:
    """DISTS of two pictures ``(H, W, 3)`` in [0, 1]; else as :func:`dists_of_batch`."""
    check_pair(prediction, truth, smallest=_SMALLEST)
    batches = [torch.from_numpy(picture.transpose(2, 0, 1).copy())[None].to(device) for picture in (prediction, truth)]
    return float(dists_of_batch(*batches))

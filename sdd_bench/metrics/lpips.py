r"""LPIPS, AlexNet v0.1: learned perceptual distance (Zhang et al., CVPR 2018).

With unit-length features :math:`\hat y^l` after each of the five ReLUs and the learned weights :math:`w^l \ge 0`:

.. math:: d(p, t) = \sum_l \mathrm{mean}_{hw} \sum_c w_c^l \,(\hat y_{hwc}^l(p) - \hat y_{hwc}^l(t))^2

The linear weights and the scaling of the input are those of the ``lpips`` package, the backbone is torchvision's
(``weights.path("alexnet")``); both files are checked by sha256, so a number never comes from random weights. A
picture's features, with :math:`\sqrt{w}` in them, are computed once and serve every comparison.
"""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from sdd_bench import weights
from sdd_bench.errors import ImageError, WeightsError
from sdd_bench.files import sha256_of
from sdd_bench.metrics.pictures import Picture, check_picture

SMALLEST = 31
"""Pixels a picture needs in both directions, so that the last layer is not empty."""

_LINEAR_SHA256 = "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0"
_POOLED = (1, 2)
"""Layers before which AlexNet takes the maximum over 3x3, stride 2."""
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Features:
    """What LPIPS compares of one picture: per layer ``(positions, channels)``, and the picture's size."""

    layers: tuple[Tensor, ...]
    height: int
    width: int


class Lpips:
    """The metric, loaded.

    Args:
        device: Where to compute.

    Raises:
        WeightsError: The AlexNet weights are absent or damaged, or the ``lpips`` package holds other linear weights.
    """

    def __init__(self, device: str = "cpu") -> None:
        import lpips

        backbone, linear = weights.path("alexnet"), _linear_file()
        self.sha256 = hashlib.sha256((sha256_of(backbone) + sha256_of(linear)).encode()).hexdigest()
        """Of both files: the sha256 of their two hex digests in a row."""
        self._device = torch.device(device)
        self._trunk = _load_trunk(backbone).to(self._device)
        columns = torch.load(linear, map_location=self._device, weights_only=True)
        self._roots = [columns[f"lin{layer}.model.1.weight"].sqrt() for layer in range(5)]
        scaling = lpips.ScalingLayer().to(self._device)
        # On [0, 1]: the package's (2x - 1 - shift) / scale.
        self._gain, self._offset = 2 / scaling.scale, (1 + scaling.shift) / scaling.scale

    @torch.inference_mode()
    def features(self, picture: Picture) -> Features:
        """Features of one picture, ``(H, W, 3)`` float RGB in [0, 1].

        Raises:
            ImageError: It is smaller than 31 pixels, or holds NaN or infinite values.
        """
        check_picture(picture, "LPIPS", smallest=SMALLEST)
        pixels = torch.from_numpy(np.ascontiguousarray(picture, dtype=np.float32)).to(self._device)
        # An (H, W, 3) array read as (1, 3, H, W) is channels_last already.
        state = pixels.permute(2, 0, 1)[None] * self._gain - self._offset
        layers = []
        with torch.backends.cudnn.flags(allow_tf32=False):
            for number, (convolution, root) in enumerate(zip(self._trunk, self._roots, strict=True)):
                if number in _POOLED:
                    state = F.max_pool2d(state, kernel_size=3, stride=2)
                state = convolution(state).relu_()
                length = torch.linalg.vector_norm(state, dim=1, keepdim=True).add_(1e-10)
                unit = (state / length).mul_(root)
                layers.append(unit.permute(0, 2, 3, 1).reshape(-1, unit.shape[1]))
        return Features(tuple(layers), *picture.shape[:2])

    @torch.inference_mode()
    def distance(self, a: Features, b: Features) -> float:
        """LPIPS between two pictures; 0 where they are equal.

        Raises:
            ImageError: Their sizes differ.
        """
        if (a.height, a.width) != (b.height, b.width):
            raise ImageError(f"LPIPS: one picture is {a.width}x{a.height}, the other {b.width}x{b.height} pixels.")
        return sum(_mean_square(x, y) for x, y in zip(a.layers, b.layers, strict=True))


def _mean_square(a: Tensor, b: Tensor) -> float:
    """Squared distance of two ``(positions, channels)``, the mean over positions; by chunks, added up in float64."""
    total = 0.0
    for x, y in zip(a.flatten().split(_CHUNK), b.flatten().split(_CHUNK), strict=True):
        difference = x - y
        total += float(difference.dot(difference))
    return total / len(a)


def _load_trunk(file: Path) -> nn.ModuleList:
    """The five convolutions of AlexNet, frozen, channels_last."""
    trunk = nn.ModuleDict(
        {
            "0": nn.Conv2d(3, 64, 11, stride=4, padding=2, device="meta"),
            "3": nn.Conv2d(64, 192, 5, padding=2, device="meta"),
            "6": nn.Conv2d(192, 384, 3, padding=1, device="meta"),
            "8": nn.Conv2d(384, 256, 3, padding=1, device="meta"),
            "10": nn.Conv2d(256, 256, 3, padding=1, device="meta"),
        }
    )
    tensors = {name.removeprefix("features."): value for name, value in load_file(file).items()}
    trunk.load_state_dict(tensors, strict=True, assign=True)
    return nn.ModuleList(trunk.values()).to(memory_format=torch.channels_last).eval().requires_grad_(False)


def _linear_file() -> Path:
    """The linear weights inside the ``lpips`` package."""
    spec = importlib.util.find_spec("lpips")
    if spec is None or spec.origin is None:
        raise WeightsError("the package lpips is not installed, which holds the linear weights. pip install lpips")
    file = Path(spec.origin).parent / "weights" / "v0.1" / "alex.pth"
    if not file.is_file() or sha256_of(file) != _LINEAR_SHA256:
        raise WeightsError(
            f"{file}: expected the linear weights of AlexNet v0.1 (sha256 {_LINEAR_SHA256}), got "
            f"{'another file' if file.is_file() else 'no file'}. Install lpips 0.1.4 again."
        )
    return file

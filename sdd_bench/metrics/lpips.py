r"""LPIPS, AlexNet v0.1: learned perceptual distance (Zhang et al., CVPR 2018).

With unit-length features :math:`\hat y^l` after each of the five ReLUs and the learned weights :math:`w^l \ge 0`:

.. math:: d(p, t) = \sum_l \mathrm{mean}_{hw} \sum_c w_c^l \,(\hat y_{hwc}^l(p) - \hat y_{hwc}^l(t))^2

The linear weights and the scaling of the input are those of the ``lpips`` package, the backbone is torchvision's
(``weights.path("alexnet")``); both files are checked by sha256, so a number never comes from random weights. A
picture's features are computed once and serve every comparison. They are computed on strips of rows that pass through
all layers one after the other, so that little besides the features is ever in memory.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sdd_bench import weights
from sdd_bench.core.errors import ImageError, WeightsError
from sdd_bench.core.precision import full_float32
from sdd_bench.core.side_by_side import in_strips
from sdd_bench.core.storage.files import sha256_of
from sdd_bench.metrics.alexnet import load_alexnet
from sdd_bench.metrics.checks import Picture, check_picture
from sdd_bench.metrics.loops import units, weighted_squares
from sdd_bench.metrics.winograd import Winograd

SMALLEST = 31
"""Pixels a picture needs in both directions, so that the last layer is not empty."""

_LINEAR_SHA256 = "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0"
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""Of the package's ``ScalingLayer``; to import it takes seconds, as it brings every network of torchvision."""
_POSITIONS = 1 << 13
"""Positions of features that a thread works on at once."""
_POOLED = (1, 2)
"""Layers before which AlexNet takes the maximum over 3x3, stride 2."""


@dataclass(frozen=True)
class Features:
    """What LPIPS compares of one picture: per layer strips of ``(positions, channels)``; and the picture's size."""

    layers: tuple[tuple[Tensor, ...], ...]
    height: int
    width: int


class Lpips:
    """The metric, loaded.

    Args:
        device: Where to compute.
        strip_pixels: Size of the strips; for speed alone.

    Raises:
        WeightsError: The AlexNet weights are absent or damaged, or the ``lpips`` package holds other linear weights.
    """

    def __init__(self, device: str = "cpu", *, strip_pixels: int = 1 << 20) -> None:
        backbone, linear = weights.path("alexnet"), _linear_file()
        self.sha256 = hashlib.sha256((sha256_of(backbone) + sha256_of(linear)).encode()).hexdigest()
        """Of both files: the sha256 of their two hex digests in a row."""
        self._device, self._strip_pixels = torch.device(device), strip_pixels
        self._layers = [_layer_on(self._device, layer) for layer in load_alexnet(backbone).children()]
        columns = torch.load(linear, map_location=self._device, weights_only=True)
        self._linear = [columns[f"lin{layer}.model.1.weight"].flatten() for layer in range(5)]
        # On [0, 1]: the package's (2x - 1 - shift) / scale.
        shift, scale = (torch.tensor(values, device=self._device) for values in (_SHIFT, _SCALE))
        self._gain, self._offset = 2 / scale, -(1 + shift) / scale

    @torch.inference_mode()
    @full_float32()
    def features(self, picture: Picture | Tensor) -> Features:
        """Features of one picture, ``(H, W, 3)`` float RGB in [0, 1]; a tensor of a batch was checked with it.

        Raises:
            ImageError: It is smaller than 31 pixels, or holds NaN or infinite values.
        """
        if not isinstance(picture, Tensor):
            check_picture(picture, "LPIPS", smallest=SMALLEST)
        height, width = picture.shape[:2]
        layers: list[list[Tensor]] = [[] for _ in self._layers]
        strips = self._scaled(picture)
        for number, layer in enumerate(self._layers):
            if number in _POOLED:
                strips = _slide(_pool, strips, size=3, step=2)
            strips = _keep_units(
                _slide(layer.apply, strips, size=layer.size, step=layer.step, padding=layer.padding), layers[number]
            )
        for _ in strips:  # draws the strips through all layers
            pass
        return Features(tuple(map(tuple, layers)), height, width)

    def _scaled(self, picture: Picture | Tensor) -> Iterator[Tensor]:
        """The picture in strips, ``(rows, W, 3)``, scaled as the package does."""
        rows = max(1, self._strip_pixels // picture.shape[1])
        for row in range(0, picture.shape[0], rows):
            part = picture[row : row + rows]
            if not isinstance(part, Tensor):
                part = torch.from_numpy(np.ascontiguousarray(part, dtype=np.float32))
            yield torch.addcmul(self._offset, part.to(self._device, torch.float32), self._gain)

    @torch.inference_mode()
    @full_float32()
    def distance(self, a: Features, b: Features) -> float:
        """LPIPS between two pictures; 0 where they are equal.

        Raises:
            ImageError: Their sizes differ.
        """
        if (a.height, a.width) != (b.height, b.width):
            raise ImageError(f"LPIPS: one picture is {a.width}x{a.height}, the other {b.width}x{b.height} pixels.")
        return sum(map(_layer_distance, a.layers, b.layers, self._linear))


@lru_cache(maxsize=4)
def lpips_on(device: str) -> Lpips:
    """The metric on a device, loaded once.

    Example:
        >>> lpips_on("cpu") is lpips_on("cpu")
        True
    """
    return Lpips(device)


def lpips(prediction: Picture, truth: Picture, *, device: str = "cpu") -> float:
    """LPIPS between two pictures; the network is loaded at the first call and kept.

    Args:
        prediction: ``(H, W, 3)`` float RGB in [0, 1], at least 31 pixels a side.
        truth: Same shape.
        device: Where to compute.

    Raises:
        ImageError: The shapes differ, a picture is too small, or holds NaN or infinite values.
        WeightsError: As :class:`Lpips`.

    Example:
        >>> picture = np.zeros((64, 64, 3), np.float32)
        >>> lpips(picture, picture)
        0.0
    """
    network = lpips_on(device)
    return network.distance(network.features(prediction), network.features(truth))


def _layer_distance(a: tuple[Tensor, ...], b: tuple[Tensor, ...], linear: Tensor) -> float:
    """Weighted squared distance of two layers, the mean over positions; strips are added up in float64."""
    return sum(_strip_distance(x, y, linear) for x, y in zip(a, b, strict=True)) / sum(map(len, a))


def _strip_distance(a: Tensor, b: Tensor, linear: Tensor) -> float:
    if a.device.type != "cpu":
        return float((a - b).square_().mv(linear).sum())
    x, y, weights = a.numpy(), b.numpy(), linear.numpy()
    parts = in_strips(len(x), partial(weighted_squares, x, y, weights), size=_POSITIONS, pixels=x.size)
    return float(sum(parts))


@dataclass(frozen=True)
class _Layer:
    """One convolution with its ReLU."""

    apply: Callable[[Tensor], Tensor]
    """On ``(rows, W, C)``; pads columns, not rows."""
    size: int
    step: int
    padding: int


def _layer_on(device: torch.device, convolution: nn.Module) -> _Layer:
    """A layer of AlexNet; on the processor, where its convolution has stride 1, by :class:`Winograd`."""
    assert isinstance(convolution, nn.Conv2d)
    convolution = convolution.to(device)
    weight, bias = convolution.weight, convolution.bias
    assert bias is not None
    size, step, padding = convolution.kernel_size[0], convolution.stride[0], int(convolution.padding[0])
    if device.type == "cpu" and step == 1:
        return _Layer(Winograd(weight, bias, padding), size, step, padding)

    def directly(rows: Tensor) -> Tensor:
        # (1, rows, W, C) read as (1, C, rows, W) is channels_last.
        picture = rows[None].permute(0, 3, 1, 2)
        return F.conv2d(picture, weight, bias, stride=step, padding=(0, padding)).relu_()[0].permute(1, 2, 0)

    return _Layer(directly, size, step, padding)


def _pool(rows: Tensor) -> Tensor:
    return F.max_pool2d(rows[None].permute(0, 3, 1, 2), kernel_size=3, stride=2)[0].permute(1, 2, 0)


def _slide(
    operation: Callable[[Tensor], Tensor], strips: Iterator[Tensor], *, size: int, step: int, padding: int = 0
) -> Iterator[Tensor]:
    """Run a sliding-window operation over a picture that comes in strips of rows; no row is computed twice.

    Args:
        operation: On ``(rows, W, C)``, without padding of rows.
        strips: The picture from top to bottom, ``(rows, W, C)``.
        size: Height of the window.
        step: Rows from one window to the next.
        padding: Rows of zeros above and below the picture.
    """
    coming: Tensor | None = next(strips)
    assert coming is not None  # a picture has rows
    border = coming.new_zeros((padding, *coming.shape[1:]))
    waiting = border
    while coming is not None:
        strip, coming = coming, next(strips, None)
        waiting = torch.cat((waiting, strip) if coming is not None else (waiting, strip, border))
        n_windows = (len(waiting) - size) // step + 1
        if n_windows > 0:
            yield operation(waiting[: (n_windows - 1) * step + size])
            waiting = waiting[n_windows * step :]


def _keep_units(strips: Iterator[Tensor], kept: list[Tensor]) -> Iterator[Tensor]:
    """Pass strips on, keep their features at unit length as ``(positions, channels)``."""
    for strip in strips:
        kept.append(_units(strip.flatten(end_dim=1)))
        yield strip


def _units(features: Tensor) -> Tensor:
    if features.device.type != "cpu":
        return features / torch.linalg.vector_norm(features, dim=-1, keepdim=True).add_(1e-10)
    values = np.ascontiguousarray(features.numpy())
    out = np.empty_like(values)
    in_strips(len(values), partial(units, values, out), size=_POSITIONS, pixels=values.size)
    return torch.from_numpy(out)


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

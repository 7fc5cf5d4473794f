r"""LPIPS, AlexNet v0.1: learned perceptual distance (Zhang et al., CVPR 2018).

With unit-length features :math:`\hat y^l` after each of the five ReLUs and the learned weights :math:`w^l \ge 0`:

.. math:: d(p, t) = \sum_l \mathrm{mean}_{hw} \sum_c w_c^l \,(\hat y_{hwc}^l(p) - \hat y_{hwc}^l(t))^2

The linear weights and the scaling of the input are those of the ``lpips`` package, the backbone is torchvision's
(``weights.path("alexnet")``); both files are checked by sha256, so a number never comes from random weights. A
picture's features are computed once and serve every comparison. They are computed on strips of rows that pass through
all layers one after the other; :meth:`Lpips.distances` compares several pictures strip by strip, so that the features
of whole ones (0.4 GB at 4096x2160) are not in memory.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sdd_bench import weights
from sdd_bench.core.errors import ImageError, WeightsError
from sdd_bench.core.precision import full_float32
from sdd_bench.core.side_by_side import in_strips, side_by_side, threads_here, workers
from sdd_bench.core.storage.files import sha256_of
from sdd_bench.core.winograd import TILE, Winograd
from sdd_bench.metrics.alexnet import POOLED, load_alexnet
from sdd_bench.metrics.checks import Picture, check_picture
from sdd_bench.metrics.loops import units, weighted_squares

SMALLEST = 31
"""Pixels a picture needs in both directions, so that the last layer is not empty."""

_LINEAR_SHA256 = "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0"
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""Of the package's ``ScalingLayer``; to import it takes seconds, as it brings every network of torchvision."""
_POSITIONS = 1 << 13
"""Positions of features that a thread works on at once."""
_Step = list[Tensor | None]
_Sums = list[tuple[float, int]]


@dataclass(frozen=True)
class Features:
    """What LPIPS compares of one picture: per layer strips of ``(positions, channels)``; and the picture's size."""

    layers: tuple[tuple[Tensor, ...], ...]
    height: int
    width: int


class Lpips:
    """The metric.

    Args:
        device: Where to compute.
        strip_pixels: Size of the strips; for speed alone.

    Raises:
        WeightsError: The AlexNet weights are absent or damaged, or the ``lpips`` package holds other linear weights.
    """

    def __init__(self, device: str = "cpu", *, strip_pixels: int = 1 << 19) -> None:
        self._files = weights.path("alexnet"), linear_file()
        self.sha256 = hashlib.sha256("".join(map(sha256_of, self._files)).encode()).hexdigest()
        """Of both files: the sha256 of their two hex digests in a row."""
        self._device, self._strip_pixels = torch.device(device), strip_pixels
        self._gain, self._offset = (values.to(self._device) for values in scaling())

    def load(self) -> None:
        """Read the weights now, not with the first picture.

        Example:
            >>> Lpips().load()
        """
        _ = self._layers, self._linear

    @cached_property
    def _layers(self) -> list[_Layer]:
        return [_layer_on(self._device, layer) for layer in load_alexnet(self._files[0]).children()]

    @cached_property
    def _linear(self) -> list[Tensor]:
        return [column.to(self._device) for column in load_linear(self._files[1])]

    @full_float32()
    def features(self, picture: Picture | Tensor) -> Features:
        """Features of one picture, ``(H, W, 3)`` float RGB in [0, 1]; a tensor of a batch was checked with it.

        Raises:
            ImageError: It is smaller than 31 pixels, or holds NaN or infinite values.
        """
        if not isinstance(picture, Tensor):
            check_picture(picture, "LPIPS", smallest=SMALLEST)
        walk = self._walk(picture)
        steps = [walk.step() for _ in range(walk.n_steps)]
        layers = tuple(tuple(part for part in parts if part is not None) for parts in zip(*steps, strict=True))
        return Features(layers, *picture.shape[:2])

    @full_float32()
    def distances(self, pictures: Sequence[Picture], pairs: Sequence[tuple[int, int]]) -> list[float]:
        """LPIPS of ``pairs``, each of two places in ``pictures``: :meth:`distance` of their features, in little memory.

        Raises:
            ImageError: As :meth:`features`, or the sizes of two pictures differ.

        Example:
            >>> black = np.zeros((64, 64, 3), np.float32)
            >>> Lpips().distances([black, black + 1], [(0, 0), (0, 1)])[0]
            0.0
        """
        side_by_side(*(partial(check_picture, picture, "LPIPS", smallest=SMALLEST) for picture in pictures))
        for picture in pictures:
            _check_sizes(pictures[0].shape, picture.shape)
        walks = [self._walk(picture) for picture in pictures]
        before: list[Future[_Step] | None] = [None] * len(walks)
        sums: list[Future[list[_Sums]]] = []
        known: list[Future[_Step]] = []
        with workers(threads_here()) as pool:
            for _ in range(walks[0].n_steps):  # whatever a piece of work waits for has begun before it, most is done
                steps = [pool.submit(walk.step, last) for walk, last in zip(walks, before, strict=True)]
                before = [*steps]
                if known:
                    sums.append(pool.submit(self._compared, known, pairs))
                known = steps
            sums.append(pool.submit(self._compared, known, pairs))
        of_pairs = zip(*(part.result() for part in sums), strict=True)
        return [_mean_distance(zip(*parts, strict=True)) for parts in of_pairs]

    @torch.inference_mode()
    def _compared(self, steps: Sequence[Future[_Step]], pairs: Sequence[tuple[int, int]]) -> list[_Sums]:
        """Of each pair what one strip adds, layer by layer: squared distances, and the number of positions."""
        layers = [step.result() for step in steps]
        return [
            [
                (0.0, 0) if a is None or b is None else (_strip_distance(a, b, linear), len(a))
                for a, b, linear in zip(layers[one], layers[other], self._linear, strict=True)
            ]
            for one, other in pairs
        ]

    def _walk(self, picture: Picture | Tensor) -> _Walk:
        rows = max(1, self._strip_pixels // picture.shape[1])
        strips = [picture[row : row + rows] for row in range(0, picture.shape[0], rows)]
        return _Walk(strips, self._scaled, self._layers)

    def _scaled(self, strip: Picture | Tensor) -> Tensor:
        """A strip of a picture, ``(rows, W, 3)``, scaled as the package does."""
        if not isinstance(strip, Tensor):
            strip = torch.from_numpy(np.ascontiguousarray(strip, dtype=np.float32))
        return torch.addcmul(self._offset, strip.to(self._device, torch.float32), self._gain)

    @torch.inference_mode()
    @full_float32()
    def distance(self, a: Features, b: Features) -> float:
        """LPIPS between two pictures; 0 where they are equal.

        Raises:
            ImageError: Their sizes differ.
        """
        _check_sizes((a.height, a.width), (b.height, b.width))
        layers = zip(a.layers, b.layers, self._linear, strict=True)
        return _mean_distance(
            [(_strip_distance(x, y, linear), len(x)) for x, y in zip(one, other, strict=True)]
            for one, other, linear in layers
        )


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


def _check_sizes(a: Sequence[int], b: Sequence[int]) -> None:
    if tuple(a[:2]) != tuple(b[:2]):
        raise ImageError(f"LPIPS: one picture is {a[1]}x{a[0]}, the other {b[1]}x{b[0]} pixels.")


def _mean_distance(layers: Iterable[Iterable[tuple[float, int]]]) -> float:
    """The sum over layers of the mean over positions, from the sums and numbers of positions of each layer's strips."""
    total = 0.0
    for strips in layers:
        squares, counts = zip(*strips, strict=True)
        total += sum(squares) / sum(counts)
    return total


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
    at_once: int = 1
    """Rows of the result that it computes at once."""


def _layer_on(device: torch.device, convolution: nn.Module) -> _Layer:
    """A layer of AlexNet; on the processor, where its convolution has stride 1, by :class:`Winograd`."""
    assert isinstance(convolution, nn.Conv2d)
    convolution = convolution.to(device)
    weight, bias = convolution.weight, convolution.bias
    assert bias is not None
    size, step, padding = convolution.kernel_size[0], convolution.stride[0], int(convolution.padding[0])
    if device.type == "cpu" and step == 1:
        fast = Winograd(weight, bias, (0, padding))
        return _Layer(lambda rows: torch.from_numpy(fast(rows.numpy())), size, step, padding, TILE)

    def directly(rows: Tensor) -> Tensor:
        # (1, rows, W, C) read as (1, C, rows, W) is channels_last.
        picture = rows[None].permute(0, 3, 1, 2)
        return F.conv2d(picture, weight, bias, stride=step, padding=(0, padding)).relu_()[0].permute(1, 2, 0)

    return _Layer(directly, size, step, padding)


def _pool(rows: Tensor) -> Tensor:
    return F.max_pool2d(rows[None].permute(0, 3, 1, 2), kernel_size=3, stride=2)[0].permute(1, 2, 0)


class _Sliding:
    """A sliding-window operation over a picture that comes in strips of rows; no row is computed twice.

    Args:
        operation: On ``(rows, W, C)``, without padding of rows.
        size: Height of the window.
        step: Rows from one window to the next.
        padding: Rows of zeros above and below the picture.
        at_once: Rows of the result come in multiples of this, but for the last ones.
    """

    def __init__(
        self, operation: Callable[[Tensor], Tensor], *, size: int, step: int, padding: int = 0, at_once: int = 1
    ) -> None:
        self._operation, self._size, self._step, self._padding = operation, size, step, padding
        self._at_once = at_once
        self._waiting: Tensor | None = None

    def push(self, strip: Tensor | None, *, last: bool) -> Tensor | None:
        """What one more strip from top to bottom, ``(rows, W, C)``, completes; None for nothing."""
        known = strip if self._waiting is None else self._waiting
        if known is None:
            return None
        border = known.new_zeros((self._padding, *known.shape[1:]))
        parts = (border if self._waiting is None else self._waiting, strip, border if last else None)
        waiting = torch.cat([part for part in parts if part is not None])
        n_windows = max(0, (len(waiting) - self._size) // self._step + 1)
        n_windows -= 0 if last else n_windows % self._at_once
        self._waiting = waiting[n_windows * self._step :].clone()
        return self._operation(waiting[: (n_windows - 1) * self._step + self._size]) if n_windows else None


class _Walk:
    """One picture on its way through all layers, a strip at a step."""

    def __init__(
        self,
        strips: Sequence[Picture | Tensor],
        scaled: Callable[[Picture | Tensor], Tensor],
        layers: Sequence[_Layer],
    ) -> None:
        self.n_steps = len(strips)
        self._strips, self._scaled = iter(strips), scaled
        self._left = self.n_steps
        self._pools = {number: _Sliding(_pool, size=3, step=2) for number in POOLED}
        self._layers = [
            _Sliding(layer.apply, size=layer.size, step=layer.step, padding=layer.padding, at_once=layer.at_once)
            for layer in layers
        ]

    @torch.inference_mode()
    def step(self, before: Future[_Step] | None = None) -> _Step:
        """Features that the next strip completes, by layer ``(positions, channels)``; waits for the step before."""
        if before is not None:
            before.result()
        self._left -= 1
        last = self._left == 0
        rows: Tensor | None = self._scaled(next(self._strips))
        found = []
        for number, layer in enumerate(self._layers):
            if number in self._pools:
                rows = self._pools[number].push(rows, last=last)
            rows = layer.push(rows, last=last)
            found.append(None if rows is None else _units(rows.flatten(end_dim=1)))
        return found


def _units(features: Tensor) -> Tensor:
    if features.device.type != "cpu":
        return features / torch.linalg.vector_norm(features, dim=-1, keepdim=True).add_(1e-10)
    values = np.ascontiguousarray(features.numpy())
    out = np.empty_like(values)
    in_strips(len(values), partial(units, values, out), size=_POSITIONS, pixels=values.size)
    return torch.from_numpy(out)


def linear_file() -> Path:
    """The linear weights inside the ``lpips`` package.

    Raises:
        WeightsError: The package is absent, or holds another file.

    Example:
        >>> linear_file().name
        'alex.pth'
    """
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


def load_linear(file: Path) -> list[Tensor]:
    """Weights of the channels, ``(C,)`` for each layer.

    Example:
        >>> [len(values) for values in load_linear(linear_file())]
        [64, 192, 384, 256, 256]
    """
    columns = torch.load(file, map_location="cpu", weights_only=True)
    return [columns[f"lin{layer}.model.1.weight"].flatten() for layer in range(5)]


def scaling() -> tuple[Tensor, Tensor]:
    """What a picture in [0, 1] is multiplied by and what is added, by channel: the package's (2x - 1 - shift) / scale.

    Example:
        >>> [values.shape for values in scaling()]
        [torch.Size([3]), torch.Size([3])]
    """
    shift, scale = torch.tensor(_SHIFT), torch.tensor(_SCALE)
    return 2 / scale, -(1 + shift) / scale

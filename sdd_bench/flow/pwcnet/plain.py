"""PWC-Net as a flow estimator: the pre- and post-processing of the released code around the network.

Bilinear resize to multiples of 64, network, times 20, bilinear resize back, each axis rescaled.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from sdd_bench.core.precision import full_float32
from sdd_bench.core.storage.files import sha256_of
from sdd_bench.flow.estimator import check_pictures
from sdd_bench.flow.pwcnet.checkpoint import load_pwcnet
from sdd_bench.flow.pwcnet.network import FLOW_UNIT_PX, SIZE_MULTIPLE
from sdd_bench.flow.shrink import shrunk


class PwcNetFlow:
    """Flow by PWC-Net; implements :class:`sdd_bench.flow.estimator.FlowEstimator`.

    Args:
        path: Checkpoint, bundled or published.
        device: Torch device.
        precision: ``32``, or ``bf16`` for convolutions under autocast (correlation, warps and flow heads stay float32).
        max_size: Longest side at which the flow is estimated; None works at the size of the picture.
    """

    def __init__(
        self,
        path: Path,
        *,
        device: str = "cpu",
        precision: str = "32",
        max_size: int | None = None,
        name: str = "pwcnet",
    ) -> None:
        self.name = name
        self.network = load_pwcnet(path).to(device).to(memory_format=torch.channels_last)
        if precision == "32" and torch.device(device).type == "cpu":
            self.network.take_fewer_products()
        self.sha256 = sha256_of(path)
        self.precision = precision
        self.resolution = "full" if max_size is None else f"max {max_size}"
        self.signature = f"{name} {self.sha256[:12]}, resolution {self.resolution}, precision {precision}"
        self._max_size = max_size
        self._device = torch.device(device)

    @full_float32()
    def estimate(self, reference: Tensor, moving: Tensor, *, shrink: float = 1, nearest: bool = False) -> Tensor:
        """Flow ``(N, 2, H, W)`` in pixels with ``moving(p + flow(p)) ~ reference(p)``.

        Args:
            reference: Pictures on whose grid the flow is, ``(N, 3, H, W)``.
            moving: The others.
            shrink: Divides the working resolution.
            nearest: Whether sides go to the nearest multiples of 64 in place of the next larger ones.
        """
        size = check_pictures(reference, moving)
        with torch.no_grad(), self._autocast():
            of_both = [self._features(picture, shrink, nearest) for picture in (reference, moving)]
            return self._to_pixels(self.network.decode(*of_both)[-1], size).to(reference.device)

    @full_float32()
    def estimate_both(self, a: Tensor, b: Tensor, *, shrink: float = 1, nearest: bool = False) -> tuple[Tensor, Tensor]:
        """``estimate(a, b)`` and ``estimate(b, a)``: one feature pyramid per picture, one batch for both."""
        size = check_pictures(a, b)
        with torch.no_grad(), self._autocast():
            of_a, of_b = self._features(a, shrink, nearest), self._features(b, shrink, nearest)
            first = [torch.cat((x, y)) for x, y in zip(of_a, of_b, strict=True)]
            second = [torch.cat((y, x)) for x, y in zip(of_a, of_b, strict=True)]
            del of_a, of_b
            flow = self.network.decode(first, second)[-1]
            forth, back = self._to_pixels(flow, size).to(a.device).chunk(2)
            return forth, back

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self._device.type, torch.bfloat16, enabled=self.precision == "bf16")

    def working_scale(self, height: int, width: int) -> float:
        """How many times smaller than the picture the network sees it, multiples of 64 aside."""
        return 1.0 if self._max_size is None else max(1.0, max(height, width) / self._max_size)

    def _features(self, picture: Tensor, shrink: float, nearest: bool) -> list[Tensor]:
        height, width = picture.shape[2:]
        scale = shrink * self.working_scale(height, width)
        multiples = (max(1, round(side / scale)) / SIZE_MULTIPLE for side in (height, width))
        target = [SIZE_MULTIPLE * (max(1, round(n)) if nearest else math.ceil(n)) for n in multiples]
        picture = picture.to(self._device, torch.float32)
        if target != [height, width] and target[0] <= height and target[1] <= width:
            picture = shrunk(picture, target)
        elif target != [height, width]:
            picture = F.interpolate(picture, target, mode="bilinear", align_corners=False, antialias=scale > 1)
        return self.network.features(picture.contiguous(memory_format=torch.channels_last))

    def _to_pixels(self, flow: Tensor, size: tuple[int, int]) -> Tensor:
        """The network's flow at the size of the picture; each axis by how much the picture was resized."""
        working = tuple(4 * side for side in flow.shape[2:])
        flow = F.interpolate(flow.float(), size, mode="bilinear", align_corners=False)
        flow[:, 0] *= FLOW_UNIT_PX * size[1] / working[1]
        flow[:, 1] *= FLOW_UNIT_PX * size[0] / working[0]
        return flow

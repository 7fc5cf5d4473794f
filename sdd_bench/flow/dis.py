"""OpenCV's DIS optical flow (Kroeger et al., ECCV 2016), which needs no weights and is the yardstick of the benchmarks.

It works on 8-bit grey pictures. On blurred pairs the errors of PWC-Net are several times smaller (see the model card of
its weights).
"""

from __future__ import annotations

from typing import Any, Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sdd_bench.flow.estimator import check_pictures

Preset = Literal["ultrafast", "fast", "medium"]

_PRESETS = {
    "ultrafast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
    "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
    "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
}
_SMALLEST_SIDE = 32
"""Smallest side that OpenCV can take; smaller pictures are padded."""


class DisFlow:
    """Flow by OpenCV DIS; implements :class:`sdd_bench.flow.estimator.FlowEstimator`.

    Args:
        preset: Name of one of OpenCV's presets; ``medium`` is the most exact.
    """

    def __init__(self, preset: Preset = "medium") -> None:
        self.name = "dis"
        self.sha256 = ""
        self.resolution = "full"
        self.precision = "8-bit grey"
        self.signature = f"dis {preset}, resolution full, precision 8-bit grey"
        self._preset = preset

    def estimate(self, reference: Tensor, moving: Tensor) -> Tensor:
        """Flow ``(N, 2, H, W)`` in pixels with ``moving(p + flow(p)) ~ reference(p)``."""
        check_pictures(reference, moving)
        flows = [self._one(first, second) for first, second in zip(_grey(reference), _grey(moving), strict=True)]
        return torch.from_numpy(np.stack(flows)).to(reference.device)

    def estimate_both(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """``estimate(a, b)`` and ``estimate(b, a)``."""
        return self.estimate(a, b), self.estimate(b, a)

    def _one(self, reference: NDArray[np.uint8], moving: NDArray[np.uint8]) -> NDArray[np.float32]:
        height, width = reference.shape
        bottom, right = (max(0, _SMALLEST_SIDE - side) for side in (height, width))
        if bottom or right:
            reference, moving = (np.pad(x, ((0, bottom), (0, right)), mode="edge") for x in (reference, moving))
        # A fresh object per call: DIS keeps state, and estimators may be shared between threads.
        algorithm: Any = cv2.DISOpticalFlow.create(_PRESETS[self._preset])
        flow = algorithm.calc(reference, moving, None)[:height, :width]
        return np.ascontiguousarray(flow.transpose(2, 0, 1))


def _grey(pictures: Tensor) -> list[NDArray[np.uint8]]:
    """8-bit luma of RGB in [0, 1], one array per picture."""
    luma = (pictures.detach().cpu().float() * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1)
    return list((luma.clamp(0, 1) * 255).round().to(torch.uint8).numpy())

"""A picture with edges, as deconvolution needs one: noise of natural amplitudes alone has nothing to restore."""

from __future__ import annotations

import cv2
import numpy as np
import pytest


@pytest.fixture
def scene() -> np.ndarray:
    """Overlapping discs of every size, (176, 240, 3) float32 RGB in [0, 1], edges one pixel soft."""
    rng = np.random.default_rng(7)
    height, width, scale = 176, 240, 4
    canvas = np.full((height * scale, width * scale, 3), 0.5, np.float32)
    for _ in range(300):
        radius = int(scale * 3 * rng.pareto(2.0)) + 2 * scale
        center = (int(rng.integers(width * scale)), int(rng.integers(height * scale)))
        cv2.circle(canvas, center, radius, rng.uniform(0.1, 0.9, 3).tolist(), -1)
    return cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)

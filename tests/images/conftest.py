"""Small pictures for the readers."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def small(photo: np.ndarray) -> np.ndarray:
    """(40, 60, 3) uint8."""
    return np.ascontiguousarray(photo[:40, :60])


@pytest.fixture
def small16(small: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(40, 60, 3) uint16 that uses its low bits."""
    return small.astype(np.uint16) * 256 + rng.integers(0, 256, small.shape, dtype=np.uint16)

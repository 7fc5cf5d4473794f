"""Kinds of numpy arrays that many modules pass on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.generic]
"""Pixels as a file holds them: ``(H, W, 3)`` RGB, uint8 or uint16."""
Plane = NDArray[np.float32]
"""One value per pixel, ``(H, W)``, or one value per pixel and channel."""

"""EBDB: blur measured at edges, spread over the picture along its own smooth parts.

Karaali and Jung, "Edge-Based Defocus Blur Estimation With Adaptive Scale Selection" (IEEE TIP 2018), from its
equations. What MATLAB does in the authors' program (Canny's filters, for one) is not repeated to the bit; gradients
are read at the edge's ridge, not at the pixel's centre (:func:`sdd_bench.defocus.edges.edge_blur`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sdd_bench.defocus.edges import edge_blur
from sdd_bench.defocus.filters.domain_transform import domain_transform

_LUMA = np.array([65.481, 128.553, 24.966], np.float32) / np.float32(255)
"""BT.601, from 16/255 for black to 235/255 for white."""
_BLACK = np.float32(16 / 255)
_GAMMA = np.float32(2.4)
_GUIDE_SIGMA_S, _GUIDE_SIGMA_R = 7.0, 0.5
_SIGMA_R = 3.75
_SIGMA_S_SHARE = 1 / 8
"""Spatial sigma of the propagation, over the picture's shorter side."""
_UNREACHED = np.float32(1e-30)
"""Weight of the edges' mean: it counts where no edge reaches."""


def ebdb(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Blur of every pixel.

    Args:
        picture: ``(H, W, 3)`` float32 RGB in [0, 1].

    Returns:
        Sigma of a Gaussian in pixels, ``(H, W)`` float32 in [0, 5]; zeros for a picture without an edge.
    """
    shape = picture.shape[:2]
    found = edge_blur(luma(picture) ** _GAMMA)
    if not len(found.rows):
        return np.zeros(shape, np.float32)
    guide = domain_transform(picture, picture, sigma_s=_GUIDE_SIGMA_S, sigma_r=_GUIDE_SIGMA_R)
    sparse = np.stack([found.plane(shape), found.mask(shape)], axis=-1)
    spread = domain_transform(sparse, guide, sigma_s=_SIGMA_S_SHARE * min(shape), sigma_r=_SIGMA_R)
    weight = spread[..., 1] + _UNREACHED
    return np.asarray((spread[..., 0] + _UNREACHED * found.sigma_px.mean()) / weight)


def luma(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Luma of video range, ``(H, W)`` float32 from 16/255 to 235/255."""
    return np.asarray(picture @ _LUMA + _BLACK)

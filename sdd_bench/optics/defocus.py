r"""Defocus of a scene of layers: blur each, lay them over each other from back to front.

A layer is its *premultiplied* linear light :math:`\alpha c` and its coverage :math:`\alpha`. With the layer's kernel
:math:`k` a canvas :math:`L` becomes

.. math:: L \leftarrow k * (\alpha c) + (1 - k * \alpha) \, L .

Light of a layer so spreads over what is behind it, and never over what is before it: an object in focus keeps a hard
edge however blurred and bright its background is, because what is behind it is drawn there too.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]


@dataclass(frozen=True)
class Layer:
    """A fronto-parallel layer of a scene, in linear light."""

    color: NDArray[np.float32]
    """Premultiplied light, ``(3, H, W)``."""
    alpha: Plane | None = None
    """Coverage in [0, 1], ``(H, W)``; None: opaque everywhere."""


def blur(plane: Plane, kernel: NDArray[np.float32]) -> Plane:
    """Convolve ``(H, W)`` with a kernel that sums to 1; the plane is mirrored at its border.

    Large kernels go through the discrete Fourier transform, so time hardly depends on the diameter.
    """
    if kernel.size == 1:
        return plane
    flipped = np.ascontiguousarray(kernel[::-1, ::-1])  # OpenCV correlates
    return np.asarray(cv2.filter2D(plane, -1, flipped, borderType=cv2.BORDER_REFLECT))


def blur_layer(layer: Layer, kernel: NDArray[np.float32]) -> Layer:
    """A layer as the lens shows it: colour and coverage blurred alike."""
    if kernel.size == 1:
        return layer
    color = np.empty_like(layer.color)
    for channel, plane in enumerate(layer.color):
        color[channel] = blur(plane, kernel)
    return Layer(color, None if layer.alpha is None else blur(layer.alpha, kernel))


def lay_over(canvas: NDArray[np.float32], layer: Layer) -> None:
    """Put ``layer`` before what ``canvas``, ``(3, H, W)`` linear light, shows; in place."""
    if layer.alpha is None:
        canvas[:] = layer.color
        return
    behind = 1.0 - layer.alpha
    for plane, light in zip(canvas, layer.color, strict=True):
        plane *= behind
        plane += light

r"""Defocus of a scene of layers: each layer is blurred and laid over those behind it.

A layer consists of its coverage :math:`\alpha` and its *premultiplied* linear light :math:`\alpha c`, where
:math:`c` is its colour. Let :math:`k` be the layer's blur kernel, :math:`L` the canvas and :math:`*` convolution. From
back to front, each layer changes the canvas to

.. math:: L \leftarrow k * (\alpha c) + (1 - k * \alpha) \, L .

So the light of a layer spreads over the layers behind it, and never over those in front of it. An object in focus keeps
a hard edge however blurred and bright its background is, because the background is drawn behind the object, too.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.arrays import Plane


@dataclass(frozen=True)
class Layer:
    """A fronto-parallel layer of a scene, in linear light."""

    color: NDArray[np.float32]
    """Premultiplied light, ``(3, H, W)``."""
    alpha: Plane | None = None
    """Coverage in [0, 1], ``(H, W)``; None: opaque everywhere."""


def blur(plane: Plane, kernel: NDArray[np.float32]) -> Plane:
    """Convolve a plane, ``(H, W)``, with a kernel that sums to 1; the plane is mirrored at its border.

    OpenCV applies large kernels by the discrete Fourier transform, so the time hardly depends on the diameter.

    Example:
        >>> point = np.zeros((1, 5), np.float32)
        >>> point[0, 2] = 1
        >>> blur(point, np.float32([[0.25, 0.5, 0.25]])).tolist()
        [[0.0, 0.25, 0.5, 0.25, 0.0]]
    """
    if kernel.size == 1:
        return plane
    flipped = np.ascontiguousarray(kernel[::-1, ::-1])  # OpenCV correlates
    return np.asarray(cv2.filter2D(plane, -1, flipped, borderType=cv2.BORDER_REFLECT))


def blur_layer(layer: Layer, kernel: NDArray[np.float32]) -> Layer:
    """The layer as the lens shows it: colour and coverage are blurred alike.

    Example:
        >>> layer = Layer(np.zeros((3, 1, 4), np.float32), np.float32([[1, 1, 0, 0]]))
        >>> blur_layer(layer, np.full((1, 3), 1 / 3, np.float32)).alpha.round(2).tolist() == [
        ...     np.float32([1, 0.67, 0.33, 0]).tolist()
        ... ]
        True
    """
    if kernel.size == 1:
        return layer
    color = np.empty_like(layer.color)
    for channel, plane in enumerate(layer.color):
        color[channel] = blur(plane, kernel)
    return Layer(color, None if layer.alpha is None else blur(layer.alpha, kernel))


def lay_over(canvas: NDArray[np.float32], layer: Layer) -> None:
    """Draw ``layer`` in front of what ``canvas`` shows, in place.

    Args:
        canvas: Linear light, ``(3, H, W)``; it is changed.
        layer: Layer to draw.

    Example:
        >>> canvas = np.ones((3, 1, 2), np.float32)
        >>> lay_over(canvas, Layer(np.zeros((3, 1, 2), np.float32), np.float32([[1, 0.25]])))
        >>> canvas[0].tolist()
        [[0.0, 0.75]]
    """
    if layer.alpha is None:
        canvas[:] = layer.color
        return
    behind = 1.0 - layer.alpha
    for plane, light in zip(canvas, layer.color, strict=True):
        plane *= behind
        plane += light

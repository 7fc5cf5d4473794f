r"""Defocus of a scene of layers: each layer is blurred and laid over those behind it.

A layer consists of its coverage :math:`\alpha` and its *premultiplied* linear light :math:`\alpha c`, where
:math:`c` is its colour. Let :math:`k` be the layer's blur kernel, :math:`L` the canvas and :math:`*` convolution. From
back to front, each layer changes the canvas to

.. math:: L \leftarrow k * (\alpha c) + (1 - k * \alpha) \, L .

So the light of a layer spreads over the layers behind it, and never over those in front of it. An object in focus keeps
a hard edge however blurred and bright its background is, because the background is drawn behind the object, too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.arrays import Plane
from sdd_bench.optics.bokeh import Bokeh

_WINDOWS = 7
"""Windows along each side, over which the cat's eye changes in steps that fade into each other."""


@dataclass(frozen=True)
class Layer:
    """A fronto-parallel layer of a scene, in linear light."""

    color: NDArray[np.float32]
    """Premultiplied light, ``(3, H, W)``."""
    alpha: NDArray[np.float32] | None = None
    """Coverage in [0, 1], ``(H, W)``, or per colour ``(3, H, W)``; None: opaque everywhere."""


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


def blur_through(layer: Layer, signed_coc_px: float, lens: Bokeh, field: Field) -> Layer:
    """The layer as a real lens shows it; its coverage is per colour, since colours focus apart.

    The cat's eye changes over the picture. The layer is blurred in overlapping windows, each as the lens blurs at its
    middle, and the windows fade into each other.

    Args:
        layer: Layer in focus.
        signed_coc_px: Circle of confusion; positive behind the focus.
        lens: The lens, with the cat's eye of the picture's corners.
        field: Where the picture lies on the layer.

    Example:
        >>> field = Field(height=8, width=8, margin=4)
        >>> grey = Layer(np.full((3, 16, 16), 0.5, np.float32))
        >>> bool(np.allclose(blur_through(grey, 5.0, Bokeh(cats_eye=0.5), field).color, 0.5, atol=1e-6))
        True
    """
    color = layer.color
    alpha = None if layer.alpha is None else np.broadcast_to(layer.alpha, color.shape)
    blurred = Layer(np.zeros_like(color), None if alpha is None else np.zeros_like(color))
    for rows, columns, weight, here in field.windows(lens):
        for channel in range(3):
            kernel = here.kernel(signed_coc_px, channel)
            around, inner = _with_border((rows, columns), kernel.shape[0] // 2, color.shape[1:])
            for plane, into in ((color, blurred.color), (alpha, blurred.alpha)):
                if plane is not None and into is not None:
                    into[channel, rows, columns] += weight * blur(plane[(channel, *around)], kernel)[inner]
    return blurred


@dataclass(frozen=True)
class Field:
    """A picture on a canvas that is larger on every side."""

    height: int
    width: int
    margin: int

    def windows(self, lens: Bokeh) -> Iterator[tuple[slice, slice, NDArray[np.float32], Bokeh]]:
        """Windows of the canvas with their weights and the lens there; the weights of all add up to 1 everywhere."""
        whole = self.height + 2 * self.margin, self.width + 2 * self.margin
        if lens.cats_eye == 0:
            yield slice(0, whole[0]), slice(0, whole[1]), np.ones(whole, np.float32), lens
            return
        half_diagonal = math.hypot(self.height, self.width) / 2
        down, across = (_tents(length) for length in whole)
        for rows, weight_y, middle_y in down:
            for columns, weight_x, middle_x in across:
                x, y = ((middle_x - whole[1] / 2) / half_diagonal, (middle_y - whole[0] / 2) / half_diagonal)
                yield rows, columns, weight_y[:, None] * weight_x, lens.at(x, y)


def _tents(length: int) -> list[tuple[slice, NDArray[np.float32], float]]:
    """Stretches of a line with weights that rise and fall linearly, and their middles."""
    middles = np.linspace(0, length - 1, _WINDOWS)
    places = np.interp(np.arange(length), middles, np.arange(_WINDOWS))
    stretches = []
    for number, middle in enumerate(middles):
        inside = np.flatnonzero(np.abs(places - number) < 1)
        part = slice(int(inside[0]), int(inside[-1]) + 1)
        stretches.append((part, (1 - np.abs(places[part] - number)).astype(np.float32), float(middle) + 0.5))
    return stretches


def _with_border(
    window: tuple[slice, slice], half: int, shape: tuple[int, ...]
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """The window grown by ``half`` within the canvas, and where it lies therein."""
    grown = [
        slice(max(0, part.start - half), min(length, part.stop + half))
        for part, length in zip(window, shape, strict=True)
    ]
    inner = [
        slice(part.start - large.start, part.stop - large.start) for part, large in zip(window, grown, strict=True)
    ]
    return (grown[0], grown[1]), (inner[0], inner[1])


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
    behind = np.broadcast_to(1.0 - layer.alpha, canvas.shape)
    for plane, light, through in zip(canvas, layer.color, behind, strict=True):
        plane *= through
        plane += light

"""Painting the surfaces of a scene: lines, clusters and dead leaves."""

from __future__ import annotations

from enum import StrEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.synth.textures import Bytes, cut


class SceneKind(StrEnum):
    """Kind of background of a scene; it is the ``group`` of the scene's pairs."""

    LEAVES = "leaves"
    WALL = "wall"
    PRINT = "print"
    PHOTO = "photo"


PIXEL_SIGMA_PX = 0.5
"""Sigma of the Gaussian that smooths the scene, so that a cubic spline can interpolate between its samples."""

BRIGHTEST = 0.68
"""Linear light of the brightest surface, so that an exposure gain of up to 1.4 does not clip it."""
_SUBPIXEL_BITS = 4
"""Fractional bits of the coordinates given to OpenCV: shapes are placed to 1/16 px."""


class Painting:
    """An 8-bit picture, with coverage, to paint shapes on.

    Args:
        height: Height in pixels.
        width: Width in pixels.

    Example:
        >>> painting = Painting(4, 4)
        >>> painting.paint(0, 0, np.full((2, 2), 255, np.uint8), np.full((2, 2, 3), 9, np.uint8))
        >>> painting.alpha[:, 0].tolist(), painting.color[0, 0].tolist()
        ([255, 255, 0, 0], [9, 9, 9])
    """

    def __init__(self, height: int, width: int) -> None:
        self.color = np.zeros((height, width, 3), np.uint8)
        self.alpha = np.zeros((height, width), np.uint8)

    def fill(self, pixels: Bytes) -> None:
        """Cover the whole picture with ``pixels``."""
        self.color[:] = pixels
        self.alpha[:] = 255

    def paint(self, y: int, x: int, mask: Bytes, pixels: Bytes) -> None:
        """Paint ``pixels`` over the picture at (y, x), with the antialiased ``mask``, 0 to 255, as coverage."""
        part = (slice(y, y + mask.shape[0]), slice(x, x + mask.shape[1]))
        color, alpha = self.color[part], self.alpha[part]
        inner = cv2.compare(mask, 255, cv2.CMP_EQ)
        edge = np.nonzero(mask != inner)
        over = mask[edge].astype(np.float32)[:, None] / 255
        under = (1 - over) * (alpha[edge].astype(np.float32)[:, None] / 255)
        mixed = (over * pixels[edge] + under * color[edge]) / (over + under)
        cv2.copyTo(np.ascontiguousarray(pixels), inner, color)
        color[edge] = (mixed + 0.5).astype(np.uint8)
        alpha[edge] = (255 * (over + under)[:, 0] + 0.5).astype(np.uint8)
        cv2.max(alpha, inner, dst=alpha)


def paint_background(painting: Painting, kind: SceneKind, bank: list[Bytes], rng: np.random.Generator) -> None:
    """Paint a background of ``kind`` that covers everything, with textures cut from ``bank``.

    Example:
        >>> painting = Painting(64, 64)
        >>> paint_background(painting, SceneKind.WALL, [np.full((8, 8, 3), 90, np.uint8)], np.random.default_rng(0))
        >>> int(painting.alpha.min())
        255
    """
    height, width = painting.alpha.shape
    painting.fill(cut(bank, height, width, rng))
    size = min(height, width)
    if kind is SceneKind.LEAVES:
        _paint_leaves(painting, bank, rng, int(140 + 1000 * min(1.0, height * width / 9e6)), (4.0, 0.3 * size))
        return
    columns, rows = int(rng.integers(3, 7)), int(rng.integers(2, 5))
    for row in range(rows):
        for column in range(columns):
            y, x = row * height // rows, column * width // columns
            h, w = (row + 1) * height // rows - y, (column + 1) * width // columns - x
            inset = int(0.08 * min(h, w))
            mask = np.zeros((h, w), np.uint8)
            mask[inset : h - inset, inset : w - inset] = 255
            painting.paint(y, x, mask, cut(bank[3:4] if kind is SceneKind.PRINT else bank, h, w, rng))
    _paint_lines(painting, rng, grid=kind is SceneKind.WALL)
    _paint_leaves(painting, bank, rng, int(60 + 300 * min(1.0, height * width / 9e6)), (4.0, 0.12 * size))


def _paint_lines(painting: Painting, rng: np.random.Generator, *, grid: bool) -> None:
    """Paint long straight lines at any angle, and a grid of them, because a deformation is obvious in lines."""
    height, width = painting.alpha.shape
    diagonal = float(np.hypot(height, width))
    lines = [(rng.uniform(0, np.pi), rng.uniform(-0.5, 0.5) * diagonal) for _ in range(8)]
    if grid:
        tilt, pitch = rng.uniform(-0.1, 0.1), diagonal / rng.uniform(15, 30)
        steps = np.arange(-0.5 * diagonal, 0.5 * diagonal, pitch)
        lines += [(tilt, step) for step in steps] + [(tilt + np.pi / 2, step) for step in steps]
    for angle, distance in lines:
        normal = np.array([-np.sin(angle), np.cos(angle)])
        along = np.array([np.cos(angle), np.sin(angle)]) * diagonal
        middle = np.array([width / 2, height / 2]) + distance * normal
        ends = [_subpixel(middle + sign * along) for sign in (-1, 1)]
        color = tuple(int(value) for value in rng.integers(0, 256, 3))
        cv2.line(painting.color, ends[0], ends[1], color, int(rng.integers(1, 6)), cv2.LINE_AA, _SUBPIXEL_BITS)


def paint_cluster(painting: Painting, bank: list[Bytes], rng: np.random.Generator) -> None:
    """Paint a foreground layer: a few large shapes, and small ones on and near them.

    Example:
        >>> painting = Painting(64, 64)
        >>> paint_cluster(painting, [np.full((8, 8, 3), 90, np.uint8)], np.random.default_rng(0))
        >>> 0 < float((painting.alpha > 0).mean()) < 1
        True
    """
    height, width = painting.alpha.shape
    size = min(height, width)
    centres = rng.uniform(0, 1, (int(rng.integers(3, 6)), 2)) * (width, height)
    for centre in centres:
        _paint_leaf(painting, bank, rng, centre, size * rng.uniform(0.08, 0.22))
    for _ in range(int(20 + 120 * min(1.0, height * width / 9e6))):
        centre = centres[rng.integers(len(centres))] + rng.normal(0, 0.12 * size, 2)
        _paint_leaf(painting, bank, rng, centre, _power_law(rng, 4.0, 0.06 * size))


def _paint_leaves(
    painting: Painting, bank: list[Bytes], rng: np.random.Generator, count: int, radii: tuple[float, float]
) -> None:
    height, width = painting.alpha.shape
    for number in range(count):
        # large shapes first, so that they do not cover the small ones
        radius = rng.uniform(0.2, 1) * radii[1] if number < 12 else _power_law(rng, *radii)
        _paint_leaf(painting, bank, rng, rng.uniform(0, 1, 2) * (width, height), radius)


def _power_law(rng: np.random.Generator, smallest: float, largest: float) -> float:
    """A random radius r with density proportional to r**-2.2."""
    low, high = smallest**-1.2, max(largest, 1.5 * smallest) ** -1.2
    return float((low + rng.random() * (high - low)) ** (-1 / 1.2))


def _paint_leaf(
    painting: Painting, bank: list[Bytes], rng: np.random.Generator, centre: NDArray[np.float64], radius: float
) -> None:
    """Paint one shape, an ellipse, a polygon or a box, with a texture or with one colour (mostly small shapes)."""
    height, width = painting.alpha.shape
    outline = _outline(rng, radius)
    x0, y0 = np.maximum(np.floor(centre - radius - 1), 0).astype(int)
    x1, y1 = np.minimum(np.ceil(centre + radius + 2), (width, height)).astype(int)
    plain, color = rng.random() < (0.5 if radius < 12 else 0.08), rng.integers(0, 256, 3, np.uint8)
    if x1 - x0 < 2 or y1 - y0 < 2:
        return
    mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
    points = np.round((outline + centre - (x0, y0)) * 2**_SUBPIXEL_BITS).astype(np.int32)
    cv2.fillPoly(mask, [points], 255, cv2.LINE_AA, _SUBPIXEL_BITS)
    pixels = np.broadcast_to(color, (*mask.shape, 3)) if plain else cut(bank, mask.shape[0], mask.shape[1], rng)
    painting.paint(int(y0), int(x0), mask, pixels)


def _outline(rng: np.random.Generator, radius: float) -> NDArray[np.float64]:
    """Corners of a shape within ``radius`` of the origin, ``(n, 2)`` as (x, y)."""
    kind, turn = rng.integers(3), rng.uniform(0, 2 * np.pi)
    if kind == 0:
        angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
        points = np.stack((np.cos(angles), np.sin(angles) * rng.uniform(0.3, 1)), 1)
    elif kind == 1:
        angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 9)))
        points = np.stack((np.cos(angles), np.sin(angles)), 1) * rng.uniform(0.5, 1, (len(angles), 1))
    else:
        half_width, half_height = rng.uniform(0.15, 0.7, 2)
        points = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (half_width, half_height)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return np.asarray(radius * points @ rotation.T)


def _subpixel(point: NDArray[np.float64]) -> tuple[int, int]:
    x, y = np.round(point * 2**_SUBPIXEL_BITS).astype(int)
    return int(x), int(y)


def as_8bit(pixels: NDArray[np.generic]) -> Bytes:
    """A uint8 or uint16 picture as uint8.

    Example:
        >>> as_8bit(np.array([0, 256, 65535], np.uint16)).tolist()
        [0, 1, 255]
    """
    return np.asarray(pixels if pixels.dtype == np.uint8 else (pixels >> 8).astype(np.uint8))  # type: ignore[operator]


def smooth_edges(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """A plane smoothed by a Gaussian of :data:`PIXEL_SIGMA_PX`.

    Example:
        >>> smooth_edges(np.ones((3, 3), np.float32)).round(5).min()
        np.float32(1.0)
    """
    return np.asarray(cv2.GaussianBlur(plane, (5, 5), PIXEL_SIGMA_PX, borderType=cv2.BORDER_REFLECT))

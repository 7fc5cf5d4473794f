"""Training pairs for the flow network, made from a seed: dead leaves, known motion, defocus, exposure, artefacts.

Nothing here is photographed: textures are dead leaves (Lee, Mumford, Huang, IJCV 2001), whose occlusions and scale
invariance resemble those of photographs. A pair is rendered from one texture through two coordinate maps,
``moving(q) = texture(S q)`` and ``reference(p) = texture(S (p + flow(p)))`` with a random similarity S, so both
pictures are resampled alike and neither is favoured. In a third of the pairs a second layer with its own motion covers
the first. Then one or both are defocused (spatially varying, zero-mean kernels: blur moves nothing), one may be
over-sharpened, ringing or JPEG-coded like a network's prediction, and exposure, gamma, colour and noise differ.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]
TEXTURE_SIZE = 640
_MARGIN = 24
"""Pixels rendered around a crop, so that defocus sees what lies beyond it."""


# --- textures -----------------------------------------------------------------------------------------------------


def fractal(height: int, width: int, rng: np.random.Generator, slope: float) -> Picture:
    """Noise whose amplitude falls as frequency**-slope, scaled to [0, 1]."""
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = 1
    noise = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((height, width))) / frequency**slope, s=(height, width))
    noise -= noise.min()
    return (noise / (noise.max() + 1e-9)).astype(np.float32)


def _stripes(height: int, width: int, rng: np.random.Generator) -> Picture:
    y, x = np.mgrid[:height, :width]
    angle, period = rng.uniform(0, np.pi), rng.uniform(3, 40)
    wave = 0.5 + 0.5 * np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / period)
    if rng.random() < 0.5:
        wave = (wave > 0.5).astype(np.float64)
    return (0.8 * wave + 0.2 * fractal(height, width, rng, 1)).astype(np.float32)


def _bricks(height: int, width: int, rng: np.random.Generator) -> Picture:
    y, x = np.mgrid[:height, :width]
    angle, period, aspect = rng.uniform(0, np.pi / 2), rng.uniform(4, 40), rng.uniform(1, 3)
    u = x * np.cos(angle) + y * np.sin(angle)
    v = (-x * np.sin(angle) + y * np.cos(angle)) * aspect
    joints = ((u / period) % 1 < 0.1) | ((v / period) % 1 < 0.12)
    return np.where(joints, 1, 0.6 * fractal(height, width, rng, 1)).astype(np.float32)


def texture(height: int, width: int, rng: np.random.Generator) -> Picture:
    """One surface between two random colours, ``(H, W, 3)``."""
    kind = rng.integers(7)
    if kind == 0:
        pattern = np.full((height, width), rng.random(), np.float32) + 0.05 * fractal(height, width, rng, 1)
    elif kind <= 3:
        pattern = fractal(height, width, rng, rng.uniform(0.4, 1.8))
    elif kind == 4:
        pattern = _stripes(height, width, rng)
    elif kind == 5:
        pattern = _bricks(height, width, rng)
    else:
        pattern = (fractal(height, width, rng, 0.8) > rng.uniform(0.35, 0.65)).astype(np.float32)
    first, second = rng.random((2, 3)).astype(np.float32)
    return np.asarray(first + (second - first) * pattern[..., None], dtype=np.float32)


def _leaf(shape: tuple[int, int], centre: tuple[int, int], radius: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    mask = np.zeros(shape, np.uint8)
    kind = rng.integers(4)
    if kind == 0:
        cv2.circle(mask, centre, radius, 255, -1, cv2.LINE_AA)
    elif kind == 1:
        axes = (radius, max(1, int(radius * rng.uniform(0.2, 1))))
        cv2.ellipse(mask, centre, axes, rng.uniform(0, 180), 0, 360, 255, -1, cv2.LINE_AA)
    elif kind == 2:
        corners = rng.integers(3, 9)
        angle, reach = np.sort(rng.uniform(0, 2 * np.pi, corners)), radius * rng.uniform(0.5, 1, corners)
        points = np.stack((centre[0] + reach * np.cos(angle), centre[1] + reach * np.sin(angle)), axis=1)
        cv2.fillPoly(mask, [points.astype(np.int32)], 255, cv2.LINE_AA)
    else:
        sides = (2 * radius * rng.uniform(0.1, 0.8), 2 * radius * rng.uniform(0.1, 0.8))
        box = cv2.boxPoints((centre, sides, rng.uniform(0, 180)))
        cv2.fillPoly(mask, [box.astype(np.int32)], 255, cv2.LINE_AA)
    return mask


def dead_leaves(size: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Leaves of radius density r**-2.2 over each other, ``(size, size, 3)``."""
    picture = texture(size, size, rng)
    smallest, largest = rng.uniform(3, 8), 0.35 * size
    for _ in range(int(10 ** rng.uniform(1.8, 3.1))):
        share = rng.random()
        radius = int((smallest**-1.2 + share * (largest**-1.2 - smallest**-1.2)) ** (-1 / 1.2))
        x, y = rng.integers(-(radius // 2), size + radius // 2 + 1, 2)
        x0, x1 = max(0, x - radius), min(size, x + radius + 1)
        y0, y1 = max(0, y - radius), min(size, y + radius + 1)
        if x1 - x0 < 2 or y1 - y0 < 2:
            continue
        mask = _leaf((y1 - y0, x1 - x0), (int(x - x0), int(y - y0)), max(2, radius), rng)
        cover = mask.astype(np.float32)[..., None] / 255
        plain = radius < 12 or rng.random() < 0.25
        surface = rng.random(3).astype(np.float32) if plain else texture(y1 - y0, x1 - x0, rng)
        picture[y0:y1, x0:x1] += cover * (surface - picture[y0:y1, x0:x1])
    return np.asarray(np.clip(picture, 0, 1) ** rng.uniform(0.6, 1.6) * 255, dtype=np.uint8)


def texture_pool(path: Path, count: int, seed: int) -> NDArray[np.uint8]:
    """``(count, S, S, 3)`` dead leaves of ``seed``, kept in the file ``path`` (made when absent)."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial.npy")
        pool = np.empty((count, TEXTURE_SIZE, TEXTURE_SIZE, 3), np.uint8)
        for index in range(count):
            pool[index] = dead_leaves(TEXTURE_SIZE, np.random.default_rng([seed, index]))
        np.save(partial, pool)
        partial.rename(path)
    pool = np.load(path, mmap_mode="r")
    if pool.shape[0] != count:
        raise SystemExit(f"{path}: holds {pool.shape[0]} textures, expected {count}; remove it.")
    return pool


# --- motion -------------------------------------------------------------------------------------------------------


def smooth_field(height: int, width: int, cells: int, rng: np.random.Generator, channels: int = 1) -> Picture:
    """Bicubic interpolation of a coarse normal grid, ``(channels, H, W)``."""
    grids = rng.standard_normal((channels, cells, cells)).astype(np.float32)
    return np.stack([cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC) for grid in grids])


def _similarity_motion(size: int, rng: np.random.Generator, shift: float, zoom: float, rotation: float) -> Picture:
    x = np.arange(size, dtype=np.float32) - size / 2 - rng.uniform(-600, 600) * (rng.random() < 0.5)
    y = np.arange(size, dtype=np.float32)[:, None] - size / 2 - rng.uniform(-600, 600) * (rng.random() < 0.5)
    z, t = rng.normal(0, zoom), rng.normal(0, rotation)
    dx, dy = rng.laplace(0, shift, 2).clip(-5 * shift, 5 * shift)
    return np.stack((z * x - t * y + dx, t * x + z * y + dy)).astype(np.float32)


def random_motion(size: int, rng: np.random.Generator) -> Picture:
    """Flow ``(2, size, size)`` in pixels: none, sub-pixel, camera-like, or large."""
    kind = rng.random()
    if kind < 0.1:
        return np.zeros((2, size, size), np.float32)
    if kind < 0.35:
        scale = rng.uniform(0.05, 1)
        flow = _similarity_motion(size, rng, scale, 0.002 * scale, 0.001 * scale)
        local = 0.3 * scale
    elif kind < 0.88:
        flow = _similarity_motion(size, rng, 4, 0.012, 0.004)
        local = rng.exponential(0.5)
    else:
        flow = _similarity_motion(size, rng, 10, 0.02, 0.01)
        local = rng.exponential(2)
    return (flow + local * smooth_field(size, size, int(rng.integers(3, 8)), rng, 2)).clip(-44, 44)


# --- what lenses, sensors and networks do to a picture --------------------------------------------------------------


def disc(radius: float) -> Picture:
    """Anti-aliased disc of unit sum."""
    reach = math.ceil(radius)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    kernel = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1)
    return (kernel / kernel.sum()).astype(np.float32)


def defocus(picture: Picture, radius: float) -> Picture:
    """Disc blur; large discs at half the size, where nothing finer is left anyway."""
    if radius < 5:
        return np.asarray(cv2.filter2D(picture, -1, disc(radius), borderType=cv2.BORDER_REFLECT_101))
    height, width = picture.shape[:2]
    half = cv2.resize(picture, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    half = cv2.filter2D(half, -1, disc(radius / 2), borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(cv2.resize(half, (width, height), interpolation=cv2.INTER_LINEAR))


def varying_defocus(picture: Picture, radius: float, rng: np.random.Generator) -> Picture:
    """Defocus between none and ``radius`` that follows a smooth depth; uniform in a fifth of the cases."""
    linear_light = rng.random() < 0.5
    x = picture**2.2 if linear_light else picture
    height, width = x.shape[:2]
    if rng.random() < 0.2:
        x = defocus(x, radius)
    else:
        levels = [x] + [defocus(x, radius * share) for share in (1 / 3, 2 / 3, 1)]
        depth = 1.2 * smooth_field(height, width, int(rng.integers(2, 5)), rng)[0] + rng.uniform(0, 3)
        depth = depth.clip(0, 3)[..., None]
        x = sum(level * (1 - np.abs(depth - index)).clip(0, 1) for index, level in enumerate(levels))
    x = np.asarray(x, dtype=np.float32).clip(0, 1)
    return x ** np.float32(1 / 2.2) if linear_light else x


def like_a_prediction(picture: Picture, rng: np.random.Generator) -> Picture:
    """Over-sharpened, ringing, or JPEG-coded: what networks and cameras leave behind."""
    kind = rng.random()
    if kind < 0.7:
        sigma, amount = (
            (rng.uniform(0.7, 1.5), rng.uniform(0.3, 2)) if kind < 0.4 else (rng.uniform(2, 5), rng.uniform(0.3, 1))
        )
        picture = picture + np.float32(amount) * (picture - cv2.GaussianBlur(picture, (0, 0), sigma))
    if kind > 0.5:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(40, 97))]
        code = cv2.imencode(".jpg", (picture.clip(0, 1)[..., ::-1] * 255).astype(np.uint8), quality)[1]
        picture = cv2.imdecode(code, cv2.IMREAD_COLOR)[..., ::-1].astype(np.float32) / 255
    return np.asarray(picture.clip(0, 1), dtype=np.float32)


def expose(picture: Picture, rng: np.random.Generator, strength: float = 1) -> Picture:
    """Another exposure, gamma, white balance and fall-off of light."""
    gamma = np.exp(rng.normal(0, 0.08 * strength))
    gain = rng.normal(1, 0.08 * strength) * rng.normal(1, 0.05 * strength, 3)
    if rng.random() < 0.1:
        gain = gain * rng.uniform(0.6, 1.3)
    height, width = picture.shape[:2]
    if rng.random() < 0.3:
        picture = picture * (1 + 0.06 * smooth_field(height, width, 3, rng)[0][..., None])
    return np.asarray(picture.clip(1e-4, 1) ** gamma * gain, dtype=np.float32)


# --- pairs --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FlowPair:
    """``moving(p + flow(p)) ~ reference(p)``; pictures ``(H, W, 3)`` in [0, 1], flow ``(2, H, W)`` in pixels."""

    reference: Picture
    moving: Picture
    flow: Picture


def _look_up(texture_: NDArray[np.uint8], x: Picture, y: Picture) -> Picture:
    found = cv2.remap(texture_, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    return found.astype(np.float32) / 255


class PairMaker:
    """Pairs by number: pair k of a seed is always the same.

    Args:
        pool: Textures ``(count, S, S, 3)`` uint8.
        size: Side of the crops.
        seed: First part of every pair's seed.
    """

    def __init__(self, pool: NDArray[np.uint8], size: int, seed: int) -> None:
        self.pool, self.size, self.seed = pool, size, seed

    def easy(self, index: int) -> FlowPair:
        """Pure shifts of sharp pictures: what starts a training from scratch."""
        rng = np.random.default_rng([self.seed, index, 1])
        flow = np.broadcast_to(rng.uniform(-10, 10, (2, 1, 1)), (2, self.size, self.size)).astype(np.float32)
        reference, moving = self._render(flow, self._view(rng), rng)
        return FlowPair(reference, moving, flow)

    def pair(self, index: int) -> FlowPair:
        """The full distribution."""
        rng = np.random.default_rng([self.seed, index])
        whole = self.size + 2 * _MARGIN
        flow = random_motion(whole, rng)
        reference, moving = self._render(flow, self._view(rng), rng)
        if rng.random() < 0.3:
            reference, moving, flow = self._cover(reference, moving, flow, rng)
        if rng.random() < 0.6:
            reference, moving = (
                self._desaturate(x, share) for share in [rng.uniform(0.1, 1)] for x in (reference, moving)
            )
        pictures = [reference, moving]
        blurry = int(rng.integers(2))
        if rng.random() < 0.72:
            radius = rng.uniform(0.5, 5) if rng.random() < 0.5 else rng.uniform(2, 17)
            pictures[blurry] = varying_defocus(pictures[blurry], radius, rng)
        if rng.random() < 0.15:
            pictures[1 - blurry] = varying_defocus(pictures[1 - blurry], rng.uniform(0.5, 3), rng)
        if rng.random() < 0.3:
            pictures[blurry] = like_a_prediction(pictures[blurry], rng)
        if rng.random() < 0.8:
            pictures[blurry] = expose(pictures[blurry], rng)
        sigmas = np.abs(rng.normal(0, 0.012, 2)) * (rng.random(2) < 0.8)
        pictures = [self._noise(x, sigma, rng) for x, sigma in zip(pictures, sigmas, strict=True)]
        inner = slice(_MARGIN, _MARGIN + self.size)
        reference, moving = (np.ascontiguousarray(x[inner, inner].clip(0, 1)) for x in pictures)
        return FlowPair(reference, moving, np.ascontiguousarray(flow[:, inner, inner]))

    @staticmethod
    def _desaturate(picture: Picture, share: float) -> Picture:
        grey = picture.mean(axis=2, keepdims=True)
        return np.asarray(grey + np.float32(share) * (picture - grey))

    @staticmethod
    def _noise(picture: Picture, sigma: float, rng: np.random.Generator) -> Picture:
        if sigma == 0:
            return picture
        return picture + np.float32(sigma) * rng.standard_normal(picture.shape, dtype=np.float32)

    @staticmethod
    def _view(rng: np.random.Generator) -> complex:
        """Zoom and rotation of the view of the texture."""
        return complex(rng.uniform(0.6, 1.2) * np.exp(1j * rng.uniform(0, 2 * np.pi)))

    def _render(self, flow: Picture, view: complex, rng: np.random.Generator) -> tuple[Picture, Picture]:
        texture_ = self.pool[rng.integers(len(self.pool))]
        if rng.random() < 0.5:
            texture_ = texture_[:, ::-1]
        side = flow.shape[1]
        centre = rng.uniform(0.35, 0.65, 2) * texture_.shape[0]
        grid = np.arange(side) - side / 2
        q = grid + 1j * grid[:, None]
        pictures = []
        for position in (q + flow[0] + 1j * flow[1], q):
            at = view * position
            x, y = (at.real + centre[0]).astype(np.float32), (at.imag + centre[1]).astype(np.float32)
            pictures.append(_look_up(np.ascontiguousarray(texture_), x, y))
        return pictures[0], pictures[1]

    def _cover(
        self, reference: Picture, moving: Picture, flow: Picture, rng: np.random.Generator
    ) -> tuple[Picture, Picture, Picture]:
        """A second layer in front, with its own motion, through a mask that moves with it."""
        side = flow.shape[1]
        own = flow + rng.normal(0, min(4.0, 0.3 + float(np.abs(flow).mean())), (2, 1, 1)).astype(np.float32)
        front_reference, front_moving = self._render(own, self._view(rng), rng)
        mask = smooth_field(side, side, int(rng.integers(3, 8)), rng)[0]
        edge = np.clip((mask - rng.uniform(0.1, 1.0)) * rng.uniform(10, 40) + 0.5, 0, 1)
        grid = np.arange(side, dtype=np.float32)
        moved = cv2.remap(
            edge, grid + own[0], grid[:, None] + own[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        reference = reference + moved[..., None] * (front_reference - reference)
        moving = moving + edge[..., None] * (front_moving - moving)
        return reference, moving, np.where(moved > 0.5, own, flow).astype(np.float32)

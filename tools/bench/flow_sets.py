"""The pairs with known flow that ``tools/bench/flow.py`` measures on; the distributions are fixed here.

``made``: dead leaves of seeds no training uses, 512x512. ``photos``: photographs warped by known fields. Both: smooth
zoom + rotation + shift + local motion, RMS 6 px and at most 20 px, then one picture (the reference) defocused by a
disc of the given diameter and exposed differently. Those are blurred as display values; ``in_light`` does as a camera:
blur, exposure and noise in linear light, then a tone curve, 8 bits, JPEG. Also Middlebury pairs, and the Oxford "bikes"
homographies.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import simplejpeg
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))

from flow_data import dead_leaves, disc, smooth_field

from sdd_bench.flow.flo import read_flo
from sdd_bench.images.light import add_noise, linear_to_srgb, srgb_to_linear
from sdd_bench.images.write import encode_jpeg
from sdd_bench.optics.tone import tone_curve
from sdd_bench.synthesis.scene import highlighted

Picture = NDArray[np.float32]
COC_PX = (0, 5, 15, 30)
_SEED = 90_210
_RMS_PX, _MOST_PX = 6.0, 20.0


@dataclass(frozen=True)
class Case:
    """``moving(p + flow(p)) ~ reference(p)``; pictures ``(H, W, 3)`` in [0, 1], flow ``(2, H, W)``."""

    reference: Picture
    moving: Picture
    flow: Picture
    known: NDArray[np.bool_]


def smooth_motion(height: int, width: int, rng: np.random.Generator) -> Picture:
    """Zoom, rotation, shift and local motion, scaled to RMS 6 px, at most 20 px."""
    x = np.arange(width, dtype=np.float32) - width / 2
    y = np.arange(height, dtype=np.float32)[:, None] - height / 2
    z, t = rng.normal(0, 0.012), rng.normal(0, 0.004)
    dx, dy = rng.normal(0, 4, 2)
    flow = np.stack((z * x - t * y + dx, t * x + z * y + dy)).astype(np.float32)
    flow += rng.uniform(0.5, 1.5) * smooth_field(height, width, int(rng.integers(3, 7)), rng, 2)
    flow *= _RMS_PX / math.sqrt(float((flow**2).sum(0).mean()))
    return flow * np.minimum(1, _MOST_PX / np.maximum(np.hypot(*flow), 1e-6))


def bicubic_warp(picture: Picture, flow: Picture) -> Picture:
    """``picture`` at p + flow(p), bicubic, exact positions."""
    height, width = flow.shape[1:]
    x = (np.arange(width) + flow[0]) * 2 / (width - 1) - 1
    y = (np.arange(height)[:, None] + flow[1]) * 2 / (height - 1) - 1
    grid = torch.from_numpy(np.stack((x, y), axis=-1))[None].double()
    source = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].double()
    warped = F.grid_sample(source, grid, mode="bicubic", padding_mode="border", align_corners=True)
    return warped[0].permute(1, 2, 0).clamp(0, 1).float().numpy()


def defocused(picture: Picture, coc_px: float) -> Picture:
    """Disc blur of that diameter."""
    if coc_px == 0:
        return picture
    return np.asarray(cv2.filter2D(picture, -1, disc(coc_px / 2), borderType=cv2.BORDER_REFLECT_101)).clip(0, 1)


def exposed(picture: Picture, rng: np.random.Generator) -> Picture:
    """Gain within 20 %, slightly another colour and gamma, a little noise."""
    gain = np.float32(rng.uniform(0.8, 1.2)) * rng.uniform(0.97, 1.03, 3).astype(np.float32)
    exposed_ = picture ** np.float32(rng.uniform(0.93, 1.07)) * gain
    return (exposed_ + rng.normal(0, 0.005, picture.shape)).clip(0, 1).astype(np.float32)


def warped_case(source: Picture, coc_px: float, rng: np.random.Generator, margin: int) -> Case:
    """A picture, moved and put out of focus, and the picture; without a margin along each side."""
    flow = smooth_motion(*source.shape[:2], rng)
    reference = exposed(defocused(bicubic_warp(source, flow), coc_px), rng)
    inner = slice(margin, -margin)
    known = np.ones((source.shape[0] - 2 * margin, source.shape[1] - 2 * margin), bool)
    return Case(reference[inner, inner], source[inner, inner], flow[:, inner, inner], known)


def made(count: int, coc_px: float) -> Iterator[Case]:
    """(a): 512x512 dead leaves."""
    for index in range(count):
        rng = np.random.default_rng([_SEED, index])
        yield warped_case(dead_leaves(560, rng).astype(np.float32) / 255, coc_px, rng, 24)


def read(path: Path) -> Picture:
    """A picture as RGB in [0, 1]."""
    return np.ascontiguousarray(cv2.imread(str(path), cv2.IMREAD_COLOR)[..., ::-1]).astype(np.float32) / 255


def photographs(root: Path, count: int, coc_px: float) -> Iterator[Case]:
    """(c): photographs of 768x512, 720x464 after the margin."""
    for index, path in enumerate(sorted((root / "photos").glob("*.png"))[:count]):
        yield warped_case(read(path), coc_px, np.random.default_rng([_SEED, 1, index]), 24)


@dataclass(frozen=True)
class Camera:
    """What makes a picture of light."""

    curve: str = "none"
    exposure: float = 1.0
    highlights: float = 1.0
    """How much brighter than white what is clipped in the photograph becomes."""
    lamps: int = 0
    """Spots of a few pixels, up to twelve times as bright as white: discs out of focus, clipped in focus."""
    shot_noise: float = 0.007
    read_noise: float = 0.0005
    jpeg_quality: int | None = None


CAMERAS = {
    "sRGB": Camera(),
    "vivid": Camera("vivid", highlights=4, shot_noise=0.015, read_noise=0.002, jpeg_quality=90),
    "filmic": Camera("filmic", highlights=4, shot_noise=0.015, read_noise=0.002, jpeg_quality=90),
    "dark": Camera(exposure=0.1, shot_noise=0.02, read_noise=0.002, jpeg_quality=95),
    "lamps": Camera("vivid", exposure=0.15, lamps=60, shot_noise=0.015, read_noise=0.002, jpeg_quality=92),
}
"""Cameras and scenes by name. ``dark`` is exposed by a tenth, so that white is 0.35 in its picture."""


def in_light(root: Path, count: int, coc_px: float, camera: Camera) -> Iterator[Case]:
    """(f): photographs as light, moved, out of focus, and taken by a camera."""
    for index, path in enumerate(sorted((root / "photos").glob("*.png"))[:count]):
        rng = np.random.default_rng([_SEED, 3, index])
        light = _light_of(read(path), camera, rng)
        flow = smooth_motion(*light.shape[:2], rng)
        brightest = float(light.max())
        moved = brightest * bicubic_warp(light / brightest, flow)
        if coc_px:
            moved = cv2.filter2D(moved, -1, disc(coc_px / 2), borderType=cv2.BORDER_REFLECT_101)
        gain = np.float32(rng.uniform(0.8, 1.25)) * rng.uniform(0.97, 1.03, 3).astype(np.float32)
        inner = slice(24, -24)
        reference, moving = (taken(seen, camera, rng)[inner, inner] for seen in (moved * gain, light))
        yield Case(reference, moving, flow[:, inner, inner], np.ones(reference.shape[:2], bool))


def tiles(count: int, coc_px: float) -> Iterator[Case]:
    """(g): bright, dark and grey tiles of light and themselves out of focus, 384x256, 8 bits; nothing moved."""
    for index in range(count):
        rng = np.random.default_rng([_SEED, 4, index])
        light = np.full((256, 384), 0.02, np.float32)
        for _ in range(40):
            x, y, w, h = *rng.integers(0, (384, 256)), *rng.integers(8, 40, 2)
            light[y : y + h, x : x + w] = rng.choice([0.02, 0.9, 0.4])
        light = cv2.GaussianBlur(light, (0, 0), 0.7)
        pair = [np.rint(255 * linear_to_srgb(seen)) / 255 for seen in (defocused(light, coc_px), light)]
        reference, moving = (np.dstack([picture] * 3).astype(np.float32) for picture in pair)
        yield Case(reference, moving, np.zeros((2, *light.shape), np.float32), np.ones(light.shape, bool))


def _light_of(photograph: Picture, camera: Camera, rng: np.random.Generator) -> Picture:
    """The scene light, ``(H, W, 3)``, that the photograph stands for."""
    light = highlighted(srgb_to_linear(photograph).transpose(2, 0, 1), camera.highlights).transpose(1, 2, 0)
    light = np.ascontiguousarray(light) * np.float32(camera.exposure)
    spots = np.zeros_like(light)
    for _ in range(camera.lamps):
        middle = [int(16 * rng.uniform(0, side)) for side in light.shape[1::-1]]
        colour = [float(value) for value in rng.uniform(2, 12) * rng.uniform(0.5, 1, 3)]
        cv2.circle(spots, middle, int(16 * rng.uniform(1, 4)), colour, -1, cv2.LINE_8, 4)
    return light + cv2.GaussianBlur(spots, (0, 0), 0.7) if camera.lamps else light


def taken(light: Picture, camera: Camera, rng: np.random.Generator) -> Picture:
    """The picture that a camera makes of light."""
    noisy = add_noise(light.astype(np.float32), rng, shot=camera.shot_noise, read=camera.read_noise)
    pixels = np.rint(255 * linear_to_srgb(tone_curve(camera.curve)(noisy))).astype(np.uint8)
    if camera.jpeg_quality is not None:
        pixels = simplejpeg.decode_jpeg(encode_jpeg(pixels, camera.jpeg_quality))
    return pixels.astype(np.float32) / 255


def half_out_of_focus(root: Path, count: int, coc_px: float, *, light: bool = False) -> Iterator[Case]:
    """(e): photographs moved by a similarity, the right half far out of focus, in linear ``light`` or as sRGB values;
    errors count there."""
    for index, path in enumerate(sorted((root / "photos").glob("*.png"))[:count]):
        rng = np.random.default_rng([_SEED, 2, index])
        source = read(path)
        height, width = source.shape[:2]
        slope = complex(rng.normal(0, 0.006), rng.normal(0, 0.002))
        shift = complex(*rng.normal(0, 3, 2))
        place = np.arange(width) - (width - 1) / 2 + 1j * (np.arange(height) - (height - 1) / 2)[:, None]
        moved = slope * place + shift
        flow = np.stack((moved.real, moved.imag)).astype(np.float32)
        here = bicubic_warp(srgb_to_linear(source) if light else source, flow)
        far = np.zeros((height, width), np.float32)
        far[:, width // 2 :] = 1
        far = cv2.GaussianBlur(far, (0, 0), 3)[..., None]
        seen = far * defocused(here, coc_px) + (1 - far) * here
        reference = exposed(linear_to_srgb(seen) if light else seen, rng)
        known = np.zeros((height, width), bool)
        known[24:-24, width // 2 + width // 16 : -24] = True
        yield Case(reference, source, flow, known)


def middlebury(root: Path, name: str) -> Iterator[Case]:
    """(b): one pair with measured flow."""
    flow = read_flo(root / "flow" / name / "flow10.flo")
    known = np.abs(flow).max(axis=0) < 1e8
    first, second = (read(root / "flow" / name / f"frame{number}.png") for number in (10, 11))
    yield Case(first, second, flow, known)


def homographies(root: Path, number: int) -> Iterator[Case]:
    """(d): "bikes", picture 1 to picture ``number``: more and more defocus, whole picture moves by a homography."""
    storage = cv2.FileStorage(str(root / "homography" / f"H1to{number}p.xml"), cv2.FILE_STORAGE_READ)
    matrix = storage.getFirstTopLevelNode().mat()
    first, second = read(root / "homography" / "img1.png"), read(root / "homography" / f"img{number}.png")
    height, width = first.shape[:2]
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    mapped = np.tensordot(matrix, np.stack((x, y, np.ones_like(x))), axes=1)
    to = mapped[:2] / mapped[2]
    inside = (to[0] >= 0) & (to[0] < width) & (to[1] >= 0) & (to[1] < height)
    yield Case(first, second, (to - np.stack((x, y))).astype(np.float32), inside)

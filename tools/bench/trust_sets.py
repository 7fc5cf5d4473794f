"""The pairs on which ``tools/bench/trust.py`` asks whether a measurement knows when it is wrong.

A pair is 480x320 and made from one canvas in linear light: a photograph where there are some, else dead leaves.
``sharp(truth(p))`` is the canvas, ``blurry(p)`` the canvas out of focus, in another exposure, with noise. Then
something is wrong with most of them: a mask, a stamp, layers, too little to see, another scene. ``real`` are the pairs
of ``data/measured.csv``, judged by SIFT features, and of ``cases/parallax``.
"""

from __future__ import annotations

import csv
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))

from flow_data import dead_leaves, disc

from sdd_bench.geometry.similarity import Similarity
from sdd_bench.geometry.spline import sample, spline
from sdd_bench.images.light import add_noise, linear_to_srgb, srgb_to_linear
from sdd_bench.images.pair import read_pair

Picture = NDArray[np.float32]
WIDTH, HEIGHT = 480, 320
_MARGIN = 96
_SEED = 18_000


@dataclass(frozen=True)
class Judged:
    """A pair and what is known of it."""

    name: str
    blurry: NDArray[np.uint8]
    sharp: NDArray[np.uint8]
    truths: tuple[Similarity, ...]
    """The similarities that are right, blurry to sharp: one, one per layer, or none where no scene is shared."""
    layered: bool = False
    """Whether parts moved differently, so that the pair must be called nonrigid or flagged."""
    slack_px: float = 0.0
    """How far the judge itself may be off."""


@dataclass(frozen=True)
class Canvas:
    """Linear light ``(H + 2 m, W + 2 m, 3)`` and its random numbers."""

    light: Picture
    rng: np.random.Generator


def photographs(folder: Path | None, half: int | None = None) -> list[Path]:
    """The photographs of ``data/photos``; every second of them by ``half``."""
    files = sorted(folder.glob("*.png")) if folder is not None and folder.is_dir() else []
    return files if half is None else files[half::2]


def other_photographs(data: Path) -> list[Path]:
    """Sharp pictures of the real pairs: scenes that are not in ``data/photos``."""
    places = (
        "aperture/*/sharp/*",
        "aperture/*/input/*",
        "homography/img1.png",
        "focus_6mp/*2426*",
        "flow/*/frame10.png",
    )
    return sorted(path for place in places for path in data.glob(place))


def fresh_photographs(data: Path) -> list[Path]:
    """Scenes that are in neither of the others."""
    places = "multifocus/*_A.*", "breathing/as_shot/0.jpg", "focus_macro/pcb_001.jpg"
    return sorted(path for place in places for path in data.glob(place))


def canvases(files: Sequence[Path], count: int, family: int) -> Iterator[Canvas]:
    """Canvases of one family of pairs: photographs and dead leaves in turns."""
    side = HEIGHT + 2 * _MARGIN, WIDTH + 2 * _MARGIN
    for index in range(count):
        rng = np.random.default_rng([_SEED, family, index])
        if files and index % 3 != 2:
            path = files[(family * 5 + index) % len(files)]
            picture = cv2.imread(str(path), cv2.IMREAD_COLOR)[..., ::-1]
            if picture.shape[0] > picture.shape[1]:
                picture = np.rot90(picture)
            picture = cv2.resize(picture, side[::-1], interpolation=cv2.INTER_AREA)
        else:
            picture = dead_leaves(max(side), rng)[: side[0], : side[1]]
        yield Canvas(srgb_to_linear(picture.astype(np.float32) / 255), rng)


def random_similarity(rng: np.random.Generator, zoom: float = 0.03, shift: float = 9.0) -> Similarity:
    """Zoom, rotation and shift of a pair."""
    return Similarity(
        1 + rng.uniform(-zoom, zoom), rng.uniform(-0.4, 0.4), rng.uniform(-shift, shift), rng.uniform(-shift, shift)
    )


def inner(picture: Picture) -> Picture:
    """The canvas without its margin."""
    return picture[_MARGIN : _MARGIN + HEIGHT, _MARGIN : _MARGIN + WIDTH]


def moved(light: Picture, by: Similarity) -> Picture:
    """``light`` such that ``moved(by(p)) = light(p)``."""
    back = by.inverse()
    return np.stack([sample(spline(np.ascontiguousarray(light[..., c])), back) for c in range(3)], axis=-1)


def blurred(light: Picture, coc_px: float) -> Picture:
    """Out of focus by a disc of this diameter."""
    if coc_px < 1:
        return light
    return np.asarray(cv2.filter2D(light, -1, disc(coc_px / 2), borderType=cv2.BORDER_REFLECT_101))


def developed(light: Picture, rng: np.random.Generator, gain: float = 1.0, noise: float = 1.0) -> NDArray[np.uint8]:
    """8-bit sRGB of the canvas's inside, exposed by ``gain``."""
    noisy = add_noise(np.ascontiguousarray(gain * inner(light)), rng, shot=0.01 * noise, read=0.001 * noise)
    return np.rint(255 * linear_to_srgb(noisy)).astype(np.uint8)


def plain(canvas: Canvas, *, zoom: float = 0.03, shift: float = 9.0, coc: float | None = None) -> Judged:
    """Nothing is wrong: zoom, rotation, shift, blur, exposure."""
    rng = canvas.rng
    truth = random_similarity(rng, zoom, shift)
    coc_px = rng.uniform(0, 14) if coc is None else coc
    blurry = developed(blurred(canvas.light, coc_px), rng, rng.uniform(0.8, 1.25))
    return Judged("plain", blurry, developed(moved(canvas.light, truth), rng), (truth,))


def _over(pair: Judged, paint: Callable[[NDArray[np.uint8]], None], name: str) -> Judged:
    """The pair with the same painted on both pictures."""
    blurry, sharp = pair.blurry.copy(), pair.sharp.copy()
    paint(blurry)
    paint(sharp)
    return Judged(name, blurry, sharp, pair.truths)


def circle(canvas: Canvas) -> Judged:
    """Everything outside a circle is black, grey or white: a microscope, an endoscope."""
    level = int(canvas.rng.choice([0, 6, 90, 128, 255]))
    outside = np.ones((HEIGHT, WIDTH), np.uint8)
    radius = int(canvas.rng.uniform(110, 150))
    cv2.circle(outside, (WIDTH // 2, HEIGHT // 2), radius, 0, -1)

    def paint(picture: NDArray[np.uint8]) -> None:
        picture[outside > 0] = level

    return _over(plain(canvas), paint, "mask")


def letterbox(canvas: Canvas) -> Judged:
    """Bars above and below, or to both sides."""
    level, width = int(canvas.rng.choice([0, 16, 128])), int(canvas.rng.uniform(25, 70))

    def paint(picture: NDArray[np.uint8]) -> None:
        if level == 128:
            picture[:, :width] = picture[:, -width:] = level
        else:
            picture[:width] = picture[-width:] = level

    return _over(plain(canvas), paint, "letterbox")


def stamp(canvas: Canvas) -> Judged:
    """Lines of text in the same place of both pictures, a third of them large."""
    size = float(canvas.rng.choice([0.7, 1.0, 2.0]))
    rows = int(canvas.rng.integers(1, 4))

    def paint(picture: NDArray[np.uint8]) -> None:
        for row in range(rows):
            text, at = f"2026-11-{10 + row} 23:59:{30 + row}", (10, HEIGHT - 14 - round(row * 34 * size))
            cv2.putText(picture, text, at, cv2.FONT_HERSHEY_DUPLEX, size, (255, 170, 40), max(1, round(2 * size)))

    return _over(plain(canvas), paint, "stamp")


def border(canvas: Canvas) -> Judged:
    """A textured frame around both pictures, up to two fifths of them."""
    width = int(canvas.rng.uniform(16, 44))
    rng = np.random.default_rng(int(canvas.rng.integers(1 << 30)))
    frame = np.clip(128 + 60 * cv2.GaussianBlur(rng.standard_normal((HEIGHT, WIDTH, 3)), (0, 0), 1.2), 0, 255)
    around = np.ones((HEIGHT, WIDTH), bool)
    around[width:-width, width:-width] = False

    def paint(picture: NDArray[np.uint8]) -> None:
        picture[around] = frame[around]

    return _over(plain(canvas), paint, "border")


def layers(canvas: Canvas) -> Judged:
    """A part of the scene moves by 5 to 24 px against the rest."""
    rng = canvas.rng
    rest = random_similarity(rng, 0.01, 4)
    apart = rng.uniform(5, 24) * np.exp(1j * rng.uniform(0, 2 * np.pi))
    other = Similarity(rest.zoom, rest.rotation_deg, rest.shift_x_px + apart.real, rest.shift_y_px + apart.imag)
    share = rng.uniform(0.15, 0.5)
    height, width = canvas.light.shape[:2]
    part = np.zeros((height, width), np.float32)
    if rng.random() < 0.5:
        part[:, width - round(_MARGIN + share * WIDTH) :] = 1
    else:
        side = math.sqrt(share)
        top, left = (
            _MARGIN + round(rng.uniform(0, 1 - side) * HEIGHT),
            _MARGIN + round(rng.uniform(0, 1 - side) * WIDTH),
        )
        part[top : top + round(side * HEIGHT), left : left + round(side * WIDTH)] = 1
    there = moved(np.repeat(part[..., None], 3, axis=-1), other)
    sharp = there * moved(canvas.light, other) + (1 - there) * moved(canvas.light, rest)
    blurry = developed(blurred(canvas.light, rng.uniform(0, 8)), rng, rng.uniform(0.9, 1.2))
    return Judged("layers", blurry, developed(sharp, rng), (rest, other), layered=True)


def ramp(canvas: Canvas) -> Judged:
    """Depth that grows across the picture: displacement from 0 to 4 to 12 px, which no similarity describes."""
    rng = canvas.rng
    height, width = canvas.light.shape[:2]
    most = rng.uniform(5, 12)
    x = np.linspace(0, 1, width, dtype=np.float32)[None].repeat(height, 0)
    motion = most * np.sin(2 * np.pi * x)
    yy, xx = np.indices((height, width), dtype=np.float32)
    sharp = cv2.remap(canvas.light, xx, yy + motion, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    blurry = developed(blurred(canvas.light, rng.uniform(0, 6)), rng, 1.1)
    return Judged("wave", blurry, developed(np.maximum(sharp, 0), rng), (), layered=True)


def repeated(canvas: Canvas) -> Judged:
    """A wall of equal bricks with faint texture of its own."""
    rng = canvas.rng
    height, width = canvas.light.shape[:2]
    period = int(rng.integers(10, 26))
    y, x = np.mgrid[:height, :width]
    wall = 0.35 + 0.2 * ((x % period < period / 2) ^ (y % period < period / 2))
    own = rng.choice([0.0, 0.15, 0.4])
    light = (wall[..., None] * (1 - own) + own * canvas.light).astype(np.float32)
    return replace(plain(Canvas(blurred(light, 2), rng), shift=14), name="repeated" if own else "periodic")


def low_texture(canvas: Canvas) -> Judged:
    """A wall in front of the lens: a smooth gradient and noise."""
    smooth = cv2.GaussianBlur(canvas.light, (0, 0), 60)
    return replace(
        plain(Canvas(smooth + canvas.rng.uniform(0, 0.06) * (canvas.light - smooth), canvas.rng)), name="low texture"
    )


def dark(canvas: Canvas) -> Judged:
    """Five stops between the exposures."""
    rng = canvas.rng
    truth = random_similarity(rng)
    gains = (1 / 32, 1.0) if rng.random() < 0.5 else (1.0, 1 / 32)
    if rng.random() < 0.4:
        gains = (5.6, 1 / 5.6) if rng.random() < 0.5 else (1 / 5.6, 5.6)
    blurry = developed(blurred(canvas.light, rng.uniform(0, 8)), rng, gains[0], 0.5)
    return Judged("5 EV", blurry, developed(moved(canvas.light, truth), rng, gains[1], 0.5), (truth,))


def vignetted(canvas: Canvas) -> Judged:
    """The open aperture loses up to 2.5 stops towards the corners."""
    rng = canvas.rng
    truth = random_similarity(rng)
    height, width = canvas.light.shape[:2]
    y, x = (np.arange(height) - height / 2)[:, None], np.arange(width) - width / 2
    fall = 1 / (1 + rng.uniform(0.5, 1.5) * (x**2 + y**2) / (WIDTH**2 + HEIGHT**2) * 4) ** 2
    blurry = blurred(canvas.light, rng.uniform(0, 12)) * fall[..., None].astype(np.float32)
    return Judged("vignette", developed(blurry, rng, 1.1), developed(moved(canvas.light, truth), rng), (truth,))


def swapped(canvas: Canvas) -> Judged:
    """Roles the wrong way round: the "sharp" picture is the blurry one."""
    pair = plain(canvas)
    return Judged("swapped", pair.sharp, pair.blurry, (pair.truths[0].inverse(),))


def other_scene(canvas: Canvas, second: Canvas) -> Judged:
    """Two pictures of different things."""
    blurry = developed(blurred(canvas.light, canvas.rng.uniform(0, 10)), canvas.rng)
    return Judged("other scene", blurry, developed(second.light, second.rng), ())


def mirrored(canvas: Canvas) -> Judged:
    """One picture mirrored, or turned by half a turn."""
    pair = plain(canvas)
    turned = pair.sharp[:, ::-1] if canvas.rng.random() < 0.5 else pair.sharp[::-1, ::-1]
    return Judged("mirrored", pair.blurry, np.ascontiguousarray(turned), ())


def rotated(canvas: Canvas) -> Judged:
    """Turned by 5 to 60 degrees."""
    rng = canvas.rng
    truth = Similarity(1.0, float(rng.uniform(5, 60)), *rng.uniform(-5, 5, 2))
    blurry = developed(blurred(canvas.light, rng.uniform(0, 6)), rng)
    return Judged("rotated", blurry, developed(moved(canvas.light, truth), rng), (truth,))


def twice(canvas: Canvas) -> Judged:
    """One picture shows the scene 1.5 to 2 times as large."""
    rng = canvas.rng
    truth = Similarity(float(rng.uniform(1.5, 2.0)), 0.0, *rng.uniform(-5, 5, 2))
    blurry = developed(blurred(canvas.light, rng.uniform(0, 6)), rng)
    return Judged("zoom 2x", blurry, developed(moved(canvas.light, truth), rng), (truth,))


_FAMILIES: tuple[Callable[[Canvas], Judged], ...] = (
    plain, circle, letterbox, stamp, border, layers, ramp, repeated, low_texture, dark, vignetted, swapped, mirrored,
    rotated, twice,
)  # fmt: skip


SETS: dict[str, tuple[int, Callable[[Path], list[Path]]]] = {
    "tuned": (0, lambda data: photographs(data / "photos")),
    "held-out": (500, other_photographs),
    "fresh": (1000, fresh_photographs),
}
"""Sets: the numbers of their first families, which give them other random numbers, and their photographs."""


def made(name: str, data: Path, per_family: int) -> Iterator[Judged]:
    """Pairs of every family of a set; plain ones twice as many."""
    first_family, photographs_of = SETS[name]
    files = photographs_of(data)
    for number, family in enumerate(_FAMILIES, start=first_family):
        for canvas in canvases(files, per_family * (2 if family is plain else 1), number):
            yield family(canvas)
    last = first_family + len(_FAMILIES)
    others = canvases(files, per_family, last + 1)
    for first, second in zip(canvases(files, per_family, last), others, strict=True):
        yield other_scene(first, second)


_LAYERED = ("ebb/blurry/2977", "temple", "pcb_001.jpg>pcb_007", "pcb_001.jpg>pcb_003", "pcb_003.jpg>pcb_005",
            "pcb_005.jpg>pcb_007")  # fmt: skip
"""Pairs of ``measured.csv`` whose layers are known to move differently."""


def real(data: Path) -> Iterator[Judged]:
    """Pairs of ``measured.csv`` and of ``cases/parallax``."""
    with (data / "measured.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        name = f"{row['reference']}>{row['moving']}"
        first, second = read_pair(data / row["reference"], data / row["moving"])
        height, width = first.pixels.shape[:2]
        small = min(1.0, 1280 / max(height, width))
        truth = Similarity(*(float(row[key]) for key in ("zoom", "rotation_deg", "shift_x_px", "shift_y_px")))
        pictures = [
            cv2.resize(p.pixels, None, fx=small, fy=small, interpolation=cv2.INTER_AREA) for p in (first, second)
        ]
        layered = any(part in name for part in _LAYERED)
        slack = float(row["median_inlier_residual_px"]) + 40 / float(row["inliers"])
        yield Judged(f"real {name}", *pictures, (truth.scaled(small),), layered, slack_px=1.5 * slack * small)
    cases = data.parent / "cases" / "parallax"
    for blurry, sharp in (("tsukuba_blurry_im2", "tsukuba_sharp_im6"), ("halves24_blurry", "halves24_sharp")):
        if (cases / f"{blurry}.png").is_file():
            pair = [
                cv2.imread(str(cases / f"{name}.png"), cv2.IMREAD_COLOR)[..., ::-1].copy() for name in (blurry, sharp)
            ]
            yield Judged(f"real {blurry}", *pair, (), layered=True)

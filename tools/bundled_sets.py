"""The pictures that the bundled network is judged on, each with a sharp picture on its grid and in its light.

None of them is ever trained on. Real pairs are registered by the benchmark's flow (``homography`` by its true
homographies), then the sharp picture is given the blurry one's light: one gain per colour in linear light.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from sdd_bench.flow.estimator import FlowEstimator
from sdd_bench.flow.warp import backwarp
from sdd_bench.images.light import linear_to_srgb, srgb_to_linear
from sdd_bench.images.photograph import read_photograph, to_float
from sdd_bench.synthesis.options import SynthesisOptions
from sdd_bench.synthesis.pair import make_pair
from sdd_bench.synthesis.sources import Sources, read_photographs

Picture = NDArray[np.float32]

SYNTHETIC_SCENES = 20
_SYNTHETIC_SEED = 20_000
_SYNTHETIC_SIDE_PX = 576
_MARGIN_PX = 16
"""Cut from every side of registered pairs: what moved in from outside is not known."""
_DARKEST, _BRIGHTEST = 0.02, 0.9
"""Linear light between which a gain is measured: below is noise, above is clipping."""


@dataclass(frozen=True)
class Case:
    """One picture to deblur, and what it should become."""

    set: str
    name: str
    blurry: Picture
    sharp: Picture


def match_light(sharp: Picture, blurry: Picture) -> Picture:
    """``sharp`` with the light of ``blurry``, which lies on it: one gain per colour, in linear light."""
    light, wanted = srgb_to_linear(sharp), srgb_to_linear(blurry)
    usable = ((light > _DARKEST) & (light < _BRIGHTEST) & (wanted > _DARKEST) & (wanted < _BRIGHTEST)).all(axis=2)
    if usable.mean() < 0.01:
        return sharp
    gain = wanted[usable].sum(axis=0) / light[usable].sum(axis=0)
    return linear_to_srgb(light * gain.astype(np.float32))


def register(sharp: Picture, blurry: Picture, flow: FlowEstimator) -> Picture:
    """``sharp`` warped onto ``blurry``, the benchmark's registered ground truth."""
    reference, moving = (torch.from_numpy(x.transpose(2, 0, 1)[None].copy()) for x in (blurry, sharp))
    with torch.inference_mode():
        warped = backwarp(moving, flow.estimate(reference, moving))
    return np.ascontiguousarray(warped[0].permute(1, 2, 0).numpy())


def cases(data: Path, cache: Path, flow: Callable[[], FlowEstimator], sets: list[str], scale: float) -> Iterator[Case]:
    """All pictures of the named sets; registered pictures are kept in ``cache``.

    Args:
        data: Folder that holds aperture/, homography/, breathing/, focus_6mp/ and photos/.
        cache: Folder for registered pictures.
        flow: Loads the flow estimator; called only where something is not in the cache.
        sets: Some of the keys of :data:`SETS`.
        scale: Real pairs are shrunk by this factor first.
    """
    cache.mkdir(parents=True, exist_ok=True)
    for name in sets:
        if name == "synthetic":
            yield from _synthetic(data)
        elif name == "homography":
            yield from _homography(data, scale)
        else:
            for label, blurry_path, sharp_path in SETS[name](data):
                blurry, sharp = _read(blurry_path, scale), _read(sharp_path, scale)
                file = cache / f"{name}-{label.replace('/', '-')}-{scale:g}.npy"
                if not file.exists():
                    np.save(file, register(sharp, blurry, flow()).astype(np.float16))
                yield _matched(name, label, blurry, np.load(file).astype(np.float32))


def _matched(name: str, label: str, blurry: Picture, registered: Picture) -> Case:
    inner = slice(_MARGIN_PX, -_MARGIN_PX)
    blurry, registered = (np.ascontiguousarray(x[inner, inner]) for x in (blurry, registered))
    return Case(name, label, blurry, match_light(registered, blurry))


def _read(path: Path, scale: float) -> Picture:
    picture = to_float(read_photograph(path).pixels)
    if scale != 1:
        picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(picture, np.float32)


def _synthetic(data: Path) -> Iterator[Case]:
    rng = np.random.default_rng(_SYNTHETIC_SEED)
    options = SynthesisOptions(max_coc_px=30.0, photo_share=0.5, sharp_share=0.0)
    sources = Sources(read_photographs(sorted((data / "photos").glob("*.png"))), options, rng)
    for number in range(SYNTHETIC_SCENES):
        pair = make_pair(_SYNTHETIC_SIDE_PX, sources, options, rng)
        yield Case("synthetic", f"{number:02d}", pair.blurry, pair.sharp)


def _homography(data: Path, scale: float) -> Iterator[Case]:
    """The first picture brought onto each other one, cut to the largest centred part that both show."""
    folder = data / "homography"
    first = _read(folder / "img1.png", 1.0)
    for number in range(2, 7):
        other = _read(folder / f"img{number}.png", 1.0)
        file = cv2.FileStorage(str(folder / f"H1to{number}p.xml"), cv2.FILE_STORAGE_READ)
        matrix = file.getNode(f"H1{number}").mat()
        if matrix is None:
            matrix = file.getFirstTopLevelNode().mat()
        size = other.shape[1], other.shape[0]
        warped = cv2.warpPerspective(first, matrix, size, flags=cv2.INTER_CUBIC)
        shown = cv2.warpPerspective(np.ones(first.shape[:2], np.float32), matrix, size, flags=cv2.INTER_NEAREST)
        inset = 0
        while shown[inset : shown.shape[0] - inset, inset : shown.shape[1] - inset].min() == 0:
            inset += 1
        part = slice(inset, shown.shape[0] - inset), slice(inset, shown.shape[1] - inset)
        pictures = [np.clip(x[part], 0, 1) for x in (other, warped)]
        if scale != 1:
            pictures = [cv2.resize(x, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) for x in pictures]
        yield _matched("homography", f"{number}", *pictures)


def _aperture(data: Path) -> Iterator[tuple[str, Path, Path]]:
    folder = data / "aperture"
    for aperture in ("8", "2_8", "1_8"):
        for path in sorted((folder / "vabd" / aperture).iterdir()):
            yield f"{aperture}/{path.stem}", path, folder / "vabd" / "input" / path.name
    for path in sorted((folder / "ebb" / "blurry").iterdir()):
        yield f"ebb/{path.stem}", path, folder / "ebb" / "sharp" / path.name


def _breathing(data: Path) -> Iterator[tuple[str, Path, Path]]:
    """Every frame of the aligned sweep against the sharpest."""
    frames = sorted((data / "breathing" / "aligned").iterdir())
    sharpest = max(frames, key=_sharpness)
    yield from ((frame.stem, frame, sharpest) for frame in frames if frame != sharpest)


def _focus(data: Path) -> Iterator[tuple[str, Path, Path]]:
    blurry, sharp = sorted((data / "focus_6mp").iterdir(), key=_sharpness)
    yield blurry.stem, blurry, sharp


def _sharpness(path: Path) -> float:
    grey = cv2.cvtColor(_read(path, 1.0), cv2.COLOR_RGB2GRAY)
    return float(cv2.Laplacian(grey, cv2.CV_32F).var())


SETS: dict[str, Callable[[Path], Iterator[tuple[str, Path, Path]]]] = {
    "aperture": _aperture,
    "breathing": _breathing,
    "focus_6mp": _focus,
}

"""The pictures of a page: previews, crops at full size, error maps and flow colours.

They are JPEG (previews, which are as large as pictures) and WebP files, named by the digests of their sources. A second
rendering therefore makes only new files, and pages with the same picture share one. A worker process makes all files of
one picture in one call, so that its memory is that of one picture.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.captures.layouts import PairList
from sdd_bench.core.errors import LeaderboardError
from sdd_bench.core.storage.files import sha256_of
from sdd_bench.core.types import Pair
from sdd_bench.evaluation.options import crop_size
from sdd_bench.evaluation.picture.match import Match, match_predictions
from sdd_bench.evaluation.picture.read import crop_to, part_of, read_prediction
from sdd_bench.evaluation.sources import read_sources
from sdd_bench.flow.flo import read_flo
from sdd_bench.images.pair import read_pair
from sdd_bench.images.photograph import read_photograph, to_float
from sdd_bench.images.resize import parse_resize, resize_area
from sdd_bench.images.write import from_float
from sdd_bench.leaderboard.runs.read import Run, read_run
from sdd_bench.prepared.open import open_dataset
from sdd_bench.report.html import ImageKind, keep_image, shrink
from sdd_bench.report.plots import error_map, flow_colours, flow_scale, with_flow_key

PREVIEW_SIDE = 2048
"""Longest side of a preview, in pixels: pictures of SDD and DPDD as they are scored can be looked at pixel by pixel."""
VIEW_SIDE = 1200
"""Longest side of a map of errors or of a flow, in pixels."""
THUMB_SIDE = 240
"""Longest side of a thumbnail, in pixels."""
CROP_SIDE = 160
"""Side of a crop, in pixels."""
N_CROPS = 2
"""Number of crops per picture."""
_GAP = 4
"""Width of the strip between crops, in pixels."""
LAYERS = {
    "blurry": "blurry",
    "deblurred": "deblurred",
    "sharp": "sharp",
    "warped": "sharp warped to this method",
    "registered": "sharp registered to blurry",
    "matched": "sharp registered to blurry, in its light",
}
"""Layers of the slider, with their names on a page."""
VIEWS = {
    "error-matched": "error against matched ground truth (black: equal; brightest from 0.2)",
    "error-registered": "error against registered ground truth (black: equal; brightest from 0.2)",
    "error-raw": "error against raw ground truth: misalignment, too",
    "flow": "flow from deblurred to sharp: hue is the direction in which sharp lies, white is no motion; the bar says "
    "from how many pixels on a colour is full",
}

_VERSION = 4
"""Version of the way that files are made, part of their names: a new version makes them again."""
Floats = NDArray[np.float32]
Samples = NDArray[Any]


@dataclass(frozen=True)
class PictureSource:
    """Sources of the pictures of one run."""

    run: Run
    matches: tuple[Match, ...]

    @classmethod
    def open(cls, run: Path, data: Path | PairList | None = None, predictions: Path | None = None) -> PictureSource:
        """Open a run folder with the pictures it names, or with those of a dataset and a folder of predictions.

        Raises:
            LeaderboardError: The run was changed.
            ManifestError: The run alone does not say where its pictures are, or they are gone.
            PairingError: ``data`` is no dataset, or no prediction fits it.
        """
        read = read_run(run)
        if data is None or predictions is None:
            return cls(read, read_sources(run))
        pairs = (open_dataset(data) if isinstance(data, Path) else data).pairs
        return cls(read, match_predictions(pairs, predictions, suffix=read.summary.get("suffix")).matches)

    def tasks(self, folder: Path) -> list[PictureTask]:
        """Tasks, one per picture that both the run and the predictions have."""
        scored = {row.image for row in self.run.rows if row.method == self.run.method}
        options = self.run.summary.get("provenance", {}).get("options", {})
        return [
            PictureTask(
                folder=folder,
                run_sha256=self.run.run_sha256,
                run=self.run.folder,
                pair=match.pair,
                prediction=match.prediction_path,
                resize=str(self.run.summary.get("resize", "none")),
                crop=str(options.get("crop", "error")),
                crop_to=options.get("crop_to"),
            )
            for match in self.matches
            if match.pair.name in scored
        ]


@dataclass(frozen=True)
class PictureTask:
    """Task to make the files of one picture of one run."""

    folder: Path
    run_sha256: str
    run: Path
    pair: Pair
    prediction: Path
    resize: str
    crop: str
    crop_to: str | None = None
    truth: tuple[str, Path] | None = None
    """Name and file of the aligned ground truth of the error map; None for the sharp picture as captured."""
    alone: str = ""
    """Name of the method where no other run shows the picture."""

    def __str__(self) -> str:
        return self.pair.name


def share_truth(tasks: Sequence[PictureTask]) -> list[PictureTask]:
    """The tasks with one aligned ground truth a picture, that of the first run that saved one, so maps compare.

    Matched is preferred to registered. Runs that cropped the picture to their prediction keep their own.
    """

    def place(task: PictureTask) -> tuple[object, ...]:
        own = () if task.crop == "error" else (task.run,)
        return (task.pair.blurry_path, task.pair.sharp_path, task.resize, *own)

    found: dict[tuple[object, ...], tuple[str, Path]] = {}
    for truth in ("matched", "registered"):
        for task in tasks:
            path = _saved(task, truth)
            if path.is_file():
                found.setdefault(place(task), (truth, path))
    return [replace(task, truth=found.get(place(task))) for task in tasks]


@dataclass(frozen=True)
class PictureFiles:
    """Names of the files of a picture in the media folder, by layer or view; those without a source are absent."""

    run_sha256: str
    image: str
    previews: Mapping[str, str] = field(default_factory=dict)
    crops: Mapping[str, str] = field(default_factory=dict)
    views: Mapping[str, str] = field(default_factory=dict)
    thumb: str = ""
    sha256: str = ""
    """Digest of what the layers were made of."""


def make_pictures(task: PictureTask, pixels: Pixels | None = None) -> PictureFiles:
    """Make the missing files of one picture.

    Args:
        task: The picture.
        pixels: Its layers, where they are used for more.

    Raises:
        ImageError: A picture cannot be read.
        LeaderboardError: The prediction does not fit the pair.
    """
    paths = _sources(task)
    hashes = {layer: sha256_of(path) for layer, path in paths.items()}
    pixels = pixels or Pixels(task)
    shared = f"{_VERSION} {hashes['blurry']} {hashes['sharp']} {task.resize}"
    if task.crop != "error":
        shared += f" {task.crop} {task.crop_to} {hashes['deblurred']}"
    previews, crops, views = {}, {}, {}

    def keep(what: str, make: Callable[[], NDArray[np.uint8]], quality: int = 80, kind: ImageKind = "webp") -> str:
        return keep_image(task.folder, f"{shared} {what}", make, quality=quality, kind=kind)

    for layer in (layer for layer in LAYERS if layer in hashes):
        previews[layer] = keep(f"{hashes[layer]} preview", partial(pixels.preview, layer, PREVIEW_SIDE), 82, "jpeg")
        crops[layer] = keep(f"{hashes[layer]} crops", partial(pixels.crops, layer), 92)
    if task.truth is not None:
        name, path = task.truth
        views[f"error-{name}"] = keep(f"{hashes['deblurred']} {sha256_of(path)} error", partial(pixels.error, "truth"))
    views["error-raw"] = keep(f"{hashes['deblurred']} {hashes['sharp']} error", partial(pixels.error, "sharp"))
    if "flow" in paths:
        views["flow"] = keep(f"{hashes['flow']} flow", pixels.flow)
    thumb = keep(f"{hashes['blurry']} thumb", partial(pixels.preview, "blurry", THUMB_SIDE))
    sha256 = hashlib.sha256(f"{shared} {hashes['deblurred']} {views}".encode()).hexdigest()
    return PictureFiles(task.run_sha256, task.pair.name, previews, crops, views, thumb, sha256)


def _sources(task: PictureTask) -> dict[str, Path]:
    """Existing source files, by layer."""
    saved = {truth: _saved(task, truth) for truth in ("warped", "registered", "matched")}
    saved["flow"] = task.run / "flow" / f"{task.pair.name}.flo"
    always = {"blurry": task.pair.blurry_path, "deblurred": task.prediction, "sharp": task.pair.sharp_path}
    return always | {layer: path for layer, path in saved.items() if path.is_file()}


def _saved(task: PictureTask, truth: str) -> Path:
    """Where the run of a task keeps a warped ground truth, if it does."""
    return task.run / "warped" / truth / f"{task.pair.name}.png"


class Pixels:
    """Layers of one picture at the size at which they were scored; each is read when it is first needed."""

    def __init__(self, task: PictureTask) -> None:
        self._task, self._paths = task, _sources(task)
        self._samples: dict[str, Samples] = {}
        self._read: dict[str, Floats] = {}
        self._windows: list[tuple[int, int]] | None = None

    def __getitem__(self, layer: str) -> Floats:
        """Values in [0, 1] of a layer, or of ``truth``, the aligned one of the task."""
        if layer not in self._read:
            samples = self.samples(layer)
            self._read[layer] = samples if samples.dtype == np.float32 else to_float(samples)
        return self._read[layer]

    def samples(self, layer: str) -> Samples:
        """The layer as its file holds it: uint8, uint16, or float32 in [0, 1]."""
        if layer not in self._samples:
            if layer in ("deblurred", "blurry", "sharp"):
                self._read_pair()
            elif layer == "truth":
                assert self._task.truth is not None
                name, path = self._task.truth
                same = path == self._paths.get(name)
                self._samples[layer] = self.samples(name) if same else read_photograph(path).pixels
            else:
                self._samples[layer] = read_photograph(self._paths[layer]).pixels
        return self._samples[layer]

    def _read_pair(self) -> None:
        task = self._task
        resize = parse_resize(task.resize)
        pair = read_pair(task.pair.blurry_path, task.pair.sharp_path)
        pixels = [resize_area(photograph.pixels, resize) for photograph in pair]
        path = self._paths["deblurred"]
        prediction: Samples = (
            read_prediction(path)[0] if path.suffix.lower() == ".npy" else read_photograph(path).pixels
        )
        if task.crop_to is not None:
            width, height = crop_size(task.crop_to)
            prediction = part_of(prediction, pixels[0].shape, height, width, task.crop, task.prediction)  # type: ignore[arg-type]
        self._samples["deblurred"] = prediction
        height, width = prediction.shape[:2]
        if pixels[0].shape[:2] != (height, width):
            if task.crop not in ("topleft", "center") or height > pixels[0].shape[0] or width > pixels[0].shape[1]:
                raise LeaderboardError(
                    f"{task.prediction}: is {width}x{height} but its pair is {pixels[0].shape[1]}x{pixels[0].shape[0]} "
                    "after the run's resizing. Give the folder that this run scored."
                )
            pixels = [crop_to(picture, height, width, task.crop) for picture in pixels]  # type: ignore[arg-type]
        self._samples |= {"blurry": pixels[0], "sharp": pixels[1]}

    def preview(self, layer: str, side: int) -> NDArray[np.uint8]:
        """Preview of a layer, averaged down."""
        return as_bytes(shrink(self.samples(layer), max_side=side))

    @property
    def windows(self) -> list[tuple[int, int]]:
        """Corners of the crops."""
        if self._windows is None:
            self._windows = detailed_windows(self["sharp"])
        return self._windows

    def crops(self, layer: str) -> NDArray[np.uint8]:
        """Crops of a layer at full size, side by side; the windows are the same in every layer."""
        picture = self.samples(layer)
        side = min(CROP_SIDE, *picture.shape[:2])
        gap = np.full((side, _GAP, 3), 128, np.uint8)
        parts = [part for y, x in self.windows for part in (gap, as_bytes(picture[y : y + side, x : x + side]))]
        return np.concatenate(parts[1:], axis=1)

    def error(self, truth: str) -> NDArray[np.uint8]:
        """Map of the error of the prediction against ``truth``: the aligned one of the task, or ``sharp``."""
        return error_map(self["deblurred"], self[truth], max_side=VIEW_SIDE)

    def flow(self) -> NDArray[np.uint8]:
        """Colours of the flow that the run saved."""
        flow = read_flo(self._paths["flow"])
        small = shrink(flow.transpose(1, 2, 0), max_side=VIEW_SIDE).transpose(2, 0, 1)
        longest = flow_scale(flow)
        return with_flow_key(flow_colours(small, max_px=longest), longest)


def detailed_windows(picture: Floats, *, side: int = CROP_SIDE, count: int = N_CROPS) -> list[tuple[int, int]]:
    """Corners (y, x) of the windows with the most detail, which do not overlap; the most detailed first.

    Args:
        picture: Picture, (H, W, 3).
        side: Side of a window in pixels; a smaller picture has a window of its shorter side.
        count: Largest number of windows.

    Example:
        >>> picture = np.zeros((8, 8, 3), np.float32)
        >>> picture[5, 5] = 1.0
        >>> detailed_windows(picture, side=4, count=1)
        [(3, 3)]
    """
    height, width = picture.shape[:2]
    side = min(side, height, width)
    grey = cv2.transform(np.ascontiguousarray(picture, np.float32), np.full((1, 3), 1 / 3, np.float32))
    gradient = np.abs(cv2.Laplacian(grey, cv2.CV_32F))
    sums = cv2.integral(gradient, sdepth=cv2.CV_64F)
    step = max(1, side // 4)
    ys, xs = np.arange(0, height - side + 1, step), np.arange(0, width - side + 1, step)
    y, x = ys[:, None], xs[None, :]
    energy = sums[y + side, x + side] - sums[y, x + side] - sums[y + side, x] + sums[y, x]
    chosen: list[tuple[int, int]] = []
    for index in np.argsort(-energy, axis=None, kind="stable").tolist():
        corner = (int(ys[index // len(xs)]), int(xs[index % len(xs)]))
        if all(max(abs(corner[0] - a), abs(corner[1] - b)) >= side for a, b in chosen):
            chosen.append(corner)
            if len(chosen) == count:
                break
    return chosen


def as_bytes(samples: Samples) -> NDArray[np.uint8]:
    """Samples of a layer, or values in [0, 1], as uint8."""
    if samples.dtype == np.uint8:
        return np.asarray(samples, np.uint8)
    values = samples if samples.dtype == np.float32 else to_float(samples)
    return np.asarray(from_float(values, 8), np.uint8)  # type: ignore[arg-type]

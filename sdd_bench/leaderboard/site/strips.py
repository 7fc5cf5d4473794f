"""Strips of crops of all methods on one picture, as PNG: of a page, or of places that are chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.errors import LeaderboardError
from sdd_bench.core.storage.files import sealed
from sdd_bench.leaderboard.site.media import (
    CROP_SIDE,
    PictureFiles,
    PictureSource,
    PictureTask,
    Pixels,
    Samples,
    as_bytes,
    make_pictures,
    share_truth,
)
from sdd_bench.leaderboard.site.standings import Standing
from sdd_bench.report.html import encode_image
from sdd_bench.report.strip import strip

Place = tuple[int, int, int, int]
"""Left, top, width and height of a crop, in pixels of the picture as it was scored."""


MOST_COLUMNS = 8
"""Methods of a strip on a page, the first of the table; more would not fit a paper."""


@dataclass(frozen=True)
class StripTask:
    """One picture of several runs."""

    folder: Path
    dataset: str
    image: str
    key: str
    """Decides the pixels: digests of the sources and what was done to them."""
    members: tuple[tuple[str, PictureTask], ...]
    """Name and picture of each method."""

    def __str__(self) -> str:
        return f"{self.image}: strip of crops"


def strip_tasks(
    item: Standing, tasks: Sequence[PictureTask], media: Mapping[tuple[str, str], PictureFiles], folder: Path
) -> list[StripTask]:
    """A task per picture of a table that at least one of its first runs shows."""
    by_place = {(task.run_sha256, task.pair.name): task for task in tasks}
    found = []
    for image in item.images:
        places = [(line.method, (line.run_sha256, image)) for line in item.measured]
        shown = [(name, place) for name, place in places if place in media and place in by_place][:MOST_COLUMNS]
        if shown:
            key = _key([(name, media[place]) for name, place in shown])
            members = tuple((name, by_place[place]) for name, place in shown)
            found.append(StripTask(folder, item.dataset, image, key, members))
    return found


def _key(shown: Sequence[tuple[str, PictureFiles]]) -> str:
    return " ".join(["strip 1", *(f"{name} {files.sha256}" for name, files in shown)])


def make_shown(task: PictureTask) -> PictureFiles:
    """Make the missing files of one picture, and its strip where no other run shows it: its layers are read once.

    Raises:
        ImageError: A picture cannot be read.
        LeaderboardError: The prediction does not fit the pair.
    """
    pixels = Pixels(task)
    files = make_pictures(task, pixels)
    if task.alone and "flow" in files.views:
        key = _key([(task.alone, files)])
        make_strip(StripTask(task.folder, "", task.pair.name, key, ((task.alone, task),)), pixels)
    return files


def make_strip(task: StripTask, pixels: Pixels | None = None) -> str:
    """Make the strip if it is missing; the name of its file.

    Args:
        task: The strip.
        pixels: Layers of its first member, where they are read already.

    Raises:
        ImageError: A picture cannot be read.
    """
    path = task.folder / f"{sha256(task.key.encode()).hexdigest()[:24]}.png"
    if not path.is_file():
        drawn = draw_strip(task.members, pixels=pixels)
        with sealed(path, shared=True) as partial:
            partial.write_bytes(encode_image(drawn, "png"))
    return path.name


def strip_of_runs(
    runs: Sequence[PictureSource], picture: str, *, places: Sequence[Place] = (), labels: bool = True
) -> NDArray[np.uint8]:
    """The strip of one picture of some runs: blurry, every method, and the sharp picture in its place where it is kept.

    Args:
        runs: The runs; each gives a column, in this order.
        picture: Name of the picture.
        places: What to cut out; none is the two places with the most detail.
        labels: Whether the names stand above.

    Returns:
        (H, W, 3) uint8.

    Raises:
        LeaderboardError: A run has no such picture, sizes differ, or a place lies outside.
        ImageError: A picture cannot be read.
    """
    members = []
    for source in runs:
        tasks = source.tasks(Path())
        found = next((task for task in tasks if task.pair.name == picture), None)
        if found is None:
            known = ", ".join(task.pair.name for task in tasks[:5])
            raise LeaderboardError(f"{source.run.folder}: has no picture {picture}; it has {known}, ...")
        members.append((source.run.method, found))
    shared = share_truth([task for _, task in members])
    return draw_strip([(name, task) for (name, _), task in zip(members, shared, strict=True)], places, labels=labels)


def draw_strip(
    members: Sequence[tuple[str, PictureTask]],
    places: Sequence[Place] = (),
    *,
    labels: bool = True,
    pixels: Pixels | None = None,
) -> NDArray[np.uint8]:
    """Crops of blurry, every method and sharp; methods that were scored at another size are left out.

    Args:
        members: Name and picture of each method.
        places: What to cut out; none is the two places with the most detail.
        labels: Whether the names stand above.
        pixels: Layers of the first picture, where they are read already.

    Raises:
        LeaderboardError: A place lies outside of the picture.
        ImageError: A picture cannot be read.
    """
    first = members[0][1]
    pixels = pixels or Pixels(first)
    blurry = pixels.samples("blurry")
    height, width = blurry.shape[:2]
    side = min(CROP_SIDE, height, width)
    chosen = list(places) or [(x, y, side, side) for y, x in pixels.windows]
    for place in chosen:
        x, y, w, h = place
        if x < 0 or y < 0 or w < 1 or h < 1 or x + w > width or y + h > height:
            raise LeaderboardError(f"{first}: the crop {x},{y},{w},{h} lies outside of {width}x{height} pixels.")

    def column(name: str, picture: Samples) -> tuple[str, list[NDArray[np.uint8]]]:
        return name, [as_bytes(picture[y : y + h, x : x + w]) for x, y, w, h in chosen]

    columns = [column("blurry", blurry)]
    for number, (name, task) in enumerate(members):
        predicted = (pixels if number == 0 else Pixels(task)).samples("deblurred")
        if predicted.shape == blurry.shape:
            columns.append(column(name, predicted))
    truth = pixels.samples("sharp")
    if first.truth is not None:
        aligned = pixels.samples("truth")
        truth = aligned if aligned.shape == blurry.shape else truth
    return strip([*columns, column("sharp", truth)], labels=labels)

"""Blur maps of many pictures: from files to a folder.

::

    OUT/blur_map.json      method, its weights and the unit; the sha256 of every picture; what differs is refused
    OUT/NAME.png           sigma, 16-bit grey: one pixel of sigma is 8192 steps (the largest sigma is below 8 px)
    OUT/color/NAME.png     the same for the eye: dark blue for 0, red for 5 px and more
    OUT/blur_maps.csv      one row per picture: size and statistics of sigma, and the circle of confusion they mean

Every file is sealed; the same call again goes on after an interruption.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from sdd_bench.core.errors import ConfigError, ImageError
from sdd_bench.core.storage.claims import alone_in, begin
from sdd_bench.core.storage.documents import misfit
from sdd_bench.core.storage.files import output_errors, sealed, sha256_or_empty, write_json, write_text
from sdd_bench.core.storage.tables import cell_text, table_text
from sdd_bench.core.threads import few_threads
from sdd_bench.core.types import OnProgress, Problem, Progress
from sdd_bench.defocus.spec import BlurMap, SigmaMap
from sdd_bench.images.photograph import read_photograph, to_float
from sdd_bench.images.write import write_png

SEAL = "blur_map.json"
TABLE = "blur_maps.csv"
STEPS_PER_PX = 8192
"""Steps of a 16-bit map per pixel of sigma."""
_RED_PX = 5.0
_COC_PER_SIGMA = 4.0
_SHARP_PX = 0.5
"""Sigma below which a picture's own sampling hides the blur."""
_PICTURES = "pictures"


@dataclass(frozen=True)
class BlurRow:
    """Statistics of one map, a row of ``blur_maps.csv``."""

    name: str
    width: int
    height: int
    mean_sigma_px: float
    median_sigma_px: float
    p05_sigma_px: float
    p95_sigma_px: float
    max_sigma_px: float
    mean_coc_diameter_px: float
    """Four times the mean sigma: the disks of the same spread."""
    share_sharp: float
    """Share of the pixels whose sigma is below 0.5 px."""


@dataclass(frozen=True)
class BlurMapReport:
    """What a call of :func:`blur_maps` did."""

    out: Path
    rows: tuple[BlurRow, ...]
    n_made: int
    """Maps made now; the others were there already."""
    problems: tuple[Problem, ...]
    """Pictures without a map, and why."""


def blur_maps(
    blur_map: BlurMap, pictures: Mapping[str, Path], out: Path, *, on_progress: OnProgress | None = None
) -> BlurMapReport:
    """Estimate the blur of every picture.

    Args:
        blur_map: From :func:`sdd_bench.defocus.spec.load_blur_map`.
        pictures: Name and file of each.
        out: Folder of the maps; new, empty, or begun before by the same method.
        on_progress: Called after every picture.

    Raises:
        ConfigError: ``out`` holds maps of another method, or of a picture that is another now.
        OutputError: ``out`` holds something else, is being written by another run, or cannot be written.
    """
    with alone_in(out):
        _claim(blur_map, pictures, out)
        rows, problems, n_made = [], [], 0
        for number, (name, path) in enumerate(pictures.items()):
            file = out / f"{name}.png"
            try:
                if not (file.is_file() and _color_of(file).is_file()):
                    picture = to_float(read_photograph(path).pixels)
                    with few_threads(picture.shape[0] * picture.shape[1]):
                        _write_map(file, blur_map.estimate(picture))
                    n_made += 1
                rows.append(describe(name, read_map(file)))
            except ImageError as error:
                problems.append(Problem(name, str(error)))
            if on_progress is not None:
                on_progress(Progress(number + 1, len(pictures), item=name))
        write_text(out / TABLE, table_text(BlurRow, rows, cell=_cell))
    return BlurMapReport(out, tuple(rows), n_made, tuple(problems))


def describe(name: str, sigma_px: SigmaMap) -> BlurRow:
    """Statistics of a map."""
    p05, median, p95 = (float(value) for value in np.percentile(sigma_px, [5, 50, 95]))
    mean = float(sigma_px.mean(dtype=np.float64))
    return BlurRow(
        name=name,
        width=sigma_px.shape[1],
        height=sigma_px.shape[0],
        mean_sigma_px=mean,
        median_sigma_px=median,
        p05_sigma_px=p05,
        p95_sigma_px=p95,
        max_sigma_px=float(sigma_px.max()),
        mean_coc_diameter_px=_COC_PER_SIGMA * mean,
        share_sharp=float((sigma_px < _SHARP_PX).mean()),
    )


def read_map(path: Path) -> SigmaMap:
    """Sigma in pixels, ``(H, W)`` float32, from a map that :func:`blur_maps` wrote.

    Raises:
        ImageError: The file is missing, damaged, or no 16-bit grey PNG.
    """
    values = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if values is None or values.ndim != 2 or values.dtype != np.uint16:
        got = "nothing readable" if values is None else f"{values.shape} of {values.dtype}"
        raise ImageError(f"{path}: expected a blur map, 16-bit grey, got {got}. Remove it to have it made anew.")
    return np.asarray(values.astype(np.float32) / np.float32(STEPS_PER_PX))


def colored(sigma_px: SigmaMap) -> np.typing.NDArray[np.uint8]:
    """A map for the eye, ``(H, W, 3)`` uint8 RGB: dark blue for 0, red for 5 px and more."""
    scaled = np.rint(np.clip(sigma_px / _RED_PX, 0, 1) * 255).astype(np.uint8)
    return np.ascontiguousarray(cv2.applyColorMap(scaled, cv2.COLORMAP_TURBO)[..., ::-1])


def _write_map(path: Path, sigma_px: SigmaMap) -> None:
    write_png(_color_of(path), colored(sigma_px))
    values = np.rint(np.clip(sigma_px, 0, 65535 / STEPS_PER_PX) * STEPS_PER_PX).astype(np.uint16)
    _, encoded = cv2.imencode(".png", values)
    with output_errors(path), sealed(path) as partial:
        partial.write_bytes(encoded.tobytes())


def _color_of(path: Path) -> Path:
    return path.parent / "color" / path.name


def _cell(row: BlurRow, column: str) -> str:
    """A cell; a hundredth of a pixel is more than any map knows."""
    value = getattr(row, column)
    return f"{value:.4f}" if isinstance(value, float) else cell_text(row, column)


def _claim(blur_map: BlurMap, pictures: Mapping[str, Path], out: Path) -> None:
    """Begin the folder, or see that it was begun by the same method, and the maps there are of these pictures."""
    ours = {"schema": 1, "method": blur_map.method.name, "sha256": blur_map.sha256, "steps_per_px": STEPS_PER_PX}
    theirs = begin(out, SEAL, ours, what="blur maps", aside=(_PICTURES,))
    known: Any = theirs.get(_PICTURES)
    known = known if misfit(known, {"*": str}) == "" else {}
    found = {name: sha256_or_empty(path) for name, path in pictures.items()}
    for name, sha256 in found.items():
        if (out / f"{name}.png").is_file() and known.get(name) != sha256:
            raise ConfigError(
                f"{out / name}.png: is not made from {pictures[name]} as it is now. Remove it to have it made anew, or "
                "choose another output folder."
            )
    if known | found != known or _PICTURES not in theirs:
        write_json(out / SEAL, ours | {_PICTURES: known | found})

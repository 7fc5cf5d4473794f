"""Making a set in the SDD layout whose misalignment is known exactly.

::

    OUT/synth.json                         the options; a run with other options is refused
    OUT/scenes.csv                         split,name,scene,group
    OUT/{train,test}/{blur,gt}/NNNN.png    .jpg with jpeg_quality
    OUT/truth/SPLIT/NNNN.json              zoom, shift, rotation, exposure, blur
    OUT/truth/SPLIT/NNNN_flow.flo          with truth "full": aligned(p) = sharp(p + flow(p)), on the blurry grid
    OUT/truth/SPLIT/NNNN_aligned.png                          the sharp picture on the blurry grid, without noise
    OUT/truth/SPLIT/NNNN_coc.tiff                             circle of confusion, diameter in pixels, float32

The same options and library versions give the same bytes with any number of workers. Every file is sealed, and the JSON
of a pair is written last. So a killed run is finished by running it again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdd_bench.captures.csv_pairs import SCENES_CSV, SceneRow
from sdd_bench.core.config import as_dict
from sdd_bench.core.errors import ImageError
from sdd_bench.core.executors import open_executor
from sdd_bench.core.parallel import run
from sdd_bench.core.storage.claims import alone_in, begin
from sdd_bench.core.storage.files import sha256_of, write_json
from sdd_bench.core.storage.tables import write_table
from sdd_bench.core.types import AnyPath, OnProgress, Progress, Split
from sdd_bench.images.photograph import IMAGE_SUFFIXES, RAW_SUFFIXES, read_photograph
from sdd_bench.images.write import write_jpeg, write_png
from sdd_bench.optics.coc_map import write_coc
from sdd_bench.synth.camera import Capture, draw_capture, random_numbers, scene_start
from sdd_bench.synth.options import PRESETS, SynthOptions, load_options
from sdd_bench.synth.painting import SceneKind
from sdd_bench.synth.render import Rendered, canvas_margin, develop, render, truth_flow
from sdd_bench.synth.scenes import draw_scene, random_scene

__all__ = ["PRESETS", "SynthOptions", "SynthReport", "load_options", "random_scene", "synthesize"]

_SCHEMA = 1
_PHOTOS_PER_SCENE = 4
"""Photographs per scene, at most: one background and three more to cut leaves from."""
_MADE_KINDS = (SceneKind.LEAVES, SceneKind.WALL, SceneKind.PRINT)
_SPLITS = (Split.TRAIN, Split.TEST)


@dataclass(frozen=True)
class SynthReport:
    """The result of :func:`synthesize`."""

    out: Path
    n_pairs: int
    n_made: int
    """Number of pairs made by this call; the others existed."""
    n_bytes: int
    """Bytes written by this call."""


@dataclass(frozen=True)
class _Task:
    """One pair to make, with everything that a worker needs."""

    out: Path
    options: SynthOptions
    split: Split
    index: int
    scene: str
    kind: SceneKind
    photographs: tuple[Path, ...] = ()

    def __str__(self) -> str:
        return f"{self.split}/{self.index:04d}"

    def files(self) -> dict[str, Path]:
        """The files of the pair by kind; the JSON is last."""
        name, truth = f"{self.index:04d}", self.out / "truth" / self.split
        suffix = ".png" if self.options.jpeg_quality is None else ".jpg"
        files = {kind: self.out / self.split / kind / f"{name}{suffix}" for kind in ("blur", "gt")}
        if self.options.truth == "full":
            files["aligned"] = truth / f"{name}_aligned.png"
            files["coc"] = truth / f"{name}_coc.tiff"
            files["flow"] = truth / f"{name}_flow.flo"
        return files | {"truth": truth / f"{name}.json"}


def synthesize(
    out: AnyPath,
    options: SynthOptions,
    *,
    jobs: int = 1,
    dask: str | None = None,
    on_progress: OnProgress | None = None,
) -> SynthReport:
    """Make the set, or finish one that was begun with the same options.

    Args:
        out: Folder of the set; new, empty, or begun before.
        options: Options of the set.
        jobs: Number of local processes.
        dask: Address of a Dask scheduler, used in place of local processes.
        on_progress: Callback after every pair.

    Raises:
        ConfigError: ``out`` holds a set with other options, or the f-number gives more blur than can be rendered.
        ImageError: ``options.photos`` holds no picture, or one that cannot be read.
        OutputError: ``out`` holds something else, or cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     report = synthesize(Path(folder, "set"), SynthOptions(width=96, height=64, n_train=0, n_test=1))
        ...     sorted(path.name for path in Path(folder, "set", "test").glob("*/*"))
        ['0000.png', '0000.png']
        >>> report.n_pairs, report.n_made
        (1, 1)
    """
    out = Path(out)
    photographs = _find_photographs(options.photos)
    # Absolute paths: a worker may stand in another folder.
    tasks = list(_plan(out.absolute(), options, [path.absolute() for path in photographs]))
    missing = [task for task in tasks if not all(path.is_file() for path in task.files().values())]
    if options.f_number is not None:
        for task in missing:
            draw_capture(options, task.split, task.index)  # raises if the blur is too large to render
    _check_readable(sorted({path for task in missing for path in task.photographs}))
    with alone_in(out):
        _claim(out, options, photographs)
        scenes = (SceneRow(task.split, f"{task.index:04d}", task.scene, task.kind) for task in tasks)
        write_table(out / SCENES_CSV, SceneRow, scenes)
        n_bytes, done = 0, len(tasks) - len(missing)
        with open_executor(jobs, dask) as executor:
            for task, outcome in run(executor, _make_pair, missing, window=2 * jobs if dask is None else 64):
                if isinstance(outcome, Exception):
                    raise outcome
                n_bytes, done = n_bytes + outcome, done + 1
                if on_progress is not None:
                    on_progress(Progress(done, len(tasks), n_bytes, str(task)))
        return SynthReport(out, len(tasks), len(missing), n_bytes)


def _plan(out: Path, options: SynthOptions, photographs: list[Path]) -> Iterator[_Task]:
    """Every pair of the set. Train and test share no scene, and no photograph if two or more are given."""
    counts = {Split.TRAIN: options.n_train, Split.TEST: options.n_test}
    shares = _share_photographs(photographs, options)
    scene_number = 0
    for split in _SPLITS:
        for index in range(counts[split]):
            within = index // options.pairs_per_scene
            kind = _MADE_KINDS[(scene_number + within) % len(_MADE_KINDS)]
            used: tuple[Path, ...] = ()
            scene = f"{split}-{within:04d}"
            if photographs:
                kind, share = SceneKind.PHOTO, shares[split]
                used = tuple(share[(within + step) % len(share)] for step in range(min(_PHOTOS_PER_SCENE, len(share))))
            yield _Task(out, options, split, index, scene, kind, used)
        scene_number += -(-counts[split] // options.pairs_per_scene)


def _share_photographs(photographs: list[Path], options: SynthOptions) -> dict[Split, list[Path]]:
    total = options.n_train + options.n_test
    if len(photographs) < 2 or options.n_train == 0 or options.n_test == 0:
        return dict.fromkeys(_SPLITS, photographs)
    n_test = min(max(1, round(len(photographs) * options.n_test / total)), len(photographs) - 1)
    return {Split.TRAIN: photographs[n_test:], Split.TEST: photographs[:n_test]}


def _find_photographs(folder: Path | None) -> list[Path]:
    if folder is None:
        return []
    if not folder.is_dir():
        raise ImageError(f"{folder}: expected a folder of sharp photographs (--photos), but it is none.")
    suffixes = IMAGE_SUFFIXES | RAW_SUFFIXES
    pictures = (path for path in folder.rglob("[!.]*") if path.suffix.lower() in suffixes)
    found = sorted(path for path in pictures if path.is_file())
    if not found:
        raise ImageError(f"{folder}: holds no picture. Expected photographs: {', '.join(sorted(suffixes))}.")
    return found


def _check_readable(photographs: list[Path]) -> None:
    """Read every photograph, so that a damaged one is found before the work starts."""
    for path in photographs:
        read_photograph(path)


def _claim(out: Path, options: SynthOptions, photographs: list[Path]) -> None:
    """Write synth.json, or check that an existing one is equal."""
    recorded: dict[str, Any] = {"schema": _SCHEMA, "options": as_dict(options), "photographs": None}
    if options.photos is not None:
        folder = options.photos
        recorded["options"]["photos"] = folder.name
        recorded["photographs"] = {path.relative_to(folder).as_posix(): sha256_of(path) for path in photographs}
    begin(out, "synth.json", recorded, what="a synthetic set")


def _make_pair(task: _Task) -> int:
    """Make one pair and its truth; returns the bytes written."""
    options, files = task.options, task.files()
    height, width = options.height, options.width
    capture = draw_capture(options, task.split, task.index)
    first = scene_start(options, task.index)
    siblings = range(first, first + options.pairs_per_scene)
    # one canvas for all captures of a scene, because the scene depends on the size of the canvas
    captures = (draw_capture(options, task.split, sibling) for sibling in siblings)
    margin = max(canvas_margin(sibling, height, width) for sibling in captures)
    layers = draw_scene(
        height + 2 * margin,
        width + 2 * margin,
        options.n_layers,
        task.kind,
        random_numbers(options, task.split, first, 1),
        [read_photograph(path).pixels for path in task.photographs],
    )
    rendered = render(capture, layers, height, width, margin=margin)
    noise = random_numbers(options, task.split, task.index, 2)
    sharp_look: dict[str, Any] = {"curve": capture.sharp_curve, "sharpening": capture.sharpening}
    blurry_look = sharp_look | {"curve": capture.blurry_curve, "vignetting": capture.vignetting, "glare": capture.glare}
    blurry = develop(rendered.blurry, capture.exposure_gain, noise, options, **blurry_look)
    sharp = develop(rendered.sharp, (1, 1, 1), noise, options, **sharp_look)
    for kind, pixels in (("blur", blurry), ("gt", sharp)):
        if capture.jpeg_quality is None:
            write_png(files[kind], pixels)
        else:
            write_jpeg(files[kind], pixels, capture.jpeg_quality)
    if options.truth == "full":
        write_png(files["aligned"], develop(rendered.aligned, (1, 1, 1), None, options, **sharp_look))
        _write_dense_truth(files, capture, rendered)
    write_json(files["truth"], _truth(task, capture, rendered.front))
    return sum(path.stat().st_size for path in files.values())


def _write_dense_truth(files: dict[str, Path], capture: Capture, rendered: Rendered) -> None:
    from sdd_bench.flow.flo import write_flo  # here, because it imports torch

    write_flo(files["flow"], truth_flow(capture, rendered.front))
    write_coc(files["coc"], np.array(capture.coc_px, np.float32)[rendered.front])


def _truth(task: _Task, capture: Capture, front: NDArray[np.uint8]) -> dict[str, Any]:
    """The content of the truth file. Lengths ``_px`` are in pixels of the full picture, whose size it states."""
    share = np.bincount(front.ravel(), minlength=len(capture.coc_px)) / front.size
    lens = capture.lens
    return {
        "pair_id": f"{task.split}/{capture.name}",
        "width": task.options.width,
        "height": task.options.height,
        "zoom": capture.similarity.zoom,
        "rotation_deg": capture.similarity.rotation_deg,
        "shift_x_px": capture.similarity.shift_x_px,
        "shift_y_px": capture.similarity.shift_y_px,
        "exposure_gain": list(capture.exposure_gain),
        "tone_curve": {"blurry": capture.blurry_curve, "sharp": capture.sharp_curve},
        "vignetting": capture.vignetting,
        "glare": capture.glare,
        "bokeh": dataclasses.asdict(capture.bokeh),
        "sharpening": capture.sharpening,
        "jpeg_quality": capture.jpeg_quality,
        "coc_diameter_px": {"mean": float(share @ capture.coc_px), "max": max(capture.coc_px)},
        "parallax_px": capture.parallax_px,
        "seed": task.options.seed,
        "camera": {
            "focal_length_mm": lens.focal_length_mm,
            "f_number": lens.f_number if np.isfinite(lens.f_number) else None,
            "pixel_pitch_um": lens.pixel_pitch_um,
            "blurry_focus_m": capture.blurry_focus_m,
            "sharp_focus_m": capture.sharp_focus_m,
        },
        "layers": [
            {"depth_m": depth, "coc_diameter_px": coc, "share": float(part), "parallax_shift_px": list(shift)}
            for depth, coc, part, shift in zip(
                capture.depths_m, capture.coc_px, share, capture.parallax_shift_px, strict=True
            )
        ],
    }

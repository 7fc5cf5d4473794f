"""One unit of ``prepare``'s work: fixed consecutive pairs of one split become one shard, or full pictures.

A unit leaves ``OUT/.parts/NAME.json``, its *part*: the rows of pairs.csv and the sealed files it made. Who makes a unit
holds its lock, and a unit whose part is there is not made again; so a killed run can be continued at once, even while
workers it left behind are still writing.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from sdd_bench.data.listing import below
from sdd_bench.data.manifest import PARTS, FileRecord, PairRow, record_of
from sdd_bench.data.options import PrepareOptions
from sdd_bench.data.registered import register_sharp
from sdd_bench.data.shards import PairPatches, write_shard
from sdd_bench.errors import ImageError, ManifestError
from sdd_bench.files import output_errors, sealed, sha256_of, write_json
from sdd_bench.images.io import Photograph, read_pair, read_photograph, write_png
from sdd_bench.images.patches import choose, sharpness, windows
from sdd_bench.images.resize import parse_resize, resize_area
from sdd_bench.types import Pair, Split

PLAN_JSON = "plan.json"
OnPair = Callable[[Pair], None]
Pixels = NDArray[np.generic]


@dataclass(frozen=True)
class Unit:
    """Consecutive pairs of one split."""

    split: Split
    number: int
    first_row: int
    """Row of the first pair in pairs.csv."""
    pairs: tuple[Pair, ...]
    as_patches: bool
    """A shard of patches; else full pictures."""

    @property
    def name(self) -> str:
        return f"{self.split}-{self.number:05d}"


@dataclass(frozen=True)
class Task:
    """A unit with everything a worker needs to make it."""

    unit: Unit
    source: Path
    out: Path
    options: PrepareOptions
    bit_depth: int
    plan_sha256: str
    """Of the plan the unit belongs to."""

    def __str__(self) -> str:
        return self.unit.name


@dataclass(frozen=True)
class Part:
    """What a finished unit left."""

    plan_sha256: str
    name: str
    rows: tuple[PairRow, ...]
    shard: FileRecord | None
    frames: tuple[FileRecord, ...]


def part_path(out: Path, name: str) -> Path:
    """Where the part of the unit ``name`` is kept until the set is complete."""
    return out / PARTS / f"{name}.json"


def read_part(out: Path, name: str, plan_sha256: str) -> Part | None:
    """The part of a finished unit of this plan whose files are all there; ``None`` when it has to be made."""
    try:
        value = json.loads(part_path(out, name).read_text(encoding="utf-8"))
        part = Part(
            value["plan_sha256"],
            value["name"],
            tuple(PairRow(**row) for row in value["rows"]),
            FileRecord(**value["shard"]) if value["shard"] is not None else None,
            tuple(FileRecord(**record) for record in value["frames"]),
        )
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise ManifestError(f"{part_path(out, name)}: damaged ({error}). Delete it and run again.") from error
    if part.plan_sha256 != plan_sha256:
        return None
    files = (*part.frames, *([part.shard] if part.shard else []))
    whole = all((out / file.name).is_file() and (out / file.name).stat().st_size == file.n_bytes for file in files)
    return part if whole else None


def run_unit(task: Task, on_pair: OnPair | None = None) -> Part:
    """Make the unit of ``task``, or return the part that is there.

    Pairs that cannot be used are rows with status ``failed``; the others go on.

    Raises:
        OutputError: The output cannot be written.
        ManifestError: The run this unit belongs to has ended, or pictures are to be registered by a table of others.
    """
    folder, name = task.out / PARTS, task.unit.name
    if not (folder / PLAN_JSON).is_file() or sha256_of(folder / PLAN_JSON) != task.plan_sha256:
        raise ManifestError(f"{task.out}: the run that {name} belongs to has ended.")
    with output_errors(folder), FileLock(folder / f"{name}.lock"):
        part = read_part(task.out, name, task.plan_sha256)
        if part is None:
            part = _make_shard(task, on_pair) if task.unit.as_patches else _make_frames(task, on_pair)
            write_json(part_path(task.out, name), dataclasses.asdict(part))
    return part


@dataclass(frozen=True)
class _Loaded:
    row: PairRow
    photographs: tuple[Photograph, Photograph] | None = None
    patches: PairPatches | None = None


def _make_shard(task: Task, on_pair: OnPair | None) -> Part:
    rows: list[PairRow] = []

    def patches() -> Iterator[PairPatches]:
        for pair, loaded in _ahead(task, _load_patches):
            rows.append(loaded.row)
            if loaded.patches is not None:
                yield loaded.patches
            if on_pair is not None:
                on_pair(pair)

    path = task.out / f"{task.unit.name}.h5"
    n_patches = write_shard(
        path,
        patches(),
        split=task.unit.split,
        bit_depth=task.bit_depth,
        resize=task.options.resize,
        patch=task.options.patch,
        compression=task.options.compression,
    )
    if n_patches == 0:
        path.unlink()
        return Part(task.plan_sha256, task.unit.name, tuple(rows), None, ())
    return Part(task.plan_sha256, task.unit.name, tuple(rows), record_of(path, task.out, n_patches=n_patches), ())


def _make_frames(task: Task, on_pair: OnPair | None) -> Part:
    rows, frames = [], []
    for pair, loaded in _ahead(task, _load_frames):
        row = loaded.row
        if loaded.photographs is not None:
            try:
                frames += _write_frames(task, pair, row, *loaded.photographs)
            except ImageError as error:
                row = _failed(task, row, error)
        rows.append(row)
        if on_pair is not None:
            on_pair(pair)
    return Part(task.plan_sha256, task.unit.name, tuple(rows), None, tuple(frames))


def _ahead(task: Task, load: Callable[[Task, int], _Loaded]) -> Iterator[tuple[Pair, _Loaded]]:
    """Load the unit's pairs in order, each while the one before it is being written."""
    pairs = task.unit.pairs
    with ThreadPoolExecutor(1) as loader:
        coming = loader.submit(load, task, 0)
        for index, pair in enumerate(pairs):
            loaded = coming.result()
            if index + 1 < len(pairs):
                coming = loader.submit(load, task, index + 1)
            yield pair, loaded


def _load_frames(task: Task, index: int) -> _Loaded:
    pair = task.unit.pairs[index]
    row = PairRow(
        pair.pair_id,
        pair.split,
        pair.scene,
        pair.group,
        below(pair.blurry_path, task.source),
        below(pair.sharp_path, task.source),
    )
    options = task.options
    with ThreadPoolExecutor(2) as hashers:
        hashes = [hashers.submit(_source_sha256, path) for path in (pair.blurry_path, pair.sharp_path)]
        try:
            blurry, sharp = read_pair(pair.blurry_path, pair.sharp_path, max_pixels=options.max_pixels, raw=options.raw)
            if options.register is not None:
                sha256 = hashes[0].result(), hashes[1].result()
                sharp = register_sharp(sharp, pair.pair_id, sha256, options.register)
        except ImageError as error:
            row = _failed(task, row, error)
        row = dataclasses.replace(row, blurry_sha256=hashes[0].result(), sharp_sha256=hashes[1].result())
    if row.status == "failed":
        return _Loaded(row)
    height, width = blurry.pixels.shape[:2]
    row = dataclasses.replace(
        row,
        width=width,
        height=height,
        bit_depth=max(blurry.bit_depth, sharp.bit_depth),
        blurry_f_number=blurry.exif.f_number,
        sharp_f_number=sharp.exif.f_number,
        blurry_focal_length_mm=blurry.exif.focal_length_mm,
        sharp_focal_length_mm=sharp.exif.focal_length_mm,
        blurry_exposure_s=blurry.exif.exposure_s,
        sharp_exposure_s=sharp.exif.exposure_s,
        message=_message(blurry, sharp),
    )
    return _Loaded(row, (blurry, sharp))


def _load_patches(task: Task, index: int) -> _Loaded:
    loaded = _load_frames(task, index)
    if loaded.photographs is None:
        return loaded
    options = task.options
    try:
        blurry, sharp = (
            _resized(photograph.pixels, options.resize, task.bit_depth) for photograph in loaded.photographs
        )
        candidates = windows(*sharp.shape[:2], patch=options.patch, overlap=options.overlap)
    except ImageError as error:
        return _Loaded(_failed(task, loaded.row, error))
    scores = sharpness(sharp, candidates)
    kept = choose(scores, drop=options.drop)
    patches = PairPatches(
        row=task.unit.first_row + index,
        blurry=blurry,
        sharp=sharp,
        windows=[candidates[i] for i in kept],
        sharpness=scores[kept],
    )
    return _Loaded(dataclasses.replace(loaded.row, n_patches=len(kept)), patches=patches)


def _resized(pixels: Pixels, resize: str, bit_depth: int) -> Pixels:
    """Resize at the finer of the two depths, then store at ``bit_depth``."""
    if bit_depth == 16 and pixels.dtype == np.uint8:
        pixels = pixels.astype(np.uint16) * np.uint16(257)
    pixels = resize_area(pixels, parse_resize(resize))
    if bit_depth == 8 and pixels.dtype == np.uint16:
        pixels = ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return pixels


def _write_frames(task: Task, pair: Pair, row: PairRow, blurry: Photograph, sharp: Photograph) -> list[FileRecord]:
    folder = task.out / pair.split
    aligned = None
    if pair.aligned_path is not None:  # read before anything is written: it may fail
        aligned = read_photograph(pair.aligned_path, max_pixels=task.options.max_pixels)
    frames = [
        _write_frame(task, folder / "blur" / f"{pair.name}.png", pair.blurry_path, blurry, row.blurry_sha256),
        _write_frame(task, folder / "gt" / f"{pair.name}.png", pair.sharp_path, sharp, row.sharp_sha256),
    ]
    if pair.aligned_path is not None and aligned is not None:
        path = folder / "aligned" / f"{pair.name}.png"
        frames.append(_write_frame(task, path, pair.aligned_path, aligned, _source_sha256(pair.aligned_path)))
    if pair.truth_path is not None and task.options.register is None:  # it is of the pair as captured
        path = folder / "truth" / f"{pair.name}.json"
        frames.append(_copy(task, pair.truth_path, path, _source_sha256(pair.truth_path)))
    return frames


def _write_frame(task: Task, path: Path, origin: Path, photograph: Photograph, sha256: str) -> FileRecord:
    resize = task.options.resize if task.options.resize_test else "none"
    if resize == "none" and photograph.bit_depth == task.bit_depth and _is_plain_png(origin, photograph):
        return _copy(task, origin, path, sha256)
    write_png(path, _resized(photograph.pixels, resize, task.bit_depth))
    return record_of(path, task.out)


def _copy(task: Task, origin: Path, path: Path, sha256: str) -> FileRecord:
    with sealed(path) as partial:
        shutil.copyfile(origin, partial)
    return FileRecord(below(path, task.out), path.stat().st_size, sha256)


def _is_plain_png(path: Path, photograph: Photograph) -> bool:
    """Whether ``path`` as it is shows ``photograph``: an RGB PNG, upright, without profile or transparency."""
    if photograph.message:
        return False
    with open(path, "rb") as file:
        if file.read(8) != b"\x89PNG\r\n\x1a\n":
            return False
        while len(head := file.read(8)) == 8:
            length, kind = int.from_bytes(head[:4], "big"), head[4:]
            if kind in (b"eXIf", b"tRNS", b"iCCP", b"acTL"):
                return False
            if kind == b"IHDR" and file.read(length)[9] != 2:
                return False
            if kind == b"IEND":
                return True
            file.seek(4 if kind == b"IHDR" else length + 4, os.SEEK_CUR)
    return False


def _source_sha256(path: Path) -> str:
    """Empty for a file that cannot be read: reading its picture says why."""
    try:
        return sha256_of(path)
    except OSError:
        return ""


def _message(blurry: Photograph, sharp: Photograph) -> str:
    sides = (("blurry", blurry), ("sharp", sharp))
    return "; ".join(f"{side}: {photograph.message}" for side, photograph in sides if photograph.message)


def _failed(task: Task, row: PairRow, error: ImageError) -> PairRow:
    message = str(error).replace(f"{task.source}{os.sep}", "")  # the set says the same wherever its source stood
    return dataclasses.replace(row, n_patches=0, status="failed", message=message)

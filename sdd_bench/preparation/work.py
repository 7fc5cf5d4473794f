"""One unit of the work of ``prepare``: consecutive pairs of one split become a shard or full pictures.

A finished unit leaves its *part*, ``OUT/.parts/NAME.json``: its rows of pairs.csv and the records of its sealed files.
A worker locks the unit that it makes, and a unit that has its part is not made again. So a killed run can be continued
at once, even while workers that it left behind are still writing.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdd_bench.core.arrays import Plane
from sdd_bench.core.errors import ImageError, ManifestError, UnreadableError
from sdd_bench.core.parallel import read_sealed, write_sealed
from sdd_bench.core.storage.documents import misfit
from sdd_bench.core.storage.files import sealed, sha256_of
from sdd_bench.core.storage.locks import locked
from sdd_bench.core.types import Pair
from sdd_bench.images.photograph import Photograph, check_unchanged, read_photograph
from sdd_bench.images.resize import parse_resize
from sdd_bench.images.write import write_png
from sdd_bench.optics.coc_map import read_coc, resize_coc, write_coc
from sdd_bench.preparation.load import Loaded, failed_row, load_frames, load_patches, resized
from sdd_bench.preparation.match import match_sharp, transfers_of
from sdd_bench.preparation.plan import Task
from sdd_bench.prepared.manifest import FILE, PAIR, PARTS, FileRecord, PairRow, file_record, record_of
from sdd_bench.prepared.shards import PairPatches, write_shard

PLAN_JSON = "plan.json"
_PART = {"key": str, "name": str, "rows": [PAIR], "shard": (None, FILE), "frames": [FILE]}
"""Shape of the record of a part."""
OnPair = Callable[[Pair], None]


@dataclass(frozen=True)
class Part:
    """The record of a finished unit."""

    plan_sha256: str
    name: str
    rows: tuple[PairRow, ...]
    shard: FileRecord | None
    frames: tuple[FileRecord, ...]


def part_path(out: Path, name: str) -> Path:
    """The file with the part of the unit ``name``, which exists until the set is complete.

    Example:
        >>> part_path(Path("out"), "train-00000").as_posix()
        'out/.parts/train-00000.json'
    """
    return out / PARTS / f"{name}.json"


def read_part(out: Path, name: str, plan_sha256: str) -> Part | None:
    """The part of a finished unit of this plan, if all its files exist; ``None`` if the unit must be made.

    Example:
        >>> read_part(Path("no/such/set"), "train-00000", "0123") is None
        True
    """
    part = read_sealed(part_path(out, name), plan_sha256, _part)
    if part is None:
        return None
    files = (*part.frames, *([part.shard] if part.shard else []))
    whole = all((out / file.name).is_file() and (out / file.name).stat().st_size == file.n_bytes for file in files)
    return part if whole else None


def _part(value: dict[str, Any]) -> Part:
    if wrong := misfit(value, _PART):
        raise ValueError(wrong)
    return Part(
        value["key"],
        value["name"],
        tuple(PairRow(**row) for row in value["rows"]),
        None if value["shard"] is None else file_record(value["shard"]),
        tuple(map(file_record, value["frames"])),
    )


def run_unit(task: Task, on_pair: OnPair | None = None) -> Part:
    """Make the unit of ``task``, or return the part that exists.

    A pair that cannot be used gets a row with status ``failed``; the other pairs go on.

    Args:
        task: Unit to make.
        on_pair: Callback after every pair.

    Raises:
        OutputError: The output cannot be written.
        ManifestError: The run of this unit has ended, or the table of registrations was measured on other pictures.
    """
    folder, name = task.out / PARTS, task.unit.name
    if not (folder / PLAN_JSON).is_file() or sha256_of(folder / PLAN_JSON) != task.plan_sha256:
        raise ManifestError(f"{task.out}: the run that {name} belongs to has ended.")
    with locked(folder / f"{name}.lock", f"the part {name} of {task.out}"):
        part = read_part(task.out, name, task.plan_sha256)
        if part is None:
            part = _make_shard(task, on_pair) if task.unit.as_patches else _make_frames(task, on_pair)
            write_sealed(part_path(task.out, name), {"key": task.plan_sha256, **dataclasses.asdict(part)})
    return part


def _make_shard(task: Task, on_pair: OnPair | None) -> Part:
    rows: list[PairRow] = []

    def patches() -> Iterator[PairPatches]:
        for pair, loaded in _ahead(task, load_patches):
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
    for pair, loaded in _ahead(task, load_frames):
        row = loaded.row
        if loaded.photographs is not None:
            try:
                frames += _write_frames(task, pair, row, *loaded.photographs)
            except UnreadableError:
                raise
            except ImageError as error:
                row = failed_row(task, row, error)
        rows.append(row)
        if on_pair is not None:
            on_pair(pair)
    return Part(task.plan_sha256, task.unit.name, tuple(rows), None, tuple(frames))


def _ahead(task: Task, load: Callable[[Task, int], Loaded]) -> Iterator[tuple[Pair, Loaded]]:
    """The unit's pairs in order; each is loaded while the one before it is written."""
    pairs = task.unit.pairs
    with ThreadPoolExecutor(1) as loader:
        coming = loader.submit(load, task, 0)
        for index, pair in enumerate(pairs):
            loaded = coming.result()
            if index + 1 < len(pairs):
                coming = loader.submit(load, task, index + 1)
            yield pair, loaded


def _write_frames(task: Task, pair: Pair, row: PairRow, blurry: Photograph, sharp: Photograph) -> list[FileRecord]:
    folder = task.out / pair.split
    aligned = coc_px = None
    if pair.aligned_path is not None:  # read before anything is written: it may fail
        aligned = read_photograph(pair.aligned_path, max_pixels=task.options.max_pixels)
        if task.options.match is not None:
            sha256 = row.blurry_sha256, row.sharp_sha256
            aligned = match_sharp(aligned, pair.pair_id, sha256, transfers_of(task.options.match))
    if pair.coc_path is not None:
        coc_px = read_coc(pair.coc_path)
    frames = [
        _write_frame(task, folder / "blur" / f"{pair.name}.png", pair.blurry_path, blurry),
        _write_frame(task, folder / "gt" / f"{pair.name}.png", pair.sharp_path, sharp),
    ]
    if pair.aligned_path is not None and aligned is not None:
        path = folder / "aligned" / f"{pair.name}.png"
        frames.append(_write_frame(task, path, pair.aligned_path, aligned))
    if pair.truth_path is not None and task.options.register is None:  # the truth is that of the pair as captured
        path = folder / "truth" / f"{pair.name}.json"
        frames.append(_copy(task, pair.truth_path, path))
    if pair.coc_path is not None and coc_px is not None:  # of the blurry picture, which no registration moves
        frames.append(_write_coc(task, pair.coc_path, coc_px, folder / "truth" / f"{pair.name}_coc.tiff"))
    return frames


def _write_frame(task: Task, path: Path, origin: Path, photograph: Photograph) -> FileRecord:
    resize = task.options.resize if task.options.resize_test else "none"
    if resize == "none" and photograph.bit_depth == task.bit_depth and _is_plain_png(origin, photograph):
        record = _copy(task, origin, path)
        check_unchanged(origin, photograph, record.sha256)
        return record
    write_png(path, resized(photograph.pixels, resize, task.bit_depth))
    return record_of(path, task.out)


def _write_coc(task: Task, origin: Path, coc_px: Plane, path: Path) -> FileRecord:
    """The map of circles of confusion, at the size of the pictures and in pixels of it."""
    resize = task.options.resize if task.options.resize_test else "none"
    if resize == "none":
        return _copy(task, origin, path)
    write_coc(path, resize_coc(coc_px, parse_resize(resize)))
    return record_of(path, task.out)


def _copy(task: Task, origin: Path, path: Path) -> FileRecord:
    with sealed(path) as partial:
        shutil.copyfile(origin, partial)
    return record_of(path, task.out)


def _is_plain_png(path: Path, photograph: Photograph) -> bool:
    """Whether the file can be copied as it is: an RGB PNG, upright, without profile or transparency."""
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

"""The SDD layout: folders of PNG.

Patches of ``train`` become ``train_patches/{blur,gt}/NAME_0000.png``, patches of another split
``<split>/{blur,gt}/NAME_0000.png``. Full pictures keep their place, ``test/{blur,gt}/NAME.png``. Scenes and truth, if
known, become the files that the layout has for them: ``scenes.csv``, ``truth/SPLIT/NAME.json`` and
``truth/SPLIT/NAME_aligned.png``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from sdd_bench.captures.csv_pairs import SCENES_CSV, SceneRow
from sdd_bench.core.storage.files import sealed
from sdd_bench.core.storage.tables import write_table
from sdd_bench.core.types import Split
from sdd_bench.images.write import write_png
from sdd_bench.prepared.export.options import ExportOptions
from sdd_bench.prepared.export.records import patch_name, read_file, row_of
from sdd_bench.prepared.manifest import FileRecord, Manifest
from sdd_bench.prepared.shards import ShardReader


@dataclass(frozen=True)
class SddTask:
    """A shard to unpack or a file to copy."""

    root: Path
    out: Path
    record: FileRecord
    folder: str = ""
    """Folder for the patches of a shard; empty for a file, which is copied."""
    names: tuple[str, ...] = ()
    """Names of the pairs, one per row of pairs.csv."""

    def __str__(self) -> str:
        return self.record.name


def sdd_tasks(manifest: Manifest, out: Path, options: ExportOptions) -> list[SddTask]:
    """The tasks of an export; ``scenes.csv`` is written at once."""
    write_scenes(manifest, out)
    names = tuple(row.pair_id.partition("/")[2] for row in manifest.pairs)
    tasks = []
    for split, record in manifest.splits.items():
        folder = "train_patches" if split is Split.TRAIN else split.value
        shards = record.shards if options.only != "frames" else ()
        frames = record.frames if options.only != "patches" else ()
        tasks += [SddTask(manifest.root, out, shard, folder, names) for shard in shards]
        tasks += [SddTask(manifest.root, out, frame) for frame in frames]
    return tasks


def write_scenes(manifest: Manifest, out: Path) -> None:
    """Write ``scenes.csv``, one row per patch or full picture, if any scene or group is known."""
    rows = []
    for row in manifest.pairs:
        name = row.pair_id.partition("/")[2]
        names = [patch_name(name, number) for number in range(row.n_patches)] or [name]
        is_known = row.status == "ok" and (row.scene or row.group)
        rows += [SceneRow(row.split, each, row.scene, row.group) for each in names if is_known]
    if rows:
        write_table(out / SCENES_CSV, SceneRow, rows)


def export_sdd(task: SddTask) -> tuple[int, int]:
    """Unpack a shard or copy a file; returns the numbers of files written and kept."""
    return _unpack(task) if task.folder else _copy(task)


def _place(name: str) -> str:
    """Path in the layout of the file that a prepared set calls ``SPLIT/KIND/NAME``."""
    path = PurePosixPath(name)
    split, kind = path.parts[0], path.parent.name
    if kind == "truth":
        return f"truth/{split}/{path.name}"
    return f"truth/{split}/{path.stem}_aligned{path.suffix}" if kind == "aligned" else name


def _unpack(task: SddTask) -> tuple[int, int]:
    reader = ShardReader(task.root / task.record.name)
    n_written = n_kept = 0
    numbers: dict[int, int] = {}
    try:
        for index, row in enumerate(reader.column("pair").tolist()):
            number = numbers[row] = numbers.get(row, -1) + 1
            name = f"{patch_name(task.names[row_of(reader.path, index, row, len(task.names))], number)}.png"
            blur, gt = (task.out / task.folder / kind / name for kind in ("blur", "gt"))
            if blur.is_file() and gt.is_file():
                n_kept += 2
                continue
            patches = reader.read_patch(index)
            write_png(blur, np.ascontiguousarray(patches.blurry))
            write_png(gt, np.ascontiguousarray(patches.sharp))
            n_written += 2
    finally:
        reader.close()
    return n_written, n_kept


def _copy(task: SddTask) -> tuple[int, int]:
    target = task.out / _place(task.record.name)
    if target.is_file() and target.stat().st_size == task.record.n_bytes:
        return 0, 1
    content = read_file(task.root, task.record)
    with sealed(target) as partial:
        partial.write_bytes(content)
    return 1, 0

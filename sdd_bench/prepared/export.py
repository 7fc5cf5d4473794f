"""Export of a prepared set to folders of PNG in the SDD layout.

Patches of ``train`` become ``train_patches/{blur,gt}/NAME_0000.png``, patches of another split
``<split>/{blur,gt}/NAME_0000.png``. Full pictures keep their place, ``test/{blur,gt}/NAME.png``. Scenes and truth, if
known, become the files that the layout has for them: ``scenes.csv``, ``truth/SPLIT/NAME.json`` and
``truth/SPLIT/NAME_aligned.png``.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from sdd_bench.captures.csv_pairs import SCENES_CSV, SceneRow
from sdd_bench.core.errors import ManifestError
from sdd_bench.core.parallel import run_sealed
from sdd_bench.core.storage.claims import alone_in, begin
from sdd_bench.core.storage.files import sealed, sha256_of
from sdd_bench.core.storage.tables import write_table
from sdd_bench.core.types import OnProgress, Problem, Split
from sdd_bench.images.write import write_png
from sdd_bench.prepared.manifest import DATASET_JSON, FileRecord, Manifest, read_manifest
from sdd_bench.prepared.shards import ShardReader

EXPORT_JSON = "export.json"


@dataclass(frozen=True)
class ExportReport:
    """What :func:`export` did."""

    n_written: int
    n_kept: int
    """Number of files that an earlier run had written."""
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class _Task:
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


def export(
    prepared: Path, out: Path, *, jobs: int = 1, dask: str | None = None, on_progress: OnProgress | None = None
) -> ExportReport:
    """Write a prepared set to folders of PNG; files that an earlier run wrote are kept.

    Args:
        prepared: Prepared set (its folder or ``dataset.json``).
        out: Output folder.
        jobs: Number of local processes.
        dask: Address of a Dask scheduler, used in place of local processes.
        on_progress: Callback after every shard and every copied file.

    Raises:
        ManifestError: ``prepared`` is not a prepared set, or is damaged.
        ConfigError: ``out`` is an export of another set.
        OutputError: ``out`` holds something else, or cannot be written.

    Example:
        >>> import tempfile
        >>> from sdd_bench.core.types import Window
        >>> from sdd_bench.prepared.manifest import PairRow, SourceRecord, SplitRecord, record_of, write_manifest
        >>> from sdd_bench.prepared.shards import PairPatches, write_shard
        >>> picture = np.zeros((64, 64, 3), np.uint8)
        >>> row = PairRow("train/0001", "train", "", "", "train/blur/0001.png", "train/gt/0001.png", n_patches=1)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     root, shard, out = Path(folder), Path(folder, "train-00000.h5"), Path(folder, "out")
        ...     pair = PairPatches(0, picture, picture, [Window(0, 0, 64, 64)], np.ones(1))
        ...     _ = write_shard(shard, [pair], split="train", bit_depth=8, resize="none", patch=64)
        ...     splits = {Split.TRAIN: SplitRecord(1, 1, (record_of(shard, root, n_patches=1),))}
        ...     source = SourceRecord("sdd", 1, "", "")
        ...     write_manifest(Manifest(root, "rig", "1.0", 8, {}, source, splits, (row,)))
        ...     report = export(root, out)
        ...     sorted(path.relative_to(out).as_posix() for path in out.rglob("*.png"))
        ['train_patches/blur/0001_0000.png', 'train_patches/gt/0001_0000.png']
    """
    manifest = read_manifest(prepared)
    ours = {"schema": 1, "dataset_sha256": sha256_of(manifest.root / DATASET_JSON)}
    changed = {"dataset_sha256": "it is of another prepared set"}
    with alone_in(out):
        begin(out, EXPORT_JSON, ours, what="an export", digests=changed)
        _write_scenes(manifest, out)
        done, failures = run_sealed(_export, _tasks(manifest, out), jobs=jobs, dask=dask, on_progress=on_progress)
    problems = [Problem(str(manifest.root / problem.item), problem.reason) for problem in failures]
    return ExportReport(
        sum(n_written for n_written, _ in done),
        sum(n_kept for _, n_kept in done),
        tuple(sorted(problems, key=lambda problem: problem.item)),
    )


def _tasks(manifest: Manifest, out: Path) -> list[_Task]:
    names = tuple(row.pair_id.partition("/")[2] for row in manifest.pairs)
    tasks = []
    for split, record in manifest.splits.items():
        folder = "train_patches" if split is Split.TRAIN else split.value
        tasks += [_Task(manifest.root, out, shard, folder, names) for shard in record.shards]
        tasks += [_Task(manifest.root, out, frame) for frame in record.frames]
    return tasks


def _write_scenes(manifest: Manifest, out: Path) -> None:
    """Write ``scenes.csv``, one row per patch or full picture, if any scene or group is known."""
    rows = []
    for row in manifest.pairs:
        name = row.pair_id.partition("/")[2]
        names = [_patch_name(name, number) for number in range(row.n_patches)] or [name]
        rows += [SceneRow(row.split, each, row.scene, row.group) for each in names if row.scene or row.group]
    if rows:
        write_table(out / SCENES_CSV, SceneRow, rows)


def _patch_name(name: str, number: int) -> str:
    return f"{name}_{number:04d}"


def _place(name: str) -> str:
    """Path in the layout of the file that a prepared set calls ``SPLIT/KIND/NAME``."""
    path = PurePosixPath(name)
    split, kind = path.parts[0], path.parent.name
    if kind == "truth":
        return f"truth/{split}/{path.name}"
    return f"truth/{split}/{path.stem}_aligned{path.suffix}" if kind == "aligned" else name


def _export(task: _Task) -> tuple[int, int]:
    """Unpack a shard or copy a file; returns the numbers of files written and kept."""
    return _unpack(task) if task.folder else _copy(task)


def _unpack(task: _Task) -> tuple[int, int]:
    reader = ShardReader(task.root / task.record.name)
    n_written = n_kept = 0
    numbers: dict[int, int] = {}
    try:
        for index, row in enumerate(reader.column("pair").tolist()):
            number = numbers[row] = numbers.get(row, -1) + 1
            if not 0 <= row < len(task.names):
                raise ManifestError(
                    f"{reader.path}: patch {index} is of row {row}, pairs.csv has {len(task.names)} rows."
                )
            name = f"{_patch_name(task.names[row], number)}.png"
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


def _copy(task: _Task) -> tuple[int, int]:
    source, target = task.root / task.record.name, task.out / _place(task.record.name)
    if target.is_file() and target.stat().st_size == task.record.n_bytes:
        return 0, 1
    with sealed(target) as partial:
        try:
            shutil.copyfile(source, partial)
        except FileNotFoundError as error:
            raise ManifestError(f"{source}: missing. See: sdd-bench validate {task.root}.") from error
        found = sha256_of(partial)
        if found != task.record.sha256:
            raise ManifestError(
                f"{source}: was changed (sha256 {found[:12]}..., {DATASET_JSON} says {task.record.sha256[:12]}...). "
                f"See: sdd-bench validate {task.root}."
            )
    return 1, 0

"""Export of a prepared set: into folders of PNG, Parquet or archives, with a card and checksums.

::

    OUT/export.json     what the export is of; another set or format is refused
    OUT/README.md       the card, with .card/ for its pictures
    OUT/SHA256SUMS      of every file, as ``sha256sum -c`` reads it

Files that an earlier run wrote are kept, so a killed export goes on; the same set gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sdd_bench.core.errors import ConfigError
from sdd_bench.core.parallel import run_sealed
from sdd_bench.core.storage.claims import LOCK, alone_in, begin
from sdd_bench.core.storage.files import sha256_of, write_text
from sdd_bench.core.types import AnyPath, OnProgress, Problem
from sdd_bench.prepared.export.card import write_card
from sdd_bench.prepared.export.folders import (
    Written,
    export_basicsr,
    export_imagefolder,
    write_basicsr_lists,
    write_imagefolder_tables,
)
from sdd_bench.prepared.export.options import EXPORT_JSON, SUMS, ExportOptions
from sdd_bench.prepared.export.parquet import export_parquet
from sdd_bench.prepared.export.records import Piece, pieces_of
from sdd_bench.prepared.export.sdd import export_sdd, sdd_tasks
from sdd_bench.prepared.export.webdataset import export_webdataset
from sdd_bench.prepared.manifest import DATASET_JSON, Manifest, read_manifest

_WRITERS: dict[str, Callable[[Piece], Written]] = {
    "imagefolder": export_imagefolder,
    "basicsr": export_basicsr,
    "parquet": export_parquet,
    "webdataset": export_webdataset,
}


@dataclass(frozen=True)
class ExportReport:
    """What :func:`export` did."""

    n_written: int
    n_kept: int
    """Number of files that an earlier run had written."""
    problems: tuple[Problem, ...] = ()


def export(
    prepared: AnyPath,
    out: AnyPath,
    options: ExportOptions | None = None,
    *,
    jobs: int = 1,
    dask: str | None = None,
    on_progress: OnProgress | None = None,
) -> ExportReport:
    """Write a prepared set in another form; files that an earlier run wrote are kept.

    Args:
        prepared: Prepared set (its folder or ``dataset.json``).
        out: Output folder.
        options: Format, what to export, and what the card says; None for the SDD layout.
        jobs: Number of local processes.
        dask: Address of a Dask scheduler, used in place of local processes.
        on_progress: Callback after every piece.

    Raises:
        ManifestError: ``prepared`` is not a prepared set, or is damaged.
        ConfigError: ``out`` is an export of another set or in another format; pyarrow is missing; or the set holds
            none of what is asked for.
        OutputError: ``out`` holds something else, or cannot be written.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from sdd_bench.core.types import Split, Window
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
        ...     sorted(path.relative_to(out).as_posix() for path in out.rglob("train*/*/*.png"))
        ['train_patches/blur/0001_0000.png', 'train_patches/gt/0001_0000.png']
    """
    prepared, out = Path(prepared), Path(out)
    options = options or ExportOptions()
    manifest = read_manifest(prepared)
    ours: dict[str, Any] = {"schema": 1, "dataset_sha256": sha256_of(manifest.root / DATASET_JSON)}
    if (options.format, options.only) != ("sdd", "all"):
        ours |= {"format": options.format, "only": options.only}
    if options.format == "parquet":
        ours["libraries"] = {"pyarrow": _pyarrow()}
    changed = {"dataset_sha256": "it is of another prepared set"}
    with alone_in(out):
        begin(out, EXPORT_JSON, ours, what="an export", digests=changed)
        n_written, n_kept, failures = _write(manifest, out, options, jobs=jobs, dask=dask, on_progress=on_progress)
        write_card(manifest, out, options)
        if not failures:
            write_sums(out)
    problems = [Problem(str(manifest.root / problem.item), problem.reason) for problem in failures]
    return ExportReport(n_written, n_kept, tuple(sorted(problems, key=lambda problem: problem.item)))


def _pyarrow() -> str:
    try:
        return version("pyarrow")
    except ModuleNotFoundError as error:
        raise ConfigError("Parquet needs pyarrow: pip install 'sdd-bench[parquet]'.") from error


def _write(
    manifest: Manifest,
    out: Path,
    options: ExportOptions,
    *,
    jobs: int,
    dask: str | None,
    on_progress: OnProgress | None,
) -> tuple[int, int, list[Problem]]:
    """Numbers of files written and kept, and what failed."""
    if options.format == "sdd":
        tasks = sdd_tasks(manifest, out, options)
        done, failures = run_sealed(export_sdd, tasks, jobs=jobs, dask=dask, on_progress=on_progress)
        return sum(n for n, _ in done), sum(n for _, n in done), failures
    pieces = pieces_of(manifest, out, options.only)
    if not pieces:
        raise ConfigError(f"{manifest.root}: holds no {options.only}; leave out --only, or prepare the set otherwise.")
    written, failures = run_sealed(_WRITERS[options.format], pieces, jobs=jobs, dask=dask, on_progress=on_progress)
    if options.format == "imagefolder":
        write_imagefolder_tables(out, written)
    elif options.format == "basicsr":
        write_basicsr_lists(out, written)
    return sum(each.n_written for each in written), sum(each.n_kept for each in written), failures


def write_sums(out: Path) -> None:
    """Write ``SHA256SUMS`` of every file below ``out``; not of itself, nor of what a killed run left half-written."""
    files = (path for path in sorted(out.rglob("*")) if path.is_file() and path.suffix != ".partial")
    paths = (path for path in files if path.name not in (SUMS, LOCK))
    lines = [f"{sha256_of(path)}  {path.relative_to(out).as_posix()}\n" for path in paths]
    write_text(out / SUMS, "".join(lines))

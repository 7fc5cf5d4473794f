"""Captures to a prepared dataset: plan, make every unit, seal.

:func:`prepare` makes every unit of the plan (fixed consecutive pairs, :mod:`sdd_bench.preparation.work`) wherever the
executor likes, and at the end writes pairs.csv, the virtual datasets and, last, dataset.json. What a set is depends on
source, options and library versions alone, so a killed run continues where it was, and any number of workers gives the
same bytes.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from sdd_bench import __version__
from sdd_bench.core.claims import alone_in
from sdd_bench.core.files import write_json
from sdd_bench.core.parallel import open_executor, run
from sdd_bench.core.types import OnProgress, Pair, Problem, Progress, Split
from sdd_bench.preparation.options import PRESETS, PrepareOptions
from sdd_bench.preparation.plan import PreparePlan, Task, Unit, plan
from sdd_bench.preparation.resume import begin_work, check_finished
from sdd_bench.preparation.work import Part, read_part, run_unit
from sdd_bench.prepared.croissant import CROISSANT_JSON, croissant
from sdd_bench.prepared.manifest import (
    PARTS,
    Manifest,
    SourceRecord,
    SplitRecord,
    is_prepared,
    manifest_json,
    record_of,
    write_manifest,
)
from sdd_bench.prepared.shards import build_virtual


@dataclass(frozen=True)
class PrepareReport:
    """What :func:`prepare` did."""

    n_pairs: int
    n_patches: int
    problems: tuple[Problem, ...]
    """What was left out and what failed."""
    was_finished: bool = False
    """The set was there already, of the same source and options; nothing was done."""


def prepare(
    source: Path,
    out: Path,
    options: PrepareOptions = PRESETS["sdd"],
    *,
    layout: str = "auto",
    pairs_csv: Path | None = None,
    lists: Path | None = None,
    jobs: int = 1,
    dask: str | None = None,
    on_progress: OnProgress | None = None,
) -> PrepareReport:
    """Make the prepared dataset ``out`` of the captures in ``source``; continue it if it was begun.

    ``on_progress`` hears of every pair with ``jobs=1``, else of every finished unit.

    Raises:
        PairingError, ConfigError: As :func:`plan`; or ``out`` was made with other options or of another source.
        ManifestError: Pictures changed since ``out`` used them, or it is damaged.
        OutputError: ``out`` cannot be written, or holds something else. Finished shards are kept.
    """
    planned = plan(source, options, layout=layout, pairs_csv=pairs_csv, lists=lists)
    return carry_out(planned, out, jobs=jobs, dask=dask, on_progress=on_progress)


def carry_out(
    planned: PreparePlan,
    out: Path,
    *,
    jobs: int = 1,
    dask: str | None = None,
    on_progress: OnProgress | None = None,
) -> PrepareReport:
    """As :func:`prepare`, for a plan that was made already."""
    out = out.absolute()
    was_finished = is_prepared(out)
    if not was_finished:
        with alone_in(out):
            was_finished = is_prepared(out)  # by a run that ended between the question and the lock
            if not was_finished:
                parts = _make(out, planned, begin_work(out, planned), jobs, dask, on_progress)
                manifest = _seal(out, planned, parts)
    if was_finished:
        manifest = check_finished(out, planned)
    shutil.rmtree(out / PARTS, ignore_errors=True)
    return dataclasses.replace(_report(manifest), was_finished=was_finished)


def _make(
    out: Path, planned: PreparePlan, plan_sha256: str, jobs: int, dask: str | None, on_progress: OnProgress | None
) -> dict[str, Part]:
    """Every unit's part: those that are there, and the others made."""
    there = ((unit, read_part(out, unit.name, plan_sha256)) for unit in planned.units)
    parts = {unit.name: part for unit, part in there if part is not None}
    left = [unit for unit in planned.units if unit.name not in parts]
    progress = _Counter(planned, on_progress, done=[unit for unit in planned.units if unit.name in parts])
    is_serial = jobs == 1 and dask is None
    function = functools.partial(run_unit, on_pair=progress.add) if is_serial else run_unit
    root, options, bit_depth = planned.source.root, planned.options, planned.bit_depth
    tasks = (Task(unit, root, out, options, bit_depth, plan_sha256) for unit in left)
    with open_executor(jobs, dask) as executor:
        for task, outcome in run(executor, function, tasks, window=_window(jobs, dask)):
            if isinstance(outcome, Exception):
                raise outcome
            parts[outcome.name] = outcome
            if not is_serial:
                for pair in task.unit.pairs:
                    progress.add(pair)
    return parts


def _window(jobs: int, dask: str | None) -> int:
    """Units under way: enough that no worker waits. A unit holds two pairs in memory, however many pairs it has."""
    return 64 if dask else jobs + 1


class _Counter:
    """Turns finished pairs into progress."""

    def __init__(self, planned: PreparePlan, on_progress: OnProgress | None, done: list[Unit]) -> None:
        self._report = on_progress
        self._total = len(planned.source.pairs)
        self._done = sum(len(unit.pairs) for unit in done)
        self._n_bytes = 0

    def add(self, pair: Pair) -> None:
        self._done += 1
        for path in (pair.blurry_path, pair.sharp_path):
            self._n_bytes += path.stat().st_size if path.exists() else 0
        if self._report is not None:
            self._report(Progress(self._done, self._total, self._n_bytes, pair.pair_id))


def _seal(out: Path, planned: PreparePlan, parts: dict[str, Part]) -> Manifest:
    """Write what is left of the set, dataset.json last."""
    made = [(unit.split, parts[unit.name]) for unit in planned.units]
    rows = tuple(row for _, part in made for row in part.rows)
    splits = {}
    for split in dict.fromkeys(unit.split for unit in planned.units):
        shards = tuple(part.shard for of, part in made if of == split and part.shard is not None)
        virtual = out / f"{split}.h5"
        if shards:
            build_virtual(virtual, [out / shard.name for shard in shards])
        splits[split] = SplitRecord(
            n_pairs=sum(row.split == split and row.status == "ok" for row in rows),
            n_patches=sum(shard.n_patches for shard in shards),
            shards=shards,
            virtual=record_of(virtual, out) if shards else None,
            frames=tuple(record for of, part in made if of == split for record in part.frames),
        )
    _sweep(out, {record.name for split in splits.values() for record in split.files})
    content = "".join(f"{row.pair_id} {row.blurry_sha256} {row.sharp_sha256}\n" for row in rows)
    manifest = Manifest(
        root=out,
        name=planned.name,
        tool_version=__version__,
        bit_depth=planned.bit_depth,
        options=planned.options.as_dict(),
        source=SourceRecord(
            planned.source.layout,
            len(rows),
            planned.listing_sha256,
            hashlib.sha256(content.encode()).hexdigest(),
        ),
        splits=splits,
        pairs=rows,
        problems=planned.problems,
    )
    write_json(manifest.root / CROISSANT_JSON, croissant(manifest_json(manifest)))
    write_manifest(manifest)
    return manifest


def _sweep(out: Path, names: set[str]) -> None:
    """Remove what killed runs left and the set does not list: halves of files, files of a plan that gave way."""
    made = (path for split in Split for pattern in (f"{split}-*.h5", f"{split}/*/*") for path in out.glob(pattern))
    for path in [*out.rglob("*.partial"), *made]:
        if path.relative_to(out).as_posix() not in names:
            path.unlink(missing_ok=True)


def _report(manifest: Manifest) -> PrepareReport:
    n_pairs = sum(split.n_pairs for split in manifest.splits.values())
    n_patches = sum(split.n_patches for split in manifest.splits.values())
    return PrepareReport(n_pairs, n_patches, manifest.failures)

"""From captures to a prepared dataset: plan, make every unit, seal.

A unit is a fixed group of consecutive pairs (:mod:`sdd_bench.preparation.work`). :func:`prepare` has an executor make
every unit of the plan, in any order and on any worker. At the end it writes pairs.csv, the virtual datasets and, last,
dataset.json. The content of a set depends on source, options and library versions only. So a killed run continues where
it stopped, and any number of workers gives the same bytes.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sdd_bench import __version__
from sdd_bench.captures.listing import below
from sdd_bench.captures.pairing import Pairing
from sdd_bench.core.errors import ImageError, UnreadableError
from sdd_bench.core.executors import open_executor
from sdd_bench.core.parallel import run
from sdd_bench.core.storage.claims import alone_in
from sdd_bench.core.storage.files import write_json
from sdd_bench.core.types import AnyPath, OnProgress, Pair, Problem, Progress, Split
from sdd_bench.preparation.load import roles_noted
from sdd_bench.preparation.match import light_of
from sdd_bench.preparation.options import PRESETS, PrepareOptions
from sdd_bench.preparation.plan import PreparePlan, Task, Unit, plan
from sdd_bench.preparation.resume import begin_work, check_finished
from sdd_bench.preparation.work import Part, read_part, run_unit
from sdd_bench.prepared.croissant import CROISSANT_JSON, croissant
from sdd_bench.prepared.manifest import (
    PARTS,
    Manifest,
    PairRow,
    SourceRecord,
    SplitRecord,
    is_prepared,
    manifest_json,
    record_of,
    write_manifest,
)
from sdd_bench.prepared.shards import build_virtual
from sdd_bench.registration.evidence.roles import notes_on_set

_SHOWN = 5
"""Reasons that an error lists."""


@dataclass(frozen=True)
class PrepareReport:
    """The result of :func:`prepare`."""

    n_pairs: int
    n_patches: int
    problems: tuple[Problem, ...]
    """Files that were left out, and pairs that failed."""
    dropped: tuple[Problem, ...] = ()
    """Pairs that the rules dropped, and why."""
    warnings: tuple[Problem, ...] = ()
    """What makes scores worthless, see :mod:`sdd_bench.prepared.leaks`."""
    notes: tuple[str, ...] = ()
    """Sentences on pairs whose roles look wrong, see :mod:`sdd_bench.registration.evidence.roles`."""
    was_finished: bool = False
    """Whether the set was finished before, from the same source and options, so that nothing was done."""


def prepare(
    source: AnyPath,
    out: AnyPath,
    options: PrepareOptions = PRESETS["sdd"],
    *,
    layout: str = "auto",
    pairs_csv: AnyPath | None = None,
    lists: AnyPath | None = None,
    pairing: Pairing | None = None,
    strict: bool = False,
    jobs: int = 1,
    dask: str | None = None,
    on_progress: OnProgress | None = None,
) -> PrepareReport:
    """Make the prepared dataset ``out`` from the captures in ``source``, or continue one that was begun.

    Args:
        source: Folder of captures, or CSV file of pairs.
        out: Folder of the set; new, empty, or begun before.
        options: Options of the set.
        layout: Layout of the folders, see :func:`~sdd_bench.captures.layouts.read_layout`.
        pairs_csv: CSV of pairs to use in place of the folders.
        lists: Folder of DPDD's name lists.
        pairing: What the user says about pairs, see :mod:`sdd_bench.captures.pairing`.
        strict: Whether a scene in two splits, or a picture that occurs twice, is an error.
        jobs: Number of local processes.
        dask: Address of a Dask scheduler, used in place of local processes.
        on_progress: Callback after every pair with ``jobs=1``, otherwise after every finished unit.

    Raises:
        PairingError: See :func:`~sdd_bench.preparation.plan.plan`.
        ConfigError: See :func:`~sdd_bench.preparation.plan.plan`; or ``out`` was made with other options or from
            another source.
        ManifestError: Pictures changed since ``out`` used them, or ``out`` is damaged.
        ImageError: Not one pair could be used.
        UnreadableError: Some pictures cannot be read now; the units without them are finished.
        OutputError: ``out`` cannot be written, or holds something else. Finished shards are kept.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from sdd_bench.images.write import write_png
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     captures, out = Path(folder, "captures"), Path(folder, "set")
        ...     for side in ("blur", "gt"):
        ...         write_png(captures / "train" / side / "0001.png", np.zeros((64, 96, 3), np.uint8))
        ...     report = prepare(captures, out, PrepareOptions(resize="none", patch=64, overlap=0.5, drop=0.0))
        ...     sorted(path.name for path in out.iterdir())
        ['croissant.json', 'dataset.json', 'pairs.csv', 'train-00000.h5', 'train.h5']
        >>> report.n_pairs, report.n_patches
        (1, 2)
    """
    source, out = Path(source), Path(out)
    pairs_csv, lists = (None if given is None else Path(given) for given in (pairs_csv, lists))
    planned = plan(source, options, layout=layout, pairs_csv=pairs_csv, lists=lists, pairing=pairing, strict=strict)
    return carry_out(planned, out, jobs=jobs, dask=dask, on_progress=on_progress)


def carry_out(
    planned: PreparePlan,
    out: Path,
    *,
    jobs: int = 1,
    dask: str | None = None,
    on_progress: OnProgress | None = None,
) -> PrepareReport:
    """Do the work of a plan; otherwise like :func:`prepare`."""
    out = out.absolute()
    was_finished = is_prepared(out)
    if not was_finished:
        with alone_in(out):
            was_finished = is_prepared(out)  # another run may have ended between the first check and the lock
            if not was_finished:
                parts = _make(out, planned, begin_work(out, planned), jobs, dask, on_progress)
                manifest = _seal(out, planned, parts)
    if was_finished:
        manifest = check_finished(out, planned)
    shutil.rmtree(out / PARTS, ignore_errors=True)
    return dataclasses.replace(
        _report(manifest), dropped=planned.kept.dropped, warnings=planned.warnings, was_finished=was_finished
    )


def _make(
    out: Path, planned: PreparePlan, plan_sha256: str, jobs: int, dask: str | None, on_progress: OnProgress | None
) -> dict[str, Part]:
    """The parts of all units; a missing part is made."""
    there = ((unit, read_part(out, unit.name, plan_sha256)) for unit in planned.units)
    parts = {unit.name: part for unit, part in there if part is not None}
    left = [unit for unit in planned.units if unit.name not in parts]
    progress = _Counter(planned, on_progress, done=[unit for unit in planned.units if unit.name in parts])
    is_serial = jobs == 1 and dask is None
    function = functools.partial(run_unit, on_pair=progress.add) if is_serial else run_unit
    root, options, bit_depth = planned.source.root, planned.options, planned.bit_depth
    measured = {pair_id: (row.blurry_sha256, row.sharp_sha256) for pair_id, row in planned.kept.measured.items()}

    def task_of(unit: Unit) -> Task:
        ids = measured.keys() & {pair.pair_id for pair in unit.pairs}
        return Task(unit, root, out, options, bit_depth, plan_sha256, {pair_id: measured[pair_id] for pair_id in ids})

    tasks = map(task_of, left)
    unreadable: list[UnreadableError] = []
    sight = planned.source.pairs[0].blurry_path if planned.source.pairs else None
    with open_executor(jobs, dask, sight=sight) as executor:
        for task, outcome in run(executor, function, tasks, window=_window(jobs, dask)):
            if isinstance(outcome, UnreadableError):
                unreadable.append(outcome)
                continue
            if isinstance(outcome, Exception):
                raise outcome
            parts[outcome.name] = outcome
            if not is_serial:
                for pair in task.unit.pairs:
                    progress.add(pair)
    if unreadable:
        raise UnreadableError(
            f"{out}: not finished, as pictures cannot be read now. What is done is kept; mend the cause and run the "
            "same command again.\n  " + "\n  ".join(map(str, unreadable))
        )
    return parts


def _window(jobs: int, dask: str | None) -> int:
    """Units under way: enough that no worker waits. A unit has two pairs in memory, whatever its number of pairs."""
    return 64 if dask else jobs + 1


class _Counter:
    """Counter that reports progress for finished pairs."""

    def __init__(self, planned: PreparePlan, on_progress: OnProgress | None, done: list[Unit]) -> None:
        self._report = on_progress
        self._total = len(planned.kept.pairs)
        self._done = sum(len(unit.pairs) for unit in done)
        self._n_bytes = 0

    def add(self, pair: Pair) -> None:
        self._done += 1
        for path in (pair.blurry_path, pair.sharp_path):
            self._n_bytes += path.stat().st_size if path.exists() else 0
        if self._report is not None:
            self._report(Progress(self._done, self._total, self._n_bytes, pair.pair_id))


def _seal(out: Path, planned: PreparePlan, parts: dict[str, Part]) -> Manifest:
    """Write the files of the set that no unit makes, dataset.json last."""
    made = [(unit.split, parts[unit.name]) for unit in planned.units]
    done = [row for _, part in made for row in part.rows]
    if all(row.status == "failed" for row in done):
        left_out = [f"{problem.item}: {problem.reason}" for problem in planned.problems]
        reasons = "".join(f"\n  {reason}" for reason in [*(row.message for row in done), *left_out][:_SHOWN])
        raise ImageError(f"{out}: not sealed, as not one pair could be used.{reasons}")
    rows = tuple(_with_figures([*done, *_dropped_rows(planned)], planned))
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
        light={} if planned.options.match is None else light_of(planned.options.match, rows),
    )
    write_json(manifest.root / CROISSANT_JSON, croissant(manifest_json(manifest)))
    write_manifest(manifest)
    return manifest


def _dropped_rows(planned: PreparePlan) -> Iterator[PairRow]:
    """The rows of dropped pairs, after all others: the shards count rows of pairs that were kept."""
    root = planned.source.root
    for pair, problem in zip(planned.kept.dropped_pairs, planned.kept.dropped, strict=True):
        paths = below(pair.blurry_path, root), below(pair.sharp_path, root)
        yield PairRow(
            pair.pair_id, pair.split, pair.scene, pair.group, *paths, status="dropped", message=problem.reason
        )


def _with_figures(rows: Iterable[PairRow], planned: PreparePlan) -> Iterator[PairRow]:
    """The rows with what was measured of their pairs."""
    for row in rows:
        measured = planned.kept.measured.get(row.pair_id)
        yield row if measured is None else measured.fill(row)


def _sweep(out: Path, names: set[str]) -> None:
    """Remove files that the set does not list: partial files of killed runs, and files of a plan that was replaced."""
    made = (path for split in Split for pattern in (f"{split}-*.h5", f"{split}/*/*") for path in out.glob(pattern))
    for path in [*out.rglob("*.partial"), *made]:
        if path.relative_to(out).as_posix() not in names:
            path.unlink(missing_ok=True)


def _report(manifest: Manifest) -> PrepareReport:
    n_pairs = sum(split.n_pairs for split in manifest.splits.values())
    n_patches = sum(split.n_patches for split in manifest.splits.values())
    used = {row.pair_id: roles_noted(row) for row in manifest.pairs if row.status == "ok"}
    return PrepareReport(n_pairs, n_patches, manifest.failures, notes=tuple(notes_on_set(used)))

"""Checks of everything that a command writes or reads: what is missing, changed or damaged."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sdd_bench.captures.links import links_out
from sdd_bench.core.errors import ManifestError, SddBenchError, WeightsError, reason_of
from sdd_bench.core.executors import open_executor
from sdd_bench.core.parallel import run
from sdd_bench.core.storage.documents import read_json
from sdd_bench.core.storage.files import sha256_of
from sdd_bench.core.types import AnyPath, OnProgress, Problem, Progress
from sdd_bench.inspect import files as files_alone
from sdd_bench.inspect import results
from sdd_bench.inspect.kinds import RUN_JSON, Kind, kind_of, known_within
from sdd_bench.inspect.program import check_program
from sdd_bench.inspect.sets import check_captures, check_export
from sdd_bench.prepared.leaks import leaks_of_set
from sdd_bench.prepared.manifest import (
    DATASET_JSON,
    PAIRS_CSV,
    FileRecord,
    Manifest,
    file_record,
    is_prepared,
    read_manifest,
)
from sdd_bench.prepared.shards import flow_info, shard_info, verify_flows, verify_shard


@dataclass(frozen=True)
class Validation:
    """Result of a validation."""

    kind: Kind
    n_checked: int
    """Number of checked files."""
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    """What is whole but makes scores worthless, see :mod:`sdd_bench.prepared.leaks`."""


@dataclass(frozen=True)
class _File:
    """A file to check against its record."""

    path: Path
    record: FileRecord | None = None
    is_shard: bool = False
    is_flow: bool = False
    expected: tuple[str, int, int] | None = None
    """Split, bit depth and number of patches of a shard by the manifest."""

    def __str__(self) -> str:
        return str(self.path)


def validate(
    path: AnyPath, *, jobs: int = 1, dask: str | None = None, on_progress: OnProgress | None = None
) -> Validation:
    """Check everything that can be checked of ``path``.

    - Prepared set: every file against its sha256 in dataset.json, every chunk of every shard against its Fletcher32
      checksum; missing and extra files. Scenes in two splits and pictures that occur twice are warnings.
    - Export: every file against SHA256SUMS. Captures: the headers of every pair.
    - Shard: every chunk and its place; where it lies in its set, its sha256 too. A shard alone of an earlier version,
      whose chunks are not bound to their places, gets a warning.
    - Run: every file against run.json.
    - Training run: every checkpoint can be read, its numbers are finite, and result.json agrees with them.
    - Weights: every tensor can be read.
    - Predictions: every file against the digest noted when it was written. Blur maps: every map against its table.
    - Analyses, tables: every cell, and that tables agree with summaries. Leaderboards and bundles: as ``leaderboard
      verify``. Pages: every address. The cache: every file.
    - Pictures, flows, arrays, archives, JSON, text: whether all of it can be read.
    - A folder of such folders: each of them.

    Raises:
        ManifestError: ``path`` is missing or of no known kind.

    Example:
        >>> from sdd_bench.weights import path
        >>> validate(path("pwcnet")).problems
        ()
    """
    path = Path(path)
    kind = kind_of(path)
    warnings: list[Problem] = []
    if kind is Kind.DATASET:
        try:
            manifest = read_manifest(path)
        except ManifestError as error:
            return Validation(kind, 1, (Problem(str(path), str(error)),))
        files, problems = _files_of_set(manifest), _extra_files(manifest)
        warnings = [*links_out(manifest.root, (file.path for file in files)), *leaks_of_set(manifest)]
    elif kind is Kind.RUN:
        files, problems = _files_of_run(path if path.is_dir() else path.parent)
    elif kind in (Kind.SHARD, Kind.FLOW):
        alone = _File(path, is_shard=kind is Kind.SHARD, is_flow=kind is Kind.FLOW)
        of_set = _files_of_set(read_manifest(path.parent)) if is_prepared(path.parent) else []
        files, problems = [next((file for file in of_set if file.path.name == path.name), alone)], []
        if files[0].record is None:  # else the sha256 says more
            warnings = _not_bound(path, kind)
    elif kind in (Kind.TRAINING, Kind.TRAINING_CHECKPOINT):
        from sdd_bench.inspect.training_run import check_checkpoint, check_training  # brings torch

        n_files, problems = check_training(path) if kind is Kind.TRAINING else check_checkpoint(path)
        return Validation(kind, n_files, tuple(problems))
    elif kind is Kind.EXPORT:
        n_files, problems = check_export(path)
        return Validation(kind, n_files, tuple(problems))
    elif kind is Kind.CAPTURES:
        n_files, problems, warnings = check_captures(path)
        return Validation(kind, n_files, tuple(problems), tuple(warnings))
    elif kind is Kind.PROGRAM:
        return Validation(kind, 1, tuple(check_program(path)))
    elif kind is Kind.COLLECTION:
        return _validate_collection(path, jobs, dask)
    elif kind in _CHECKS:
        try:
            n_files, problems = _CHECKS[kind](path)
        except SddBenchError as error:
            n_files, problems = 1, [Problem(str(path), str(error).removeprefix(f"{path}: "))]
        return Validation(kind, n_files, tuple(problems))
    else:
        return Validation(kind, 1, tuple(_check_weights(path, kind)))
    found = _check_all(files, jobs, dask, on_progress)
    return Validation(kind, len(files), (*found, *problems), tuple(warnings))


def _check_all(files: Sequence[_File], jobs: int, dask: str | None, on_progress: OnProgress | None) -> list[Problem]:
    """Problems of all files, in their order."""
    found: dict[Path, list[Problem]] = {}
    n_bytes = 0
    with open_executor(jobs, dask, sight=files[0].path if files else None) as executor:
        for done, (file, outcome) in enumerate(run(executor, _check, files, window=2 * jobs), 1):
            if isinstance(outcome, (SddBenchError, OSError)):
                outcome = [Problem(str(file.path), str(outcome))]
            elif isinstance(outcome, Exception):
                raise outcome
            found[file.path] = outcome
            n_bytes += file.path.stat().st_size if file.path.is_file() else 0
            if on_progress is not None:
                on_progress(Progress(done, len(files), n_bytes, file.path.name))
    return [problem for file in files for problem in found[file.path]]


def _not_bound(path: Path, kind: Kind) -> list[Problem]:
    """A warning for a file of chunks that could have changed places unseen."""
    try:
        bound = shard_info(path).is_bound if kind is Kind.SHARD else flow_info(path)["is_bound"]
    except SddBenchError:  # damage is found by the check
        return []
    reason = "not bound: an earlier version made it, and only the sha256 of its set shows if chunks changed places"
    return [Problem(str(path), reason)] if bound is False else []


def _validate_collection(path: Path, jobs: int, dask: str | None) -> Validation:
    """Validate every known folder in a folder; what cannot be read of one keeps no other from it."""
    found = []
    for child, kind in known_within(path):
        try:
            found.append(validate(child, jobs=jobs, dask=dask))
        except SddBenchError as error:
            found.append(Validation(kind, 1, (Problem(str(child), str(error).removeprefix(f"{child}: ")),)))
    return Validation(
        Kind.COLLECTION,
        sum(one.n_checked for one in found),
        tuple(problem for one in found for problem in one.problems),
        tuple(warning for one in found for warning in one.warnings),
    )


_CHECKS: dict[Kind, Callable[[Path], tuple[int, list[Problem]]]] = {
    Kind.PREDICTIONS: results.check_predictions,
    Kind.BLUR_MAPS: results.check_blur_maps,
    Kind.ANALYSIS: results.check_analysis,
    Kind.RUN_WITHOUT_TRUTH: results.check_run_without_truth,
    Kind.BOARDS: results.check_boards,
    Kind.PAGES: results.check_pages,
    Kind.PAGE: results.check_page,
    Kind.CACHE: results.check_cache,
    Kind.TABLE: files_alone.check_table,
    Kind.DOCUMENT: files_alone.check_document,
    Kind.FLOW_FILE: files_alone.check_flow_file,
    Kind.ARRAY: files_alone.check_array,
    Kind.PICTURE: files_alone.check_picture,
    Kind.BUNDLE: files_alone.check_bundle,
    Kind.ARCHIVE: files_alone.check_archive,
    Kind.TEXT: files_alone.check_text,
}


def _files_of_set(manifest: Manifest) -> list[_File]:
    files = []
    for split, record in manifest.splits.items():
        files += [
            _File(
                manifest.root / shard.name, shard, is_shard=True, expected=(split, manifest.bit_depth, shard.n_patches)
            )
            for shard in record.shards
        ]
        if record.virtual is not None:
            expected = (split.value, manifest.bit_depth, record.n_patches)
            files.append(_File(manifest.root / record.virtual.name, record.virtual, is_shard=True, expected=expected))
        files += [_File(manifest.root / frame.name, frame) for frame in record.frames]
    files += [_File(flow, is_flow=True) for flow in sorted(manifest.root.glob("flow-*.h5"))]
    return files


def _extra_files(manifest: Manifest) -> list[Problem]:
    """Problems of files that dataset.json does not list. Flow files, which are derived from the set, are allowed."""
    root = manifest.root
    listed = {root / record.name for record in manifest.files} | {root / DATASET_JSON, root / PAIRS_CSV}
    own = [*root.glob("*.h5"), *root.rglob("*.partial")]
    own += [path for split in manifest.splits for path in (root / split).rglob("*") if path.is_file()]
    extra = sorted({path for path in own if path not in listed and not path.name.startswith("flow-")})
    return [
        Problem(str(path), f"is not listed in {DATASET_JSON}; it does not belong to this set, or is left over")
        for path in extra
    ]


def _files_of_run(root: Path) -> tuple[list[_File], list[Problem]]:
    path = root / RUN_JSON
    try:
        listed = read_json(path, {"files": {"*": str}}, ManifestError, "Run the command that made it again.")["files"]
        records = [file_record({"name": name, "n_bytes": -1, "sha256": sha256}) for name, sha256 in listed.items()]
    except (ManifestError, ValueError) as error:
        return [], [Problem(str(path), str(error).removeprefix(f"{path}: "))]
    return [_File(root / record.name, record) for record in records], []


def _check(file: _File) -> list[Problem]:
    """Problems of one file."""
    item = str(file.path)
    if not file.path.is_file():
        return [Problem(item, "is missing")]
    problems = []
    if file.is_shard:
        problems += verify_shard(file.path)
    if file.is_flow:
        problems += verify_flows(file.path)
    if file.expected is not None and not problems:
        info = shard_info(file.path)
        found = (info.split, info.bit_depth, info.n_patches)
        if found != file.expected:
            problems.append(
                Problem(item, f"split, bit depth and patches are {found}, but {DATASET_JSON} says {file.expected}")
            )
    if file.record is not None:
        problems += _check_bytes(file.path, file.record)
    return problems


def _check_bytes(path: Path, record: FileRecord) -> list[Problem]:
    size = path.stat().st_size
    if record.n_bytes >= 0 and size != record.n_bytes:
        return [Problem(str(path), f"has {size} bytes, expected {record.n_bytes}: cut short or changed")]
    sha256 = sha256_of(path)
    if sha256 != record.sha256:
        return [Problem(str(path), f"was changed: sha256 is {sha256[:12]}..., expected {record.sha256[:12]}...")]
    return []


def _check_weights(path: Path, kind: Kind) -> Iterator[Problem]:
    if kind is Kind.SAFETENSORS:
        from sdd_bench.weights.tensors import open_safetensors  # brings torch

        try:
            with open_safetensors(path) as file:
                for name in file.keys():  # noqa: SIM118  (not a mapping)
                    file.get_tensor(name)
        except WeightsError as error:
            yield Problem(str(path), str(error).removeprefix(f"{path}: "))
        return
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
    except Exception as error:  # whatever a damaged archive leads its reader to
        yield Problem(str(path), f"cut short, or not a checkpoint of torch.save: {reason_of(error)}. Copy it again.")
        return
    if broken is not None:
        yield Problem(str(path), f"its record {broken} is damaged (CRC). Copy it again.")

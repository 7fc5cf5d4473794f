"""The record of what a prepared dataset holds: ``dataset.json`` (schema 1) and ``pairs.csv``.

``dataset.json`` is written last and seals the set: it lists every file with its size and sha256. ``pairs.csv`` has one
row per pair, also for pairs that failed; ``/pair`` in the shards holds the number of the row. Neither file contains a
date, an absolute path or anything else that depends on the time and place of its making.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from sdd_bench.core.errors import ManifestError, reason_of, shown
from sdd_bench.core.storage.documents import COUNT, misfit, read_json
from sdd_bench.core.storage.files import sha256_of, write_json, write_text
from sdd_bench.core.storage.tables import Form, read_table, table_text
from sdd_bench.core.types import Problem, Split

_AGAIN = "Prepare the set again in a new folder."
SCHEMA = 1
"""Number of the format of ``dataset.json`` and ``pairs.csv``; sets of another number are refused."""
DATASET_JSON = "dataset.json"
PAIRS_CSV = "pairs.csv"
PARTS = ".parts"
"""Folder that an unfinished set has in place of these files."""
_LONGEST_PART, _LONGEST_NAME = 255, 2000
"""Bytes of a name of a file or folder, and characters of a path below the set: systems refuse longer ones."""
FILE = {"name": str, "n_bytes": COUNT, "sha256": str, "n_patches?": COUNT}
"""Shape of a :class:`FileRecord` in JSON."""
PAIR = {
    **dict.fromkeys(("pair_id", "split", "scene", "group", "blurry_path", "sharp_path"), str),
    **dict.fromkeys(("blurry_sha256?", "sharp_sha256?", "status?", "message?"), str),
    **dict.fromkeys(("width?", "height?", "bit_depth?", "trusted?"), (None, COUNT)),
    "n_patches?": COUNT,
    "*": (None, str, float),
}
"""Shape of a :class:`PairRow` in JSON."""
_SPLIT = {"n_pairs": COUNT, "n_patches": COUNT, "shards": [FILE], "virtual": (None, FILE), "frames": [FILE]}
_LIGHT = {"model": str, "gains": [float], "distrust": [str]}
_MANIFEST = {
    "schema": int,
    "name": str,
    "tool_version": str,
    "bit_depth": COUNT,
    "options": dict,
    "source": {"layout": str, "n_pairs": COUNT, "listing_sha256": str, "sha256": str},
    "splits": {"*": _SPLIT},
    "pairs_sha256": str,
    "problems": [{"item": str, "reason": str, "split?": str, "pair?": str}],
    "light?": {"*": _LIGHT},
}


@dataclass(frozen=True)
class FileRecord:
    """A sealed file of the set."""

    name: str
    """Path below the set's folder, with forward slashes."""
    n_bytes: int
    sha256: str
    n_patches: int = 0


@dataclass(frozen=True)
class SplitRecord:
    """The files and numbers of one split."""

    n_pairs: int
    n_patches: int
    shards: tuple[FileRecord, ...] = ()
    virtual: FileRecord | None = None
    """The HDF5 virtual dataset that joins the shards."""
    frames: tuple[FileRecord, ...] = ()
    """Full pictures, aligned pictures and truth of the test split."""

    @property
    def files(self) -> tuple[FileRecord, ...]:
        """Every file of the split."""
        return self.shards + ((self.virtual,) if self.virtual else ()) + self.frames


@dataclass(frozen=True)
class PairRow:
    """A row of ``pairs.csv``. Paths are relative to the source; size and bit depth are of the upright captures."""

    pair_id: str
    split: str
    scene: str
    group: str
    blurry_path: str
    sharp_path: str
    blurry_sha256: str = ""
    sharp_sha256: str = ""
    width: int | None = None
    height: int | None = None
    bit_depth: int | None = None
    blurry_f_number: float | None = None
    sharp_f_number: float | None = None
    blurry_focal_length_mm: float | None = None
    sharp_focal_length_mm: float | None = None
    blurry_exposure_s: float | None = None
    sharp_exposure_s: float | None = None
    n_patches: int = 0
    status: str = "ok"
    """``ok``, ``failed``, or ``dropped`` by a rule."""
    message: str = ""
    """Notes on the pictures; of a pair that failed or was dropped, why."""
    misalignment_px: float | None = None
    """RMS displacement by zoom, shift and rotation, pixels of the full picture. This and what follows: as ``analyze``
    measured it, if it ran."""
    likeness: float | None = None
    """Correlation of the aligned pictures, coarse detail only."""
    exposure_ev: float | None = None
    """Light of blurry over light of sharp, in stops, of the channel that differs most."""
    trusted: int | None = None
    """Whether the measurement is trusted, 1 or 0."""


@dataclass(frozen=True)
class SourceRecord:
    """The source of the pairs, identified by its content."""

    layout: str
    n_pairs: int
    listing_sha256: str
    """Digest of names, sizes, scenes and groups, which is quick to compare."""
    sha256: str
    """Digest of the sha256 of every picture."""


@dataclass(frozen=True)
class Manifest:
    """A prepared dataset."""

    root: Path
    name: str
    tool_version: str
    bit_depth: int
    options: dict[str, Any]
    source: SourceRecord
    splits: dict[Split, SplitRecord]
    pairs: tuple[PairRow, ...]
    problems: tuple[Problem, ...] = ()
    """Files of the source that form no pair."""
    light: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    """The transfer of light that each pair's sharp picture went through, by pair_id; empty unless it was asked for."""

    @property
    def files(self) -> tuple[FileRecord, ...]:
        """Every file of every split."""
        return tuple(record for split in self.splits.values() for record in split.files)

    @property
    def failures(self) -> tuple[Problem, ...]:
        """The files that were left out, and the pairs that failed.

        Example:
            >>> row = PairRow("test/1", "test", "", "", "a.png", "b.png", status="failed", message="0 bytes")
            >>> made = Manifest(Path("out"), "rig", "1.0", 8, {}, SourceRecord("sdd", 1, "", ""), {}, (row,))
            >>> made.failures
            (Problem(item='test/1', reason='0 bytes', split='', pair=''),)
        """
        failed = tuple(Problem(row.pair_id, row.message) for row in self.pairs if row.status == "failed")
        return self.problems + failed


def record_of(path: Path, root: Path, *, n_patches: int = 0) -> FileRecord:
    """The record of a finished file of the set at ``root``.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "train-00000.h5")
        ...     _ = path.write_bytes(b"data")
        ...     record = record_of(path, Path(folder), n_patches=42)
        >>> record.name, record.n_bytes, record.n_patches
        ('train-00000.h5', 4, 42)
    """
    return FileRecord(path.relative_to(root).as_posix(), path.stat().st_size, sha256_of(path), n_patches)


def is_prepared(path: Path) -> bool:
    """Whether ``path`` is a finished prepared set (its folder or its ``dataset.json``), damaged or not.

    Example:
        >>> is_prepared(Path("no/such/folder"))
        False
    """
    return (path / DATASET_JSON).is_file() or (path.name == DATASET_JSON and path.is_file())


def manifest_json(manifest: Manifest) -> dict[str, Any]:
    """The content of ``dataset.json``.

    Example:
        >>> source = SourceRecord("sdd", 0, "", "")
        >>> value = manifest_json(Manifest(Path("out"), "rig", "1.0", 8, {}, source, {}, ()))
        >>> value["schema"], value["name"], value["splits"]
        (1, 'rig', {})
    """
    light = {"light": manifest.light} if manifest.light else {}
    return {
        "schema": SCHEMA,
        "name": manifest.name,
        "tool_version": manifest.tool_version,
        "color": "RGB",
        "bit_depth": manifest.bit_depth,
        "options": manifest.options,
        "source": dataclasses.asdict(manifest.source),
        "splits": {split.value: dataclasses.asdict(record) for split, record in manifest.splits.items()},
        "pairs_sha256": hashlib.sha256(pairs_text(manifest.pairs).encode()).hexdigest(),
        "problems": [dataclasses.asdict(problem) for problem in manifest.problems],
        **light,
    }


def write_manifest(manifest: Manifest) -> None:
    """Write ``pairs.csv``, then ``dataset.json``, which seals the set.

    Raises:
        OutputError: The folder cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_manifest(Manifest(Path(folder), "rig", "1.0", 8, {}, SourceRecord("sdd", 0, "", ""), {}, ()))
        ...     sorted(path.name for path in Path(folder).iterdir())
        ['dataset.json', 'pairs.csv']
    """
    write_text(manifest.root / PAIRS_CSV, pairs_text(manifest.pairs))
    write_json(manifest.root / DATASET_JSON, manifest_json(manifest))


def read_manifest(path: Path) -> Manifest:
    """Read the manifest of the prepared set at ``path`` (its folder or its ``dataset.json``).

    Raises:
        ManifestError: The manifest is missing, not JSON, of another schema, incomplete, or does not fit its pairs.csv.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     made = Manifest(Path(folder), "rig", "1.0", 8, {}, SourceRecord("sdd", 0, "", ""), {}, ())
        ...     write_manifest(made)
        ...     read_manifest(Path(folder)) == made
        True
    """
    path = path if path.name == DATASET_JSON else path / DATASET_JSON
    value = _read_json(path)
    pairs = _read_pairs(path.parent / PAIRS_CSV, value.get("pairs_sha256"))
    try:
        return Manifest(
            root=path.parent,
            name=value["name"],
            tool_version=value["tool_version"],
            bit_depth=value["bit_depth"],
            options=dict(value["options"]),
            source=SourceRecord(**value["source"]),
            splits={Split(name): _split_record(record) for name, record in value["splits"].items()},
            pairs=pairs,
            problems=tuple(Problem(**problem) for problem in value["problems"]),
            light=dict(value.get("light", {})),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ManifestError(f"{path}: incomplete or damaged ({reason_of(error)}). {_AGAIN}") from error


def _read_json(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise ManifestError(
            f"{path}: missing, so {path.parent} is no finished prepared set. Make one with: sdd-bench prepare."
        )
    value: dict[str, Any] = read_json(path, dict, ManifestError, _AGAIN)
    if value.get("schema") != SCHEMA:
        raise ManifestError(
            f"{path}: schema is {str(value.get('schema'))[:60]}, expected {SCHEMA}. Is it from another version of "
            "sdd-bench?"
        )
    if wrong := misfit(value, _MANIFEST):
        raise ManifestError(f"{path}: incomplete or damaged ({wrong}). {_AGAIN}")
    return value


def _split_record(value: dict[str, Any]) -> SplitRecord:
    return SplitRecord(
        n_pairs=value["n_pairs"],
        n_patches=value["n_patches"],
        shards=tuple(map(file_record, value["shards"])),
        virtual=None if value["virtual"] is None else file_record(value["virtual"]),
        frames=tuple(map(file_record, value["frames"])),
    )


def file_record(value: dict[str, Any]) -> FileRecord:
    """The record of a file from JSON values of the shape :data:`FILE`.

    Raises:
        ValueError, TypeError: The file lies outside the set, no file can be called so, or a key is unknown.

    Example:
        >>> file_record({"name": "train-00000.h5", "n_bytes": 4, "sha256": "0123"}).n_patches
        0
    """
    record = FileRecord(**value)
    check_file_name(record.name)
    return record


def check_file_name(name: str) -> None:
    """Refuse a path that leads out of a set, or that no file can have.

    Raises:
        ValueError: It is such a path.

    Example:
        >>> check_file_name("test/blur/0001.png")
    """
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts:
        raise ValueError(f"the file {shown(name)} lies outside the set")
    longest = max(len(os.fsencode(part)) for part in path.parts)
    if longest > _LONGEST_PART or len(name) > _LONGEST_NAME:
        raise ValueError(f"no file can be called {shown(name)}")


def pairs_text(rows: tuple[PairRow, ...]) -> str:
    """The text of ``pairs.csv``; unknown values are empty cells.

    Example:
        >>> row = PairRow("test/0001", "test", "", "", "test/blur/0001.png", "test/gt/0001.png")
        >>> pairs_text((row,)).splitlines()[1]
        'test/0001,test,,,test/blur/0001.png,test/gt/0001.png,,,,,,,,,,,,0,ok,,,,,'
    """
    return table_text(PairRow, rows)


def _read_pairs(path: Path, sha256: object) -> tuple[PairRow, ...]:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ManifestError(f"{path}: cannot be read ({error.strerror}), but {DATASET_JSON} needs it.") from error
    found = hashlib.sha256(text).hexdigest()
    if found != sha256:
        raise ManifestError(
            f"{path}: changed or cut short since the set was made (sha256 {found[:12]}..., {DATASET_JSON} says "
            f"{str(sha256)[:12]}...). Restore it, or prepare the set again in a new folder."
        )
    form = Form(ManifestError, _AGAIN, exact=True)
    rows = tuple(read_table(path, PairRow, form, content=text).values())
    for row in rows:
        name = row.pair_id.removeprefix(f"{row.split}/")
        if name in (row.pair_id, "", "..") or Path(name).name != name:
            raise ManifestError(
                f"{path}: pair_id is {row.pair_id!r}; expected {row.split}/NAME, NAME a file's name without folders. "
                "Prepare the set again in a new folder."
            )
    return rows

"""The pairs of a prepared set as records: two PNG files and what is known of them, a piece of the set at a time.

A *piece* is what one file of a table or archive holds: consecutive shards or full pictures of one split, up to a size.
Patches and full pictures are never in one piece.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np

from sdd_bench.core.errors import ManifestError
from sdd_bench.core.types import Split
from sdd_bench.images.write import encode_png
from sdd_bench.prepared.manifest import DATASET_JSON, FileRecord, Manifest, PairRow, read_manifest
from sdd_bench.prepared.shards import ShardReader

T = TypeVar("T")
_PIECE_BYTES = 256_000_000
"""Bytes of a piece as the set stores it: what Hugging Face advises for a file of Parquet."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of a record; the columns of a table."""

    name: str
    pair_id: str
    scene: str = ""
    group: str = ""
    patch_y: int | None = None
    """Position of a patch in the resized picture, pixels; None of a full picture."""
    patch_x: int | None = None
    sharpness: float | None = None
    blurry_f_number: float | None = None
    sharp_f_number: float | None = None
    misalignment_px: float | None = None
    likeness: float | None = None
    exposure_ev: float | None = None
    trusted: int | None = None


@dataclass(frozen=True)
class Record:
    """A blurry and a sharp picture, PNG of the set's bit depth, and what is known of them."""

    facts: Facts
    blurry: bytes
    sharp: bytes


@dataclass(frozen=True)
class Piece:
    """A part of a split."""

    root: Path
    """Folder of the set."""
    out: Path
    """Folder of the export."""
    split: Split
    number: int
    total: int
    """Number of pieces of the split."""
    shards: tuple[FileRecord, ...] = ()
    frames: tuple[tuple[int, FileRecord, FileRecord], ...] = ()
    """Row of pairs.csv, blurry and sharp picture."""

    def __str__(self) -> str:
        return f"{self.split}-{self.number:05d}"


def pieces_of(manifest: Manifest, out: Path, only: str) -> list[Piece]:
    """The pieces of a set, split by split.

    Args:
        manifest: The set.
        out: Folder of the export.
        only: ``patches``, ``frames`` or ``all``.
    """
    pieces = []
    for split, record in manifest.splits.items():
        shards = list(record.shards) if only != "frames" else []
        frames = _frames_of(manifest, split) if only != "patches" else []
        of_shards = list(_cut(shards, [shard.n_bytes for shard in shards]))
        of_frames = list(_cut(frames, [a.n_bytes + b.n_bytes for _, a, b in frames]))
        place = manifest.root, out, split
        total = len(of_shards) + len(of_frames)
        pieces += [Piece(*place, number, total, shards=tuple(part)) for number, part in enumerate(of_shards)]
        pieces += [
            Piece(*place, number, total, frames=tuple(part)) for number, part in enumerate(of_frames, len(of_shards))
        ]
    return pieces


def _cut(items: list[T], sizes: list[int]) -> Iterator[list[T]]:
    """Consecutive items, as many as go into a piece."""
    part: list[T] = []
    n_bytes = 0
    for item, size in zip(items, sizes, strict=True):
        if part and n_bytes + size > _PIECE_BYTES:
            yield part
            part, n_bytes = [], 0
        part.append(item)
        n_bytes += size
    if part:
        yield part


def _frames_of(manifest: Manifest, split: Split) -> list[tuple[int, FileRecord, FileRecord]]:
    files = {record.name: record for record in manifest.splits[split].frames}
    found = []
    for number, row in enumerate(manifest.pairs):
        name = f"{row.pair_id.partition('/')[2]}.png"
        blurry, sharp = files.get(f"{split}/blur/{name}"), files.get(f"{split}/gt/{name}")
        if row.split == split and blurry is not None and sharp is not None:
            found.append((number, blurry, sharp))
    return found


@lru_cache(maxsize=1)
def _rows(root: Path) -> tuple[PairRow, ...]:
    return read_manifest(root).pairs


def records_of(piece: Piece) -> Iterator[Record]:
    """The records of a piece, one at a time.

    Raises:
        ManifestError: A full picture is missing or was changed, or a patch belongs to no pair.
        ShardError: A shard is damaged.
    """
    rows = _rows(piece.root)
    for shard in piece.shards:
        yield from _patches(piece.root / shard.name, rows)
    for number, blurry, sharp in piece.frames:
        row = rows[number]
        facts = _facts(row, row.pair_id.partition("/")[2])
        yield Record(facts, read_file(piece.root, blurry), read_file(piece.root, sharp))


def read_file(root: Path, record: FileRecord) -> bytes:
    """The bytes of a file of the set.

    Raises:
        ManifestError: It is missing, or not what dataset.json lists.
    """
    path = root / record.name
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ManifestError(f"{path}: missing. See: sdd-bench validate {root}.") from error
    found = hashlib.sha256(content).hexdigest()
    if found != record.sha256:
        raise ManifestError(
            f"{path}: was changed (sha256 {found[:12]}..., {DATASET_JSON} says {record.sha256[:12]}...). "
            f"See: sdd-bench validate {root}."
        )
    return content


def row_of(path: Path, index: int, row: int, n_rows: int) -> int:
    """``row``, checked.

    Raises:
        ManifestError: pairs.csv has no such row.
    """
    if not 0 <= row < n_rows:
        raise ManifestError(f"{path}: patch {index} is of row {row}, pairs.csv has {n_rows} rows.")
    return row


def patch_name(name: str, number: int) -> str:
    """Name of a patch of a pair.

    Example:
        >>> patch_name("0001", 2)
        '0001_0002'
    """
    return f"{name}_{number:04d}"


def _patches(path: Path, rows: tuple[PairRow, ...]) -> Iterator[Record]:
    reader = ShardReader(path)
    numbers: dict[int, int] = {}
    try:
        windows, sharpness = reader.column("window"), reader.column("sharpness")
        for index, row in enumerate(reader.column("pair").tolist()):
            pair = rows[row_of(path, index, row, len(rows))]
            number = numbers[row] = numbers.get(row, -1) + 1
            patches = reader.read_patch(index)
            window = {"patch_y": int(windows[index][0]), "patch_x": int(windows[index][1])}
            facts = _facts(pair, patch_name(pair.pair_id.partition("/")[2], number), sharpness[index], **window)
            pixels = (np.ascontiguousarray(each) for each in (patches.blurry, patches.sharp))
            yield Record(facts, *map(encode_png, pixels))
    finally:
        reader.close()


def _facts(row: PairRow, name: str, sharpness: float | None = None, **window: int) -> Facts:
    return Facts(
        name=name,
        pair_id=row.pair_id,
        scene=row.scene,
        group=row.group,
        sharpness=None if sharpness is None else float(sharpness),
        blurry_f_number=row.blurry_f_number,
        sharp_f_number=row.sharp_f_number,
        misalignment_px=row.misalignment_px,
        likeness=row.likeness,
        exposure_ev=row.exposure_ev,
        trusted=row.trusted,
        **window,
    )

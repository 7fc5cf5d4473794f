"""Folders of pictures with a table: Hugging Face's ImageFolder, and BasicSR's ``lq`` and ``gt``.

ImageFolder: ``SPLIT/{blurry,sharp}/NAME.png`` and ``SPLIT/metadata.jsonl``, whose columns ``blurry_file_name`` and
``sharp_file_name`` become the columns ``blurry`` and ``sharp``. BasicSR: ``SPLIT/{lq,gt}/NAME.png`` and
``SPLIT/meta_info.txt``, a line ``NAME.png (height,width,channels)`` per pair.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from sdd_bench.core.storage.files import sealed, write_text
from sdd_bench.core.types import Split
from sdd_bench.prepared.export.records import Facts, Piece, records_of

HF_NAMES = {Split.TRAIN: "train", Split.VAL: "validation", Split.TEST: "test"}
"""Hugging Face's names of the splits."""


@dataclass(frozen=True)
class Written:
    """What a task wrote."""

    split: Split
    number: int
    n_written: int
    n_kept: int
    facts: tuple[Facts, ...] = ()
    sizes: tuple[tuple[int, int], ...] = ()
    """Height and width of each record's pictures."""


def export_imagefolder(piece: Piece) -> Written:
    """Write the pictures of a piece for ImageFolder."""
    return _write(piece, piece.out / HF_NAMES[piece.split], ("blurry", "sharp"))


def export_basicsr(piece: Piece) -> Written:
    """Write the pictures of a piece for BasicSR."""
    return _write(piece, piece.out / piece.split, ("lq", "gt"))


def _write(piece: Piece, folder: Path, sides: tuple[str, str]) -> Written:
    n_written = n_kept = 0
    facts, sizes = [], []
    for record in records_of(piece):
        for side, content in zip(sides, (record.blurry, record.sharp), strict=True):
            path = folder / side / f"{record.facts.name}.png"
            if path.is_file() and path.stat().st_size == len(content):
                n_kept += 1
                continue
            with sealed(path) as partial:
                partial.write_bytes(content)
            n_written += 1
        facts.append(record.facts)
        sizes.append(_size(record.blurry))
    return Written(piece.split, piece.number, n_written, n_kept, tuple(facts), tuple(sizes))


def _size(png: bytes) -> tuple[int, int]:
    """Height and width, from the first chunk."""
    width, height = struct.unpack(">II", png[16:24])
    return height, width


def write_imagefolder_tables(out: Path, written: Sequence[Written]) -> None:
    """Write ``metadata.jsonl`` of every split.

    All splits must have the same columns of the same type, so a column that a whole split has no value of is left out.
    (A CSV has no types: a reader makes the name ``0001`` a number.)
    """
    splits = {split: [asdict(fact) for each in _of(written, split) for fact in each.facts] for split in HF_NAMES}
    splits = {split: rows for split, rows in splits.items() if rows}
    names = [field.name for field in fields(Facts)]
    known = [name for name in names if all(any(row[name] is not None for row in rows) for rows in splits.values())]
    for split, rows in splits.items():
        lines = []
        for row in rows:
            files = {f"{side}_file_name": f"{side}/{row['name']}.png" for side in ("blurry", "sharp")}
            lines.append(json.dumps(files | {name: row[name] for name in known}, ensure_ascii=False) + "\n")
        write_text(out / HF_NAMES[split] / "metadata.jsonl", "".join(lines))


def write_basicsr_lists(out: Path, written: Sequence[Written]) -> None:
    """Write ``meta_info.txt`` of every split."""
    for split in Split:
        lines = [
            f"{fact.name}.png ({height},{width},3)\n"
            for each in _of(written, split)
            for fact, (height, width) in zip(each.facts, each.sizes, strict=True)
        ]
        if lines:
            write_text(out / split / "meta_info.txt", "".join(lines))


def _of(written: Sequence[Written], split: Split) -> list[Written]:
    return sorted((each for each in written if each.split is split), key=lambda each: each.number)

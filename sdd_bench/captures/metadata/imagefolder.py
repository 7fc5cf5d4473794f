"""Hugging Face's ImageFolder: pictures, and ``metadata.csv`` or ``metadata.jsonl`` that names them.

A table lies in the folder of the set, or in the folder of a split (``train``, ``validation``, ``test``; also below
``data``). A row names two files, relative to the table's folder, in the columns ``file_name`` and ``*_file_name``. The
columns ``split``, ``scene``, ``group`` and ``f_number`` are read, others are ignored.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from sdd_bench.captures.csv_pairs import RowError, inside
from sdd_bench.captures.folders import Found
from sdd_bench.captures.listing import below
from sdd_bench.captures.metadata.columns import FILE_NAME, choose_columns, split_called
from sdd_bench.core.errors import PairingError, reason_of
from sdd_bench.core.storage.documents import parse_json
from sdd_bench.core.types import Pair, Problem, Split

TABLES = ("metadata.csv", "metadata.jsonl")


def find_tables(root: Path) -> list[Path]:
    """The tables of a set.

    Example:
        >>> find_tables(Path("no/such/folder"))
        []
    """
    folders = [
        root,
        *(root / below / name for below in ("", "data") for name in ("train", "val", "validation", "test")),
    ]
    return [folder / name for folder in folders for name in TABLES if (folder / name).is_file()]


def read_imagefolder(root: Path, default_split: Split, columns: tuple[str, str] | None) -> Found:
    """The pairs that the tables below ``root`` name.

    Raises:
        PairingError: A table is damaged, or its columns do not tell blurry from sharp.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     root = Path(folder)
        ...     _ = [(root / name).write_bytes(b"") for name in ("a.png", "b.png")]
        ...     _ = (root / "metadata.csv").write_text("blurry_file_name,sharp_file_name\\na.png,b.png\\n")
        ...     found = read_imagefolder(root, Split.TRAIN, None)
        >>> found.pairs[0].blurry_path.name, found.pairs[0].sharp_path.name
        ('a.png', 'b.png')
    """
    found = Found()
    seen: set[Path] = set()
    for table in find_tables(root):
        of_folder = split_called(table.parent.name) if table.parent != root else None
        for number, row in _rows(table):
            files = [name for name in row if name == FILE_NAME or name.endswith(f"_{FILE_NAME}")]
            blurry, sharp = choose_columns(str(table), files, columns)
            split = of_folder or split_called(row.get("split", "")) or _split_of_path(row[blurry]) or default_split
            try:
                pair = Pair(
                    "",
                    split,
                    inside(table.parent, row[blurry], blurry),
                    inside(table.parent, row.get(sharp, ""), sharp),
                    scene=row.get("scene", ""),
                    group=row.get("group", ""),
                    f_number=_number(row.get("blurry_f_number") or row.get("f_number", "")),
                )
                if pair.blurry_path in seen:
                    raise RowError(f"{row[blurry]} was given already; a blurry picture belongs to one pair")
            except RowError as error:
                item = f"{below(table, root)} line {number}"
                found.problems.append(Problem(item, str(error), split, f"line {number}"))
                continue
            seen.add(pair.blurry_path)
            found.pairs.append(pair)
    order = list(Split)
    found.pairs.sort(key=lambda pair: order.index(pair.split))
    return found


def _split_of_path(text: str) -> Split | None:
    parts = PurePosixPath(text).parts
    return split_called(parts[0]) if len(parts) > 1 else None


def _number(text: str) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None


def _rows(table: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Lines of the table with their cells as text."""
    try:
        text = table.read_bytes().decode("utf-8-sig")
        if table.suffix == ".csv":
            reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
            for row in reader:
                yield reader.line_num, {name: (cell or "").strip() for name, cell in row.items() if name is not None}
            return
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                values = _values_of(line, number)
                yield number, {str(name): "" if value is None else str(value) for name, value in values.items()}
    except (OSError, ValueError, csv.Error) as error:
        raise PairingError(f"{table}: cannot be read ({reason_of(error)}). Write it again, in UTF-8.") from error


def _values_of(line: str, number: int) -> dict[str, Any]:
    try:
        values: dict[str, Any] = parse_json(line, dict)
    except ValueError as error:
        raise ValueError(f"line {number}: {error}") from error
    return values

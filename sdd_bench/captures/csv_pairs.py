"""Pairs from a CSV file; and scenes.csv, which gives the scene and group of every pair of an SDD folder.

A CSV of pairs has the columns ``blurry`` and ``sharp``, and may have ``split`` (train, val, test), ``scene`` and
``group``; other columns are ignored. Its paths are relative to the source folder, or to the folder of the CSV if no
source folder is given. They must stay inside that folder, so that a set can be moved as a whole. Rows with an absolute
path, or with a path that leads out by ``..``, are left out and reported.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path, PurePosixPath

from sdd_bench.core.errors import PairingError
from sdd_bench.core.types import Pair, Problem, Split

Row = dict[str, str]


def read_pairs_csv(path: Path, root: Path, default_split: Split) -> tuple[list[Pair], list[Problem]]:
    """Read the pairs that a CSV file lists.

    Args:
        path: CSV file.
        root: Folder that the paths are relative to.
        default_split: Split of rows that state none.

    Returns:
        The pairs, split by split and in the order of the rows; and a problem for each row that gives no pair.

    Raises:
        PairingError: The file is missing, is not CSV, or lacks a column.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     root = Path(folder)
        ...     _ = (root / "a.png").write_bytes(b""), (root / "b.png").write_bytes(b"")
        ...     _ = (root / "pairs.csv").write_text("blurry,sharp\\na.png,b.png\\n/x.png,b.png\\n")
        ...     pairs, problems = read_pairs_csv(root / "pairs.csv", root, Split.TEST)
        >>> pairs[0].blurry_path.name, pairs[0].sharp_path.name, problems[0].item
        ('a.png', 'b.png', 'pairs.csv row 3')
    """
    pairs: list[Pair] = []
    problems: list[Problem] = []
    seen_blurry: dict[Path, int] = {}
    for number, row in _read_rows(path, required=("blurry", "sharp")):
        try:
            pair = _pair_of(root, row, default_split)
            if pair.blurry_path in seen_blurry:
                raise _RowError(
                    f"{row['blurry']} was given in row {seen_blurry[pair.blurry_path]} already; "
                    "a blurry picture belongs to one pair"
                )
        except _RowError as error:
            split = row.get("split") or default_split.value
            problems.append(Problem(f"{path.name} row {number}", str(error), split, f"row {number}"))
            continue
        seen_blurry[pair.blurry_path] = number
        pairs.append(pair)
    order = list(Split)
    return sorted(pairs, key=lambda pair: order.index(pair.split)), problems


def read_scenes_csv(path: Path) -> dict[tuple[str, str], tuple[str, str]]:
    """The scene and group of every pair, as a dictionary from ``(split, name)``; empty if the file does not exist.

    Raises:
        PairingError: The file is not CSV, or lacks a column.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "scenes.csv")
        ...     _ = path.write_text("split,name,scene,group\\ntest,0001,garden,day\\n")
        ...     read_scenes_csv(path)
        {('test', '0001'): ('garden', 'day')}
    """
    if not path.exists():
        return {}
    rows = _read_rows(path, required=("split", "name", "scene"))
    return {(row["split"], row["name"]): (row["scene"], row.get("group", "")) for _, row in rows}


class _RowError(Exception):
    pass


def _pair_of(root: Path, row: Row, default_split: Split) -> Pair:
    try:
        split = Split(row["split"]) if row.get("split") else default_split
    except ValueError:
        raise _RowError(f"split is {row['split']!r}; expected one of {', '.join(Split)}") from None
    blurry = _inside(root, row["blurry"], "blurry")
    sharp = _inside(root, row["sharp"], "sharp")
    if blurry == sharp:
        raise _RowError(f"blurry and sharp are the same file, {row['blurry']}")
    return Pair("", split, blurry, sharp, scene=row.get("scene", ""), group=row.get("group", ""))


def _inside(root: Path, text: str, column: str) -> Path:
    if not text:
        raise _RowError(f"the column {column} is empty")
    given = PurePosixPath(text.replace("\\", "/"))
    if given.is_absolute() or Path(text).is_absolute():
        raise _RowError(f"{text} is absolute; paths are relative to {root}")
    parts: list[str] = []
    for part in given.parts:
        if part != "..":
            parts.append(part)
        elif parts:
            parts.pop()
        else:
            raise _RowError(f"{text} leads out of {root}: choose a source folder above all pictures")
    path = root.joinpath(*parts)
    if not path.is_file():
        raise _RowError(f"{text} does not exist" if not path.exists() else f"{text} is not a file")
    return path


def _read_rows(path: Path, required: tuple[str, ...]) -> list[tuple[int, Row]]:
    """The rows with their line numbers, as an editor shows them (the header is line 1); cells are stripped."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise PairingError(f"{path}: cannot be read as a CSV file ({reason}).") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        missing = [name for name in required if name not in header]
        if missing:
            hint = " Is its separator a comma?" if len(header) == 1 else ""
            raise PairingError(
                f"{path}: lacks the column {', '.join(missing)}; its first line has: {', '.join(header) or 'nothing'}."
                f"{hint}"
            )
        twice = sorted({name for name in header if header.count(name) > 1})
        if twice:
            raise PairingError(f"{path}: the column {', '.join(twice)} is there twice.")
        rows = []
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                raise PairingError(
                    f"{path}: row {reader.line_num} has {len(cells)} cells, expected {len(header)}. "
                    "Quote cells that contain a comma."
                )
            rows.append((reader.line_num, dict(zip(header, (cell.strip() for cell in cells), strict=True))))
    except csv.Error as error:
        raise PairingError(f"{path}: not a CSV file ({error} in row {reader.line_num}).") from error
    return rows

"""Pairs from a CSV file; and scenes.csv, which gives the scene and group of every pair of an SDD folder.

A CSV of pairs has the columns ``blurry`` and ``sharp``, and may have ``split`` (train, val, test), ``scene`` and
``group``; other columns are ignored, as are spaces around a cell and empty columns at the end. Its paths are relative
to the source folder, or to the folder of the CSV if no source folder is given. They must stay inside that folder, so
that a set can be moved as a whole. Rows with an absolute path, or with a path that leads out by ``..``, are left out
and reported.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sdd_bench.core.errors import PairingError, reason_of, shown
from sdd_bench.core.storage.tables import Form, read_cells, read_table
from sdd_bench.core.types import Pair, Problem, Split

SCENES_CSV = "scenes.csv"
_FORM = Form(PairingError, "Separate cells by commas, and quote a cell that contains one.", by_hand=True)


@dataclass(frozen=True)
class _ListedPair:
    """One row of a CSV of pairs."""

    blurry: str
    sharp: str
    split: str = ""
    scene: str = ""
    group: str = ""


@dataclass(frozen=True)
class _ListedPicture:
    """One row of a CSV of blurry pictures."""

    blurry: str
    split: str = ""
    scene: str = ""
    group: str = ""


@dataclass(frozen=True)
class SceneRow:
    """One row of ``scenes.csv``."""

    split: str
    name: str
    scene: str
    group: str = ""


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
    for number, row in read_table(path, _ListedPair, _FORM).items():
        try:
            pair = _pair_of(root, row, default_split)
            if pair.blurry_path in seen_blurry:
                raise RowError(
                    f"{row.blurry} was given in row {seen_blurry[pair.blurry_path]} already; "
                    "a blurry picture belongs to one pair"
                )
        except RowError as error:
            split = row.split or default_split.value
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
    return {(row.split, row.name): (row.scene, row.group) for row in read_table(path, SceneRow, _FORM).values()}


def lists_sharp(path: Path) -> bool:
    """Whether a CSV file has the column ``sharp``: it lists pairs, not blurry pictures alone.

    Raises:
        PairingError: The file is not CSV, or lacks the column ``blurry``.
    """
    found = {"sharp" in row for _, row in read_cells(path, _ListedPicture, _FORM)}
    return not found or True in found


def read_pictures_csv(
    path: Path, root: Path, default_split: Split
) -> tuple[list[tuple[Split, Path, str, str]], list[Problem]]:
    """Split, path, scene and group of the blurry pictures that a CSV file lists, and a problem for each bad row.

    The columns are those of :func:`read_pairs_csv` without ``sharp``.

    Raises:
        PairingError: The file is missing, is not CSV, or lacks the column ``blurry``.
    """
    pictures: dict[Path, tuple[Split, Path, str, str]] = {}
    problems = []
    for number, row in read_table(path, _ListedPicture, _FORM).items():
        try:
            split, blurry = _split_of(row.split, default_split), inside(root, row.blurry, "blurry")
            if blurry in pictures:
                raise RowError(f"{row.blurry} was given already")
        except RowError as error:
            where = row.split or default_split.value
            problems.append(Problem(f"{path.name} row {number}", str(error), where, f"row {number}"))
            continue
        pictures[blurry] = (split, blurry, row.scene, row.group)
    return list(pictures.values()), problems


class RowError(Exception):
    """Why a row gives no pair."""


def _split_of(text: str, default_split: Split) -> Split:
    try:
        return Split(text) if text else default_split
    except ValueError:
        raise RowError(f"split is {text!r}; expected one of {', '.join(Split)}") from None


def _pair_of(root: Path, row: _ListedPair, default_split: Split) -> Pair:
    split = _split_of(row.split, default_split)
    blurry = inside(root, row.blurry, "blurry")
    sharp = inside(root, row.sharp, "sharp")
    if blurry == sharp:
        raise RowError(f"blurry and sharp are the same file, {row.blurry}")
    return Pair("", split, blurry, sharp, scene=row.scene, group=row.group)


def inside(root: Path, text: str, column: str) -> Path:
    """The file that a cell names below ``root``.

    Raises:
        RowError: The cell is empty or absolute, leads out of ``root``, or names no file.
    """
    if not text:
        raise RowError(f"the column {column} is empty")
    given = PurePosixPath(text.replace("\\", "/"))
    if given.is_absolute() or Path(text).is_absolute():
        raise RowError(f"{text} is absolute; paths are relative to {root}")
    parts: list[str] = []
    for part in given.parts:
        if part != "..":
            parts.append(part)
        elif parts:
            parts.pop()
        else:
            raise RowError(f"{text} leads out of {root}: choose a source folder above all pictures")
    path = root.joinpath(*parts)
    try:
        if not path.is_file():
            raise RowError(f"{text} does not exist" if not path.exists() else f"{text} is not a file")
    except OSError as error:  # a name that no file can have
        raise RowError(f"{shown(text)}: {reason_of(error)}") from error
    return path

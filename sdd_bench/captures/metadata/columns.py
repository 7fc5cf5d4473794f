"""Which column of a table of pictures is the blurry one, which the sharp one."""

from __future__ import annotations

from collections.abc import Sequence

from sdd_bench.core.errors import PairingError
from sdd_bench.core.types import Split

BLURRY = ("blurry", "blur", "input", "source", "lq", "defocused", "defocus")
"""Names of the blurry column, the first that is there counts."""
SHARP = ("sharp", "gt", "target", "ground_truth", "hq")
"""Names of the sharp column."""
FILE_NAME = "file_name"
"""Hugging Face's name of a column of files; others end with ``_file_name``."""


def base_name(column: str) -> str:
    """Name of a column of pictures, without what Hugging Face adds to a column of files.

    Example:
        >>> base_name("blurry_file_name"), base_name("gt"), base_name("file_name")
        ('blurry', 'gt', 'file_name')
    """
    return column.removesuffix(f"_{FILE_NAME}")


def choose_columns(where: str, columns: Sequence[str], given: tuple[str, str] | None) -> tuple[str, str]:
    """The blurry and the sharp column among ``columns``.

    Args:
        where: Table, for messages.
        columns: Columns that hold pictures or names of files.
        given: The names that the user gave, if any.

    Raises:
        PairingError: They are not there, or their names say nothing.

    Example:
        >>> choose_columns("a.csv", ["input_file_name", "gt_file_name"], None)
        ('input_file_name', 'gt_file_name')
    """
    by_name = {base_name(column).lower(): column for column in columns}
    if given is not None:
        missing = [name for name in given if name not in columns and base_name(name).lower() not in by_name]
        if missing:
            raise PairingError(f"{where}: has no column {', '.join(missing)}; it has {', '.join(columns) or 'none'}.")
        first, second = (name if name in columns else by_name[base_name(name).lower()] for name in given)
        return first, second
    blurry = next((by_name[name] for name in BLURRY if name in by_name), None)
    sharp = next((by_name[name] for name in SHARP if name in by_name), None)
    if FILE_NAME in columns:  # the one plain column is the side that no other column names
        blurry, sharp = blurry or (FILE_NAME if sharp else None), sharp or (FILE_NAME if blurry else None)
    if blurry is None or sharp is None:
        raise PairingError(
            f"{where}: expected a blurry column ({', '.join(BLURRY)}) and a sharp one ({', '.join(SHARP)}); it has "
            f"{', '.join(columns) or 'none'}. Say which by --columns BLURRY,SHARP."
        )
    return blurry, sharp


_SPLITS = {"train": Split.TRAIN, "training": Split.TRAIN, "val": Split.VAL, "valid": Split.VAL}
_SPLITS |= {"validation": Split.VAL, "dev": Split.VAL, "test": Split.TEST, "testing": Split.TEST}


def split_called(name: str) -> Split | None:
    """The split of a folder or file of this name; None if the name says none.

    Example:
        >>> split_called("validation"), split_called("data")
        (<Split.VAL: 'val'>, None)
    """
    return _SPLITS.get(name.lower())

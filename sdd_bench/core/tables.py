"""CSV tables whose rows are frozen dataclasses: the fields are the columns, in order.

A field is ``str``, ``int``, ``float``, a ``StrEnum``, or one of them ``| None``, which is an empty cell. Numbers are
written with all digits that they need to come back. A field that has a default may be missing as a column. Text that a
spreadsheet would run as a formula has a ``'`` before it in the file, and in the file only.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import MISSING, dataclass, fields
from functools import lru_cache
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_type_hints

from sdd_bench.core.errors import SddBenchError, reason_of
from sdd_bench.core.files import write_text

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Row = TypeVar("Row", bound="DataclassInstance")
_EXPECTED = {int: "a whole number", float: "a number"}


@dataclass(frozen=True)
class Form:
    """How a table is read, and what is said where it cannot be."""

    error: type[SddBenchError]
    next_step: str
    """The end of every message: what to do."""
    exact: bool = False
    """Whether other columns and another order of them are refused; else other columns are ignored."""
    by_hand: bool = False
    """Whether people or spreadsheets write it: spaces around cells, empty rows and empty columns at the end are
    ignored, and a row may end before columns that may be missing."""

    def fault(self, place: Path | str, what: str) -> SddBenchError:
        """The error that ``what`` is wrong at ``place``, a file or file:row."""
        return self.error(f"{place}: {what}. {self.next_step}")


@dataclass(frozen=True)
class _Column:
    name: str
    kind: type
    may_be_empty: bool
    needed: bool

    def value(self, cell: str) -> Any:
        """The value that a cell holds.

        Raises:
            ValueError: None of this kind.
        """
        if self.kind is str:
            return spreadsheet_plain(cell)
        if cell == "" and self.may_be_empty:
            return None
        value = self.kind(cell)
        if value != value:
            raise ValueError("NaN")
        return value

    @property
    def expected(self) -> str:
        """What a cell may hold, in words."""
        what = _EXPECTED.get(self.kind) or "one of " + ", ".join(self.kind)  # type: ignore[arg-type]
        return f"{what} or nothing" if self.may_be_empty else what


@lru_cache
def _columns(kind: type[DataclassInstance]) -> tuple[_Column, ...]:
    hints = get_type_hints(kind)
    found = []
    for field in fields(kind):
        kinds = set(get_args(hints[field.name]) or (hints[field.name],))
        (plain,) = kinds - {NoneType}
        found.append(_Column(field.name, plain, NoneType in kinds, field.default is MISSING))
    return tuple(found)


def columns(kind: type[DataclassInstance]) -> tuple[str, ...]:
    """The columns of a table whose rows are ``kind``."""
    return tuple(column.name for column in _columns(kind))


def cell_text(row: DataclassInstance, column: str) -> str:
    """One cell as it stands in the file."""
    value = getattr(row, column)
    return "" if value is None else spreadsheet_safe(value) if isinstance(value, str) else str(value)


def table_text(kind: type[Row], rows: Iterable[Row], *, cell: Callable[[Row, str], str] = cell_text) -> str:
    """The table as CSV.

    Args:
        kind: Class of the rows.
        rows: The rows, in their order.
        cell: The text of a row's cell in a column.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = columns(kind)
    writer.writerow(names)
    writer.writerows([cell(row, name) for name in names] for row in rows)
    return text.getvalue()


def write_table(path: Path, kind: type[Row], rows: Iterable[Row]) -> None:
    """Write the table of ``rows`` as a whole or not at all."""
    write_text(path, table_text(kind, rows))


def read_table(path: Path, kind: type[Row], form: Form, *, content: bytes | None = None) -> dict[int, Row]:
    """The rows of a table by their line in the file; the header is line 1.

    Args:
        path: The file.
        kind: Class of the rows.
        form: How to read it.
        content: Its bytes, where they were read already.

    Raises:
        SddBenchError: ``form.error``; it is missing, no CSV, lacks a column, or a cell is not of the column's kind.
    """
    rows = {}
    for line, cells in read_cells(path, kind, form, content=content).items():
        values = {}
        for column in _columns(kind):
            if column.name in cells:
                cell = cells[column.name]
                try:
                    values[column.name] = column.value(cell)
                except ValueError as error:
                    what = f"{column.name} is {cell!r}; expected {column.expected}"
                    raise form.fault(f"{path}:{line}", what) from error
        rows[line] = kind(**values)
    return rows


def read_cells(
    path: Path, kind: type[DataclassInstance], form: Form, *, content: bytes | None = None
) -> dict[int, dict[str, str]]:
    """The cells of each line by column, as they stand in the file; else as :func:`read_table`."""
    try:
        text = (path.read_bytes() if content is None else content).decode("utf-8-sig")
        lines = list(_lines(text, skip_spaces=form.by_hand))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = "not UTF-8 text" if isinstance(error, UnicodeDecodeError) else reason_of(error)
        raise form.fault(path, f"cannot be read as a CSV file ({reason})") from error
    if form.by_hand:
        lines = [(number, [cell.strip() for cell in cells]) for number, cells in lines if any(map(str.strip, cells))]
    header = lines[0][1] if lines else []
    if form.by_hand:
        header = _fitted(header, 0)
    _check_header(path, header, kind, form)
    n_needed = max(header.index(column.name) + 1 for column in _columns(kind) if column.needed)
    found = {}
    for number, cells in lines[1:]:
        if form.by_hand and len(cells) >= n_needed:
            cells = _fitted(cells, len(header))
        if len(cells) != len(header):
            raise form.fault(f"{path}:{number}", f"expected {len(header)} cells, got {len(cells)}")
        found[number] = dict(zip(header, cells, strict=True))
    return found


def _lines(text: str, *, skip_spaces: bool) -> Iterator[tuple[int, list[str]]]:
    """Cells with the number of the line at which they begin; a quoted cell may go over several."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, skipinitialspace=skip_spaces)
    start = 1
    for cells in reader:
        if cells:
            yield start, cells
        start = reader.line_num + 1


def _fitted(cells: list[str], n: int) -> list[str]:
    """``cells`` with empty ones added or taken off at the end, to be ``n`` where that is possible."""
    end = len(cells)
    while end > n and not cells[end - 1]:
        end -= 1
    return cells[:end] + [""] * (n - end)


def _check_header(path: Path, header: Sequence[str], kind: type[DataclassInstance], form: Form) -> None:
    missing = [column.name for column in _columns(kind) if column.needed and column.name not in header]
    expected = list(columns(kind)) if form.exact else missing
    if missing or (form.exact and list(header) != expected):
        raise form.fault(
            f"{path}:1", f"expected the columns {', '.join(expected)}; got {', '.join(header) or 'an empty file'}"
        )
    twice = [name for name in dict.fromkeys(header) if name and header.count(name) > 1]
    if twice:
        raise form.fault(f"{path}:1", f"expected each column once; got {', '.join(twice)} twice")


def spreadsheet_safe(text: str) -> str:
    """``text`` as a CSV cell that no spreadsheet runs: a ``'`` goes before a leading ``=``, ``+``, ``-``, ``@``.

    Example:
        >>> spreadsheet_safe("=1+1"), spreadsheet_safe("UNet*")
        ("'=1+1", 'UNet*')
    """
    return f"'{text}" if re.match(r"'*[=+\-@\t\r\n]", text) else text


def spreadsheet_plain(cell: str) -> str:
    """The text that :func:`spreadsheet_safe` made ``cell`` of."""
    return cell[1:] if re.match(r"'+[=+\-@\t\r\n]", cell) else cell

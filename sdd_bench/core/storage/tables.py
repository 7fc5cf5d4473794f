"""CSV tables whose rows are frozen dataclasses: the fields are the columns, in order.

A field is ``str``, ``int``, ``float``, a ``StrEnum``, or one of them ``| None``, which is an empty cell. Numbers are
written with all digits that they need to come back. A field that has a default may be missing as a column. Text that a
spreadsheet would run as a formula has a ``'`` before it in the file, and in the file only.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import MISSING, dataclass, fields
from functools import lru_cache
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_type_hints

from sdd_bench.core.errors import SddBenchError, reason_of, shown
from sdd_bench.core.storage.files import write_text

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Row = TypeVar("Row", bound="DataclassInstance")
_HEADER_LENGTH = 300
"""Characters of a header that a message shows at most."""
_EXPECTED = {int: "a whole number", float: "a number"}


@dataclass(frozen=True)
class Form:
    """How a table is read, and what is said where it cannot be."""

    error: type[SddBenchError]
    next_step: str
    """The end of every message: what to do."""
    exact: bool = False
    """Whether other columns and another order of them are refused; else other columns are ignored. The last ones may
    be missing where they have a default, as in a table of an earlier version."""
    by_hand: bool = False
    """Whether people or spreadsheets write it: spaces around cells, empty rows and empty columns at the end are
    ignored, and a row may end before columns that may be missing."""

    def fault(self, place: Path | str, what: str) -> SddBenchError:
        """The error that ``what`` is wrong at ``place``, a file or file:row."""
        return self.error(f"{place}: {what}. {self.next_step}")


@lru_cache
def columns(kind: type[DataclassInstance]) -> Mapping[str, tuple[type, bool]]:
    """The columns of a table whose rows are ``kind``: type of the values, and whether a cell may be empty."""
    found = {}
    for name, hint in get_type_hints(kind).items():
        kinds = get_args(hint) or (hint,)
        found[name] = next(each for each in kinds if each is not NoneType), NoneType in kinds
    return found


def cell_text(row: DataclassInstance, column: str) -> str:
    """One cell as it stands in the file."""
    value = getattr(row, column)
    return "" if value is None else spreadsheet_safe(value) if isinstance(value, str) else str(value)


def table_text(
    kind: type[Row],
    rows: Iterable[Row],
    *,
    cell: Callable[[Row, str], str] = cell_text,
    n_columns: int | None = None,
) -> str:
    """The table as CSV; ``cell`` gives the text of a row in a column, ``n_columns`` says how many columns it has."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = list(columns(kind))[:n_columns]
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
    rows, texts = {}, _Texts()
    for line, cells in read_cells(path, kind, form, content=content):
        values = {}
        for name in columns(kind).keys() & cells.keys():
            try:
                values[name] = _value(cells[name], *columns(kind)[name])
            except ValueError as error:
                raise form.fault(f"{path}:{line}", f"{name} is {error}") from error
        rows[line] = kind(**{name: texts[value] if type(value) is str else value for name, value in values.items()})
    return rows


class _Texts(dict[str, str]):
    """Texts by themselves: those that rows share are one object, which is most of the memory of a long table."""

    def __missing__(self, text: str) -> str:
        return self.setdefault(text, text)


def _value(cell: str, kind: Any, may_be_empty: bool) -> Any:
    """What a cell holds; ValueError where it is not of its column's kind."""
    if kind is str:
        return spreadsheet_plain(cell)
    if cell == "" and may_be_empty:
        return None
    with suppress(ValueError):
        value = kind(cell)
        if value == value:  # NaN is no number
            return value
    expected = _EXPECTED.get(kind) or f"one of {', '.join(kind)}"
    raise ValueError(f"{shown(cell)}; expected {expected}{' or nothing' if may_be_empty else ''}")


def read_cells(
    path: Path, kind: type[DataclassInstance], form: Form, *, content: bytes | None = None
) -> Iterator[tuple[int, dict[str, str]]]:
    """Line by line, its number and the cells by column, as they stand in the file; else as :func:`read_table`."""
    lines = _lines(path, form, content)
    header = next(lines, (1, []))
    names = header[1] if header[0] == 1 else []
    names = _fitted(names, 0) if form.by_hand else names
    needed = [field.name for field in fields(kind) if field.default is MISSING]
    missing = [name for name in needed if name not in names]
    if missing or (form.exact and names != list(columns(kind))[: len(names)]):
        expected, got = ", ".join(columns(kind) if form.exact else missing), ", ".join(names)[:_HEADER_LENGTH]
        raise form.fault(f"{path}:1", f"expected the columns {expected}; got {got or 'no header'}")
    if twice := [name for name in columns(kind) if names.count(name) > 1]:
        raise form.fault(f"{path}:1", f"expected each column once; got {', '.join(twice)} twice")
    n_needed = 1 + max(map(names.index, needed))
    for number, cells in lines:
        if form.by_hand and len(cells) >= n_needed:
            cells = _fitted(cells, len(names))
        if len(cells) != len(names):
            raise form.fault(f"{path}:{number}", f"expected {len(names)} cells, got {len(cells)}")
        yield number, dict(zip(names, cells, strict=True))


def _lines(path: Path, form: Form, content: bytes | None) -> Iterator[tuple[int, list[str]]]:
    """Line by line that is not empty, where it begins and its cells; a quoted cell may go over several."""
    start = 1
    try:
        data = io.BytesIO(path.read_bytes() if content is None else content)
        text = io.TextIOWrapper(data, encoding="utf-8-sig", newline="")
        reader = csv.reader(text, strict=True, skipinitialspace=form.by_hand)
        for cells in reader:
            if any(map(str.strip, cells)) if form.by_hand else cells:
                yield start, [cell.strip() for cell in cells] if form.by_hand else cells
            start = reader.line_num + 1
    except csv.Error as error:
        raise form.fault(path, f"cannot be read as a CSV file ({reason_of(error)}, row {start})") from error
    except (OSError, UnicodeDecodeError) as error:
        reason = "not UTF-8 text" if isinstance(error, UnicodeDecodeError) else reason_of(error)
        raise form.fault(path, f"cannot be read as a CSV file ({reason})") from error


def _fitted(cells: list[str], n: int) -> list[str]:
    """``cells`` with empty ones added or taken off at the end, to be ``n`` where that is possible."""
    while len(cells) > n and not cells[-1]:
        cells = cells[:-1]
    return cells + [""] * (n - len(cells))


def spreadsheet_safe(text: str) -> str:
    """``text`` as a CSV cell that no spreadsheet runs: a ``'`` goes before a leading ``=``, ``+``, ``-``, ``@``.

    Example:
        >>> spreadsheet_safe("=1+1"), spreadsheet_safe("UNet*")
        ("'=1+1", 'UNet*')
    """
    return f"'{text}" if re.match(r"'*[=+\-@\t\r\n]", text) else text


def spreadsheet_plain(cell: str) -> str:
    """The text that :func:`spreadsheet_safe` turned into ``cell``.

    Example:
        >>> spreadsheet_plain("'=1+1"), spreadsheet_plain("UNet*")
        ('=1+1', 'UNet*')
    """
    return cell[1:] if re.match(r"'+[=+\-@\t\r\n]", cell) else cell

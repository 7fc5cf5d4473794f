"""Results as a notebook shows them: a small HTML table, and a pandas DataFrame of dataclasses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sdd_bench.report.html import environment

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from pandas import DataFrame

_TABLE = """<table><caption>{{ title }}</caption>
<thead><tr>{% for name in columns %}<th>{{ name }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>{% endfor %}</tbody></table>
{% for note in notes %}<p>{{ note }}</p>{% endfor %}"""


def html_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, notes: Sequence[str] = ()
) -> str:
    """A table as HTML; all text is escaped.

    Example:
        >>> "<td>a &lt; b</td>" in html_table("t", ["x"], [["a < b"]])
        True
    """
    return environment().from_string(_TABLE).render(title=title, columns=columns, rows=list(rows), notes=notes)


def frame_of(rows: Iterable[DataclassInstance]) -> DataFrame:
    """A pandas DataFrame with one row per dataclass and one column per field.

    Example:
        >>> from sdd_bench.core.types import Problem
        >>> frame_of([Problem("a", "too small")])["reason"].tolist()
        ['too small']
    """
    import pandas as pd

    return pd.DataFrame([asdict(row) for row in rows])


def cells(rows: Iterable[DataclassInstance], columns: Sequence[str]) -> list[list[str]]:
    """Cells of some fields, numbers with four digits.

    Example:
        >>> from sdd_bench.core.types import Problem
        >>> cells([Problem("a", "too small")], ["item"])
        [['a']]
    """
    return [[_text(getattr(row, name)) for name in columns] for row in rows]


def _text(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)

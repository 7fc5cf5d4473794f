"""Documents with one thing wrong, made from a sound one: what a hostile or damaged file may hold."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

_VALUES: list[Any] = [
    None, True, -1, 0, 2**31, 10**18, 10**400, -0.5, 1e300, "", "x" * 300, "\ud800", "../../etc", "/", "a/b",
    "\n", "inf",
    [], {}, [[]], [None], {"a": 1}, {"": None},
]  # fmt: skip
_RAW = [
    "",
    "null",
    "[]",
    '"text"',
    "3",
    "NaN",
    "{",
    '{"a": 1e999}',
    "[" * 100_000,
    '{"a":' * 5000 + "1" + "}" * 5000,
    "\ufeff{}",
]
_BYTES = [b"\xff\xfe\x00", b"{}\x00", b'{"a": "\\u0000"}']


def mutants(document: Any, *, seed: int, n: int) -> Iterator[bytes]:
    """``n`` mutants as JSON bytes: values of another type, huge numbers, keys that are gone or new, nesting.

    The same seed gives the same mutants.
    """
    rng = random.Random(seed)
    for number in range(n):
        if number < len(_RAW):
            yield _RAW[number].encode()
        elif number - len(_RAW) < len(_BYTES):
            yield _BYTES[number - len(_RAW)]
        else:
            yield json.dumps(_mutated(document, rng)).encode()


def _mutated(document: Any, rng: random.Random) -> Any:
    changed = copy.deepcopy(document)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        places = list(_places(changed))
        if not places:
            return rng.choice(_VALUES)
        holder, key = rng.choice(places)
        action = rng.random()
        if action < 0.2:
            del holder[key]
        elif action < 0.3 and isinstance(holder, dict):
            holder[rng.choice(["unknown", "", "a/b", "schema", "split"])] = rng.choice(_VALUES)
        elif action < 0.35:
            holder[key] = [holder[key]]
        elif action < 0.4 and isinstance(holder, list):
            holder.append(holder[key])
        elif action < 0.45:
            holder[key] = _deep(rng.choice([60, 70, 900]))
        elif action < 0.6 and isinstance(holder[key], (int, float)) and not isinstance(holder[key], bool):
            holder[key] = rng.choice([-holder[key] - 1, holder[key] * 10**6, 0.5, 1e308, float("nan")])
        else:
            holder[key] = rng.choice(_VALUES)
    return changed


def _deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a document as its holder and the key in it."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


def table_mutants(text: str, *, seed: int, n: int) -> Iterator[bytes]:
    """``n`` mutants of a CSV table: cells of another kind, rows and columns that are gone, quotes, bytes of no text."""
    rng = random.Random(seed)
    cells_ = [
        "",
        "x",
        "-1",
        "1e999",
        "nan",
        "inf",
        "9" * 400,
        "9" * 5000,
        "\x00",
        '"',
        "../../x",
        "/x",
        "a\nb",
        "0.5",
        "=1+1",
        "\udcff",
    ]
    for _ in range(n):
        rows = [line.split(",") for line in text.splitlines()]
        for _ in range(rng.choice((1, 1, 2))):
            row = rng.choice(rows[1:] * 8 + rows[:1]) if len(rows) > 1 else rows[0]
            action = rng.random()
            if action < 0.75:
                row[rng.randrange(len(row))] = rng.choice(cells_)
            elif action < 0.85:
                row.append(rng.choice(cells_))
            elif action < 0.9:
                rows.append(list(row))
            elif len(row) > 1:
                row.pop(rng.randrange(len(row)))
        content = ("\n".join(map(",".join, rows)) + "\n").encode("utf-8", "surrogateescape")
        yield content[: rng.randrange(len(content))] if rng.random() < 0.05 else content

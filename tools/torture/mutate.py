"""Damage to bytes: general, and of texts with numbers, lists and nesting."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np

_WORDS = (
    b"\x00",
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"\x00\x00\x00\x80",
    b"NaN",
    b"1e400",
    b'"',
    b",",
    b"\n",
    b"\xef\xbb\xbf",
)
_VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 2**31, 2**63, 10**400, 1e308, float("nan"), float("inf"), "", "x" * 10_000, "../../etc/passwd",
    "\x00", "\ud800", [], {}, [[]], "1e999", "=1+1",
)  # fmt: skip


def flip(data: bytes, rng: np.random.Generator) -> bytes:
    """A few bits turned."""
    out = bytearray(data)
    for _ in range(int(rng.integers(1, 6))):
        if out:
            out[int(rng.integers(len(out)))] ^= 1 << int(rng.integers(8))
    return bytes(out)


def cut(data: bytes, rng: np.random.Generator) -> bytes:
    """The beginning."""
    return data[: int(rng.integers(len(data) + 1))]


def splice(data: bytes, rng: np.random.Generator) -> bytes:
    """A piece moved, doubled or taken out."""
    a, b = sorted(int(x) for x in rng.integers(len(data) + 1, size=2))
    b = min(b, a + 64 + int(rng.integers(512)))
    piece, at = data[a:b], int(rng.integers(len(data) + 1))
    return (data[:a] + data[b:], data[:at] + piece + data[at:], data[:at] + piece + data[at + len(piece) :])[
        int(rng.integers(3))
    ]


def plant(data: bytes, rng: np.random.Generator) -> bytes:
    """A troublesome word in place of what is there, most often in the header."""
    word = _WORDS[int(rng.integers(len(_WORDS)))]
    at = int(rng.integers(min(len(data), 128) + 1 if rng.random() < 0.7 else len(data) + 1))
    return data[:at] + word + data[at + len(word) :]


def blank(data: bytes, rng: np.random.Generator) -> bytes:
    """A sector of zeros."""
    at = int(rng.integers(len(data) + 1))
    n = int(rng.integers(1, 600))
    return data[:at] + bytes(min(n, max(0, len(data) - at))) + data[at + n :]


BYTES: tuple[Callable[[bytes, np.random.Generator], bytes], ...] = (flip, cut, splice, plant, blank)


def damage(data: bytes, rng: np.random.Generator) -> bytes:
    """One to three kinds of damage to the bytes of a file."""
    for _ in range(int(rng.integers(1, 4))):
        data = BYTES[int(rng.integers(len(BYTES)))](data, rng)
    return data


def damage_json(data: bytes, rng: np.random.Generator) -> bytes:
    """A value of a JSON text made another, or its bytes damaged."""
    if rng.random() < 0.3:
        return damage(data, rng)
    value = json.loads(data)
    for _ in range(int(rng.integers(1, 3))):
        value = _changed(value, rng)
    if rng.random() < 0.03:
        return b"[" * 100_000
    return json.dumps(value).encode("utf-8", "surrogatepass")


def _changed(value: Any, rng: np.random.Generator) -> Any:
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = list(value)[int(rng.integers(len(value)))]
        how = rng.random()
        if how < 0.1:
            return {other: item for other, item in value.items() if other != key}
        return {**value, key: _changed(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.9:
        at = int(rng.integers(len(value)))
        return [*value[:at], _changed(value[at], rng), *value[at + 1 :]]
    return _VALUES[int(rng.integers(len(_VALUES)))]


def damage_text(data: bytes, rng: np.random.Generator) -> bytes:
    """A cell or value of a text (CSV, TOML) made another, or its bytes damaged."""
    if rng.random() < 0.4:
        return damage(data, rng)
    parts = data.replace(b",", b"\x1f,\x1f").replace(b"\n", b"\x1f\n\x1f").replace(b"=", b"\x1f=\x1f").split(b"\x1f")
    value = str(_VALUES[int(rng.integers(len(_VALUES)))]).encode("utf-8", "surrogatepass")
    parts[int(rng.integers(len(parts)))] = value
    return b"".join(parts)

"""JSON that others may have written: read whole, bounded, and checked against a shape before anything uses it.

A *shape* says what a value must be:

- ``str``, ``int``, ``bool``, ``None``: of that type (``True`` is no number);
- ``float``: a number, whole or not;
- ``dict``, ``list``, ``object``: an object, a list, anything;
- ``range(0, 9)``: a whole number in it;
- ``{"name": shape, "note?": shape}``: an object with these keys, ``?`` marks those that may be absent; others are not
  looked at;
- ``{"*": shape}``: an object whose every value is of the shape;
- ``[shape]``: a list of values of one shape;
- ``(shape, shape)``: one of these, the first whose type fits.

Beyond the shape, no document holds NaN or infinity, a number that the machine's own cannot hold, a NUL character, or
more than 64 levels.
"""

from __future__ import annotations

import json
import math
import os
import stat
import tomllib
from pathlib import Path
from typing import Any, NoReturn

from sdd_bench.core.errors import SddBenchError, reason_of, shown

Shape = Any
COUNT = range(2**53)
"""A number of things: what every reader of JSON holds exactly."""
_MOST_BYTES = 2**28
"""More than the manifest of a million pairs takes."""
_MOST_LEVELS = 64
_MOST_DIGITS = 19
"""Of a whole number of 64 bits."""
_SHOWN = 60
_NAMES: dict[Any, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dict: "an object",
    list: "a list",
    None: "null",
    object: "anything",
}


def read_json(path: Path, shape: Shape, error: type[SddBenchError], next_step: str) -> Any:
    """The JSON document at ``path``, of ``shape``.

    Args:
        path: A regular file.
        shape: What it must be, see the module.
        error: Class of the error where it is not.
        next_step: End of the error's message: what to do.

    Raises:
        SddBenchError: ``error``; the file is missing, cannot be read, is no JSON, or not of the shape. The message
            names the place in the document. Its cause is a ``FileNotFoundError`` where the file is missing.

    Example:
        >>> import tempfile
        >>> from sdd_bench.core.errors import ManifestError
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "a.json")
        ...     _ = path.write_text('{"n": 3, "names": ["a"]}')
        ...     read_json(path, {"n": int, "names": [str]}, ManifestError, "Write it again.")
        {'n': 3, 'names': ['a']}
    """
    try:
        return parse_json(_content(path), shape)
    except (OSError, ValueError) as reason:
        raise error(f"{path}: {_what(reason)}. {next_step}") from reason


def _what(reason: OSError | ValueError) -> str:
    if isinstance(reason, FileNotFoundError):
        return "missing"
    return f"cannot be read ({reason_of(reason)})" if isinstance(reason, OSError) else f"damaged: {reason_of(reason)}"


def _content(path: Path) -> bytes:
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        state = os.fstat(file.fileno())
        if not stat.S_ISREG(state.st_mode):
            raise OSError(0, "no regular file")
        if state.st_size > _MOST_BYTES:
            raise ValueError(f"it has {state.st_size} bytes, expected at most {_MOST_BYTES}")
        return file.read()


def parse_json(content: bytes | str, shape: Shape = object) -> Any:
    """The JSON in ``content``, of ``shape``.

    Raises:
        ValueError: It is no JSON, holds what no document holds, or is of another shape; the text says where.

    Example:
        >>> parse_json('{"zoom": 1.25}', {"zoom": float})
        {'zoom': 1.25}
        >>> parse_json('{"zoom": 1e999}', {"zoom": float})
        Traceback (most recent call last):
        ValueError: the number 1e999 is out of range
    """
    try:
        text = content.decode("utf-8-sig") if isinstance(content, bytes) else content
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {error.start}") from error
    if "\\u0000" in text:
        raise ValueError("it holds a NUL character")
    try:
        value = json.loads(text, parse_constant=_refuse, parse_float=_number, parse_int=_whole)
    except RecursionError as error:
        raise ValueError(f"nested deeper than {_MOST_LEVELS} levels") from error
    _check_depth(value)
    if wrong := misfit(value, shape):
        raise ValueError(wrong)
    return value


def parse_toml(text: str) -> dict[str, Any]:
    """The values of a TOML text, as far as JSON has such values: dates are none, and see :func:`parse_json`.

    Raises:
        ValueError: It is no TOML, or holds what no document holds.

    Example:
        >>> parse_toml("patch = 512")
        {'patch': 512}
    """
    try:
        values: dict[str, Any] = parse_json(json.dumps(tomllib.loads(text), default=_refuse_date), dict)
    except RecursionError as error:
        raise ValueError(reason_of(error)) from error
    return values


def _refuse_date(value: Any) -> NoReturn:
    raise ValueError(f"{value} is a date or a time; expected text in quotes, a number, true or false, or a list")


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no finite number")


def _number(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"the number {text[:_SHOWN]} is out of range")
    return value


def _whole(text: str) -> int:
    if len(text.lstrip("-")) > _MOST_DIGITS or abs(int(text)) >= 2**63:
        raise ValueError(f"the number {text[:_SHOWN]} is out of range")
    return int(text)


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(_MOST_LEVELS):
        lists = [item.values() if isinstance(item, dict) else item for item in level if isinstance(item, (dict, list))]
        level = [item for items in lists for item in items]
        if not level:
            return
    raise ValueError(f"nested deeper than {_MOST_LEVELS} levels")


def misfit(value: Any, shape: Shape, place: str = "") -> str:
    """The first place where ``value`` is not of ``shape``, and how; empty where it fits.

    Example:
        >>> misfit({"n": 3, "files": [{"name": 5}]}, {"n": int, "files": [{"name": str}]})
        'files[0].name: expected text, got 5'
    """
    options = shape if isinstance(shape, tuple) else (shape,)
    fitting = [option for option in options if _is_of(value, option)]
    if not fitting:
        return f"{place}: expected {_named(shape)}, got {shown(value)}".removeprefix(": ")
    shape = fitting[0]
    if isinstance(shape, list):
        return next((w for k, item in enumerate(value) if (w := misfit(item, shape[0], f"{place}[{k}]"))), "")
    return _misfit_of_keys(value, shape, place) if isinstance(shape, dict) else ""


def _misfit_of_keys(value: dict[str, Any], shape: dict[str, Shape], place: str) -> str:
    for key, inner in shape.items():
        name = key.removesuffix("?")
        if key == "*":
            wrong = next((w for each in value if (w := misfit(value[each], inner, f"{place}.{each}".lstrip(".")))), "")
        elif name not in value:
            missing = f"{place}.{name}".lstrip(".")
            wrong = "" if key.endswith("?") else f"{missing}: expected {_named(inner)}, got nothing"
        else:
            wrong = misfit(value[name], inner, f"{place}.{name}".lstrip("."))
        if wrong:
            return wrong
    return ""


def _is_of(value: Any, shape: Shape) -> bool:
    if shape is None:
        return value is None
    if isinstance(shape, range):
        return type(value) is int and value in shape
    kind = type(shape) if isinstance(shape, (dict, list)) else shape
    if kind in (int, float):
        return isinstance(value, (int, kind)) and not isinstance(value, bool)
    return isinstance(value, kind)


def _name(shape: Shape) -> str:
    if isinstance(shape, range):
        return f"a whole number from {shape.start} " + ("on" if shape == COUNT else f"to {shape.stop - 1}")
    return _NAMES[type(shape) if isinstance(shape, (dict, list)) else shape]


def _named(shape: Shape) -> str:
    return " or ".join(map(_name, shape if isinstance(shape, tuple) else (shape,)))

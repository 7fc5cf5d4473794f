"""JSON as this package writes it: finite numbers, no deeper than Python can go. Anything else is a ``ValueError``."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

_MOST_DIGITS = 300
"""Digits of a whole number that is read: any such number is a float, too."""


def read_json(path: Path) -> Any:
    """The value of a JSON file.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is not UTF-8, not JSON, nested too deeply, or holds a number that is not finite.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "a.json").write_text('{"zoom": 1.5}')
        ...     read_json(Path(folder, "a.json"))
        {'zoom': 1.5}
    """
    return parse_json(path.read_bytes())


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text, UTF-8 where it is bytes.

    Raises:
        ValueError: As :func:`read_json`.

    Example:
        >>> parse_json("[1e400]")
        Traceback (most recent call last):
        ValueError: 1e400 is no finite number
    """
    try:
        text = text if isinstance(text, str) else text.decode("utf-8")
        return json.loads(text, parse_constant=_refuse, parse_float=_finite, parse_int=_whole)
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 ({error.reason} at byte {error.start})") from error
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is no finite number")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits[:40]} is no finite number")
    return value


def _whole(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)

"""Configuration: a frozen dataclass beside the code it controls, filled from a TOML file, then from overrides."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from tomllib import TOMLDecodeError
from typing import Any, TypeVar

from sdd_bench.core.errors import ConfigError, reason_of, shown
from sdd_bench.core.storage.documents import parse_toml

C = TypeVar("C")
_KEYS_LENGTH = 200
"""Characters of unknown keys that a message shows at most."""


def take_strings(options: Any, *names: str) -> None:
    """Let fields of a frozen dataclass that are paths be given as text; for ``__post_init__``.

    Example:
        >>> @dataclasses.dataclass(frozen=True)
        ... class Options:
        ...     photos: Path | None = None
        ...     def __post_init__(self) -> None:
        ...         take_strings(self, "photos")
        >>> Options(photos="some/where").photos.name, Options().photos
        ('where', None)
    """
    for name in names:
        value = getattr(options, name)
        if isinstance(value, str):
            object.__setattr__(options, name, Path(value))


def build(kind: type[C], values: Mapping[str, Any], *, source: str = "options") -> C:
    """Make a configuration of type ``kind`` from ``values``; text is converted to the field's type.

    Args:
        kind: A dataclass.
        values: Values by field name; other fields keep their default.
        source: Name of where the values come from, for messages.

    Raises:
        ConfigError: A key is unknown (the message lists the known ones), or a value has the wrong type.

    Example:
        >>> @dataclasses.dataclass(frozen=True)
        ... class Options:
        ...     size: int = 512
        >>> build(Options, {"size": "256"}), build(Options, {})
        (Options(size=256), Options(size=512))
    """
    hints = typing.get_type_hints(kind)
    known = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ConfigError(f"{source}: unknown key {', '.join(unknown)[:_KEYS_LENGTH]}; known: {', '.join(known)}.")
    return kind(**{key: _convert(value, hints[key], f"{source}: {key}") for key, value in values.items()})


def load(kind: type[C], path: Path | None = None, overrides: Mapping[str, Any] | None = None) -> C:
    """Make a configuration from its defaults, then the TOML file at ``path``, then ``overrides``.

    Args:
        kind: A dataclass.
        path: TOML file; ``None``: no file.
        overrides: Values by field name; entries that are ``None`` are ignored.

    Raises:
        ConfigError: The file is missing or not TOML, or :func:`build` refuses a value.

    Example:
        >>> @dataclasses.dataclass(frozen=True)
        ... class Options:
        ...     size: int = 512
        ...     name: str = "sdd"
        >>> load(Options, overrides={"size": 256, "name": None})
        Options(size=256, name='sdd')
    """
    values = {} if path is None else read_toml(kind, path)
    values |= {key: value for key, value in (overrides or {}).items() if value is not None}
    return build(kind, values)


def toml_values(path: Path) -> dict[str, Any]:
    """What a TOML file says, whatever it is for.

    Raises:
        ConfigError: It cannot be read, or is not TOML.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "options.toml")
        ...     _ = path.write_text("size = 256")
        ...     toml_values(path)
        {'size': 256}
    """
    try:
        return parse_toml(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({reason_of(error)}).") from error
    except ValueError as error:
        what = "not TOML" if isinstance(error, (TOMLDecodeError, UnicodeDecodeError)) else "a value is of no use"
        raise ConfigError(f"{path}: {what} ({reason_of(error)}). Correct it there.") from error


def read_toml(kind: type[Any], path: Path) -> dict[str, Any]:
    """The values of a TOML file, checked against the fields of ``kind``. The file is read once, so it may be a pipe.

    Raises:
        ConfigError: The file is missing or not TOML, or :func:`build` refuses a value; the message names the file.

    Example:
        >>> import tempfile
        >>> @dataclasses.dataclass(frozen=True)
        ... class Options:
        ...     size: int = 512
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "options.toml")
        ...     _ = path.write_text("size = 256")
        ...     read_toml(Options, path)
        {'size': 256}
    """
    values = toml_values(path)
    build(kind, values, source=str(path))
    return values


def as_dict(config: Any) -> dict[str, Any]:
    """The configuration as plain JSON values, keys in the order of its fields.

    Example:
        >>> @dataclasses.dataclass(frozen=True)
        ... class Options:
        ...     folder: Path = Path("out")
        ...     sides: tuple[int, int] = (640, 384)
        >>> as_dict(Options())
        {'folder': 'out', 'sides': [640, 384]}
    """
    return {field.name: _plain(getattr(config, field.name)) for field in dataclasses.fields(config)}


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return value


def _convert(value: Any, hint: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        failures = []
        for option in (option for option in arguments if option is not type(None)):
            try:
                return _convert(value, option, where)
            except ConfigError as error:
                failures.append(str(error))
        raise ConfigError(failures[-1])
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise ConfigError(f"{where}: expected a list, got {shown(value)}.")
        kinds = (arguments[0],) * len(value) if len(arguments) == 2 and arguments[1] is ... else arguments
        if len(kinds) != len(value):
            raise ConfigError(f"{where}: expected {len(kinds)} values, got {len(value)}.")
        return tuple(_convert(item, kind, where) for item, kind in zip(value, kinds, strict=True))
    if origin is dict:
        if isinstance(value, dict) and all(isinstance(key, str) for key in value):
            return value
        raise ConfigError(f"{where}: expected a table, got {shown(value)}.")
    if origin is typing.Literal:
        if value in arguments:
            return value
        raise ConfigError(f"{where}: expected one of {', '.join(map(str, arguments))}, got {shown(value)}.")
    return _convert_scalar(value, hint, where)


def _convert_scalar(value: Any, hint: type, where: str) -> Any:
    if hint is bool:
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
    elif isinstance(value, hint) and not isinstance(value, bool) and _is_finite(value):
        return value
    elif isinstance(value, (str, int, float)) and not isinstance(value, bool):
        try:
            converted = hint(value)
        except (TypeError, ValueError, OverflowError):
            converted = None
        is_cut = hint is int and isinstance(value, float) and value != converted
        if converted is not None and not is_cut and _is_finite(converted):
            return converted
    names = f"one of {', '.join(str(item.value) for item in hint)}" if issubclass(hint, Enum) else hint.__name__
    raise ConfigError(f"{where}: expected {names}, got {shown(value)}.")


def _is_finite(value: Any) -> bool:
    """Whether JSON and TOML hold a value, so that it can be kept: all but NaN and infinity."""
    return not isinstance(value, float) or math.isfinite(value)

"""Configuration: a frozen dataclass beside the code it steers, filled from TOML, then from overrides."""

from __future__ import annotations

import dataclasses
import tomllib
import types
import typing
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

from sdd_bench.core.errors import ConfigError

C = TypeVar("C")


def build(kind: type[C], values: Mapping[str, Any], *, source: str = "options") -> C:
    """Make a configuration of type ``kind`` from ``values``; text is converted to the field's type.

    Raises:
        ConfigError: An unknown key (the known ones are listed), or a value of the wrong type.
    """
    hints = typing.get_type_hints(kind)
    known = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ConfigError(f"{source}: unknown key {', '.join(unknown)}; known: {', '.join(known)}.")
    return kind(**{key: _convert(value, hints[key], f"{source}: {key}") for key, value in values.items()})


def load(kind: type[C], path: Path | None = None, overrides: Mapping[str, Any] | None = None) -> C:
    """Defaults, then the TOML file at ``path``, then ``overrides`` (whose ``None`` entries do not count).

    Raises:
        ConfigError: The file is missing or not TOML, or as :func:`build`.
    """
    values = {} if path is None else read_toml(kind, path)
    values |= {key: value for key, value in (overrides or {}).items() if value is not None}
    return build(kind, values)


def read_toml(kind: type[Any], path: Path) -> dict[str, Any]:
    """The values of a TOML file, checked against the fields of ``kind``. The file is read once: it may be a pipe.

    Raises:
        ConfigError: The file is missing or not TOML, or as :func:`build`, which names the file.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}).") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}.") from error
    build(kind, values, source=str(path))
    return values


def as_dict(config: Any) -> dict[str, Any]:
    """The configuration as plain JSON values, keys in the order of its fields."""
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
            raise ConfigError(f"{where}: expected a list, got {value!r}.")
        kinds = (arguments[0],) * len(value) if len(arguments) == 2 and arguments[1] is ... else arguments
        if len(kinds) != len(value):
            raise ConfigError(f"{where}: expected {len(kinds)} values, got {len(value)}.")
        return tuple(_convert(item, kind, where) for item, kind in zip(value, kinds, strict=True))
    if origin is dict:
        if isinstance(value, dict) and all(isinstance(key, str) for key in value):
            return value
        raise ConfigError(f"{where}: expected a table, got {value!r}.")
    if origin is typing.Literal:
        if value in arguments:
            return value
        raise ConfigError(f"{where}: expected one of {', '.join(map(str, arguments))}, got {value!r}.")
    return _convert_scalar(value, hint, where)


def _convert_scalar(value: Any, hint: type, where: str) -> Any:
    if hint is bool:
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
    elif isinstance(value, hint) and not isinstance(value, bool):
        return value
    elif isinstance(value, (str, int, float)) and not isinstance(value, bool):
        try:
            converted = hint(value)
        except (TypeError, ValueError, OverflowError):
            converted = None
        if converted is not None and not (hint is int and isinstance(value, float) and value != converted):
            return converted
    names = f"one of {', '.join(str(item.value) for item in hint)}" if issubclass(hint, Enum) else hint.__name__
    raise ConfigError(f"{where}: expected {names}, got {value!r}.")

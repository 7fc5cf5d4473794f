"""Names for things that others may add: networks and flow estimators."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, TypeVar

from sdd_bench.core.errors import ConfigError, reason_of

T = TypeVar("T")
_MOST_NAMES = 12
"""Names of a module that a message lists at most."""


def load_factory(spec: str, *, kind: str) -> Callable[..., Any]:
    """The callable that ``package.module:factory`` or ``path/file.py:factory`` names.

    A module is looked for where Python looks, then in the current folder. A file may import its neighbours.

    Args:
        spec: Name of the callable.
        kind: Kind of thing that the callable makes, for messages.

    Raises:
        ConfigError: ``spec`` has no colon, the module cannot be imported, or it has no such callable.

    Example:
        >>> load_factory("math:hypot", kind="network")(3, 4)
        5.0
    """
    module_name, _, name = spec.rpartition(":")
    if not module_name or not name:
        raise ConfigError(f"{kind} {spec!r}: expected package.module:factory or path/file.py:factory.")
    is_file = module_name.endswith(".py")
    try:
        module = _module_of_file(Path(module_name)) if is_file else _module_of_name(module_name)
    except ImportError as error:
        raise ConfigError(
            f"{kind} {spec!r}: cannot import {module_name}: {error}. "
            + ("Is the path right?" if is_file else f"Is it installed, or in {Path.cwd()}, or name its file: ")
            + ("" if is_file else f"path/{module_name}.py:{name}.")
        ) from error
    except (Exception, SystemExit) as error:  # the code of the module is anyone's, a program of its own perhaps
        why = "it ends the program" if isinstance(error, SystemExit) else reason_of(error)
        raise ConfigError(f"{kind} {spec!r}: {module_name} fails as it is imported ({why}).") from error
    factory = getattr(module, name, None)
    if not callable(factory):
        own = module.__name__
        there = [
            other
            for other, value in vars(module).items()
            if callable(value) and getattr(value, "__module__", "") == own
        ]
        raise ConfigError(
            f"{kind} {spec!r}: expected a callable {name!r} in {module_name}; it has "
            f"{', '.join(sorted(there)[:_MOST_NAMES]) or 'none'}."
        )
    return factory  # type: ignore[no-any-return]


def _module_of_name(name: str) -> ModuleType:
    with _found_in(Path.cwd()):
        return import_module(name)


def _module_of_file(file: Path) -> ModuleType:
    """The module of a file, imported once, under a name of its own: no other module is hidden by it."""
    file = file.expanduser().absolute()
    if not file.is_file():
        raise ImportError(f"{file} does not exist")
    name = f"_file_{hashlib.sha256(str(file).encode()).hexdigest()[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is no Python file")
    module = sys.modules[name] = module_from_spec(spec)
    try:
        with _found_in(file.parent):
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


@contextmanager
def _found_in(folder: Path) -> Iterator[None]:
    """Let imports look in ``folder`` after all other places, so that nothing installed is hidden."""
    sys.path.append(str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


class Registry(Generic[T]):
    """Factories by name; the error for an unknown name lists the known ones.

    Args:
        kind: Kind of thing that the factories make, for messages.

    Example:
        >>> networks = Registry("network")
        >>> @networks.register("doubling")
        ... def make():
        ...     return lambda x: 2 * x
        >>> networks.names(), networks.get("doubling")()(4)
        (['doubling'], 8)
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._factories: dict[str, Callable[..., T]] = {}

    def register(self, name: str) -> Callable[[Callable[..., T]], Callable[..., T]]:
        """Decorator that enters a factory under ``name``."""

        def enter(factory: Callable[..., T]) -> Callable[..., T]:
            if name in self._factories:
                raise ConfigError(f"{self.kind} {name!r} is registered twice.")
            self._factories[name] = factory
            return factory

        return enter

    def names(self) -> list[str]:
        """The registered names, sorted."""
        return sorted(self._factories)

    def get(self, name: str) -> Callable[..., T]:
        """The factory registered as ``name``, or the one that :func:`load_factory` finds.

        Raises:
            ConfigError: Neither is known.
        """
        if name in self._factories:
            return self._factories[name]
        if ":" in name:
            return load_factory(name, kind=self.kind)
        own = f"{name}:NAME, with the name of its factory" if name.endswith(".py") else "package.module:factory"
        raise ConfigError(f"unknown {self.kind} {name!r}; known: {', '.join(self.names())}, or {own}.")

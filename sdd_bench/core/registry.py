"""Names for things that others may add: networks and flow estimators."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, Generic, TypeVar

from sdd_bench.core.errors import ConfigError

T = TypeVar("T")


def load_factory(spec: str, *, kind: str) -> Callable[..., Any]:
    """The callable that ``package.module:factory`` names.

    Args:
        spec: Name of the callable.
        kind: Kind of thing that the callable makes, for messages.

    Raises:
        ConfigError: ``spec`` has no colon, the module cannot be imported, or it has no such callable.

    Example:
        >>> load_factory("math:hypot", kind="network")(3, 4)
        5.0
    """
    module_name, _, name = spec.partition(":")
    if not module_name or not name:
        raise ConfigError(f"{kind} {spec!r}: expected package.module:factory.")
    try:
        factory = getattr(import_module(module_name), name)
    except ImportError as error:
        raise ConfigError(
            f"{kind} {spec!r}: cannot import {module_name}: {error}. Is it installed, or on PYTHONPATH?"
        ) from error
    except AttributeError as error:
        raise ConfigError(f"{kind} {spec!r}: module {module_name} has no {name!r}.") from error
    if not callable(factory):
        raise ConfigError(f"{kind} {spec!r}: {name!r} is not callable.")
    return factory  # type: ignore[no-any-return]


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
        """The factory registered as ``name``, or the one that ``package.module:factory`` names.

        Raises:
            ConfigError: Neither is known.
        """
        if name in self._factories:
            return self._factories[name]
        if ":" in name:
            return load_factory(name, kind=self.kind)
        raise ConfigError(f"unknown {self.kind} {name!r}; known: {', '.join(self.names())}, or package.module:factory.")

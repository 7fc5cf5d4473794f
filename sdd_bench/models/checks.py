"""Checks of the options of networks."""

from __future__ import annotations

from sdd_bench.core.errors import ConfigError


def check_at_least_one(model: str, **counts: int) -> None:
    """Refuse counts of channels, blocks or iterations below 1.

    Args:
        model: Name of the network, for the message.
        counts: Options by name.

    Raises:
        ConfigError: An option is below 1, or no whole number.
    """
    for name, count in counts.items():
        if type(count) is not int or count < 1:
            raise ConfigError(f"{model}: {name}: expected a whole number from 1 on, got {count!r}.")

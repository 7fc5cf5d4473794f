"""Checks of the options of networks."""

from __future__ import annotations

from sdd_bench.core.errors import ConfigError


def check_whole(network: str, *, least: int = 1, **options: int) -> None:
    """Refuse options that are no whole numbers from ``least`` on.

    Args:
        network: Name of the network, for the message.
        least: Smallest value allowed.
        options: Options by name.

    Raises:
        ConfigError: An option is smaller, or not a whole number.

    Example:
        >>> check_whole("unet", width=64)
    """
    for name, value in options.items():
        if type(value) is not int or value < least:
            raise ConfigError(f"{network}: {name}: expected a whole number from {least} on, got {value!r}.")

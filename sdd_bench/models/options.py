"""Checks of the options that networks share."""

from __future__ import annotations

from sdd_bench.core.errors import ConfigError


def require_whole(network: str, name: str, value: int, *, least: int) -> None:
    """Refuse an option that is no whole number from ``least`` on.

    Args:
        network: Name of the network, for the message.
        name: Name of the option.
        value: What was given.
        least: Smallest value allowed.

    Raises:
        ConfigError: It is smaller, or not a whole number.

    Example:
        >>> require_whole("unet", "width", 64, least=1)
    """
    if type(value) is not int or value < least:
        raise ConfigError(f"{network}: {name}: expected a whole number from {least} on, got {value!r}.")

"""The torch device that networks compute on, found by name and tried before anything is read or written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdd_bench.core.errors import ConfigError, reason_of

if TYPE_CHECKING:
    import torch


def device_of(name: str) -> torch.device:
    """The device called ``name``, tested by moving one number to it and back.

    Raises:
        ConfigError: The device does not exist, or cannot be used.

    Example:
        >>> device_of("cpu")
        device(type='cpu')
    """
    import torch

    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()
    except Exception as error:  # each backend has its own: RuntimeError, AssertionError, NotImplementedError, ...
        known = ["cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
        raise ConfigError(
            f"--device {name}: cannot be used ({reason_of(error)}). Known here: {', '.join(known)}."
        ) from error
    return device

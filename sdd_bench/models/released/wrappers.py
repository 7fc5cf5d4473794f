"""Torch checkpoints as their authors release them: the tensors, out of what they are wrapped in.

A checkpoint often holds the tensors under a key, beside the state of the optimizer, and their names often start with
the name of what the network was wrapped in. Files are read with ``weights_only=True``: data, never a program.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from sdd_bench.core.errors import WeightsError
from sdd_bench.weights.tensors import read_tensors

WRAPPERS = (
    "G_state_dict",
    "params_ema",
    "params",
    "state_dict",
    "model_state_dict",
    "model",
    "net",
    "network",
    "generator",
)
"""Keys that hold the tensors, the one to be preferred first: averaged parameters are those that were published."""
PREFIXES = ("module.", "_orig_mod.")
"""What DataParallel and torch.compile put before every name."""


def read_torch(path: Path) -> dict[str, Tensor]:
    """Named tensors of a torch checkpoint or a safetensors file, without wrappers and prefixes.

    Args:
        path: The file.

    Raises:
        WeightsError: The file is missing, damaged, or holds anything but tensors.
    """
    tensors = read_tensors(path, wrappers=WRAPPERS)
    while prefix := next((prefix for prefix in PREFIXES if all(name.startswith(prefix) for name in tensors)), None):
        tensors = strip_prefix(tensors, prefix, path)
    return tensors


def strip_prefix(tensors: Mapping[str, Tensor], prefix: str, path: Path) -> dict[str, Tensor]:
    """``tensors`` without ``prefix`` at the start of their names; names that do not start with it stay.

    Args:
        tensors: Named tensors.
        prefix: Start of names.
        path: Where they come from, for the message.

    Raises:
        WeightsError: Two tensors would get one name.
    """
    stripped = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    if len(stripped) != len(tensors):
        raise WeightsError(f"{path}: holds tensors both with and without {prefix!r} before their names.")
    return stripped

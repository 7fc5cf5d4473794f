"""Shapes of a checkpoint's tensors, from which the options of its network are read."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

Shapes = Mapping[str, tuple[int, ...]]
"""Shape of every tensor of a state dict, by its key."""


def shapes_of(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """Shapes of tensors, under the same names."""
    return {key: tuple(tensor.shape) for key, tensor in tensors.items()}


def count_blocks(shapes: Shapes, prefix: str) -> int:
    """Number of modules in the list whose keys begin with ``prefix``.

    Args:
        shapes: Shapes of a checkpoint.
        prefix: Name of the list with its dot.

    Example:
        >>> count_blocks({"latent.0.weight": (1,), "latent.1.weight": (1,), "latent.1.bias": (1,)}, "latent.")
        2
    """
    return len({key.removeprefix(prefix).partition(".")[0] for key in shapes if key.startswith(prefix)})

"""What the formats of TensorFlow programs share: the order of axes, and arrays that come in the order of the layers.

Such files do not have our names. A count or a shape that is off is the only sign of a file of another network, so both
are checked without exception.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sdd_bench.core.errors import WeightsError
from sdd_bench.models.outline import outline


def shapes_of(factory: Callable[[], nn.Module]) -> dict[str, tuple[int, ...]]:
    """Shape of every parameter of the network a factory makes, in the order of its layers; no weights are drawn."""
    return {name: tuple(value.shape) for name, value in outline(factory).state_dict().items()}


def to_torch(values: NDArray[np.generic]) -> NDArray[np.generic]:
    """A kernel in torch's order of axes; anything else as it is.

    TensorFlow has (height, width, in, out), torch (out, in, height, width). Transposed convolutions have (height,
    width, out, in) and (in, out, height, width), so that one permutation serves both.

    Example:
        >>> to_torch(np.zeros((5, 5, 3, 48))).shape
        (48, 3, 5, 5)
    """
    return values.transpose(3, 2, 0, 1) if values.ndim == 4 else values


def assign(
    arrays: Mapping[str, NDArray[np.generic]], shapes: Mapping[str, tuple[int, ...]], path: Path
) -> dict[str, Tensor]:
    """Arrays that come in the order of the network's layers, as float32 tensors under our names.

    Args:
        arrays: What the file calls each array, and the array.
        shapes: Shape of every parameter, from :func:`shapes_of`.
        path: The file, for messages.

    Raises:
        WeightsError: Their number or a shape is off, or an array holds no floating-point numbers.
    """
    if len(arrays) != len(shapes):
        raise WeightsError(f"{path}: expected {len(shapes)} arrays, got {len(arrays)}. Is it of another network?")
    tensors = {}
    for (source, values), (name, shape) in zip(arrays.items(), shapes.items(), strict=True):
        turned = to_torch(values)
        if turned.shape != shape or turned.dtype.kind != "f":
            raise WeightsError(
                f"{path}: {source}: expected floating-point numbers of shape {shape} for {name}, got {turned.dtype} of "
                f"shape {turned.shape} (in torch's order of axes). Is it of another network?"
            )
        tensors[name] = torch.from_numpy(np.array(turned, dtype=np.float32, order="C"))
    return tensors

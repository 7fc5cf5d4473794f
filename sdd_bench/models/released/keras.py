"""DPDNet's weights as released: a Keras model in HDF5, kernels in TensorFlow's order of axes.

Weights lie under ``model_weights/<layer>/<layer>/kernel:0`` and ``bias:0``; the state of the optimizer lies beside them
and is not read. Layers are called ``conv2d_N`` in the order of their creation, which is the order of ours. N starts at
1, or higher where the same session had made other networks before, so layers are sorted by it.

The numbering follows from the authors' program, and no file could be had to confirm it. Count and shapes are checked
without exception.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sdd_bench.core.errors import WeightsError, reason_of
from sdd_bench.models.networks.dpdnet import DPDNet
from sdd_bench.models.released.tensorflow import assign, shapes_of

_LAYERS = 24
_LAYER = re.compile(r"conv2d(?:_(\d+))?")
_MOST_NUMBERS = 1 << 26
"""The released network has 31 million; a forged shape shall not fill memory."""


def read_dpdnet(path: Path) -> dict[str, Tensor]:
    """Tensors of :class:`~sdd_bench.models.networks.dpdnet.DPDNet`, of one view or two, from a file of its authors.

    Args:
        path: The ``.hdf5`` file, a whole model or its weights alone.

    Raises:
        WeightsError: It is missing, damaged, or does not fit DPDNet.
    """
    try:
        with h5py.File(path, "r", locking=False) as file:
            arrays = _read(file)
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: no such file; expected a Keras model in HDF5.") from error
    except Exception as error:  # h5py raises whatever a damaged file leads it to
        raise WeightsError(
            f"{path}: expected a Keras model in HDF5, got: {reason_of(error)}. Download it again."
        ) from error
    first = next(iter(arrays.values())).shape
    if len(first) != 4 or first[2] not in (3, 6) or not 1 <= first[3] <= 64:
        raise WeightsError(
            f"{path}: expected a first kernel of shape (3, 3, 3 or 6, 64), got {first}. Is it of another network?"
        )
    return assign(arrays, shapes_of(partial(DPDNet, first[3], views=first[2] // 3)), path)


def _read(file: h5py.File) -> dict[str, NDArray[np.generic]]:
    """Kernel and bias of every convolution, in the order of the layers' numbers."""
    root = _child(file, "model_weights") if "model_weights" in file else file
    layers = sorted((int(match[1] or 0), name) for name in root if (match := _LAYER.fullmatch(name)))
    if len(layers) != _LAYERS:
        raise ValueError(f"{len(layers)} layers called conv2d, where DPDNet has {_LAYERS}")
    arrays: dict[str, NDArray[np.generic]] = {}
    left = _MOST_NUMBERS
    for _, name in layers:
        outer = _child(root, name)
        inner = _child(outer, name) if name in outer else outer
        for kind in ("kernel:0", "bias:0"):
            dataset = _child(inner, kind)
            if dataset.dtype.kind != "f":
                raise ValueError(f"{name}/{kind} holds {dataset.dtype}, which are no weights")
            left -= dataset.size
            if left < 0:
                raise ValueError(f"more than {_MOST_NUMBERS} numbers, where DPDNet has 31 million")
            arrays[f"{name}/{kind}"] = np.asarray(dataset[()])
    return arrays


def _child(group: h5py.Group, name: str) -> Any:
    """A group or dataset that lies in this file; a link to another file is not followed."""
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise ValueError(f"{name} is missing, or a link")
    child = group[name]
    if isinstance(child, h5py.Dataset) and (child.is_virtual or child.external):
        raise ValueError(f"{name} takes its numbers from another file")
    return child

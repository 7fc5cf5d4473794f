"""KPAC's weights as released: TensorLayer's ``.npz`` in its two forms, arrays in TensorFlow's order of axes.

The list form (``single_2level.npz``, ``single_3level.npz``) holds one object array ``params``: a pickle of Python 2,
with the arrays in the order of the layers. The dictionary form (``KPAC-weight.npz``, retrained) names each array after
its TensorFlow variable, such as ``main_net/deblur_net/deblur/c0/W_conv2d:0``.

The order of the list follows from the authors' program. No file could be had to confirm it, and layers of equal shape
could be swapped unnoticed. Count and shapes are checked without exception.
"""

from __future__ import annotations

import io
import re
import warnings
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sdd_bench.core.errors import WeightsError, reason_of
from sdd_bench.models.networks.kpac import KPAC
from sdd_bench.models.released.tensorflow import assign, shapes_of
from sdd_bench.weights.numpy_pickle import unpickle_arrays

_LIST = "params"
_MOST_BYTES = 1 << 26
"""Released files unpack to 6 and 8 MB; 64 MB leave room for float64 and keep a forged archive from filling memory."""
_LEVELS = {58: 2, 66: 3}
"""Levels by the number of arrays."""
_BLOCK_LAYERS = {
    "dc1": "shared",
    "sca_dc1": "scale1",
    "sca_dc2": "scale2",
    "sca_dc3": "scale3",
    "sca_dc4": "scale4",
    "sca_c2": "scale5",
    "sha_c1": "shape1",
    "sha_c2": "shape2",
    "cf": "fuse",
}
"""Our names of the layers in a block."""
_VARIABLE = re.compile(r"(?:.*/)?(?P<layer>[a-z]\w*)(?:/(?P<block>\d))?/(?:(?P<weight>W\w*|filter)|b\w*)(?::0)?")


def read_kpac(path: Path) -> dict[str, Tensor]:
    """Tensors of :class:`~sdd_bench.models.networks.kpac.KPAC` from its authors' file; their number tells the levels.

    Args:
        path: The ``.npz`` file.

    Raises:
        WeightsError: It is missing, damaged, asks for code, or does not fit KPAC with two or three levels.
    """
    try:
        arrays = _read(path)
    except WeightsError:
        raise
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({reason_of(error)}).") from error
    except Exception as error:  # readers of archives, arrays and pickles raise whatever damaged bytes lead them to
        raise WeightsError(
            f"{path}: expected an .npz file of arrays, got: {reason_of(error)}. Nothing in it was run. Download "
            "it again."
        ) from error
    if len(arrays) not in _LEVELS:
        raise WeightsError(
            f"{path}: expected 58 or 66 arrays (KPAC with two or three levels), got {len(arrays)}. Is it the "
            "dual-pixel model, or another network?"
        )
    shapes = shapes_of(partial(KPAC, levels=_LEVELS[len(arrays)]))
    if not all(name.startswith(_LIST) for name in arrays):
        arrays = _in_order(arrays, list(shapes), path)
    return assign(arrays, shapes, path)


def own_name(variable: str) -> str | None:
    """Our name of a TensorFlow variable, None where it is not one of KPAC's.

    Example:
        >>> own_name("main_net/deblur_net/deblur/c0_2/b_conv2d:0")
        'c0_2.bias'
        >>> own_name("deblur_net/sca_dc4/1/filter")
        'block1.scale4.weight'
    """
    match = _VARIABLE.fullmatch(variable)
    if match is None:
        return None
    layer, block = match["layer"], match["block"]
    if block is not None:
        if layer not in _BLOCK_LAYERS:
            return None
        layer = f"block{block}.{_BLOCK_LAYERS[layer]}"
    return f"{layer}.{'weight' if match['weight'] else 'bias'}"


def _in_order(arrays: dict[str, NDArray[np.generic]], names: list[str], path: Path) -> dict[str, NDArray[np.generic]]:
    """The dictionary form, sorted as the network's layers are."""
    variables = {own_name(variable) or variable: variable for variable in arrays}
    unknown = sorted(set(variables) - set(names))
    missing = sorted(set(names) - set(variables))
    if unknown or missing:
        raise WeightsError(
            f"{path}: expected the variables of KPAC, got {len(arrays)} arrays; unknown: {', '.join(unknown[:3])}; "
            f"missing: {', '.join(missing[:3])}. Is it a file of another network?"
        )
    return {variables[name]: arrays[variables[name]] for name in names}


def _read(path: Path) -> dict[str, NDArray[np.generic]]:
    """Every array by the name that the file has for it, or by its place in the list."""
    arrays: dict[str, NDArray[np.generic]] = {}
    with zipfile.ZipFile(path) as archive:
        if sum(member.file_size for member in archive.infolist()) > _MOST_BYTES:
            raise ValueError(f"more than {_MOST_BYTES >> 20} MB, which no weights of KPAC are")
        for member in archive.infolist():
            name = member.filename.removesuffix(".npy")
            values = _read_member(archive.read(member))
            if isinstance(values, list):
                arrays |= {f"{name}[{place}]": item for place, item in enumerate(values)}
            else:
                arrays[name] = values
    return arrays


def _read_member(data: bytes) -> NDArray[np.generic] | list[NDArray[Any]]:
    """One array of numbers, or those in an object array."""
    stream = io.BytesIO(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy says so where Python 2 wrote the header
        major, _ = np.lib.format.read_magic(stream)
        read_header = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
        shape, _, dtype = read_header(stream)
        if dtype.hasobject:
            return [item.numbers() for item in unpickle_arrays(data[stream.tell() :]).objects()]
        if int(np.prod(shape, dtype=object)) * dtype.itemsize > len(data):
            raise ValueError(f"an array of shape {shape} cut short")
        stream.seek(0)
        values: NDArray[np.generic] = np.lib.format.read_array(stream, allow_pickle=False)
    return values

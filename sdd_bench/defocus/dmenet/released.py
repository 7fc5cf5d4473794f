"""DMENet's released weights, and its map in pixels.

The authors' file is a NumPy archive (``DMENet_BDCS.npz``) of TensorFlow tensors. It does not come with this
package; its licence is AGPL-3.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sdd_bench.core.devices import device_of
from sdd_bench.core.errors import WeightsError, reason_of
from sdd_bench.defocus.dmenet.network import ENCODER, N_BLOCKS, SIZE_MULTIPLE, DMENet

_ROOT = "main_net/defocus_net"
_COC_SCALE = 15.0
"""Circle of confusion, in the authors' units, of a map's 1."""


def sigma_from_output(output: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sigma in pixels from the network's output in [0, 1]: ``max(0, (15 output - 1) / 2)``, at most 7."""
    return np.asarray(np.maximum(0, (np.float32(_COC_SCALE) * output - 1) / 2))


def dmenet(picture: NDArray[np.float32], network: DMENet) -> NDArray[np.float32]:
    """Blur of every pixel, by the network.

    Args:
        picture: ``(H, W, 3)`` float32 RGB in [0, 1]. Where a side is no multiple of 16 it is padded by its edge; the
            authors crop it instead.
        network: From :func:`load_dmenet`.

    Returns:
        Sigma of a Gaussian in pixels, ``(H, W)`` float32 in [0, 7].
    """
    height, width = picture.shape[:2]
    sides = ((0, -height % SIZE_MULTIPLE), (0, -width % SIZE_MULTIPLE), (0, 0))
    padded = np.pad(picture, sides, mode="edge").transpose(2, 0, 1)
    device = next(network.parameters()).device
    with torch.inference_mode():
        output = network(torch.from_numpy(np.ascontiguousarray(padded))[None].to(device))
    return sigma_from_output(output[0, 0, :height, :width].float().cpu().numpy())


def load_dmenet(path: Path, *, device: str = "cpu") -> DMENet:
    """The network with released weights, frozen, on ``device``.

    Raises:
        ConfigError: The device cannot be used.
        WeightsError: The file is missing, no archive of plain arrays, or of another network.
    """
    where = device_of(device)
    network = DMENet()
    state = network.state_dict()
    try:
        with np.load(path, allow_pickle=False) as archive:
            tensors = {own: _own_layout(archive[name]) for own, name in released_names().items()}
    except KeyError as error:
        raise WeightsError(
            f"{path}: expected the tensors of DMENet, got none for {str(error).split()[0]}. Is it DMENet_BDCS.npz?"
        ) from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise WeightsError(
            f"{path}: expected a NumPy archive of DMENet's weights, got: {reason_of(error)}. Download it again from "
            "the authors."
        ) from error
    for name, tensor in tensors.items():
        if tensor.shape != state[name].shape or not bool(tensor.isfinite().all()):
            raise WeightsError(
                f"{path}: {released_names()[name]}: expected finite numbers of shape {tuple(state[name].shape)}, got "
                f"{tuple(tensor.shape)}. Is it DMENet_BDCS.npz?"
            )
    network.load_state_dict(tensors)
    return network.eval().requires_grad_(False).to(where)


def released_names() -> dict[str, str]:
    """Name in the released archive of every tensor of :class:`DMENet`."""
    names: dict[str, str] = {}
    for level, (depth, _) in enumerate(ENCODER):
        for number in range(depth):
            place = f"{_ROOT}/encoder/conv{level + 1}_{number + 1}"
            names |= _conv_names(f"encoder.{level}.{2 * number}", place)
    for stage in ("u3", "u2", "u1"):
        for number in range(3):
            names |= _layer_names(f"up.{stage}.{number}", f"{_ROOT}/decoder/{stage}", str(number + 1))
    at_full = f"{_ROOT}/decoder/u0"
    names |= _layer_names("start", at_full, "_init")
    for block in range(N_BLOCKS):
        names |= _layer_names(f"blocks.{block}.first", at_full, f"{block}_1")
        names |= _layer_names(f"blocks.{block}.second", at_full, f"{block}_2")
        names |= _layer_names(f"blocks.{block}.shortcut", at_full, f"_res{block}")
    for number in range(2):
        names |= _layer_names(f"final.{number}", f"{_ROOT}/decoder/uf", str(number + 1))
    return names | _conv_names("final.2", f"{_ROOT}/decoder/uf/c3")


def _conv_names(own: str, theirs: str) -> dict[str, str]:
    return {f"{own}.weight": f"{theirs}/kernel:0", f"{own}.bias": f"{theirs}/bias:0"}


def _layer_names(own: str, place: str, number: str) -> dict[str, str]:
    norm = {f"{own}.norm.{name}": f"{place}/b{number}/{name}:0" for name in ("beta", "moving_mean", "moving_variance")}
    return _conv_names(f"{own}.conv", f"{place}/c{number}") | norm


def _own_layout(values: NDArray[np.generic]) -> Tensor:
    """TensorFlow's kernels (height, width, in, out) as (out, in, height, width); vectors as they are."""
    array = np.asarray(values, np.float32)
    return torch.from_numpy(np.ascontiguousarray(array.transpose(3, 2, 0, 1) if array.ndim == 4 else array))

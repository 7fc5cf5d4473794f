"""DPDNet's HDF5 file, and hostile ones."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from sdd_bench.core.errors import WeightsError
from sdd_bench.models.networks.dpdnet import DPDNet
from sdd_bench.models.released.keras import read_dpdnet
from sdd_bench.weights.tensors import load_into


def make(views: int = 1) -> DPDNet:
    torch.manual_seed(0)
    network = DPDNet(2, views=views)
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter)
    return network.eval().requires_grad_(False)


def write(path: Path, network: DPDNet, *, first: int = 1, whole: bool = True) -> Path:
    """As Keras 2.2 saves a model: layers without weights too, the optimizer's state, names in creation order."""
    values = list(network.state_dict().values())
    with h5py.File(path, "w") as file:
        root = file.create_group("model_weights") if whole else file
        root.create_group("max_pooling2d_1")
        for place, (kernel, bias) in enumerate(zip(values[::2], values[1::2], strict=True)):
            name = f"conv2d_{place + first}" if place + first else "conv2d"
            layer = root.create_group(name)
            layer.attrs["weight_names"] = [f"{name}/kernel:0".encode(), f"{name}/bias:0".encode()]
            layer[f"{name}/kernel:0"] = kernel.numpy().transpose(2, 3, 1, 0)
            layer[f"{name}/bias:0"] = bias.numpy()
        if whole:
            file["optimizer_weights/training/Adam/Variable:0"] = np.zeros(3, np.float32)
    return path


@pytest.mark.parametrize("views", [1, 2])
@pytest.mark.parametrize(("first", "whole"), [(1, True), (95, True), (0, True), (1, False)])
def test_layers_are_taken_in_the_order_of_their_numbers(first: int, whole: bool, views: int, tmp_path: Path) -> None:
    # Across 9 and 10, or 99 and 100, the order of numbers is not that of names.
    network = make(views)
    path = write(tmp_path / "a.hdf5", network, first=first, whole=whole)
    other = DPDNet(2, views=views)
    load_into(other, read_dpdnet(path), path)
    for (name, found), expected in zip(other.state_dict().items(), network.state_dict().values(), strict=True):
        assert torch.equal(found, expected), name


def test_a_missing_layer_or_bias_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.hdf5", make())
    with h5py.File(path, "a") as file:
        del file["model_weights/conv2d_7/conv2d_7/bias:0"]
    with pytest.raises(WeightsError, match="bias:0 is missing"):
        read_dpdnet(path)
    with h5py.File(path, "a") as file:
        del file["model_weights/conv2d_7"]
    with pytest.raises(WeightsError, match="23 layers called conv2d, where DPDNet has 24"):
        read_dpdnet(path)


def replace(path: Path, name: str, values: np.ndarray) -> Path:
    with h5py.File(path, "a") as file:
        del file[name]
        file[name] = values
    return path


@pytest.mark.parametrize(
    ("layer", "values", "complaint"),
    [
        ("conv2d_1/conv2d_1/kernel:0", np.ones((3, 3, 4, 2), np.float32), "first kernel"),
        ("conv2d_1/conv2d_1/kernel:0", np.ones(5, np.float32), "first kernel"),
        ("conv2d_1/conv2d_1/kernel:0", np.ones((3, 3, 3, 9999), np.float32), "first kernel"),
        ("conv2d_2/conv2d_2/kernel:0", np.ones((3, 3, 2, 3), np.float32), r"encoder1\.2\.weight"),
        ("conv2d_24/conv2d_24/bias:0", np.ones(1, np.float32), r"out\.mix\.bias"),
        ("conv2d_3/conv2d_3/bias:0", np.ones(4, np.int32), "no weights"),
    ],
)
def test_a_misshapen_layer_is_named(layer: str, values: np.ndarray, complaint: str, tmp_path: Path) -> None:
    path = replace(write(tmp_path / "a.hdf5", make()), f"model_weights/{layer}", values)
    with pytest.raises(WeightsError, match=complaint):
        read_dpdnet(path)


def test_a_forged_size_does_not_fill_memory(tmp_path: Path) -> None:
    path = write(tmp_path / "a.hdf5", make())
    with h5py.File(path, "a") as file:
        layer = file["model_weights/conv2d_5/conv2d_5"]
        del layer["kernel:0"]
        layer.create_dataset("kernel:0", shape=(1 << 20, 1 << 20), dtype="f4", chunks=(1 << 10, 1 << 10))
    assert path.stat().st_size < 1 << 20
    with pytest.raises(WeightsError, match="more than 67108864 numbers"):
        read_dpdnet(path)


@pytest.mark.parametrize("kind", ["soft", "external", "virtual", "raw"])
def test_other_files_are_not_read(kind: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.hdf5", make())
    secret = tmp_path / "secret.hdf5"
    with h5py.File(secret, "w") as file:
        file["values"] = np.ones(2, np.float32)
    with h5py.File(path, "a") as file:
        layer = file["model_weights/conv2d_1/conv2d_1"]
        del layer["bias:0"]
        if kind == "soft":
            layer["bias:0"] = h5py.SoftLink("/model_weights/conv2d_2/conv2d_2/bias:0")
        elif kind == "external":
            layer["bias:0"] = h5py.ExternalLink(str(secret), "values")
        elif kind == "virtual":
            layout = h5py.VirtualLayout(shape=(2,), dtype="f4")
            layout[:] = h5py.VirtualSource(str(secret), "values", shape=(2,))
            layer.create_virtual_dataset("bias:0", layout)
        else:
            layer.create_dataset("bias:0", shape=(2,), dtype="f4", external=str(secret))
    with pytest.raises(WeightsError, match=r"missing, or a link|takes its numbers from another file"):
        read_dpdnet(path)


def test_files_of_another_kind_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no such file"):
        read_dpdnet(tmp_path / "missing.hdf5")
    path = write(tmp_path / "a.hdf5", make())
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(WeightsError, match="expected a Keras model"):
        read_dpdnet(path)
    path.write_bytes(b"text")
    with pytest.raises(WeightsError, match="expected a Keras model"):
        read_dpdnet(path)
    with h5py.File(path, "w") as file:
        file["model_weights"] = 3
    with pytest.raises(WeightsError, match="expected a Keras model"):
        read_dpdnet(path)

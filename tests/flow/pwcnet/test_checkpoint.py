import os
import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from sdd_bench.core.errors import WeightsError
from sdd_bench.flow.estimator import bundled_weights
from sdd_bench.flow.pwcnet.checkpoint import load_pwcnet, published_name_to_own
from sdd_bench.flow.pwcnet.network import PWCNet
from sdd_bench.weights.tensors import load_into, read_tensors


def test_published_names_map_one_to_one_onto_the_network(published_checkpoint):
    names = read_tensors(published_checkpoint("module"))
    own = [published_name_to_own(name) for name in names]
    assert sorted(map(str, own)) == sorted(PWCNet().state_dict())


def test_wrappers_of_other_tools_are_unpacked(tmp_path, published_checkpoint):
    tensors = torch.load(published_checkpoint("net"), weights_only=True)
    torch.save({"state_dict": {f"module.{k}": v for k, v in tensors.items()}, "epoch": 3}, tmp_path / "wrapped.pt")
    network = load_pwcnet(tmp_path / "wrapped.pt")
    assert torch.equal(network.context_flow.bias, tensors["netRefiner.netMain.12.bias"])
    assert not network.normalise


@pytest.mark.parametrize("dense", [False, True])
def test_our_own_files_give_the_variant_they_were_trained_as(tmp_path, dense):
    network = PWCNet(dense=dense, normalise=True)
    save_file(network.state_dict(), tmp_path / "own.safetensors")
    loaded = load_pwcnet(tmp_path / "own.safetensors")
    assert loaded.normalise
    assert loaded.decoders[0].dense is dense
    for name, value in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)


class _Hostile:
    def __reduce__(self):
        return os.system, ("touch /tmp/sdd-bench-was-here",)


def _hostile(path):
    with open(path, "wb") as file:
        pickle.dump({"netOne": _Hostile()}, file, protocol=2)


def _truncated_torch(path):
    torch.save({"a": torch.zeros(1000)}, path)
    path.write_bytes(path.read_bytes()[:900])


def _truncated_safetensors(path):
    path.write_bytes(bundled_weights().read_bytes()[:100_000])


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("none.pt", lambda path: None, "No such file"),
        ("empty.pt", lambda path: path.write_bytes(b""), "expected a checkpoint"),
        ("text.pth", lambda path: path.write_text("hello"), "expected a checkpoint"),
        ("hostile.pt", _hostile, "weights_only=True"),
        ("cut.pt", _truncated_torch, "expected a checkpoint"),
        ("cut.safetensors", _truncated_safetensors, "damaged, or not safetensors"),
        ("list.pt", lambda path: torch.save([1, 2], path), "expected a dictionary of tensors"),
        ("numbers.pt", lambda path: torch.save({"epoch": 3}, path), "expected a dictionary of tensors"),
        (
            "other.pt",
            lambda path: torch.save({"conv.weight": torch.zeros(3)}, path),
            "missing: .* unknown: conv.weight",
        ),
        ("half.pt", lambda path: torch.save({"netOne.x": torch.zeros(3)}, path), "not a tensor of the published"),
    ],
)
def test_a_file_that_is_no_checkpoint_is_named_with_what_was_expected(tmp_path, name, make, message):
    path = tmp_path / name
    make(path)
    with pytest.raises(WeightsError, match=message) as caught:
        load_pwcnet(path)
    assert str(path) in str(caught.value)
    assert not os.path.exists("/tmp/sdd-bench-was-here")


def test_a_wrong_shape_and_a_number_that_is_not_finite_are_refused(tmp_path):
    tensors = PWCNet(dense=False, normalise=True).state_dict()
    torch.save(tensors | {"context_flow.bias": torch.zeros(3)}, tmp_path / "shape.pt")
    with pytest.raises(WeightsError, match=r"context_flow.bias: expected shape \(2,\), got \(3,\)"):
        load_pwcnet(tmp_path / "shape.pt")
    torch.save(tensors | {"context_flow.bias": torch.tensor([0.0, float("nan")])}, tmp_path / "nan.pt")
    with pytest.raises(WeightsError, match="finite"):
        load_pwcnet(tmp_path / "nan.pt")


def test_a_network_with_batch_norm_comes_back_with_its_counter(tmp_path):
    trained = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    trained(torch.rand(2, 3, 4, 4))
    save_file(trained.state_dict(), tmp_path / "norm.safetensors")
    loaded = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    load_into(loaded, read_tensors(tmp_path / "norm.safetensors"), tmp_path)
    for name, value in trained.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)
    assert loaded[1].num_batches_tracked == 1


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("num_batches_tracked", torch.tensor(1.0), "expected integer numbers, got floating-point"),
        ("num_batches_tracked", torch.tensor(True), "expected integer numbers, got boolean"),
        ("weight", torch.ones(4, dtype=torch.int64), "expected floating-point numbers, got integer"),
        ("weight", torch.full((4,), 1e300, dtype=torch.float64), "expected finite numbers"),
    ],
)
def test_numbers_of_another_kind_are_refused(tmp_path, name, value, message):
    network = nn.BatchNorm2d(4)
    with pytest.raises(WeightsError, match=f"{name}: {message}"):
        load_into(network, network.state_dict() | {name: value}, tmp_path)


@pytest.mark.parametrize("damage", ["cut", "flip"])
def test_no_damage_of_a_torch_file_escapes_as_a_traceback(tmp_path, damage):
    torch.save({"weight": torch.zeros(4)}, tmp_path / "whole.pth", _use_new_zipfile_serialization=False)
    whole, path = (tmp_path / "whole.pth").read_bytes(), tmp_path / "damaged.pth"
    refused = 0
    for at in range(len(whole)):
        path.write_bytes(whole[:at] if damage == "cut" else whole[:at] + bytes([whole[at] ^ 0x40]) + whole[at + 1 :])
        try:
            read_tensors(path)
        except WeightsError:
            refused += 1
    assert refused > len(whole) / 2 if damage == "flip" else refused == len(whole)

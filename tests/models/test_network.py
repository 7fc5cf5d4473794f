"""Networks by name, and every kind of checkpoint."""

import json
import os
import pickle
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from sdd_bench.core.errors import ConfigError, WeightsError
from sdd_bench.models.network import final_output, load_network
from sdd_bench.models.spec import METADATA_KEY, ModelSpec, estimate_bytes_per_pixel, facts_of, unet_released, unet_small


class Doubling(nn.Module):
    """Twice its input, as the first of two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor([2.0]))

    def forward(self, blurry: torch.Tensor) -> list[torch.Tensor]:
        return [self.gain * blurry, blurry]


def doubling() -> nn.Module:
    return Doubling()


def not_a_module() -> int:
    return 3


def test_a_name_gives_its_network_with_the_options_of_the_spec() -> None:
    network = ModelSpec("unet-small", width=4).build()
    assert network.out[0].weight.shape[1] == 4  # type: ignore[union-attr, index]
    picture = torch.rand(1, 3, 16, 32)
    assert torch.equal(network(picture), picture), "a residual network starts as the identity"


def test_the_released_network_expects_blue_first_unless_told_otherwise() -> None:
    assert ModelSpec("unet-released", width=2).build().bgr is True
    assert ModelSpec("unet-released", width=2, bgr=False).build().bgr is False


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        (
            ModelSpec("nothing"),
            "known: .*nafnet, restormer, unet, unet-folded, unet-laplacian, unet-released, unet-small",
        ),
        (ModelSpec("test_factory_missing:factory"), "cannot import"),
        (ModelSpec(f"{__name__}:doubling", width=4), "leave out"),
        (ModelSpec(f"{__name__}:not_a_module"), "expected a torch Module"),
    ],
)
def test_what_cannot_be_built_is_said(spec: ModelSpec, complaint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or _this_module())
    with pytest.raises(ConfigError, match=complaint):
        spec.build()


def _this_module() -> object:
    import types

    module = types.ModuleType(__name__)
    module.__dict__.update(globals())
    return module


def test_a_checkpoint_of_the_authors_code_loads(tmp_path: Path) -> None:
    trained = unet_released(2).eval()
    state = {f"module.{key}": value for key, value in trained.state_dict().items()}
    file = tmp_path / "released.pth"
    torch.save({"epoch": 3, "global_step": 7, "G_state_dict": state, "G_opt": {"state": {}}}, file)
    network = load_network(file, ModelSpec("unet-released", width=2))
    picture = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.allclose(network.deblur(picture), trained(picture), atol=1e-4)


def test_our_own_file_says_what_network_it_is_for(tmp_path: Path) -> None:
    spec = ModelSpec("unet-small", width=4)
    trained = spec.build()
    file = tmp_path / "model.safetensors"
    save_file(trained.state_dict(), file, metadata={METADATA_KEY: json.dumps(facts_of(trained, spec))})
    network = load_network(file)
    assert (network.name, network.size_multiple, network.receptive_radius_px) == ("unet-small", 16, 144)


@pytest.mark.parametrize("model", ["os:abort", "sys:exit", "nothing"])
def test_no_code_runs_because_a_file_names_it(tmp_path: Path, model: str) -> None:
    file = tmp_path / "model.safetensors"
    save_file(unet_small(2).state_dict(), file, metadata={METADATA_KEY: json.dumps({"model": model})})
    with pytest.raises(ConfigError, match=f"--model {model}"):
        load_network(file)


def test_the_code_a_file_names_runs_where_the_user_names_it_with_the_options_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "theirs.py").write_text("from sdd_bench.models.spec import unet_small as net\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "theirs", raising=False)
    file, spec = tmp_path / "model.safetensors", ModelSpec("theirs:net", width=2, bgr=True)
    network = spec.build()
    save_file(network.state_dict(), file, metadata={METADATA_KEY: json.dumps(facts_of(network, spec))})
    with pytest.raises(ConfigError, match="--model theirs:net"):
        load_network(file)
    settings = load_network(file, ModelSpec("theirs:net")).settings
    assert (settings["width"], settings["bgr"]) == (2, True)
    assert load_network(file, ModelSpec("unet-small", width=2)).settings["bgr"] is None
    assert load_network(file, ModelSpec("theirs:net", bgr=False)).settings["bgr"] is False


@pytest.mark.parametrize("facts", [{"width": -1}, {"dropout": 3}, {"width": "a"}])
def test_metadata_that_describe_no_network_are_damage(tmp_path: Path, facts: dict[str, object]) -> None:
    file = tmp_path / "model.safetensors"
    save_file(unet_small(2).state_dict(), file, metadata={METADATA_KEY: json.dumps({"model": "unet-small"} | facts)})
    with pytest.raises(WeightsError, match=r"model\.safetensors: its metadata"):
        load_network(file)


def test_a_network_too_wide_to_build_is_said() -> None:
    with pytest.raises(ConfigError, match="called with"):
        ModelSpec("unet", width=10**7).build()


class Touching:
    """A pickle that makes a file on loading."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("program") / "model.pt2"
    exported = torch.export.export(nn.Conv2d(3, 3, 1), (torch.rand(1, 3, 8, 8),))
    torch.export.save(exported, path, extra_files={METADATA_KEY: json.dumps({"model": "one", "size_multiple": 8})})
    return path


def changed(program: Path, target: Path, members: dict[str, bytes]) -> Path:
    """A copy of the program's archive in which some members are others, or new."""
    with zipfile.ZipFile(program) as old, zipfile.ZipFile(target, "w") as new:
        root = old.namelist()[0].partition("/")[0]
        kept = {name: old.read(name) for name in old.namelist()}
        for name, data in (kept | {f"{root}/{name}": data for name, data in members.items()}).items():
            new.writestr(name, data)
    return target


def torch_pickle(value: object, path: Path) -> bytes:
    torch.save(value, path)
    return path.read_bytes()


def test_a_program_loads_and_takes_no_spec(tmp_path: Path, program: Path) -> None:
    network = load_network(changed(program, tmp_path / "same.pt2", {}), precision="bf16", trust_program=True)
    assert (network.name, network.size_multiple, network.least_side) == ("one", 8, 1)
    assert network.settings == {"precision": "bf16"}
    with pytest.raises(ConfigError, match="--model, --width and --bgr"):
        load_network(program, ModelSpec("unet", width=2))


def test_a_program_runs_only_for_those_who_trust_it(program: Path) -> None:
    with pytest.raises(ConfigError, match=r"model\.pt2: an ExportedProgram is code .* --trust-program"):
        load_network(program)


def test_loading_a_program_changes_nothing_of_the_process(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    load = torch.export.load

    def watched(*arguments: Any, **options: Any) -> Any:
        seen.append(dict(os.environ))
        return load(*arguments, **options)

    monkeypatch.setattr(torch.export, "load", watched)
    load_network(changed(program, tmp_path / "same.pt2", {}), trust_program=True)
    assert seen == [dict(os.environ)]


def test_the_form_of_old_programs_is_refused_before_anything_is_unpickled(tmp_path: Path, program: Path) -> None:
    touched = tmp_path / "touched"
    payload = torch_pickle(Touching(touched), tmp_path / "payload")
    with zipfile.ZipFile(changed(program, tmp_path / "old.pt2", {}), "a") as archive:
        archive.writestr("version", "8.8")
        for name in ("exported_program.json", "state_dict.pt", "constants.pt", "example_inputs.pt"):
            archive.writestr(f"serialized_{name}", payload)
    with pytest.raises(WeightsError, match=r"is of the form of torch 2\.7"):
        load_network(tmp_path / "old.pt2", trust_program=True)
    assert not touched.exists()


def test_a_program_runs_nothing_it_pickles(tmp_path: Path, program: Path) -> None:
    hostile, touched = Touching(tmp_path / "touched"), tmp_path / "touched"
    payload = torch_pickle(hostile, tmp_path / "payload")
    with zipfile.ZipFile(program) as archive:
        weights = next(name for name in archive.namelist() if name.endswith("weights_config.json"))
        pickled = json.loads(archive.read(weights))
    for entry, truth in zip(pickled["config"].values(), (True, {"any": "thing"}), strict=True):
        entry["use_pickle"] = truth
    weights = weights.partition("/")[2]
    places = {
        "inputs": {"data/sample_inputs/model.pt": payload},
        "legacy weights": {"data/weights/model.pt": payload},
        "legacy constants": {"data/constants/model.pt": payload},
        "weights": {
            weights: json.dumps(pickled).encode(),
            "data/weights/weight_0": payload,
            "data/weights/weight_1": payload,
        },
        "inputs of another name": {"data/sample_inputs/MODEL.pt": payload},
        "constants": {
            "data/constants/model_constants_config.json": json.dumps(
                {"config": {"c": next(iter(pickled["config"].values())) | {"path_name": "tensor_0"}}}
            ).encode(),
            "data/constants/tensor_0": payload,
        },
        "opaque": {"data/constants/opaque_obj_0": pickle.dumps(hostile)},
        "native code": {"data/aotinductor/model/x.so": b""},
    }
    for place, members in places.items():
        file = changed(program, tmp_path / "hostile.pt2", members)
        with pytest.raises(WeightsError, match="not an ExportedProgram this torch can load"):
            load_network(file, trust_program=True)
        assert not touched.exists(), place


@pytest.mark.parametrize(
    "facts",
    [
        [1],
        {"bytes_per_pixel": 0},
        {"size_multiple": "a"},
        {"size_multiple": 0},
        {"least_side": True},
        {"receptive_radius_px": "x"},
        {"receptive_radius_px": -1},
        {"model": "../../escaped"},
        {"model": 3},
    ],
)
def test_facts_of_a_program_that_cannot_be_are_refused(tmp_path: Path, program: Path, facts: object) -> None:
    file = changed(program, tmp_path / "other.pt2", {f"extra/{METADATA_KEY}": json.dumps(facts).encode()})
    with pytest.raises(WeightsError, match=r"other\.pt2: sdd-bench: "):
        load_network(file, trust_program=True)


def test_a_file_without_that_needs_a_name(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    save_file(unet_small(4).state_dict(), file)
    with pytest.raises(WeightsError, match="fit unet and unet-small alike.*Say which: --model unet"):
        load_network(file)
    assert load_network(file, ModelSpec("unet-small", width=4)).name == "unet-small"


def test_damaged_missing_and_foreign_files_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    save_file(unet_small(4).state_dict(), file)
    with pytest.raises(WeightsError, match="another network|expected shape"):
        load_network(file, ModelSpec("unet-small", width=8))
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(WeightsError):
        load_network(file, ModelSpec("unet-small", width=4))
    for name in ("absent.safetensors", "absent.pth", "absent.pt2"):
        with pytest.raises(WeightsError):
            load_network(tmp_path / name)
    (tmp_path / "bad.pt2").write_bytes(b"PK no program")
    with pytest.raises(WeightsError, match="ExportedProgram"):
        load_network(tmp_path / "bad.pt2", trust_program=True)


def test_an_unknown_device_or_precision_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="device"):
        load_network(tmp_path / "x.pth", ModelSpec("unet"), device="nowhere")
    with pytest.raises(ConfigError, match="precision"):
        load_network(tmp_path / "x.pth", ModelSpec("unet"), precision="8")


def test_the_first_of_several_outputs_is_final() -> None:
    picture = torch.rand(1, 3, 4, 4)
    assert torch.equal(final_output(Doubling()(picture)), 2 * picture)
    with pytest.raises(ConfigError, match="str"):
        final_output("picture")


def test_no_pixel_looks_farther_than_the_stated_radius() -> None:
    torch.manual_seed(0)
    for released in (False, True):
        network = (unet_released(1) if released else ModelSpec("unet", width=1).build()).double().eval()
        for parameter in network.parameters():
            nn.init.constant_(parameter, 1 / parameter[0].numel() if parameter.ndim > 1 else 0.0)
        picture = torch.rand(1, 3, 512, 16, dtype=torch.float64, requires_grad=True)
        network(picture)[0, :, 256, 8].sum().backward()
        assert picture.grad is not None
        seen = picture.grad.abs().sum((0, 1, 3)).nonzero().flatten()
        assert 60 < 256 - int(seen.min()) <= network.receptive_radius_px
        assert 60 < int(seen.max()) - 256 <= network.receptive_radius_px


def test_the_estimated_memory_counts_every_layer() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(8, 3, 3, padding=1))
    assert estimate_bytes_per_pixel(network) == 4 * (8 + 3)


class Noticing(nn.Module):
    """Returns its input, and notices how convolutions of float32 would be computed."""

    seen: list[str] = []  # noqa: RUF012  (the network is made inside load_network)

    def forward(self, blurry: torch.Tensor) -> torch.Tensor:
        self.seen.append(torch.backends.cudnn.conv.fp32_precision)
        return blurry


def test_precision_32_is_without_tf32(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ModelSpec, "build", lambda spec: Noticing())
    monkeypatch.setattr("sdd_bench.models.network.read_checkpoint", lambda path: {})
    (tmp_path / "none.pth").touch()
    network = load_network(tmp_path / "none.pth", ModelSpec())
    Noticing.seen.clear()
    network.deblur(torch.zeros(1, 3, 8, 8))
    assert Noticing.seen == ["ieee"]

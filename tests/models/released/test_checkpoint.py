"""Released forms of checkpoints, through the door that predict uses."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from formula_weights import fill_by_formula

from sdd_bench.models.network import final_output, load_network
from sdd_bench.models.outline import outline
from sdd_bench.models.recognise import recognise
from sdd_bench.models.shapes import shapes_of
from sdd_bench.models.spec import MODELS, ModelSpec


@pytest.mark.parametrize("name", MODELS.names())
def test_every_network_of_the_package_is_recognised_by_its_tensors(name: str) -> None:
    shapes = shapes_of(outline(MODELS.get(name)).state_dict())
    found = recognise(shapes, source="a checkpoint")
    assert (found.model, found.options) in ((name, {}), (name, found.options))
    assert shapes_of(outline(lambda: MODELS.get(found.model)(**found.options)).state_dict()) == shapes


@pytest.mark.parametrize("wrapper", ["params", "params_ema", "state_dict", "model", "G_state_dict"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_released_file_needs_no_name(tmp_path: Path, wrapper: str, prefix: str) -> None:
    network = fill_by_formula(MODELS.get("nafnet")(width=8, encoder=(1, 1), middle=1, decoder=(1, 1))).eval()
    tensors = {prefix + key: value for key, value in network.state_dict().items()}
    torch.save({wrapper: tensors, "epoch": 3}, tmp_path / "net.pth")
    loaded = load_network(tmp_path / "net.pth")
    assert loaded.name == "nafnet"
    picture = torch.rand(1, 3, 32, 32)
    with torch.inference_mode():
        expected = final_output(network(picture))
    torch.testing.assert_close(loaded.deblur(picture), expected, atol=1e-5, rtol=0)


def test_options_of_a_spec_reach_the_factory_and_travel_with_the_file(tmp_path: Path) -> None:
    from sdd_bench.models.convert import save_weights

    spec = ModelSpec("mprnet", width=8, options={"depth": 1})
    network = spec.build()
    save_weights(tmp_path / "net.safetensors", network, spec)
    loaded = load_network(tmp_path / "net.safetensors")
    assert loaded.settings["options"] == {"depth": 1}
    assert loaded.deblur(torch.rand(1, 3, 16, 16)).shape == (1, 3, 16, 16)

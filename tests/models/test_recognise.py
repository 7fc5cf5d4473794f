"""Networks told by the names and shapes of their tensors."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from sdd_bench.core.errors import WeightsError
from sdd_bench.core.registry import Registry
from sdd_bench.models.network import final_output, load_network
from sdd_bench.models.recognise import Recognised, Variant, candidates, own_tensors, recognise
from sdd_bench.models.shapes import Shapes, shapes_of
from sdd_bench.models.spec import MODELS, ModelSpec

NARROW: dict[str, dict[str, Any]] = {
    "ifan": {"width": 2, "iterations": 3},
    "ifan-released": {"width": 2, "iterations": 8},
    "drbnet": {"width": 3},
    "restormer": {"width": 4, "blocks": (1, 2, 1, 1), "refinement": 2, "heads": (1, 2, 4, 8)},
    "nafnet": {"width": 4, "encoder": (1, 2), "middle": 3, "decoder": (1, 1)},
    "mprnet": {"width": 8, "growth": 2, "extra": 4, "depth": 3, "reduction": 2},
    "dmphn": {"width": 3},
    "dpdnet": {"width": 3},
    "kpac": {"width": 8},
    "kpac-2level": {"width": 6},
    "unet-released": {"width": 3},
    "unet-folded": {"width": 6, "blocks": (1, 2, 3), "fold": 4},
    "unet-laplacian": {"width": 6, "blocks": (2, 1)},
}
SAME_TENSORS = {"unet", "unet-small"}
"""One adds to its input, the other does not, which no tensor shows: only the widths of their defaults tell them."""


def shapes_of_model(model: str, **options: Any) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        return shapes_of(MODELS.get(model)(**options).state_dict())


@pytest.mark.parametrize("model", MODELS.names())
def test_every_network_is_recognised_as_itself(model: str) -> None:
    assert recognise(shapes_of_model(model), source="x.pth") == Recognised(model, {})


@pytest.mark.parametrize("model", NARROW)
def test_options_follow_from_the_shapes(model: str) -> None:
    options = NARROW[model]
    assert recognise(shapes_of_model(model, **options), source="x.pth") == Recognised(model, options)


def test_every_network_tells_its_width_and_depth() -> None:
    assert NARROW.keys() | SAME_TENSORS == set(MODELS.names())


@pytest.mark.parametrize("model", MODELS.names())
def test_narrow_forms_without_metadata_load_by_the_name_alone(model: str, tmp_path: Path) -> None:
    """And with no name at all, where no other network has the same tensors."""
    torch.manual_seed(0)
    saved = MODELS.get(model)(**NARROW.get(model, {"width": 3})).eval()
    bare = tmp_path / "weights.pth"
    torch.save(saved.state_dict(), bare)
    picture = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        expected = final_output(saved(picture))
    torch.testing.assert_close(load_network(bare, ModelSpec(model)).deblur(picture), expected, rtol=0, atol=1e-5)
    if model in SAME_TENSORS:
        with pytest.raises(WeightsError, match="fit unet and unet-small alike"):
            load_network(bare)
        return
    network = load_network(bare)
    assert network.name == model
    torch.testing.assert_close(network.deblur(picture), expected, rtol=0, atol=1e-5)


def test_what_the_user_says_counts_more_than_the_shapes(tmp_path: Path) -> None:
    bare = tmp_path / "weights.pth"
    torch.save(MODELS.get("dpdnet")(width=3).state_dict(), bare)
    assert load_network(bare, ModelSpec("dpdnet", bgr=False)).settings["bgr"] is False
    with pytest.raises(WeightsError, match="encoder1"):
        load_network(bare, ModelSpec("dpdnet", width=4))


@pytest.mark.parametrize("reduction", [1, 2, 3, 4, 5, 8])
def test_any_reduction_of_mprnet_that_its_tensors_have_is_found(reduction: int) -> None:
    shapes = shapes_of_model("mprnet", width=20, growth=7, depth=1, reduction=reduction)
    found = recognise(shapes, source="x.pth")
    assert found.model == "mprnet"
    assert shapes_of_model("mprnet", **found.options) == shapes


def test_prefixes_and_the_heads_of_training_do_not_hide_a_released_network() -> None:
    released = {f"module.Network.{key}": shape for key, shape in shapes_of_model("ifan-released").items()}
    released["module.reblurNet.conv.0.weight"] = (128, 15232, 3, 3)
    assert recognise(released, source="IFAN.pytorch").model == "ifan-released"


def test_tensors_of_a_checkpoint_load_under_our_names() -> None:
    network = MODELS.get("ifan-released")(width=1, iterations=1)
    tensors = {f"module.Network.{key}": value + 1 for key, value in network.state_dict().items()}
    tensors["module.reblurNet.conv.0.bias"] = torch.zeros(1)
    network.load_state_dict(own_tensors(network, tensors))
    assert torch.equal(network.get_parameter("DME.3.bias"), torch.ones(1))


def test_a_misfit_says_which_keys_differ_from_the_nearest_network() -> None:
    shapes: dict[str, tuple[int, ...]] = shapes_of_model("drbnet", width=3)
    del shapes["conv1_1.0.bias"]
    shapes["extra.weight"] = (1,)
    shapes["conv2_1.0.bias"] = (7,)
    with pytest.raises(WeightsError) as raised:
        recognise(shapes, source="x.pth")
    assert str(raised.value) == (
        "x.pth: its 138 tensors are those of no known network. The nearest is drbnet width=3: missing: conv1_1.0.bias; "
        "unknown: extra.weight; of another shape: conv2_1.0.bias (6,), got (7,). Name its network with --model, if you "
        "know it."
    )


@pytest.mark.parametrize("shapes", [{}, {"weight": (1,)}, {"conv1_1.0.weight": (), "img_d8_feature.0.0.weight": ()}])
def test_tensors_of_no_network_are_refused(shapes: Shapes) -> None:
    with pytest.raises(WeightsError, match=r"None has a tensor of these names and shapes; known: .*drbnet, ifan"):
        recognise(shapes, source="x.pth")


def test_what_fits_two_networks_is_ambiguous() -> None:
    shapes = {"weight": (1,)}
    table = {name: [Variant({}, shapes, shapes)] for name in ("one", "two")}
    with pytest.raises(WeightsError, match=r"fit one and two alike, no key tells them apart. Say which: --model one"):
        recognise(shapes, source="x.pth", table=table)


class _Plain(torch.nn.Linear):
    """A network without help to recognise it: its default alone is."""

    def __init__(self, width: int = 3) -> None:
        super().__init__(width, 1)


class _Helpful(_Plain):
    @staticmethod
    def read_options(shapes: Shapes) -> Mapping[str, Any] | None:
        return {"width": shapes["weight"][1]}


def test_registration_is_all_a_network_needs() -> None:
    registry: Registry[torch.nn.Module] = Registry("model")
    registry.register("plain")(_Plain)
    registry.register("helpful")(_Helpful)
    shapes = {"module.weight": (1, 5), "module.bias": (1,)}
    assert recognise(shapes, source="x.pth", table=candidates(shapes, registry)) == Recognised("helpful", {"width": 5})


def test_weights_are_not_drawn_and_the_seed_is_left_alone() -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    candidates({})
    assert torch.equal(torch.rand(1), expected)

"""DMPHN(1-2-4) against the released network's output and names."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from formula_weights import fill_by_formula

from sdd_bench.core.errors import ConfigError
from sdd_bench.models.networks.dmphn import DMPHN
from sdd_bench.models.outline import outline

PARITY = Path(__file__).parents[2] / "data" / "parity"


def test_the_released_network_is_reproduced() -> None:
    # In float64, as the distance between two float32 runs depends on the processor.
    fixture = np.load(PARITY / "dmphn_124.npz")
    network = fill_by_formula(DMPHN()).double()
    with torch.inference_mode():
        output = network(torch.from_numpy(fixture["input0"]).double() + 0.5).numpy() - 0.5
    assert np.abs(output - fixture["output0"]).max() <= 1e-5 * np.abs(fixture["output0"]).max()


def test_names_and_shapes_are_those_of_the_released_files() -> None:
    network = outline(DMPHN)
    expected = json.loads((PARITY / "dmphn_124.keys.json").read_text(encoding="utf-8"))
    assert {name: list(value.shape) for name, value in network.state_dict().items()} == expected
    assert sum(p.numel() for p in network.parameters()) == 5_424_393


def test_the_middle_of_the_picture_is_a_border_so_tiles_are_not_exact() -> None:
    torch.manual_seed(0)
    network = DMPHN(4).double().eval()
    picture = torch.rand(1, 3, 64, 64, dtype=torch.float64)
    with torch.inference_mode():
        whole, tile = network(picture), network(picture[:, :, :56])
    assert float((whole[:, :, :8] - tile[:, :, :8]).abs().max()) > 1e-9
    assert not hasattr(network, "receptive_radius_px")


@pytest.mark.parametrize("width", [0, -1, 2.0, True])
def test_a_width_out_of_range_is_refused(width: int) -> None:
    with pytest.raises(ConfigError, match="dmphn: width"):
        DMPHN(width)

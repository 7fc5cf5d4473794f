"""A trained network as a program."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from sdd_bench.core.errors import ConfigError
from sdd_bench.models.convert import save_weights
from sdd_bench.models.network import load_network
from sdd_bench.models.program import export_program
from sdd_bench.models.spec import ModelSpec
from sdd_bench.prediction.tiling import deblur


@pytest.mark.slow
def test_a_program_runs_at_any_size_as_the_network_does(tmp_path: Path, rng: np.random.Generator) -> None:
    spec = ModelSpec("unet", width=2)
    network = spec.build()
    save_weights(tmp_path / "model.safetensors", network, spec)
    export_program(network, spec, tmp_path / "model.pt2")
    program, weights = (
        load_network(tmp_path / "model.pt2", trust_program=True),
        load_network(tmp_path / "model.safetensors"),
    )
    assert (program.name, program.size_multiple, program.receptive_radius_px) == ("unet", 16, 144)
    assert deblur(program, rng.random((7, 40, 3), dtype=np.float32)).shape == (7, 40, 3)
    for shape in ((32, 48, 3), (70, 45, 3)):
        picture = rng.random(shape, dtype=np.float32)
        assert np.abs(deblur(program, picture) - deblur(weights, picture)).max() < 1e-5


def test_a_network_that_cannot_be_traced_is_said(tmp_path: Path) -> None:
    class Deciding(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x if float(x.sum()) > 0 else -x

    with pytest.raises(ConfigError, match="cannot be exported"):
        export_program(Deciding(), ModelSpec("package:deciding"), tmp_path / "model.pt2")
    assert list(tmp_path.iterdir()) == []

"""A trained network as files that ``predict`` runs: safetensors, and an ExportedProgram of any height and width."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import nn
from torch.export import Dim

from sdd_bench.errors import ConfigError
from sdd_bench.files import sealed
from sdd_bench.models.factory import METADATA_KEY, ModelSpec, facts_of

_LARGEST_SIDE_PX = 1 << 15


def export_program(network: nn.Module, spec: ModelSpec, path: Path) -> None:
    """Write ``network`` as an ExportedProgram for pictures whose sides are multiples of its ``size_multiple``.

    Raises:
        ConfigError: torch cannot trace the network.
        OutputError: The file cannot be written.
    """
    facts = facts_of(network, spec)
    multiple = facts["size_multiple"]
    facts["least_side"] = 2 * multiple  # torch.export takes a dimension of 1 for a constant
    sides = {axis: Dim(name, min=2, max=_LARGEST_SIDE_PX // multiple) for axis, name in ((2, "rows"), (3, "columns"))}
    shapes = ({axis: multiple * side for axis, side in sides.items()} if multiple > 1 else sides,)
    first = next(network.parameters(), torch.empty(0))
    example = torch.rand(1, 3, 4 * max(multiple, 8), 6 * max(multiple, 8), device=first.device)
    try:
        program = torch.export.export(network.eval(), (example,), dynamic_shapes=shapes)
    except Exception as error:  # whatever tracing meets in someone's network
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ConfigError(f"model {spec.model}: cannot be exported as a program ({reason[:300]}).") from error
    # torch.export.save wants the suffix of the finished file.
    with sealed(path) as partial, open(partial, "wb") as file:
        torch.export.save(program, file, extra_files={METADATA_KEY: json.dumps(facts)})

"""A network as an ExportedProgram: written, and read under safety rules."""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sdd_bench.core.errors import ConfigError, WeightsError, reason_of
from sdd_bench.core.files import sealed
from sdd_bench.models.spec import METADATA_KEY, ModelSpec, facts_of

PROGRAM_SUFFIX = ".pt2"
_LEAST = {"size_multiple": 1, "least_side": 1, "bytes_per_pixel": 1, "receptive_radius_px": 0}
"""Facts that are whole numbers, and the smallest each can be."""
_CODE = ("data/aotinductor/", "data/constants/opaque_obj")
"""Members of an ExportedProgram's archive that torch runs, or unpickles whatever they hold."""
_WEIGHTS_ONLY = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"


def load_program(path: Path, device: torch.device) -> tuple[Callable[[Tensor], Any], dict[str, Any]]:
    extra = {METADATA_KEY: ""}
    try:
        _check_members(path)
        with _weights_only():
            program = torch.export.load(path, extra_files=extra)
        module = program.module()
        facts = json.loads(extra[METADATA_KEY] or "{}")
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({reason_of(error)}).") from error
    except Exception as error:  # torch.export.load raises whatever its archive reader meets
        raise WeightsError(
            f"{path}: not an ExportedProgram this torch can load ({reason_of(error)}). Export it again, or use the "
            "weights with --model."
        ) from error
    _check_facts(facts, path)
    return module.to(device), facts


def _check_members(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.lower().partition("/")[2].startswith(_CODE):
                raise ValueError(f"holds {name}, which is code beside the program")


@contextmanager
def _weights_only() -> Iterator[None]:
    """Only tensors are unpickled; torch.export.load, which falls back to pickles of all kinds, heeds nothing else."""
    before = os.environ.get(_WEIGHTS_ONLY)
    os.environ[_WEIGHTS_ONLY] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_WEIGHTS_ONLY]
        else:
            os.environ[_WEIGHTS_ONLY] = before


def _check_facts(facts: object, path: Path) -> None:
    """What a program says of itself, as :func:`facts_of` wrote it; what it leaves open is unknown."""
    where = f"{path}: {METADATA_KEY}"
    if not isinstance(facts, dict):
        raise WeightsError(f"{where}: expected a JSON object, got {type(facts).__name__}. Export it again.")
    for name, least in _LEAST.items():
        value = facts.get(name)
        if value is not None and not (type(value) is int and value >= least):
            raise WeightsError(
                f"{where}: {name}: expected a whole number from {least} on, got {value!r}. Export it again."
            )
    model = facts.get("model")
    if model is not None and not (isinstance(model, str) and re.fullmatch(r"\w[\w.:-]*", model)):
        raise WeightsError(f"{where}: model: expected the name of a network, got {model!r}. Export it again.")


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
    sides = {
        axis: torch.export.Dim(name, min=2, max=_LARGEST_SIDE_PX // multiple)
        for axis, name in ((2, "rows"), (3, "columns"))
    }
    shapes = ({axis: multiple * side for axis, side in sides.items()} if multiple > 1 else sides,)
    first = next(network.parameters(), torch.empty(0))
    example = torch.rand(1, 3, 4 * max(multiple, 8), 6 * max(multiple, 8), device=first.device)
    try:
        program = torch.export.export(network.eval(), (example,), dynamic_shapes=shapes)
    except Exception as error:  # whatever tracing meets in someone's network
        raise ConfigError(f"model {spec.model}: cannot be exported as a program ({reason_of(error)}).") from error
    # torch.export.save wants the suffix of the finished file.
    with sealed(path) as partial, open(partial, "wb") as file:
        torch.export.save(program, file, extra_files={METADATA_KEY: json.dumps(facts)})

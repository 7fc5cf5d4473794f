"""A network as an ExportedProgram: written, and read under safety rules."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable
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
_DATA = re.compile(
    r"data/(weights|constants)/(\w+_config\.json|weight_\d+|tensor_\d+|\w+\.pt)|data/sample_inputs/\w+\.pt"
)
"""What a program keeps its tensors in. Anything else that torch looks for below ``data/`` is native code or pickled."""
_MOST_FACTS_BYTES = 1 << 20
"""Facts are a few hundred bytes; a small archive can unpack to any size."""


def load_program(path: Path, device: torch.device) -> tuple[Callable[[Tensor], Any], dict[str, Any]]:
    """The network of an ExportedProgram, and what it says of itself (:func:`sdd_bench.models.spec.facts_of`).

    Raises:
        WeightsError: The file is missing, damaged, or holds anything but a graph and tensors.
    """
    extra = {METADATA_KEY: ""}
    try:
        _check_members(path)
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


def read_facts(path: Path) -> dict[str, Any]:
    """What a program says of itself, from the list of its archive: nothing of it is run or unpickled.

    Raises:
        WeightsError: It is no archive, holds code beside the program, or says what cannot be.
    """
    try:
        _check_members(path)
        with zipfile.ZipFile(path) as archive:
            own = [info for info in archive.infolist() if info.filename.partition("/")[2] == f"extra/{METADATA_KEY}"]
            if own and own[0].file_size > _MOST_FACTS_BYTES:
                raise ValueError(f"{own[0].filename} has {own[0].file_size} bytes")
            facts = json.loads(archive.read(own[0]) or "{}") if own else {}
    except Exception as error:  # whatever a damaged archive leads its reader to
        raise WeightsError(f"{path}: no ExportedProgram ({error!r:.200}). Export it again.") from error
    _check_facts(facts, path)
    return dict(facts)


def _check_members(path: Path) -> None:
    """See that torch finds nothing in the archive to run or to unpickle but plain tensors; by torch's own reader of it.

    torch.export.load unpickles what it is told to as it comes, and no argument forbids it.

    Raises:
        ValueError, RuntimeError, UnpicklingError: It does, or is no archive.
    """
    with zipfile.ZipFile(path) as archive:
        if "version" in archive.namelist():
            raise ValueError("is of the form of torch 2.7 and before")
    reader: Any = torch._C.PyTorchFileReader(str(path))
    names = [name for name in reader.get_all_records() if name.lower().startswith("data/")]
    for name in names:
        if not _DATA.fullmatch(name):
            raise ValueError(f"holds {name}, which is or may be code beside the program")
        if name.endswith(".pt") and (content := reader.get_record(name)):
            torch.load(io.BytesIO(content), weights_only=True)
        if name.endswith(".json"):
            json.loads(reader.get_record(name), object_hook=_refuse_pickled)
    if len({name.lower() for name in names}) < len(names):
        raise ValueError("holds two members of one name")


def _refuse_pickled(entry: dict[str, Any]) -> dict[str, Any]:
    if entry.get("use_pickle"):
        raise ValueError("asks to unpickle a tensor")
    return entry


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

"""Networks as ExportedPrograms: how they are written, and the safety rules by which they are read."""

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
from sdd_bench.core.storage.documents import parse_json
from sdd_bench.core.storage.files import sealed
from sdd_bench.models.spec import METADATA_KEY, ModelSpec, estimate_bytes_per_pixel, facts_of

PROGRAM_SUFFIX = ".pt2"
_LEAST = {"size_multiple": 1, "least_side": 1, "bytes_per_pixel": 1, "receptive_radius_px": 0}
"""Facts that are whole numbers, with the smallest value of each."""
_DATA = re.compile(
    r"data/(weights|constants)/(\w+_config\.json|weight_\d+|tensor_\d+|\w+\.pt)|data/sample_inputs/\w+\.pt"
)
"""Members in which a program keeps its tensors. All else that torch reads below ``data/`` is native code or pickled."""
_MOST_FACTS_BYTES = 1 << 20
"""Largest size of facts that are read. They have a few hundred bytes, but a small archive can unpack to any size."""


def load_program(path: Path, device: torch.device) -> tuple[Callable[[Tensor], Any], dict[str, Any]]:
    """Network of an ExportedProgram, and its facts (:func:`sdd_bench.models.spec.facts_of`).

    Raises:
        WeightsError: The file is missing, damaged, or holds anything but a graph and tensors.
    """
    extra = {METADATA_KEY: ""}
    try:
        _check_members(path)
        program = torch.export.load(path, extra_files=extra)
        module = program.module()
        facts = parse_json(extra[METADATA_KEY] or "{}")
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
    """Facts of a program, read from its archive; nothing of it is run, and nothing but tensors is unpickled.

    Raises:
        WeightsError: The file is no archive, holds code beside the program, or has impossible facts.
    """
    try:
        _check_members(path)
        with zipfile.ZipFile(path) as archive:
            own = [info for info in archive.infolist() if info.filename.partition("/")[2] == f"extra/{METADATA_KEY}"]
            if own and own[0].file_size > _MOST_FACTS_BYTES:
                raise ValueError(f"{own[0].filename} has {own[0].file_size} bytes")
            facts = parse_json(archive.read(own[0]) or "{}") if own else {}
    except Exception as error:  # whatever a damaged archive leads its reader to
        raise WeightsError(f"{path}: no ExportedProgram ({reason_of(error)}). Export it again.") from error
    _check_facts(facts, path)
    return dict(facts)


def _check_members(path: Path) -> None:
    """Check that torch finds no code in the archive, and nothing to unpickle but plain tensors.

    torch.export.load unpickles whatever the archive asks for, and no argument forbids it. The members are listed with
    torch's own reader, so that both see the same archive.

    Raises:
        ValueError, RuntimeError, UnpicklingError: The file holds something else, or is no archive.
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
    """Check the facts of a program, of which any may be absent.

    Raises:
        WeightsError: A fact has a value that :func:`facts_of` cannot give.
    """
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
"""Largest side of a picture that a program is exported for."""


def export_program(network: nn.Module, spec: ModelSpec, path: Path) -> None:
    """Write ``network`` as an ExportedProgram for pictures whose sides are multiples of its ``size_multiple``.

    Raises:
        ConfigError: torch cannot trace the network.
        OutputError: The file cannot be written.
    """
    # A traced network takes pictures whole, whatever its module does in strips.
    facts = facts_of(network, spec) | {"bytes_per_pixel": estimate_bytes_per_pixel(network)}
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

"""Inspection of the archive of an ExportedProgram (``.pt2``); nothing of it is run."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sdd_bench.core.errors import WeightsError, reason_of
from sdd_bench.core.storage.documents import parse_json
from sdd_bench.core.storage.files import sha256_of
from sdd_bench.core.types import Problem

_WEIGHTS_LIST = "data/weights/model_weights_config.json"
_MODEL = "models/model.json"
_MOST_BYTES = 1 << 28
"""Largest JSON file that is read, more than any program has. A small archive can unpack to any size."""


def describe_program(path: Path) -> dict[str, Any]:
    """Facts of this package, the version of torch that wrote the program, and shapes of its weights.

    Raises:
        WeightsError: The file is no archive of a program, or holds code beside it.
    """
    from sdd_bench.models.program import read_facts

    facts = read_facts(path)
    try:
        with zipfile.ZipFile(path) as archive:
            model, listed = _json(archive, _MODEL), _json(archive, _WEIGHTS_LIST)
            shapes = {
                name: tuple(side["as_int"] for side in entry["tensor_meta"]["sizes"])
                for name, entry in listed.get("config", {}).items()
            }
            return {
                "sha256": sha256_of(path),
                "facts": facts,
                "torch_version": str(model.get("torch_version", "")),
                "n_files": len(archive.namelist()),
                "shapes": shapes,
            }
    except Exception as error:  # whatever a damaged archive leads its reader to
        raise WeightsError(f"{path}: its archive is damaged ({reason_of(error)}). Export or copy it again.") from error


def check_program(path: Path) -> Iterator[Problem]:
    """Problems of the archive: records that do not match their CRC, then errors of :func:`describe_program`."""
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
    except Exception as error:  # whatever a damaged archive leads its reader to
        yield Problem(str(path), f"cut short, or no ExportedProgram: {reason_of(error)}. Export or copy it again.")
        return
    if broken is not None:
        yield Problem(str(path), f"its record {broken} is damaged (CRC). Export or copy it again.")
        return
    try:
        describe_program(path)
    except WeightsError as error:
        yield Problem(str(path), str(error).removeprefix(f"{path}: "))


def _json(archive: zipfile.ZipFile, name: str) -> Any:
    """Content of the JSON file ``name`` below the archive's only folder; empty if the file does not exist."""
    for info in archive.infolist():
        if info.filename.partition("/")[2] == name:
            if info.file_size > _MOST_BYTES:
                raise ValueError(f"{info.filename} has {info.file_size} bytes")
            return parse_json(archive.read(info))
    return {}

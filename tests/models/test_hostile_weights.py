"""Metadata of safetensors and archives of programs that are damaged or hostile are one line, and run nothing."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from mutants import mutants
from safetensors.torch import save_file

from sdd_bench.cli.main import main
from sdd_bench.core.errors import SddBenchError
from sdd_bench.inspect.program import check_program
from sdd_bench.models.network import load_network
from sdd_bench.models.program import METADATA_KEY, load_program, read_facts

FACTS = {"model": "unet-small", "width": 8, "size_multiple": 8, "options": {"bgr": False}, "bytes_per_pixel": 100}
CONFIG = {"config": {"a.weight": {"path_name": "weight_0", "tensor_meta": {"sizes": [{"as_int": 3}]}}}}
MODEL = {"torch_version": "2.8.0", "graph_module": {"graph": {"nodes": []}}}


@pytest.mark.parametrize("content", list(mutants(FACTS, seed=7, n=40)))
def test_metadata_of_safetensors(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "w.safetensors"
    text = content.decode("utf-8", "replace")
    save_file({"weight": torch.ones(3)}, path, {METADATA_KEY: text})
    with pytest.raises(SddBenchError):
        load_network(path)
    result = CliRunner().invoke(main, ["info", str(path)])
    assert result.exception is None or isinstance(result.exception, SystemExit)


def _archive(path: Path, parts: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in parts.items():
            archive.writestr(f"model/{name}", content)


def _parts() -> dict[str, bytes]:
    documents: dict[str, Any] = {
        f"extra/{METADATA_KEY}": FACTS,
        "models/model.json": MODEL,
        "data/weights/model_weights_config.json": CONFIG,
    }
    return {name: json.dumps(values).encode() for name, values in documents.items()} | {
        "archive_format": b"pt2",
        "archive_version": b"0",
        ".data/version": b"3",
        "byteorder": b"little",
        "data/weights/weight_0": bytes(12),
    }


def _look(path: Path) -> None:
    """Everything that opens a program: it reads it, or raises an error of one line."""
    said = [problem.reason for problem in check_program(path)]
    for read in (read_facts, lambda path: load_program(path, torch.device("cpu"))):
        try:
            read(path)
        except SddBenchError as error:
            said.append(str(error))
    assert all("\n" not in line and len(line) < 600 for line in said), said


DOCUMENTS = (f"extra/{METADATA_KEY}", "models/model.json", "data/weights/model_weights_config.json")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_of_a_program(tmp_path: Path, name: str) -> None:
    parts, path = _parts(), tmp_path / "p.pt2"
    for content in mutants(json.loads(parts[name]), seed=7, n=20):
        _archive(path, parts | {name: content})
        _look(path)


def test_broken_archives_of_a_program(tmp_path: Path) -> None:
    path = tmp_path / "p.pt2"
    _archive(path, _parts())
    whole = path.read_bytes()
    broken = [b"", b"PK", whole[: len(whole) // 2], whole[:-30], bytes(len(whole)), whole[100:] + whole[:100]]
    for at in range(0, len(whole), max(1, len(whole) // 40)):
        flipped = bytearray(whole)
        flipped[at] ^= 0xFF
        broken.append(bytes(flipped))
    for content in broken:
        path.write_bytes(content)
        _look(path)

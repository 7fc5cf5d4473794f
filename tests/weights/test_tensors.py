"""Reading tensors."""

import zipfile
from pathlib import Path

import pytest
import torch

from sdd_bench.core.errors import WeightsError
from sdd_bench.weights.tensors import load_plain, read_tensors


def test_an_archive_of_compressed_records_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(1 << 20)}, tmp_path / "a.pth")
    with zipfile.ZipFile(tmp_path / "a.pth") as plain, zipfile.ZipFile(tmp_path / "b.pth", "w") as packed:
        for record in plain.infolist():
            packed.writestr(record.filename, plain.read(record), zipfile.ZIP_DEFLATED)
    assert read_tensors(tmp_path / "a.pth")["weight"].shape == (1 << 20,)
    assert (tmp_path / "b.pth").stat().st_size < 20_000
    with pytest.raises(WeightsError, match=r"b\.pth: .*compressed records"):
        load_plain(tmp_path / "b.pth")

"""The six files of DMPHN."""

from pathlib import Path

import pytest
import torch

from sdd_bench.core.errors import WeightsError
from sdd_bench.models.networks.dmphn import DMPHN
from sdd_bench.models.released.dmphn import PARTS, read_dmphn
from sdd_bench.weights.tensors import load_into


@pytest.fixture
def network() -> DMPHN:
    torch.manual_seed(0)
    return DMPHN(4)


@pytest.fixture
def folder(network: DMPHN, tmp_path: Path) -> Path:
    """As torch 0.4 wrote them: each part alone, in the old format."""
    for part in PARTS:
        tensors = network.get_submodule(part).state_dict()
        torch.save(tensors, tmp_path / f"{part}.pkl", _use_new_zipfile_serialization=False)
    return tmp_path


def test_six_files_make_one_network(network: DMPHN, folder: Path) -> None:
    tensors = read_dmphn(folder)
    other = DMPHN(4)
    load_into(other, tensors, folder)
    picture = torch.rand(1, 3, 16, 24)
    with torch.inference_mode():
        assert torch.equal(other(picture), network(picture))


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "decoder_lv2.pkl").unlink()
    with pytest.raises(WeightsError, match=r"missing: decoder_lv2\.pkl\."):
        read_dmphn(folder)


def test_a_damaged_file_is_named(folder: Path) -> None:
    (folder / "encoder_lv3.pkl").write_bytes((folder / "encoder_lv3.pkl").read_bytes()[:1000])
    with pytest.raises(WeightsError, match=r"encoder_lv3\.pkl"):
        read_dmphn(folder)

"""What methods share, kept beside the dataset."""

from pathlib import Path

import pytest
import torch

from sdd_bench.evaluation.picture.cache import SharedCache, cache_folder

FLOW = torch.arange(2 * 4 * 5, dtype=torch.float32).reshape(2, 4, 5)


def _never() -> torch.Tensor:
    raise AssertionError("the flow was kept and must not be computed")


def test_a_kept_flow_is_not_computed_again(tmp_path: Path) -> None:
    cache = SharedCache(tmp_path / "registered")
    assert torch.equal(cache.flow("a", "k" * 64, 4, 5, lambda: FLOW), FLOW)
    assert torch.equal(cache.flow("a", "k" * 64, 4, 5, _never), FLOW)
    assert [path.name for path in cache.folder.iterdir()] == [f"a-{'k' * 16}.flo"]  # type: ignore[union-attr]


def test_another_key_is_another_file(tmp_path: Path) -> None:
    cache = SharedCache(tmp_path)
    cache.flow("a", "1" * 64, 4, 5, lambda: FLOW)
    assert torch.equal(cache.flow("a", "2" * 64, 4, 5, lambda: -FLOW), -FLOW)


@pytest.mark.parametrize("damage", [b"", b"PIEH", b"nonsense" * 50])
def test_a_damaged_file_is_computed_anew(tmp_path: Path, damage: bytes) -> None:
    cache = SharedCache(tmp_path)
    cache.flow("a", "k" * 64, 4, 5, lambda: FLOW)
    path = next(tmp_path.glob("*.flo"))
    path.write_bytes(damage)
    assert torch.equal(cache.flow("a", "k" * 64, 4, 5, lambda: FLOW), FLOW)
    assert path.stat().st_size == 12 + 8 * 20


def test_a_flow_of_another_size_is_computed_anew(tmp_path: Path) -> None:
    cache = SharedCache(tmp_path)
    cache.flow("a", "k" * 64, 4, 5, lambda: FLOW)
    wide = torch.zeros(2, 4, 6)
    assert torch.equal(cache.flow("a", "k" * 64, 4, 6, lambda: wide), wide)


def test_without_a_folder_nothing_is_kept() -> None:
    cache = SharedCache(None)
    assert torch.equal(cache.flow("a", "k", 4, 5, lambda: FLOW), FLOW)
    assert cache.read_baselines("a", "k") is None


def test_the_cache_lies_beside_the_dataset_or_in_the_run(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    assert cache_folder(tmp_path / "set", tmp_path / "run") == tmp_path / "set/registered"
    (tmp_path / "in the way").touch()
    for root in (Path("/proc"), tmp_path / "in the way", tmp_path / "nowhere"):
        assert cache_folder(root, tmp_path / "run") == tmp_path / "run/registered"

"""The table of weights and the cache folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from sdd_bench import weights
from sdd_bench.core.errors import OutputError, WeightsError
from sdd_bench.core.files import sha256_of
from sdd_bench.weights import State, alexnet


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, torch's download folder empty too."""
    monkeypatch.setenv("SDD_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "cache"


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every address is unreachable, at once: the proxy is a closed port, pip has no index."""
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")


def test_the_table_has_the_sha256_and_size_of_the_bundled_file() -> None:
    """When the flow weights are trained anew, their entry in the table is to be written anew as well."""
    file = weights.path("pwcnet")
    assert (sha256_of(file), file.stat().st_size) == (weights.TABLE["pwcnet"].sha256, weights.TABLE["pwcnet"].n_bytes)


@pytest.mark.parametrize("weight", weights.TABLE.values(), ids=str)
def test_every_entry_says_what_for_and_under_which_licence(weight: weights.Weight) -> None:
    assert weight.purpose
    assert weight.licence
    assert len(weight.sha256) == 64
    assert weight.n_bytes > 0


def test_the_cache_folder_is_the_users_unless_told(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert weights.cache_dir() == cache
    monkeypatch.delenv("SDD_BENCH_CACHE")
    assert weights.cache_dir().name == "sdd-bench"


def test_absent_weights_say_how_to_get_them(cache: Path) -> None:
    with pytest.raises(WeightsError, match=r"alexnet\.safetensors: .* are not there\. Run: sdd-bench weights fetch"):
        weights.path("alexnet")
    assert weights.state("alexnet") is State.ABSENT
    assert weights.verify() == []


def test_damaged_weights_are_named(cache: Path) -> None:
    cache.mkdir()
    (cache / "alexnet.safetensors").write_bytes(b"half a file")
    with pytest.raises(WeightsError, match=r"alexnet\.safetensors: the weights alexnet are damaged: expected sha256"):
        weights.path("alexnet")
    (problem,) = weights.verify()
    assert problem.item == "alexnet"
    assert str(cache / "alexnet.safetensors") in problem.reason


def test_unknown_weights_list_the_known() -> None:
    with pytest.raises(WeightsError, match="'vgg': unknown; known: pwcnet, unet-small-jdrl, alexnet"):
        weights.path("vgg")


@pytest.mark.usefixtures("no_network")
def test_without_a_network_fetch_says_what_to_do_by_hand(cache: Path) -> None:
    with pytest.raises(WeightsError) as caught:
        weights.fetch("alexnet")
    message = str(caught.value)
    for source in alexnet.SOURCES:
        assert f"  {source.name}: " in message
    assert "cannot be reached (ProxyError)" in message
    assert "pip failed: ERROR" in message
    assert "sdd-bench weights fetch alexnet --from FILE" in message
    assert str(cache / "alexnet.safetensors") in message
    assert not (cache / "alexnet.safetensors").exists()


def test_other_weights_of_the_right_shapes_are_refused(cache: Path, tmp_path: Path) -> None:
    tensors = {}
    for layer, shape in alexnet.SHAPES.items():
        tensors |= {f"features.{layer}.weight": np.zeros(shape, np.float32)}
        tensors |= {f"features.{layer}.bias": np.zeros(shape[0], np.float32)}
    save_file(tensors, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match=r"other\.safetensors: expected the tensors of alexnet .* got others"):
        weights.fetch("alexnet", file=tmp_path / "other.safetensors")
    assert not (cache / "alexnet.safetensors").exists()


def test_a_file_in_the_way_of_the_cache_folder_is_an_error(cache: Path) -> None:
    cache.write_bytes(b"")
    with pytest.raises(OutputError, match="something else is in the way"):
        weights.fetch("alexnet")


@pytest.mark.usefixtures("no_network")
def test_weights_placed_by_hand_mend_a_damaged_cache(
    alexnet: None, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SDD_BENCH_CACHE")
    good = weights.path("alexnet")
    monkeypatch.setenv("SDD_BENCH_CACHE", str(cache))
    cache.mkdir()
    (cache / "alexnet.safetensors").write_bytes(b"half a file")
    placed = weights.fetch("alexnet", file=good)
    assert placed == weights.path("alexnet") == cache / "alexnet.safetensors"
    before = placed.stat().st_mtime_ns
    assert weights.fetch("alexnet") == placed
    assert placed.stat().st_mtime_ns == before


def test_importing_the_table_imports_nothing_heavy() -> None:
    code = "import sys, sdd_bench.weights; print({'torch', 'numpy', 'pooch', 'requests'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "set()"

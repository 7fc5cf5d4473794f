"""What methods share, kept in a folder of its own."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sdd_bench.core.errors import ConfigError
from sdd_bench.evaluation.options import EvaluateOptions
from sdd_bench.evaluation.picture.cache import LIMIT_VARIABLE, SharedCache, open_cache, stored
from sdd_bench.evaluation.picture.moved import PairMotion
from sdd_bench.evaluation.picture.task import score_files
from sdd_bench.registration.light.transfer import Match, Transfer

FLOW = torch.arange(2 * 4 * 5, dtype=torch.float32).reshape(2, 4, 5) / 7
KEY = "0123456789abcdef" * 4


def _never() -> torch.Tensor:
    raise AssertionError("the flow was kept and must not be computed")


def _files(cache: SharedCache) -> dict[str, Path]:
    assert cache.store is not None
    return {entry.kind: entry.path for entry in cache.store.entries()}


def test_a_kept_flow_is_not_computed_again_and_has_the_same_bits(tmp_path: Path) -> None:
    cache = open_cache(tmp_path)
    flow = torch.cat([FLOW, torch.tensor([float("inf"), -0.0, 1e-40, 2e9]).repeat(10).reshape(2, 4, 5)])[1:3]
    assert not cache.has_flow(KEY)
    assert cache.flow(KEY, 4, 5, lambda: flow) is flow
    assert cache.has_flow(KEY)
    kept = cache.flow(KEY, 4, 5, _never)
    assert torch.equal(kept.view(torch.int32), flow.contiguous().view(torch.int32))
    assert list(tmp_path.rglob("*.flow")) == [tmp_path / f"registered/{KEY}.flow"]


def test_another_key_is_another_file(tmp_path: Path) -> None:
    cache = open_cache(tmp_path)
    cache.flow("1" * 64, 4, 5, lambda: FLOW)
    assert torch.equal(cache.flow("2" * 64, 4, 5, lambda: -FLOW), -FLOW)


def test_a_flow_of_another_size_is_computed_anew(tmp_path: Path) -> None:
    cache = open_cache(tmp_path)
    cache.flow(KEY, 4, 5, lambda: FLOW)
    wide = torch.zeros(2, 4, 6)
    assert torch.equal(cache.flow(KEY, 4, 6, lambda: wide), wide)


def test_a_kept_transfer_of_light_is_not_estimated_again_and_a_damaged_one_is(tmp_path: Path) -> None:
    cache, transfer = open_cache(tmp_path), Transfer(Match.GAIN, (1.25, 1 / 3, 1e-17), residual=0.1)
    calls: list[int] = []

    def estimate() -> Transfer:
        calls.append(1)
        return transfer

    assert cache.transfer(KEY, estimate) == cache.transfer(KEY, estimate) == transfer
    path = _files(cache)["light"]
    path.write_bytes(path.read_bytes().replace(b"1.25", b"1.26"))
    assert cache.transfer(KEY, estimate) == transfer
    assert len(calls) == 2


def test_kept_blur_and_exposure_of_a_pair_are_not_measured_again(tmp_path: Path) -> None:
    cache, blur = open_cache(tmp_path), np.array([[1.5, np.nan, 3.25]], np.float32)
    assert cache.blur(KEY, 1, 3, lambda: blur) is not None
    np.testing.assert_array_equal(cache.blur(KEY, 1, 3, lambda: _never().numpy()), blur)
    assert cache.exposure(KEY, lambda: 1 / 3) == cache.exposure(KEY, lambda: float(_never())) == 1 / 3


def test_without_a_store_nothing_is_kept() -> None:
    cache = SharedCache()
    assert torch.equal(cache.flow(KEY, 4, 5, lambda: FLOW), FLOW)
    assert cache.read_baselines(KEY) is None


def test_every_bit_and_digit_that_changes_is_computed_anew(make_set: Any, predictions: Path, tmp_path: Path) -> None:
    """Scores stay those of a fresh run, whatever has happened to the kept files."""
    pair = make_set(1).pairs[0]
    options = EvaluateOptions(flow="dis", metrics=("psnr", "mae"))
    fresh = score_files(pair, predictions / "p0.png", options)
    cache = open_cache(tmp_path / "cache")
    score_files(pair, predictions / "p0.png", options, cache=cache)
    files = _files(cache)
    whole = {kind: path.read_bytes() for kind, path in files.items()}
    middle = len(whole["flow"]) // 2
    psnr = whole["scores"].index(b'"psnr": ') + len(b'"psnr": ')
    for kind, position, value in (("flow", middle, whole["flow"][middle] ^ 1), ("scores", psnr, ord("9"))):
        damaged = bytearray(whole[kind])
        assert damaged[position] != value
        damaged[position] = value
        files[kind].write_bytes(damaged)
        record = score_files(pair, predictions / "p0.png", options, cache=cache)
        assert record.method == fresh.method
        assert _seven_digits(record.baselines) == _seven_digits(fresh.baselines)
        assert {kind: path.read_bytes() for kind, path in files.items()} == whole


def _seven_digits(baselines: Any) -> Any:
    from sdd_bench.evaluation.picture.records import baselines_to_json

    return baselines_to_json(baselines)


def test_what_is_kept_is_used(make_set: Any, predictions: Path, tmp_path: Path) -> None:
    """Other scores, kept under the right key, are those of the record."""
    pair = make_set(1).pairs[0]
    options = EvaluateOptions(flow="dis", metrics=("psnr", "mae"))
    cache = open_cache(tmp_path / "cache")
    record = score_files(pair, predictions / "p0.png", options, cache=cache)
    key = _files(cache)["scores"].stem
    other = dataclasses.replace(record.baselines, measured=PairMotion(123.0, 0.0, 0.0))
    cache.keep_baselines(key, other)
    assert score_files(pair, predictions / "p0.png", options, cache=cache).baselines.measured.similarity_px == 123.0


def test_the_folder_is_the_one_asked_for_then_that_of_the_variable_then_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SDD_BENCH_CACHE", str(tmp_path / "variable"))
    assert stored(tmp_path / "asked").folder == tmp_path / "asked/registered"
    assert stored().folder == tmp_path / "variable/registered"
    monkeypatch.delenv("SDD_BENCH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    assert stored().folder == tmp_path / "home/sdd-bench/registered"
    monkeypatch.chdir(tmp_path)
    assert stored(Path("here")).folder == tmp_path / "here/registered"
    assert list(tmp_path.iterdir()) == [], "to look makes nothing"


def test_the_limit_is_the_one_asked_for_then_that_of_the_variable_then_20_gb(monkeypatch: pytest.MonkeyPatch) -> None:
    assert stored().limit == 20 * 10**9
    monkeypatch.setenv(LIMIT_VARIABLE, "1.5")
    assert stored().limit == 1_500_000_000
    assert stored(limit_gb=0).limit == 0


@pytest.mark.parametrize("text", ["much", "-1", "nan", "inf"])
def test_a_limit_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(LIMIT_VARIABLE, text)
    with pytest.raises(ConfigError, match=rf"SDD_BENCH_CACHE_LIMIT: expected a number of GB from 0 on, got {text}\."):
        open_cache()


def test_a_folder_that_cannot_be_used_is_noted_and_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / "in the way").touch()
    cache = open_cache(tmp_path / "in the way")
    assert cache.store is None
    assert cache.note.startswith(f"cache {tmp_path}/in the way/registered: cannot be used (Not a directory); nothing")
    assert torch.equal(cache.flow(KEY, 4, 5, lambda: FLOW), FLOW)


def test_a_limit_of_nothing_keeps_nothing(tmp_path: Path) -> None:
    cache = open_cache(tmp_path, 0.0)
    cache.flow(KEY, 4, 5, lambda: FLOW)
    assert torch.equal(cache.flow(KEY, 4, 5, lambda: -FLOW), -FLOW)

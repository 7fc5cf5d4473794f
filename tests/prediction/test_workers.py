"""Predictions by local processes and by the workers of a Dask cluster."""

import dataclasses
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from sdd_bench.core.errors import ConfigError, WeightsError
from sdd_bench.core.types import Progress
from sdd_bench.models.convert import save_weights
from sdd_bench.models.network import Network, load_network
from sdd_bench.models.spec import ModelSpec
from sdd_bench.prediction.classical import load_classical
from sdd_bench.prediction.run import predict

N_PICTURES = 6


@pytest.fixture
def network(tmp_path: Path) -> Network:
    torch.manual_seed(0)
    spec = ModelSpec("unet", width=2)
    save_weights(tmp_path / "net.safetensors", spec.build(), spec)
    return load_network(tmp_path / "net.safetensors")


@pytest.fixture
def pictures(tmp_path: Path) -> dict[str, Path]:
    rng = np.random.default_rng(0)
    paths = {f"{number}": tmp_path / "pictures" / f"{number}.png" for number in range(N_PICTURES)}
    (tmp_path / "pictures").mkdir()
    for path in paths.values():
        assert cv2.imwrite(str(path), rng.integers(0, 256, (64, 96, 3), np.uint8))
    return paths


@pytest.fixture
def in_this_process() -> Iterator[str]:
    """Address of a cluster whose one worker is a thread."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster:
        yield cluster.scheduler_address


def contents(folder: Path) -> dict[str, object]:
    """Pictures, and the seal without place and times."""
    found: dict[str, object] = {path.name: path.read_bytes() for path in folder.glob("*.png")}
    seal = json.loads((folder / "predict.json").read_text())
    assert all(item.pop("seconds") > 0 for item in seal["made"].values())
    return found | seal | {"device": ""}


def test_a_cluster_gives_what_one_process_gives(
    network: Network, pictures: dict[str, Path], tmp_path: Path, in_this_process: str
) -> None:
    pictures["3"].write_bytes(b"no picture")
    here = predict(network, pictures, tmp_path / "here")
    seen: list[Progress] = []
    there = predict(network, pictures, tmp_path / "there", dask=in_this_process, on_progress=seen.append)
    assert contents(tmp_path / "there") == contents(tmp_path / "here")
    assert dataclasses.replace(there, out=here.out) == here
    assert [problem.item for problem in there.problems] == ["3"]
    assert seen[-1].done == N_PICTURES


@pytest.mark.slow
def test_local_processes_give_what_one_gives(network: Network, pictures: dict[str, Path], tmp_path: Path) -> None:
    pictures["3"].write_bytes(b"no picture")
    here = predict(network, pictures, tmp_path / "here")
    there = predict(network, pictures, tmp_path / "there", jobs=2)
    assert contents(tmp_path / "there") == contents(tmp_path / "here")
    assert dataclasses.replace(there, out=here.out) == here


def test_a_classical_method_goes_too(pictures: dict[str, Path], tmp_path: Path, in_this_process: str) -> None:
    method = load_classical("unsharp")
    for folder, dask in (("here", None), ("there", in_this_process)):
        predict(method, pictures, tmp_path / folder, dask=dask)
    assert contents(tmp_path / "there") == contents(tmp_path / "here")


def test_a_network_of_no_file_cannot_travel(network: Network, pictures: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not loaded from a file"):
        predict(dataclasses.replace(network, again=None), pictures, tmp_path / "out", dask="anywhere")
    with pytest.raises(ConfigError, match="--jobs: unet was not loaded from a file"):
        predict(dataclasses.replace(network, again=None), pictures, tmp_path / "out2", jobs=2)


def test_a_worker_that_finds_another_file_says_so(
    network: Network, pictures: dict[str, Path], tmp_path: Path, in_this_process: str
) -> None:
    spec = ModelSpec("unet", width=2)
    save_weights(tmp_path / "net.safetensors", spec.build(), spec)
    with pytest.raises(WeightsError, match="share the file system"):
        predict(network, pictures, tmp_path / "out", dask=in_this_process)


@pytest.mark.slow
def test_pictures_of_a_killed_worker_go_to_another(
    network: Network, pictures: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distributed = pytest.importorskip("distributed")
    victims: list[int] = []

    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
    ) as cluster:

        def kill_one(progress: Progress) -> None:
            if not victims:
                with distributed.Client(cluster.scheduler_address, set_as_default=False) as client:
                    processes: dict[str, Any] = client.run(os.getpid)
                victims.append(min(processes.values()))
                os.kill(victims[0], signal.SIGKILL)

        monkeypatch.chdir(tmp_path)  # the workers stay where they are
        report = predict(network, pictures, Path("out"), dask=cluster.scheduler_address, on_progress=kill_one)
    assert victims
    assert (report.n_made, report.problems) == (N_PICTURES, ())
    predict(network, pictures, tmp_path / "here")
    assert contents(tmp_path / "out") == contents(tmp_path / "here")

"""Checkpoints: whole or not there."""

import json
import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from sdd_bench.core.errors import ManifestError, OutputError, WeightsError
from sdd_bench.training.checkpoints import (
    Standing,
    checkpoint_folder,
    checkpoint_steps,
    load_checkpoint,
    save_checkpoint,
    tidy,
)
from sdd_bench.training.config import TrainConfig
from sdd_bench.training.step import JointNetworks, build_networks

MakeConfig = Callable[..., TrainConfig]


def save(run: Path, config: TrainConfig, networks: JointNetworks, standing: Standing, keep: int = 2) -> Path:
    return save_checkpoint(run, standing, networks, config.spec, optimizer={"state": {}}, keep=keep)


@contextmanager
def full_disk(n_bytes: int) -> Iterator[None]:
    """No file may grow beyond so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_what_is_saved_comes_back(tmp_path: Path, tiny: MakeConfig) -> None:
    config = tiny()
    networks, others = build_networks(config), build_networks(config)
    folder = save(tmp_path, config, networks, Standing(7, 5, 31.5))
    standing, optimizer, scaler = load_checkpoint(folder, others)
    assert (standing, optimizer, scaler) == (Standing(7, 5, 31.5), {"state": {}}, None)
    for name, value in networks.state_dict().items():
        assert torch.equal(others.state_dict()[name], value)


def test_the_last_ones_and_the_best_stay(tmp_path: Path, tiny: MakeConfig) -> None:
    config = tiny()
    networks = build_networks(config)
    for step in range(1, 6):
        save(tmp_path, config, networks, Standing(step, 1, 30.0))
    assert checkpoint_steps(tmp_path) == [1, 4, 5]


def test_a_full_disk_leaves_the_checkpoints_before_it(tmp_path: Path, tiny: MakeConfig) -> None:
    config = tiny()
    networks = build_networks(config)
    good = save(tmp_path, config, networks, Standing(1))
    with full_disk(20_000), pytest.raises(OutputError, match="space"):
        save(tmp_path, config, networks, Standing(2), keep=1)
    assert checkpoint_steps(tmp_path) == [1]
    assert [path.name for path in good.parent.iterdir()] == ["step-00000001"]
    load_checkpoint(good, networks)


def test_a_folder_half_written_does_not_count(tmp_path: Path, tiny: MakeConfig) -> None:
    config = tiny()
    networks = build_networks(config)
    partial = checkpoint_folder(tmp_path, 3).with_name("step-00000003.partial")
    partial.mkdir(parents=True)
    assert checkpoint_steps(tmp_path) == []
    save(tmp_path, config, networks, Standing(3))
    assert checkpoint_steps(tmp_path) == [3]
    assert not partial.exists()


@pytest.mark.parametrize(("name", "error"), [("state.pt", ManifestError), ("reblur.safetensors", WeightsError)])
def test_a_damaged_checkpoint_is_refused(name: str, error: type[Exception], tmp_path: Path, tiny: MakeConfig) -> None:
    config = tiny()
    networks = build_networks(config)
    folder = save(tmp_path, config, networks, Standing(1))
    file = folder / name
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(error):
        load_checkpoint(folder, networks)
    file.unlink()
    with pytest.raises(error):
        load_checkpoint(folder, networks)


def test_what_a_kill_after_the_last_checkpoint_left_goes(tmp_path: Path, tiny: MakeConfig) -> None:
    config = tiny()
    networks = build_networks(config)
    for step in (1, 2, 3):
        save(tmp_path, config, networks, Standing(step, 1, 30.0), keep=9)
    (tmp_path / "checkpoints" / "step-00000001.old.partial").mkdir()
    tidy(tmp_path, Standing(3, 3, 31.0), keep=1)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-00000003"]
    assert json.loads((tmp_path / "best.json").read_text()) == {"step": 3, "psnr": 31.0}


def test_a_kill_while_a_checkpoint_is_removed_leaves_no_half_of_it(
    tmp_path: Path, tiny: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny()
    networks = build_networks(config)
    for step in (1, 2):
        save(tmp_path, config, networks, Standing(step))
    rmtree = shutil.rmtree

    def half(folder: Path, ignore_errors: bool = False) -> None:
        if folder.is_dir() and (folder / "state.pt").exists():
            (folder / "state.pt").unlink()
            raise KeyboardInterrupt
        rmtree(folder, ignore_errors=ignore_errors)

    monkeypatch.setattr(shutil, "rmtree", half)
    with pytest.raises(KeyboardInterrupt):
        save(tmp_path, config, networks, Standing(2))
    monkeypatch.undo()
    for step in checkpoint_steps(tmp_path):
        load_checkpoint(checkpoint_folder(tmp_path, step), networks)

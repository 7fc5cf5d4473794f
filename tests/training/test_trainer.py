"""Runs: to the end, killed and resumed, refused."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from prepared_sets import make_prepared
from safetensors.torch import load_file, save_file
from torch import nn
from torch.utils._pytree import tree_flatten

from sdd_bench.core.errors import ConfigError, OutputError, TrainingError, WeightsError
from sdd_bench.core.types import Progress
from sdd_bench.flow.pwcnet.network import PWCNet
from sdd_bench.inspect.training_run import check_training
from sdd_bench.models.network import load_network
from sdd_bench.models.spec import MODELS
from sdd_bench.training.checkpoints import Standing, checkpoint_folder, checkpoint_steps, read_state
from sdd_bench.training.config import TrainConfig, to_toml
from sdd_bench.training.run import train

MakeConfig = Callable[..., TrainConfig]


class Killed(BaseException):
    """As sudden as a signal."""


def killing_at(step: int) -> Callable[[Progress], None]:
    def on_progress(progress: Progress) -> None:
        if progress.item.startswith("epoch") and progress.done == step:
            raise Killed

    return on_progress


def final_weights(run: Path) -> dict[str, torch.Tensor]:
    folder = checkpoint_folder(run, checkpoint_steps(run)[-1])
    return {
        f"{name}.{key}": value
        for name in ("deblur", "reblur")
        for key, value in load_file(folder / f"{name}.safetensors").items()
    }


def test_steps_end_a_run_within_an_epoch_and_more_of_them_go_on_as_if_it_had_not_ended(
    prepared: Path, tmp_path: Path, tiny: MakeConfig
) -> None:
    short = train(prepared, tmp_path / "run", tiny(steps=5))
    assert (short.finished, short.step, short.n_steps) == (True, 5, 5)
    assert short.model is not None
    assert short.model.is_file()
    assert short.best_psnr is not None
    assert short.gain is not None
    assert check_training(tmp_path / "run")[1] == []
    longer = train(prepared, tmp_path / "run", tiny(steps=7), resume=True)
    assert (longer.finished, longer.step) == (True, 7)
    train(prepared, tmp_path / "whole", tiny(steps=7))
    ours, whole = final_weights(tmp_path / "run"), final_weights(tmp_path / "whole")
    assert all(torch.equal(ours[name], whole[name]) for name in whole)


def test_a_run_whose_time_is_up_has_a_network_and_goes_on(prepared: Path, tmp_path: Path, tiny: MakeConfig) -> None:
    for step in (1, 2):  # each call makes one step at least
        report = train(prepared, tmp_path / "run", tiny(max_minutes=1e-9), resume=True)
        assert (report.finished, report.step, report.n_steps) == (True, step, 12)
        assert report.model is not None
        assert check_training(tmp_path / "run")[1] == []


def test_the_trial_steps_that_tell_the_time_change_nothing(
    prepared: Path, tmp_path: Path, tiny: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sdd_bench.training.trainer._WORTH_FORETELLING", 1)
    said: list[str] = []
    train(prepared, tmp_path / "told", tiny(), on_say=said.append)
    train(prepared, tmp_path / "silent", tiny())
    (line,) = said
    assert line.startswith("4 steps of about")
    assert "and 8 steps of about" in line
    told, silent = final_weights(tmp_path / "told"), final_weights(tmp_path / "silent")
    assert all(torch.equal(told[name], silent[name]) for name in silent)


def test_a_run_ends_with_a_network_that_says_what_it_is(prepared: Path, tmp_path: Path, tiny: MakeConfig) -> None:
    seen: list[Progress] = []
    report = train(prepared, tmp_path / "run", tiny(log_every=4), on_progress=seen.append)
    assert (report.finished, report.step, report.n_steps) == (True, 12, 12)
    assert seen[-1].done == seen[-1].total == 12
    assert report.model is not None
    assert load_network(report.model).name == "unet-small"
    frame = report.to_frame()
    assert frame["loss/total"].dropna().index[-1] == 12
    assert "training run" in report._repr_html_()
    assert json.loads((tmp_path / "run" / "result.json").read_text())["step"] == 12
    assert json.loads((tmp_path / "run" / "best.json").read_text())["step"] == report.best_step
    assert list((tmp_path / "run" / "tensorboard").iterdir())


def test_a_run_with_a_contextual_loss_says_whose_features_it_compares(
    prepared: Path, tmp_path: Path, tiny: MakeConfig
) -> None:
    config = tiny(loss="cobi", most_places=50, epochs=1)
    assert train(prepared, tmp_path / "run", config).finished
    options = json.loads((tmp_path / "run" / "options.json").read_text())
    assert options["config"]["loss_signature"].startswith("alexnet:")
    with pytest.raises(ConfigError, match="reach_px"):
        train(prepared, tmp_path / "run", tiny(loss="cobi", most_places=50, epochs=1, reach_px=3.0), resume=True)


def test_the_best_of_a_set_with_a_val_split_is_best_on_it(tmp_path: Path, tiny: MakeConfig) -> None:
    data = make_prepared(tmp_path, n_train=1, n_val=1)
    report = train(data, tmp_path / "run", tiny())
    assert report.n_steps == 6  # all four training patches, three times
    assert report.best_psnr is not None


@pytest.mark.parametrize("step", [3, 6, 9])
def test_a_killed_run_ends_with_the_weights_of_one_left_alone(
    step: int, prepared: Path, tmp_path: Path, tiny: MakeConfig
) -> None:
    config = tiny(checkpoint_every=2)
    whole = train(prepared, tmp_path / "whole", config)
    with pytest.raises(Killed):
        train(prepared, tmp_path / "run", config, on_progress=killing_at(step))
    report = train(prepared, tmp_path / "run", config, resume=True)
    assert (report.best_step, report.best_psnr) == (whole.best_step, whole.best_psnr)
    expected, got = final_weights(tmp_path / "whole"), final_weights(tmp_path / "run")
    assert expected.keys() == got.keys()
    assert all(torch.equal(expected[name], got[name]) for name in expected)
    states = [read_state(checkpoint_folder(tmp_path / name, whole.step)) for name in ("whole", "run")]
    assert states[0][0] == states[1][0]
    (leaves, tree), (others, other) = (tree_flatten(optimizer) for _, optimizer, _ in states)
    assert tree == other
    assert all(
        torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in zip(leaves, others, strict=True)
    )


@pytest.mark.slow
def test_the_order_of_patches_does_not_depend_on_reading_processes(
    prepared: Path, tmp_path: Path, tiny: MakeConfig
) -> None:
    for workers in (0, 1):
        train(prepared, tmp_path / str(workers), tiny(workers=workers, epochs=2))
    one, other = final_weights(tmp_path / "0"), final_weights(tmp_path / "1")
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_parts_of_a_batch_add_up_to_it(prepared: Path, tmp_path: Path, tiny: MakeConfig) -> None:
    for parts in (1, 2):
        train(
            prepared, tmp_path / str(parts), tiny(accumulate=parts, epochs=2, dropout=0.0, vanilla=True, no_mask=True)
        )
    paths = [tmp_path / str(parts) / "model.safetensors" for parts in (1, 2)]
    one, other = (load_file(path) for path in paths)
    assert all(torch.allclose(one[name], other[name], atol=1e-5) for name in one)


def test_a_signal_saves_and_leaves(prepared: Path, tmp_path: Path, tiny: MakeConfig) -> None:
    def on_progress(progress: Progress) -> None:
        if progress.item.startswith("epoch") and progress.done == 5:
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    report = train(prepared, tmp_path / "run", tiny(), on_progress=on_progress)
    assert (report.finished, report.step, report.model) == (False, 5, None)
    assert checkpoint_steps(tmp_path / "run")[-1] == 5
    assert signal.getsignal(signal.SIGTERM) is before
    assert train(prepared, tmp_path / "run", tiny(), resume=True).finished


def test_a_signal_while_the_flow_is_estimated_leaves_and_keeps_what_is_done(
    prepared: Path, tmp_path: Path, tiny: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sdd_bench.training.data.stage_one_flow._PATCHES_PER_PART", 4)
    seen: list[Progress] = []

    def on_progress(progress: Progress) -> None:
        seen.append(progress)
        if progress.done == 4:
            os.kill(os.getpid(), signal.SIGTERM)

    report = train(prepared, tmp_path / "run", tiny(), on_progress=on_progress)
    assert (report.finished, report.step, seen[-1].done) == (False, 0, 4)
    assert len(list(prepared.glob(".flow-*.parts/*.npy"))) == 1
    assert train(prepared, tmp_path / "run", tiny(), resume=True).finished


def test_a_checkpoint_is_not_written_twice(
    prepared: Path, tmp_path: Path, tiny: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sdd_bench.training import trainer

    written: list[int] = []
    save = trainer.save_checkpoint

    def save_and_count(run: Path, standing: Standing, *arguments: Any, **options: Any) -> Path:
        written.append(standing.step)
        return save(run, standing, *arguments, **options)

    def on_progress(progress: Progress) -> None:
        if progress.item.startswith("epoch") and progress.done == 4:  # the last step of the first epoch
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(trainer, "save_checkpoint", save_and_count)
    train(prepared, tmp_path / "run", tiny(), on_progress=on_progress)
    assert written == [4]


class Diverging(nn.Module):
    """Returns its input until it is asked for the sixth time to train, then NaN."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(()))
        self.register_buffer("steps", torch.zeros(()))

    def forward(self, blurry: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.steps += 1
        return blurry * self.gain * (torch.nan if int(self.steps) >= 6 else 1.0)


@pytest.mark.parametrize("flow", ["dis", "pwcnet-plain"])
@pytest.mark.parametrize("mask", ["magnitude", "similarity", "released"])
def test_a_network_that_diverges_stops_with_its_batch_saved(
    prepared: Path, tmp_path: Path, tiny: MakeConfig, flow: str, mask: str
) -> None:
    config = tiny(model=f"{__name__}:Diverging", width=None, dropout=None, flow=flow, mask=mask)
    with pytest.raises(TrainingError, match="step 5"):
        train(prepared, tmp_path / "run", config)
    saved = torch.load(tmp_path / "run" / "not-finite-step-00000005-rank-0.pt", weights_only=True)
    assert saved["blurry"].shape == (2, 3, 32, 32)
    assert checkpoint_steps(tmp_path / "run") == [4]


def test_a_run_is_neither_overwritten_nor_continued_otherwise(prepared: Path, tmp_path: Path, tiny: MakeConfig) -> None:
    train(prepared, tmp_path / "run", tiny(epochs=1))
    with pytest.raises(OutputError, match="--resume"):
        train(prepared, tmp_path / "run", tiny(epochs=1))
    with pytest.raises(ConfigError, match="learning_rate"):
        train(prepared, tmp_path / "run", tiny(epochs=1, learning_rate=0.1), resume=True)
    with pytest.raises(OutputError, match="is not a run"):
        train(prepared, prepared, tiny())
    again = train(prepared, tmp_path / "run", tiny(epochs=1, keep=7), resume=True)
    assert again.finished, "what changes no weight may change"


def test_other_patches_are_another_run(prepared: Path, tmp_path: Path, tiny: MakeConfig) -> None:
    config = tiny(epochs=1, batch=1, val_share=0)
    train(prepared / "train-00000.h5", tmp_path / "run", config)
    with pytest.raises(ConfigError, match="data"):
        train(prepared / "train-00001.h5", tmp_path / "run", config, resume=True)


def test_other_flow_weights_are_another_run(prepared: Path, tmp_path: Path, tiny: MakeConfig) -> None:
    config = tiny(epochs=1, stage_one_epochs=0, flow="pwcnet-plain", flow_weights=tmp_path / "flow.safetensors")
    torch.manual_seed(0)
    for seed in range(2):
        network = PWCNet(dense=False, normalise=True)
        save_file(network.state_dict(), tmp_path / "flow.safetensors")
        if seed == 0:
            train(prepared, tmp_path / "run", config)
    with pytest.raises(ConfigError, match="flow_signature"):
        train(prepared, tmp_path / "run", config, resume=True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"batch": 64}, "batch 64"),
        ({"crop": 40}, "multiples of 16"),
        ({"crop": 64}, "crop"),
        ({"model": "x"}, "x"),
        ({"width": -3}, "width"),
        ({"dropout": 2.0}, "dropout"),
    ],
)
def test_what_does_not_go_with_the_set_is_said_before_anything_is_written(
    prepared: Path, tmp_path: Path, tiny: MakeConfig, options: dict[str, Any], said: str
) -> None:
    before = sorted(prepared.iterdir())
    with pytest.raises(ConfigError, match=said):
        train(prepared, tmp_path / "run", tiny(**options))
    assert not (tmp_path / "run").exists()
    assert sorted(prepared.iterdir()) == before


class Tied(nn.Module):
    """A network with statistics of its batches and two layers of the same weights."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 3, 3, padding=1)
        self.statistics = nn.BatchNorm2d(3)
        self.second = nn.Conv2d(3, 3, 3, padding=1)
        self.second.weight = self.first.weight

    def forward(self, blurry: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = self.second(self.statistics(self.first(blurry))).sigmoid()
        return output


def test_any_network_is_trained_saved_and_continued(prepared: Path, tmp_path: Path, tiny: MakeConfig) -> None:
    config = tiny(model=f"{__name__}:Tied", width=None, dropout=None, epochs=2)
    with pytest.raises(Killed):
        train(prepared, tmp_path / "run", config, on_progress=killing_at(6))
    report = train(prepared, tmp_path / "run", config, resume=True)
    assert report.finished
    assert report.model is not None
    assert load_file(report.model)["statistics.num_batches_tracked"] > 0


def test_training_starts_from_the_weights_it_is_given(prepared: Path, tmp_path: Path, tiny: MakeConfig) -> None:
    first = train(prepared, tmp_path / "first", tiny(epochs=1))
    config = tiny(init=first.model, epochs=0, reblur_epochs=1, dropout=0.0)
    second = train(prepared, tmp_path / "second", config)
    assert first.model is not None
    assert second.model is not None
    one, other = load_file(first.model), load_file(second.model)
    assert all(torch.equal(one[name], other[name]) for name in one), "reblurring alone trains no deblurring network"


def test_a_two_stage_run_starts_from_a_released_file_as_it_is(prepared: Path, tmp_path: Path, tiny: MakeConfig) -> None:
    options = {"depth": 1}
    network = MODELS.get("mprnet")(8, **options)
    released = {"epoch": 3, "state_dict": {f"module.{name}": value for name, value in network.state_dict().items()}}
    torch.save(released, tmp_path / "mprnet.pth")
    config = tiny(model="mprnet", width=8, dropout=None, model_options=options, init=tmp_path / "mprnet.pth")
    config = dataclasses.replace(config, recipe="two-stage", reblur_epochs=1, epochs=0, stage_one_epochs=0)
    report = train(prepared, tmp_path / "run", config)
    assert report.model is not None
    trained = load_file(report.model)
    assert all(torch.equal(value, trained[name]) for name, value in network.state_dict().items())
    assert load_network(report.model).settings["options"] == options


def test_half_precision_trains(prepared: Path, tmp_path: Path, tiny: MakeConfig) -> None:
    report = train(prepared, tmp_path / "run", tiny(precision="bf16-mixed", epochs=2, clip=0.1))
    assert report.finished
    assert all(value.dtype == torch.float32 for value in final_weights(tmp_path / "run").values())


@pytest.mark.parametrize("name", ["abacus", "tpu", "cuda:99"])
def test_an_accelerator_that_is_not_there_is_refused(
    name: str, prepared: Path, tmp_path: Path, tiny: MakeConfig
) -> None:
    with pytest.raises(ConfigError, match=f"accelerator {name}"):
        train(prepared, tmp_path / "run", tiny(accelerator=name))


def test_a_run_that_ended_before_it_saved_anything_keeps_its_folder_from_no_other(
    prepared: Path, tmp_path: Path, tiny: MakeConfig
) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(WeightsError, match=r"photo\.jpg: expected a checkpoint .* got another file, or one with"):
        train(prepared, tmp_path / "run", tiny(init=tmp_path / "photo.jpg"))
    assert train(prepared, tmp_path / "run", tiny()).finished
    with pytest.raises(OutputError, match="holds a run"):
        train(prepared, tmp_path / "run", tiny())


def start(arguments: list[str], log: Path) -> subprocess.Popen[bytes]:
    """``python -m ARGUMENTS`` with all it says in ``log``."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with open(log, "wb") as file:
        return subprocess.Popen([sys.executable, "-m", *arguments], env=environment, stdout=file, stderr=file)


@pytest.mark.slow
def test_sigkill_and_resume_give_the_same_weights(prepared: Path, tmp_path: Path, tiny: MakeConfig) -> None:
    config = tiny(checkpoint_every=3, epochs=12)
    file = tmp_path / "train.toml"
    file.write_text(to_toml(config), encoding="utf-8")
    train(prepared, tmp_path / "whole", config)
    command = ["sdd_bench", "train-jdrl", str(prepared), "-o", str(tmp_path / "run"), "--config", str(file), "--resume"]
    log = tmp_path / "log.txt"
    process = start(command, log)
    deadline = time.monotonic() + 120
    while not checkpoint_steps(tmp_path / "run") and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.wait(30)
    assert checkpoint_steps(tmp_path / "run"), "killed before its first checkpoint"
    assert not (tmp_path / "run" / "result.json").exists(), "killed too late to test anything"
    assert start(command, log).wait(180) == 0, log.read_text()
    expected, got = final_weights(tmp_path / "whole"), final_weights(tmp_path / "run")
    assert all(torch.equal(expected[name], got[name]) for name in expected)


@pytest.mark.slow
def test_two_processes_train_as_one_does(prepared: Path, tmp_path: Path, tiny: MakeConfig) -> None:
    config = tiny(dropout=0.0, epochs=3)
    file = tmp_path / "train.toml"
    file.write_text(to_toml(config), encoding="utf-8")
    train(prepared, tmp_path / "one", config)
    launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m"]
    command = ["sdd_bench", "train-jdrl", str(prepared), "-o", str(tmp_path / "two"), "--config", str(file), "--json"]
    log = tmp_path / "log.txt"
    assert start([*launcher, *command], log).wait(240) == 0, log.read_text()
    assert log.read_text().count('"best_step"') == 1, "only the first process speaks"
    one, two = final_weights(tmp_path / "one"), final_weights(tmp_path / "two")
    for name, value in one.items():
        assert float((two[name] - value).norm() / value.norm().clamp(min=1e-6)) < 1e-5, name


@pytest.mark.parametrize("vanilla", [False, True])
def test_a_matched_run_keeps_its_light_and_goes_on_with_it(
    vanilla: bool, prepared: Path, tmp_path: Path, tiny: MakeConfig
) -> None:
    config = tiny(match="gain", vanilla=vanilla, checkpoint_every=2, epochs=2)
    whole = train(prepared, tmp_path / "whole", config)
    with pytest.raises(Killed):
        train(prepared, tmp_path / "run", config, on_progress=killing_at(3))
    kept = json.loads((tmp_path / "run/light.json").read_text())
    assert sorted(kept["pairs"]) == ["train/a0", "train/a1", "train/a2"]
    report = train(prepared, tmp_path / "run", config, resume=True)
    assert (report.best_step, report.best_psnr) == (whole.best_step, whole.best_psnr)
    with pytest.raises(ConfigError, match="match"):
        train(prepared, tmp_path / "run", tiny(vanilla=vanilla, checkpoint_every=2, epochs=2), resume=True)

"""``sdd-bench train-jdrl`` from the outside."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from prepared_sets import make_prepared

from sdd_bench.cli.main import main
from sdd_bench.models.network import load_network
from sdd_bench.training import run as run_module

TINY = "--model unet-small --width 2 --crop 32 --batch 2 --epochs 1 --flow dis --accelerator cpu --set levels=3"


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    return make_prepared(tmp_path)


def test_training_ends_with_a_model_that_predict_runs(prepared: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = ["train-jdrl", str(prepared), "-o", str(run), *TINY.split(), "--set", "reblur_width=4", "--json"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["finished"] is True
    arguments = ["predict", str(prepared), "--checkpoint", str(run), "-o", str(tmp_path / "out")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"predict.json", "t1.png", "t2.png"}


def test_predict_takes_the_last_checkpoint_of_a_run_that_is_not_finished_and_says_so(
    prepared: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    command = ["train-jdrl", str(prepared), "-o", str(run), "--vanilla", *TINY.split()]
    assert CliRunner().invoke(main, command).exit_code == 0
    (run / "model.safetensors").unlink()  # as before the end of a run
    result = CliRunner().invoke(main, ["predict", str(prepared), "--checkpoint", str(run), "-o", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert "is not finished: its last checkpoint, of step" in result.stderr
    result = CliRunner().invoke(main, ["predict", str(prepared), "--checkpoint", str(prepared)])
    assert result.exit_code == 2
    assert "no checkpoint" in result.stderr


def test_options_come_from_a_file_and_are_kept_in_the_run(prepared: Path, tmp_path: Path) -> None:
    file = tmp_path / "train.toml"
    file.write_text("vanilla = true\nlearning_rate = 0.5\n", encoding="utf-8")
    command = ["train-jdrl", str(prepared), "-o", str(tmp_path / "run"), *TINY.split(), "--config", str(file)]
    result = CliRunner().invoke(main, [*command, "--learning-rate", "1e-4"])
    assert result.exit_code == 0, result.output
    kept = (tmp_path / "run" / "config.toml").read_text(encoding="utf-8")
    assert "vanilla = true" in kept
    assert "learning_rate = 0.0001" in kept


def test_a_run_goes_on_with_the_options_it_has(prepared: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = ["train-jdrl", str(prepared), "-o", str(run), "--vanilla", *TINY.split()]
    assert CliRunner().invoke(main, command).exit_code == 0
    before = (run / "config.toml").read_bytes()
    for again in (command, ["train-jdrl", str(run), "--resume"], ["train-jdrl", str(prepared), "-o", str(run)]):
        result = CliRunner().invoke(main, again)
        assert result.exit_code == 0, result.output
        assert (run / "config.toml").read_bytes() == before
    result = CliRunner().invoke(main, ["train-jdrl", str(run), "--resume", "--crop", "16"])
    assert result.exit_code == 2
    assert "crop was 32, now 16" in result.output


def test_a_run_that_is_asked_to_stop_says_how_to_go_on(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def asked() -> Iterator[run_module.Stop]:
        stop = run_module.Stop()
        stop.asked = True
        yield stop

    monkeypatch.setattr(run_module, "stop_signals", asked)
    result = CliRunner().invoke(main, ["train-jdrl", str(prepared), "-o", str(tmp_path / "run"), *TINY.split()])
    assert result.exit_code == 130
    assert "run the same command to go on" in result.output


def test_options_of_the_network_are_kept_in_the_run(prepared: Path, tmp_path: Path) -> None:
    tiny = TINY.replace("unet-small", "nafnet").split()
    options = ["encoder=[1,1]", "middle=1", "decoder=[1,1]"]
    command = ["train-jdrl", str(prepared), "-o", str(tmp_path / "run"), *tiny, "--vanilla"]
    result = CliRunner().invoke(main, [*command, *(part for option in options for part in ("--model-option", option))])
    assert result.exit_code == 0, result.output
    kept = load_network(tmp_path / "run" / "model.safetensors").settings["options"]
    assert kept == {"encoder": [1, 1], "middle": 1, "decoder": [1, 1]}


def test_a_crop_that_is_not_given_fits_the_patches_and_the_last_line_says_the_gain(
    prepared: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    command = ["train-jdrl", str(prepared), "-o", str(run), *TINY.replace("--crop 32 ", "").split(), "--recipe", "cpu"]
    result = CliRunner().invoke(main, [*command, "--steps", "2"])
    assert result.exit_code == 0, result.output
    kept = (run / "config.toml").read_text(encoding="utf-8")
    assert "crop = 32\n" in kept  # of patches of 48
    assert "max_minutes = 10.0" in kept
    assert re.search(r"held-out PSNR [\d.]+ dB, [+-][\d.]+ dB over the blurry input", result.stdout)


def test_a_run_whose_time_is_up_says_so_and_how_to_go_on(prepared: Path, tmp_path: Path) -> None:
    command = ["train-jdrl", str(prepared), "-o", str(tmp_path / "run"), "--vanilla", *TINY.split()]
    result = CliRunner().invoke(main, [*command, "--epochs", "9", "--max-minutes", "1e-9"])
    assert result.exit_code == 0, result.output
    assert "the time is up at step 1 (--max-minutes)" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--set", "nothing"], "KEY=VALUE"),
        (["--set", "nothing=1"], "unknown key"),
        (["--model-option", "depth"], "KEY=VALUE"),
        (["--model-option", "depth=2"], "depth"),
        (["--recipe", "two-stage"], "init"),
        (["--free-kernels", "--no-weight-maps"], "exclude"),
        (["--crop", "4096"], "crop"),
        (["--batch", "64"], "larger"),
        (["--steps", "0"], "steps"),
        (["--max-minutes", "0"], "max_minutes"),
    ],
)
def test_bad_options_are_refused_with_status_2(
    arguments: list[str], complaint: str, prepared: Path, tmp_path: Path
) -> None:
    command = ["train-jdrl", str(prepared), "-o", str(tmp_path / "run"), *TINY.split(), *arguments]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 2
    assert complaint in result.output

"""What every command shares: how it ends early, and how it tells where it is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from listening import hear_ctrl_c

from sdd_bench.cli import common
from sdd_bench.cli.common import device_option, out_argument
from sdd_bench.cli.main import main
from sdd_bench.core.devices import device_of
from sdd_bench.core.types import Progress


@pytest.mark.parametrize(
    ("arguments", "written"),
    [
        (["a", "b"], "b"),
        (["a", "-o", "b"], "b"),
        (["--out", "b", "a"], "b"),
        (["a"], None),
        (["a", "b", "-o", "c"], None),
    ],
)
def test_where_to_write_is_an_option_or_an_argument(arguments: list[str], written: str | None) -> None:
    @click.command()
    @click.argument("source")
    @out_argument()
    def command(source: str, out: Path) -> None:
        click.echo(f"{source} to {out}")

    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == (0 if written else 2)
    assert (f"a to {written}" if written else "--out" if len(arguments) == 1 else "give one") in result.output


def test_device_auto_is_one_that_works() -> None:
    @click.command()
    @device_option("Device")
    def command(device: str) -> None:
        click.echo(str(device_of(device)))

    result = CliRunner().invoke(command, ["--device", "auto"])
    assert result.exit_code == 0, result.output
    assert result.output.strip() in ("cpu", "cuda")


def test_ctrl_c_says_how_to_go_on_and_leaves_with_130(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sdd_bench", "synth", str(tmp_path / "set"), "--train", "40", "--preset", "small"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, preexec_fn=hear_ctrl_c)
    while not (tmp_path / "set" / "synth.json").exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "interrupted. What was finished is kept; run the same command to go on."
    assert "Traceback" not in errors


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script_for_the_shell(shell: str) -> None:
    result = CliRunner().invoke(main, ["completion", shell])
    assert result.exit_code == 0, result.output
    assert "_SDD_BENCH_COMPLETE" in result.stdout
    asked = {"_SDD_BENCH_COMPLETE": "bash_complete", "COMP_WORDS": "sdd-bench eva", "COMP_CWORD": "1"}
    program = "import sys; sys.argv = ['sdd-bench']; from sdd_bench.cli.main import main; main(prog_name='sdd-bench')"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=os.environ | asked, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["plain,evaluate"]


def test_without_a_terminal_a_line_says_now_and_then_how_far_it_is_also_within_an_item(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(common, "SECONDS_BETWEEN_LINES", 0.02)
    said = ""
    with common.progress_bar("scoring") as on_progress:
        for done in (None, 1, 2):
            if done is not None:
                on_progress(Progress(done, 4))
            said = ""
            while said.count("\n") < 2:
                time.sleep(0.01)
                said += capsys.readouterr().err
            started = "scoring: at the first of the pairs" if done is None else f"scoring: {done} of 4 pairs"
            assert said.splitlines()[-1].startswith(started)
            assert "0 MB/s" not in said
    assert " left" in said


def test_no_more_time_is_left_than_the_work_may_take(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(common.time, "monotonic", lambda: now)
    status = common._Status("train", "step")
    for done in (1, 2, 3, 4):
        now += 1.0
        status.note(Progress(done, 1000, most_seconds=64.0 - done))
    assert status.left() == pytest.approx(60)
    now += 25.0
    assert status.left() == pytest.approx(35)
    status.note(Progress(5, 1000))
    assert (status.left() or 0) > 900


@pytest.mark.parametrize(
    ("fast", "precision", "device", "said"),
    [
        (False, "bf16", "cpu", True),
        (False, "bf16-mixed", "auto", True),
        (False, "32", "cpu", False),
        (True, "bf16", "cpu", False),
        (None, "bf16", "cpu", False),
        (False, "bf16", "cuda:1", False),
    ],
)
def test_bf16_without_instructions_for_it_is_said_to_be_slow(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    fast: bool | None,
    precision: str,
    device: str,
    said: bool,
) -> None:
    monkeypatch.setattr("sdd_bench.core.precision.has_fast_bf16", lambda: fast)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    common.say_if_bf16_is_slow(precision, device)
    assert ("slower than 32" in capsys.readouterr().err) is said

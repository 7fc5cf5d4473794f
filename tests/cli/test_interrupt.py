"""Ctrl-C, as a terminal sends it: to the command and to all of its processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from listening import hear_ctrl_c

from sdd_bench.prediction.classical import load_classical
from sdd_bench.prediction.run import pictures_of, predict
from sdd_bench.synth.options import load_options
from sdd_bench.synth.run import synthesize

PATIENCE_S = 120
COMMANDS = {
    "prepare": (["captures", "out", "--resize", "none", "--patch", "64", "--overlap", "0.9"], "out/.parts/*.json"),
    "analyze": (["captures", "-o", "out", "--flow", "dis"], "out/pairs/*.json"),
    "evaluate": (
        ["captures", "--predictions", "predictions", "-o", "out", "--no-cache", "--flow", "dis"],
        "out/pictures/*.json",
    ),
    "predict": (["captures", "-o", "out", "--self-ensemble"], "out/*.png"),
}
"""Arguments of each command, and the files that show that work is under way."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Captures and predictions that take the commands a while."""
    root = tmp_path_factory.mktemp("interrupted")
    synthesize(root / "captures", load_options(size="384x256", overrides={"n_train": 8, "n_test": 6}))
    predict(load_classical("unsharp"), pictures_of(root / "captures"), root / "predictions")
    return root


@contextmanager
def started(command: list[str], folder: Path) -> Iterator[subprocess.Popen[str]]:
    """The command in a session of its own, which is gone afterwards; it hears Ctrl-C even if these tests do not."""
    process = subprocess.Popen(
        command, cwd=folder, stderr=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=hear_ctrl_c
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_ctrl_c_ends_every_process_within_seconds_and_the_same_command_goes_on(
    name: str, folder: Path, tmp_path: Path
) -> None:
    for kind in ("captures", "predictions"):
        (tmp_path / kind).symlink_to(folder / kind)
    arguments, made = COMMANDS[name]
    command = [sys.executable, "-m", "sdd_bench", name, *arguments, "-j", "2"]
    with started(command, tmp_path) as process:
        deadline = time.monotonic() + PATIENCE_S
        while not list(tmp_path.glob(made)):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        workers = psutil.Process(process.pid).children(recursive=True)
        assert len(workers) >= 2
        os.killpg(process.pid, signal.SIGINT)
        asked = time.monotonic()
        _, said = process.communicate(timeout=PATIENCE_S)
        _, alive = psutil.wait_procs(workers, timeout=PATIENCE_S)
    assert time.monotonic() - asked < 10
    assert process.returncode == 130, said
    assert said.splitlines()[-1] == "interrupted. What was finished is kept; run the same command to go on.", said
    assert "Traceback" not in said
    assert not alive
    finished = {path: path.read_bytes() for path in tmp_path.glob(made)}
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=5 * PATIENCE_S)
    if name != "prepare":  # which clears its parts away
        assert all(path.read_bytes() == content for path, content in finished.items())


@pytest.mark.slow
@pytest.mark.parametrize("delay_s", [0.3, 1.0, 2.0])
def test_ctrl_c_while_processes_start_is_one_line_too(delay_s: float, folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sdd_bench", "analyze", str(folder / "captures"), "-o", "out", "-j", "2"]
    with started(command, tmp_path) as process:
        time.sleep(delay_s)
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode in (130, -signal.SIGINT), said
    assert "Process SpawnProcess" not in said

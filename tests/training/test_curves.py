"""Curves are kept as long as the disk takes them; training does not need them."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from sdd_bench.training.curves import Curves, read_curves


def test_a_disk_that_takes_no_more_is_said_once_and_training_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    curves = Curves(tmp_path, 0)
    curves._scalar("loss/total", 1.0, 1)

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(curves._writer, "add_scalar", full)
    with caplog.at_level(logging.WARNING):
        for step in range(2, 6):
            curves._scalar("loss/total", 1.0, step)
    monkeypatch.undo()
    (record,) = caplog.records
    assert record.getMessage() == (
        f"{tmp_path / 'tensorboard'}: curves are no longer written (No space left on device); training goes on"
    )
    curves.close()
    curves._writer.close()  # type: ignore[no-untyped-call]
    assert read_curves(tmp_path)["loss/total"].tolist() == [1.0]


_PROGRAM = """
import resource, signal, sys
from pathlib import Path
from sdd_bench.training.curves import Curves
curves = Curves(Path(sys.argv[1]), 0)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
for step in range(3000):
    curves._scalar("loss/total", 1.0, step)
    if step % 500 == 0:
        curves._write("flush")
curves.close()
print("trained to the end")
"""


def test_a_file_that_may_not_grow_ends_no_training(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM, str(tmp_path)], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.strip()) == (0, "trained to the end")
    lines = [line for line in done.stderr.splitlines() if "Warning" not in line and "oneDNN" not in line]
    assert len(lines) == 1, done.stderr
    assert "curves are no longer written (File too large); training goes on" in lines[0]

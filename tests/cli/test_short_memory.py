"""Memory that is short ends a command in one line that says so, and nothing is sealed because of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

_PROGRAM = """
import os, resource, sys
import cv2, h5py, numpy, scipy.ndimage, torch
import sdd_bench.preparation.run, sdd_bench.analysis.run
from click.testing import CliRunner
from sdd_bench.cli.main import main
more, arguments = int(sys.argv[1]), sys.argv[2:]
in_use = int(open("/proc/self/statm").read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
resource.setrlimit(resource.RLIMIT_AS, (in_use + more, in_use + more))
result = CliRunner().invoke(main, arguments)
if result.exception is not None and not isinstance(result.exception, SystemExit):
    print("TRACEBACK", repr(result.exception))
print(result.exit_code)
print(result.output)
"""


def _run(more_mb: int, *arguments: object) -> tuple[str, str]:
    command = [sys.executable, "-c", _PROGRAM, str(more_mb * 2**20), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert "Traceback" not in done.stderr
    assert "TRACEBACK" not in done.stdout, done.stdout
    assert done.stdout, done.stderr
    status, _, said = done.stdout.partition("\n")
    return status, said


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").is_file(), reason="needs Linux")
def test_a_sound_set_is_not_sealed_without_what_memory_was_too_short_for(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    picture = cv2.resize(rng.integers(0, 256, (150, 200, 3), dtype=np.uint8), (4000, 3000))
    for side in ("blur", "gt"):
        (tmp_path / "set/train" / side).mkdir(parents=True)
        assert cv2.imwrite(str(tmp_path / "set/train" / side / "1.png"), picture)
    out = tmp_path / "out"
    arguments = ("prepare", tmp_path / "set", out, "--patch", "512", "--resize", "none", "--overlap", "0")
    said_so = 0
    for more_mb in (8, 60):
        status, said = _run(more_mb, *arguments)
        if status == "0":
            break
        assert status == "2", said
        assert "memory" in said, said
        assert "damaged" not in said
        assert not (out / "dataset.json").exists()
        said_so += 1
    assert said_so
    status, said = _run(10_000, *arguments)
    assert (status, (out / "dataset.json").is_file()) == ("0", True), said

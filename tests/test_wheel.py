"""The wheel: what people get by ``pip install``."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree, built in an environment of its own."""
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(out), str(PROJECT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    (found,) = out.glob("*.whl")
    return found


@pytest.mark.slow
def test_the_wheel_holds_everything_the_package_has_beside_its_code(wheel: Path) -> None:
    files = [path.relative_to(PROJECT) for path in (PROJECT / "sdd_bench").rglob("*") if path.is_file()]
    # Python and numba keep what they compiled in __pycache__ folders.
    beside = [path for path in files if path.suffix != ".py" and "__pycache__" not in path.parts]
    expected = {path.as_posix() for path in beside}
    assert {"sdd_bench/py.typed", "sdd_bench/report/templates/base.html"} <= expected
    assert any(name.endswith(".safetensors") for name in expected)
    assert expected <= set(zipfile.ZipFile(wheel).namelist())


@pytest.mark.slow
def test_the_installed_wheel_makes_a_set_and_measures_it(wheel: Path, tmp_path: Path) -> None:
    place = tmp_path / "installed"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(place), str(wheel)]
    subprocess.run(pip, check=True, timeout=120)
    environment = os.environ | {"PYTHONPATH": str(place), "OMP_NUM_THREADS": "1"}

    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", "sdd_bench", *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = [sys.executable, "-c", "import sdd_bench; print(sdd_bench.__file__)"]
    found = subprocess.run(where, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True).stdout
    assert Path(found.strip()).is_relative_to(place)
    assert "ready" in run("weights", "verify")
    run("synth", "captures", "--size", "320x256", "--train", "0", "--test", "1")
    assert "zoom" in run("analyze", "captures", "-o", "analysis", "--flow", "dis", "--json")
    assert (tmp_path / "analysis" / "analysis.html").is_file()

"""``sdd-bench blur-map`` from the outside."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from sdd_bench.cli.main import main
from sdd_bench.defocus.run import read_map
from sdd_bench.images.write import write_png


@pytest.fixture
def pictures(tmp_path: Path, photo: np.ndarray) -> Path:
    for number in range(2):
        write_png(tmp_path / "in" / f"p{number}.png", photo[: 64 + number, :96])
    return tmp_path / "in"


def test_maps_are_written_and_told(pictures: Path, tmp_path: Path) -> None:
    arguments = ["blur-map", str(pictures), "-o", str(tmp_path / "out")]
    result = CliRunner().invoke(main, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["method"], told["n_made"], len(told["pictures"])) == ("ebdb", 2, 2)
    assert read_map(tmp_path / "out/p1.png").shape == (65, 96)
    assert (tmp_path / "out/color/p1.png").is_file()
    assert (tmp_path / "out/blur_maps.csv").read_text().startswith("name,width,height,mean_sigma_px")
    assert CliRunner().invoke(main, arguments).output.startswith("2 blur maps")


def test_a_damaged_picture_gives_status_1_and_wrong_options_2(pictures: Path, tmp_path: Path) -> None:
    (pictures / "q.png").write_bytes(b"no")
    result = CliRunner().invoke(main, ["blur-map", str(pictures), "-o", str(tmp_path / "out"), "--method", "jnb-style"])
    assert result.exit_code == 1
    assert "q: " in result.stderr
    result = CliRunner().invoke(main, ["blur-map", str(pictures), "--method", "dmenet"])
    assert result.exit_code == 2
    assert "DMENet_BDCS.npz" in result.stderr

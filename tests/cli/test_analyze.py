from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from sdd_bench.analysis.table import Row
from sdd_bench.cli.main import main
from sdd_bench.core.errors import ManifestError
from sdd_bench.core.storage.tables import Form, read_table
from sdd_bench.registration.evidence.roles import SWAPPED
from sdd_bench.synth.options import SynthOptions
from sdd_bench.synth.run import synthesize


@pytest.fixture(scope="module")
def captures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("analyze") / "captures"
    synthesize(out, SynthOptions(width=384, height=256, n_train=0, n_test=2, coc_range=(1, 3)))
    return out


def test_a_set_is_analyzed_and_its_table_read(captures: Path, tmp_path: Path) -> None:
    arguments = ["analyze", str(captures), "-o", str(tmp_path / "out"), "--flow", "dis", "--worst", "1"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert "px median" in result.output
    assert len(read_table(tmp_path / "out/misalignment.csv", Row, Form(ManifestError, ""))) == 2
    assert (tmp_path / "out/analysis.html").stat().st_size > 10_000


def test_swapped_roles_are_said_below_the_table(tmp_path: Path, photo: np.ndarray) -> None:
    for side, picture in (("blur", photo), ("gt", cv2.GaussianBlur(photo, (0, 0), 3))):
        (tmp_path / "captures/test" / side).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / "captures/test" / side / "0000.png"), picture)
    arguments = ["analyze", str(tmp_path / "captures"), "-o", str(tmp_path / "out"), "--flow", "dis", "--no-page"]
    result = CliRunner().invoke(main, arguments)
    assert f"note: 1 of 1 pair (test/0000): {SWAPPED}." in result.output


def test_two_pictures_give_their_figures_as_json(captures: Path) -> None:
    pair = [str(captures / "test" / kind / "0000.png") for kind in ("blur", "gt")]
    result = CliRunner().invoke(main, ["analyze", *pair, "--flow", "dis", "--json"])
    assert result.exit_code == 0, result.output
    row = json.loads(result.stdout)
    truth = json.loads((captures / "truth/test/0000.json").read_text())
    assert row["zoom"] == pytest.approx(truth["zoom"], abs=1e-3)
    assert row["shift_x_px"] == pytest.approx(truth["shift_x_px"], abs=0.1)


def test_options_of_a_set_are_refused_for_two_pictures(captures: Path) -> None:
    pair = [str(captures / "test" / kind / "0000.png") for kind in ("blur", "gt")]
    result = CliRunner().invoke(main, ["analyze", *pair, "-o", "two", "--pairs", __file__, "--limit", "1"])
    assert result.exit_code == 2
    assert "without --out, --pairs, --limit;" in result.output


def test_bad_input_ends_with_status_2(tmp_path: Path, rng: np.random.Generator) -> None:
    for arguments in (["analyze", str(tmp_path / "none")], ["analyze", str(tmp_path), "--aligned-px", "0"]):
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 2
        assert "error:" in result.output


def test_a_device_that_is_not_there_ends_with_status_2(captures: Path, tmp_path: Path) -> None:
    pair = [str(captures / "test" / kind / "0000.png") for kind in ("blur", "gt")]
    for arguments in ([str(captures), "-o", str(tmp_path / "out")], pair):
        for device in ("foo", "cuda:77"):
            result = CliRunner().invoke(main, ["analyze", *arguments, "--device", device])
            assert result.exit_code == 2
            assert f"error: --device {device}: cannot be used (" in result.stderr


def test_a_failing_pair_is_listed_with_status_1(captures: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(captures, tmp_path / "set")
    (tmp_path / "set/test/gt/0001.png").write_bytes(b"damaged")
    arguments = ["analyze", str(tmp_path / "set"), "-o", str(tmp_path / "out"), "--flow", "dis", "--no-page"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1
    assert "test/0001" in result.output

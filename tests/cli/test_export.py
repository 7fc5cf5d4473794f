"""``sdd-bench export``: exit statuses and what is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from prepared_sets import make_prepared

from sdd_bench.cli.main import main


def _export(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["export", *map(str, arguments)])


def test_a_set_is_written_once_and_failures_are_listed(tmp_path: Path) -> None:
    root, out = make_prepared(tmp_path), tmp_path / "out"
    result = _export(root, out)
    assert (result.exit_code, result.stdout) == (0, f"{out}: 28 file(s) written, 0 were there already\n")
    value = json.loads(_export(root, out, "--json").stdout)
    assert value == {"out": str(out), "n_written": 0, "n_kept": 28, "problems": []}
    (root / "train-00001.h5").unlink()
    result = _export(root, tmp_path / "again")
    assert result.exit_code == 1
    assert "train-00001.h5: missing" in result.stderr


def test_bad_input_is_an_error(tmp_path: Path) -> None:
    root = make_prepared(tmp_path)
    for source, out, message in (
        (tmp_path / "none", tmp_path / "out", "none: does not exist; expected a prepared set"),
        (root, tmp_path / "captures", "and is not an export (has no export.json)"),
    ):
        result = _export(source, out)
        assert (result.exit_code, result.stdout) == (2, "")
        assert message in result.stderr


def test_a_format_with_its_licence_and_citation(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    prepared = make_prepared(tmp_path, n_train=1, test=("t1",))
    (tmp_path / "cite.bib").write_text("@misc{rig}")
    options = [
        "--format",
        "parquet",
        "--license",
        "cc-by-4.0",
        "--citation",
        str(tmp_path / "cite.bib"),
        "--only",
        "frames",
    ]
    made = CliRunner().invoke(main, ["export", str(prepared), str(tmp_path / "out"), *options])
    assert (made.exit_code, made.stdout.strip()) == (0, f"{tmp_path}/out: 1 file(s) written, 0 were there already")
    text = (tmp_path / "out/README.md").read_text()
    assert "license: cc-by-4.0" in text
    assert "@misc{rig}" in text
    again = CliRunner().invoke(main, ["export", str(prepared), str(tmp_path / "out"), "--format", "webdataset"])
    assert again.exit_code == 2
    assert "format" in again.stderr

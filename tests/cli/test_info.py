"""``sdd-bench info``."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result
from prepared_sets import make_prepared

from sdd_bench.cli.main import main


def _info(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["info", *map(str, arguments)])


def test_a_table_for_people_and_json_for_machines(tmp_path: Path) -> None:
    root = make_prepared(tmp_path)
    result = _info(root / "train-00000.h5")
    assert result.exit_code == 0
    for words in ("shard", "set/train-00000.h5", "n_patches", "blosc2", "sharpness / lowest"):
        assert words in result.stdout
    result = _info(root)
    assert result.exit_code == 0
    assert "splits / train / n_patches" in result.stdout
    value = json.loads(_info(root, "--json").stdout)
    assert (value["kind"], value["splits"]["train"]["n_patches"]) == ("prepared dataset", 12)


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "s.h5").write_bytes(b"no HDF5")
    for path, message in (
        (tmp_path / "s.h5", "s.h5: damaged, cut short or not HDF5"),
        (tmp_path / "none.h5", "none.h5: does not exist; expected captures,"),
        (tmp_path, "expected a prepared set"),
    ):
        result = _info(path)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith("error: ")
        assert message in result.stderr

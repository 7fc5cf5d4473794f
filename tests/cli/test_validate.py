"""``sdd-bench validate``: exit statuses and what is said."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
from click.testing import CliRunner, Result
from prepared_sets import flip_byte, make_prepared

from sdd_bench.cli.main import main


def _validate(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["validate", *map(str, arguments)])


def test_a_sound_set_then_a_damaged_one(tmp_path: Path) -> None:
    root = make_prepared(tmp_path)
    result = _validate(root)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == f"{root}: prepared dataset, 7 file(s) checked, all is well.\n"

    with h5py.File(root / "train-00000.h5") as file:
        where = file["blurry"].id.get_chunk_info(5)
    flip_byte(root / "train-00000.h5", where.byte_offset + where.size // 2)
    result = _validate(root)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "2 item(s) failed" in result.stderr
    assert f"{root}/train-00000.h5:/blurry: chunk 5 is damaged" in result.stderr
    result = _validate(root, "--json", "--jobs", 1)
    assert result.exit_code == 1
    value = json.loads(result.stdout)
    assert (value["kind"], value["n_checked"], len(value["problems"])) == ("prepared dataset", 7, 2)


def test_what_is_nothing_known_is_bad_input(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        result = _validate(path)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith(f"error: {path}: ")


def test_a_scene_in_two_splits_is_said_and_with_strict_an_error(tmp_path: Path) -> None:
    make_prepared(tmp_path, n_train=1, n_val=1, test=("t1",), scenes={"a0": "hall", "v0": "hall"})
    for arguments, status in (((), 0), (("--strict",), 1)):
        result = CliRunner().invoke(main, ["validate", str(tmp_path / "set"), *arguments])
        assert result.exit_code == status
        assert "scene hall is in train and val: train/a0, val/v0" in result.stderr

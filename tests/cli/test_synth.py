from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from sdd_bench.captures.layouts import read_layout
from sdd_bench.cli.main import main

SMALL = ("--size", "160x96", "--train", "1", "--test", "1")


def _run(*arguments):
    return CliRunner().invoke(main, ["synth", *map(str, arguments)])


def test_synth_makes_a_set_and_says_what_it_made(tmp_path):
    result = _run(tmp_path / "set", *SMALL, "--zoom-range", 0.98, 0.99, "--truth", "full", "--json")
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert (said["n_pairs"], said["n_made"]) == (2, 2)
    pairs = read_layout(tmp_path / "set").pairs
    assert len(pairs) == 2
    for pair in pairs:
        assert 0.98 <= json.loads(pair.truth_path.read_text())["zoom"] <= 0.99


def test_synth_prints_a_table_and_finishes_what_is_there(tmp_path):
    assert _run(tmp_path / "set", *SMALL).exit_code == 0
    result = _run(tmp_path / "set", *SMALL)
    assert result.exit_code == 0
    assert "synthetic set" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--zoom-range", 1.1, 0.9), "zoom_range: expected the smaller value first"),
        (("--size", "12x12"), "width: expected 64 to"),
        (("--size", "large"), "size: expected WIDTHxHEIGHT"),
        (("--bit-depth", 10), "'10' is not one of '8', '16'"),
        (("--photos", "/nowhere/at/all"), "expected a folder of sharp photographs"),
        (("--config", "/nowhere.toml"), "--config /nowhere.toml: does not exist"),
    ],
)
def test_bad_options_end_with_one_line_and_status_2(tmp_path, arguments, message):
    result = _run(tmp_path / "set", *SMALL, *arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert message in result.stderr
    assert not (tmp_path / "set").exists()


def test_other_options_on_a_finished_set_end_with_status_2(tmp_path):
    assert _run(tmp_path / "set", *SMALL).exit_code == 0
    result = _run(tmp_path / "set", *SMALL, "--seed", 9)
    assert result.exit_code == 2
    assert "was begun differently (seed was 0, now 9)" in result.stderr

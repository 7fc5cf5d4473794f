"""Links that lead out of a set are named everywhere that a set is looked at, and refused with --strict."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest
from click.testing import CliRunner
from prepared_sets import pictures

from sdd_bench.captures.layouts import read_layout
from sdd_bench.captures.links import links_of_pairs, links_out
from sdd_bench.cli.main import main


@pytest.fixture
def captures(tmp_path: Path) -> Path:
    """Two pairs; the sharp picture of the second is a link to a file elsewhere."""
    root = tmp_path / "set"
    for seed, name in enumerate(("1", "2")):
        for side, picture in zip(("blur", "gt"), pictures(seed, 2, size=64), strict=True):
            path = root / "train" / side / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(path), picture)
    elsewhere = tmp_path / "elsewhere.png"
    (root / "train/gt/2.png").rename(elsewhere)
    (root / "train/gt/2.png").symlink_to(elsewhere)
    return root


def _run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def test_a_link_out_is_named_with_its_target(captures: Path) -> None:
    (problem,) = links_of_pairs(read_layout(captures))
    assert problem.item == "train/gt/2.png"
    assert (
        f"1 link(s) that lead out of the set: train/gt/2.png to {captures.parent / 'elsewhere.png'}" in problem.reason
    )


def test_a_link_inside_a_set_and_a_set_that_is_a_link_are_no_links_out(captures: Path) -> None:
    (captures / "train/gt/2.png").unlink()
    (captures / "train/gt/2.png").symlink_to(captures / "train/gt/1.png")
    other = captures.parent / "other"
    other.symlink_to(captures)
    assert links_of_pairs(read_layout(captures)) == []
    assert links_of_pairs(read_layout(other)) == []


def test_many_links_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    paths = [tmp_path / "set" / f"{number}.png" for number in range(50)]
    for path in paths:
        path.symlink_to(tmp_path / "elsewhere" / path.name)
    (problem,) = links_out(tmp_path / "set", paths)
    assert problem.reason.startswith("50 link(s)")
    assert ", and 47 more" in problem.reason


def test_the_plan_and_the_checks_name_it_and_strict_refuses_it(captures: Path, tmp_path: Path) -> None:
    out, options = tmp_path / "out", ("--patch", "48", "--resize", "none", "--overlap", "0", "--drop", "0")
    for arguments in (
        ("prepare", captures, out, *options, "--dry-run"),
        ("prepare", captures, out, *options),
        ("validate", captures),
        ("info", captures),
    ):
        status, said = _run(*arguments)
        assert (status, "lead out of the set" in " ".join(said.split())) == (0, True), arguments
    assert _run("prepare", captures, tmp_path / "new", *options, "--strict")[0] == 2
    assert not (tmp_path / "new" / "dataset.json").exists()
    status, said = _run("validate", captures, "--strict", "--json")
    assert (status, len(json.loads(said[: said.rindex("}") + 1])["warnings"])) == (1, 1)
    assert "lead out" not in _run("validate", out)[1], "the prepared set holds the pixels themselves"


def test_a_link_out_of_a_prepared_set_is_named(captures: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert _run("prepare", captures, out, "--patch", "48", "--resize", "none", "--overlap", "0", "--drop", "0")[0] == 0
    shard = out / "train-00000.h5"
    shard.rename(tmp_path / "moved.h5")
    shard.symlink_to(tmp_path / "moved.h5")
    assert "lead out of the set" in _run("validate", out)[1]
    assert _run("validate", out, "--strict")[0] == 1

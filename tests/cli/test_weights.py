"""``sdd-bench weights``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sdd_bench.cli.main import main


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SDD_BENCH_CACHE", str(tmp_path))
    return tmp_path


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["weights", *arguments])


def test_list_shows_what_is_there_and_what_is_not(cache: Path) -> None:
    result = _run("list")
    assert result.exit_code == 0, result.output
    lines = {line.split()[1]: line for line in result.stdout.splitlines() if line.startswith("│")}
    assert "ready" in lines["pwcnet"]
    assert "absent" in lines["alexnet"]


def test_list_gives_json(cache: Path) -> None:
    entries = {entry["weight"]["name"]: entry for entry in json.loads(_run("list", "--json").stdout)}
    assert entries["alexnet"]["path"] == str(cache / "alexnet.safetensors")
    assert entries["pwcnet"]["state"] == "ready"
    assert len(entries["pwcnet"]["weight"]["sha256"]) == 64


def test_verify_lists_a_damaged_file_and_leaves_with_1(cache: Path) -> None:
    assert _run("verify").exit_code == 0
    (cache / "alexnet.safetensors").write_bytes(b"half a file")
    result = _run("verify")
    assert result.exit_code == 1
    assert "alexnet.safetensors: the weights alexnet are damaged" in result.stderr
    report = json.loads(_run("verify", "--json").stdout)
    assert [problem["item"] for problem in report["problems"]] == ["alexnet"]


def test_fetch_from_a_file_that_is_none_leaves_with_2(cache: Path) -> None:
    result = _run("fetch", "--from", str(cache / "nothing.pth"))
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert "nothing.pth: no such file" in result.stderr


def test_fetch_of_an_unknown_name_lists_the_known(cache: Path) -> None:
    result = _run("fetch", "vgg")
    assert result.exit_code == 2
    assert "known: pwcnet, unet-small-jdrl, alexnet" in result.stderr


def test_fetch_from_one_file_takes_one_name(cache: Path) -> None:
    result = _run("fetch", "pwcnet", "alexnet", "--from", "x.pth")
    assert result.exit_code == 2
    assert "--from takes the name of one file" in result.stderr


def test_bundled_weights_are_not_taken_from_a_file(cache: Path) -> None:
    result = _run("fetch", "pwcnet", "--from", "/etc/hostname")
    assert result.exit_code == 2
    assert "pwcnet comes with the package" in result.stderr


def test_verify_keeps_names_and_paths_apart(cache: Path) -> None:
    assert [line.split()[1] for line in _run("verify").stdout.splitlines()] == ["pwcnet", "unet-small-jdrl", "alexnet"]


def test_fetch_of_bundled_weights_only_checks_them(cache: Path) -> None:
    result = _run("fetch", "pwcnet")
    assert result.exit_code == 0
    assert result.stdout.endswith("pwcnet.safetensors\n")

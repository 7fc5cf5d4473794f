"""``sdd-bench weights``."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from sdd_bench import weights
from sdd_bench.cli.main import main


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["weights", *arguments])


def test_list_shows_what_is_there_and_what_is_not(package: Path) -> None:
    (package / weights.TABLE["alexnet"].file).unlink()
    result = _run("list")
    assert result.exit_code == 0, result.output
    lines = {line.split()[1]: line for line in result.stdout.splitlines() if line.startswith("│")}
    assert "ready" in lines["pwcnet"]
    assert "absent" in lines["alexnet"]


def test_list_gives_json(package: Path) -> None:
    entries = {entry["weight"]["name"]: entry for entry in json.loads(_run("list", "--json").stdout)}
    assert entries["alexnet"]["path"] == str(package / weights.TABLE["alexnet"].file)
    assert entries["pwcnet"]["state"] == "ready"
    assert len(entries["pwcnet"]["weight"]["sha256"]) == 64


def test_verify_lists_a_damaged_file_and_leaves_with_1(package: Path) -> None:
    done = _run("verify")
    assert done.exit_code == 0
    assert [line.split()[1] for line in done.stdout.splitlines()] == list(weights.TABLE)
    (package / weights.TABLE["alexnet"].file).write_bytes(b"half a file")
    result = _run("verify")
    assert result.exit_code == 1
    assert "alexnet.safetensors: the weights alexnet are damaged" in result.stderr
    report = json.loads(_run("verify", "--json").stdout)
    assert [problem["item"] for problem in report["problems"]] == ["alexnet"]

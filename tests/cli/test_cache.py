"""``sdd-bench cache``: what it says, and that it removes nothing else."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sdd_bench.cli.main import main
from sdd_bench.core.storage.store import open_store

KEY = "5a" * 32


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["cache", *arguments])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A cache with a flow, two sets of scores, and a file of somebody else's."""
    store = open_store(tmp_path / "cache/registered", 10**6)
    store.keep("flow", KEY, bytes(1000))
    store.keep("scores", KEY, b"{}")
    store.keep("scores", KEY[::-1], b"{}")
    (store.folder / "mine.png").touch()
    return tmp_path / "cache"


def test_info_says_what_is_kept_where(folder: Path) -> None:
    result = run("info", "--cache", str(folder))
    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines()]
    assert [line[:3] for line in lines[:5]] == [
        ["flow", "1", "files"],
        ["light", "0", "files"],
        ["blur", "0", "files"],
        ["exposure", "0", "files"],
        ["scores", "2", "files"],
    ]
    assert lines[5:] == [["folder:", str(folder / "registered")], ["size:", "0.00", "of", "20", "GB"]]


def test_info_for_machines_counts_bytes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDD_BENCH_CACHE", str(folder))
    monkeypatch.setenv("SDD_BENCH_CACHE_LIMIT", "0.5")
    sizes = {kind: sum(path.stat().st_size for path in folder.rglob(f"*.{kind}")) for kind in ("flow", "scores")}
    assert json.loads(run("info", "--json").stdout) == {
        "folder": str(folder / "registered"),
        "bytes": sum(sizes.values()),
        "limit_bytes": 500_000_000,
        "kinds": {
            "flow": {"files": 1, "bytes": sizes["flow"]},
            **{kind: {"files": 0, "bytes": 0} for kind in ("light", "blur", "exposure")},
            "scores": {"files": 2, "bytes": sizes["scores"]},
        },
    }


def test_info_of_no_cache_is_empty_and_makes_none(tmp_path: Path) -> None:
    result = run("info", "--json", "--cache", str(tmp_path / "none"))
    assert json.loads(result.stdout)["bytes"] == 0
    assert list(tmp_path.iterdir()) == []


def test_clear_removes_what_was_kept_and_nothing_else(folder: Path) -> None:
    n_bytes = json.loads(run("info", "--json", "--cache", str(folder)).stdout)["bytes"]
    result = run("clear", "--json", "--cache", str(folder))
    assert result.exit_code == 0
    expected = {"folder": str(folder / "registered"), "removed": 3, "bytes": n_bytes, "problems": []}
    assert json.loads(result.stdout) == expected
    assert os.listdir(folder / "registered") == ["mine.png"]
    assert run("clear", "--cache", str(folder)).stdout == f"0 files removed, 0.0 MB: {folder}/registered\n"


def test_a_limit_that_is_none_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDD_BENCH_CACHE_LIMIT", "plenty")
    result = run("info")
    assert (result.exit_code, result.stderr) == (
        2,
        "error: SDD_BENCH_CACHE_LIMIT: expected a number of GB from 0 on, got plenty.\n",
    )

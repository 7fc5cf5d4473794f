"""What is said of one picture is in the singular, by every command that counts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from sdd_bench.cli.main import main

WORDS = (
    "pairs",
    "pictures",
    "patches",
    "predictions",
    "blur maps",
    "files",
    "folders",
    "rows",
    "tiles",
    "runs",
    "scenes",
)
ONE = re.compile(rf"(?<![\d.,-])1 ({'|'.join(WORDS)})\b")
SYNTH = ("synth", "set", "--size", "192x128", "--train", "0", "--test", "1")
PREDICT = ("predict", "set", "--model", "unsharp", "-o", "made")
EVALUATE = ("evaluate", "set", "--predictions", "made", "-o", "run", "--flow", "dis", "--metrics", "psnr,ssim")
PREPARE = ("prepare", "set", "prepared", "--resize", "none", "--patch", "128")


@pytest.mark.slow
def test_one_picture_is_said_in_the_singular(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SDD_BENCH_CACHE", str(tmp_path / "cache"))
    said = {}
    for command in (
        SYNTH, (*PREPARE, "--dry-run"), PREPARE, PREDICT, ("blur-map", "set", "-o", "maps"),
        (*EVALUATE, "--report"), (*EVALUATE[:4], "-o", "alone", "--no-truth", "--flow", "dis"),
        ("analyze", "set", "-o", "analysis"), ("prepare", "set", "none", "--min-likeness", "2"),
        ("leaderboard", "verify", "--rerun", "run", "--data", "set", "--predictions", "made"),
        ("export", "prepared", "folders", "--format", "imagefolder"), ("validate", "prepared"), ("cache", "clear"),
    ):  # fmt: skip
        result = CliRunner().invoke(main, command)
        assert result.exit_code == 0 or "the rules drop all 1 pair." in result.stderr, result.output
        said[" ".join(command)] = result.output
    said |= {str(path): path.read_text("utf-8") for name in ("*.html", "*.md") for path in tmp_path.rglob(name)}
    assert sum("1 of 1 picture" in text for text in said.values()) >= 2
    assert "1 prediction: made" in said[" ".join(PREDICT)]
    assert {name: found[0] for name, text in said.items() if (found := ONE.search(text))} == {}

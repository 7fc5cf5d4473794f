"""The page on networks, followed: a network of one's own is trained, predicts, and runs as a program."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner
from prepared_sets import make_prepared

from sdd_bench.cli.main import main
from sdd_bench.images.photograph import read_photograph

PAGE = Path(__file__).parents[2] / "docs" / "networks.md"
QUICK = "--crop 32 --batch 2 --epochs 1 --flow dis --accelerator cpu --set levels=3 --set reblur_width=4"


def test_the_steps_of_the_page_lead_to_predictions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    section = PAGE.read_text(encoding="utf-8").partition("## Bring your own")[2]
    code, commands = re.findall(r"```\w*\n(.*?)```", section, flags=re.DOTALL)[:2]
    (tmp_path / "mynet.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    make_prepared(tmp_path).rename(tmp_path / "SET")
    for command in commands.splitlines():
        words = shlex.split(command)[1:]
        result = CliRunner().invoke(main, words + (QUICK.split() if words[0] == "train-jdrl" else []))
        assert result.exit_code == 0, (command, result.output)
    mine, program = (read_photograph(tmp_path / "predictions" / name / "t1.png").pixels for name in ("mine", "program"))
    assert (mine == program).all()

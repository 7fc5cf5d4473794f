"""The first command of the README, whole."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from sdd_bench.cli.main import main


@pytest.mark.slow
def test_the_demonstration_ends_with_a_leaderboard_and_a_page_and_goes_on_where_it_was(tmp_path: Path) -> None:
    for _ in range(2):
        result = CliRunner().invoke(main, ["demo", "--out", str(tmp_path / "demo"), "--json"])
        assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    table = Path(told["leaderboards"]).read_text(encoding="utf-8")
    for method in ("unsharp", "ebdb", "jdrl-tiny", "unet-folded"):
        assert f"\n{method},demo,registered," in table
        assert json.loads((tmp_path / "demo/runs" / method / "summary.json").read_text())["complete"]
    assert Path(told["page"]).is_file()

"""Exports of a table: ranks, escapes, and the published schema."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner
from run_folders import make_run

from sdd_bench.cli.main import main
from sdd_bench.core.errors import LeaderboardError
from sdd_bench.leaderboard.export.collect import as_json, read_standings, schema
from sdd_bench.leaderboard.export.formats import comma_separated, latex, markdown
from sdd_bench.leaderboard.site.standings import Standing
from sdd_bench.leaderboard.tables.add import add
from sdd_bench.leaderboard.tables.schema import Entry
from sdd_bench.leaderboard.tables.store import read_table, table_path, write_table

PROJECT = Path(__file__).parents[3]


@pytest.fixture
def boards(tmp_path: Path) -> Path:
    """Two methods that tie, one behind them, and a paper's row with a foreign SSIM."""
    folder = tmp_path / "boards"
    for number, (method, gain) in enumerate((("first_&_best", 3.0), ("second", 2.95), ("third", 0.5))):
        add(make_run(tmp_path / f"run{number}", method=method, gain=gain, seed=number), folder, trained_on="sdd")
    path = table_path(folder, "made-up")
    paper = Entry("UNet*", "made-up", "raw", 24.6, 0.757, None, 0.28, None, 12, "paper", reference="Li et al., 2023")
    write_table(path, [*read_table(path), replace(paper, metrics_note="ssim: Gaussian window")])
    return folder


@pytest.fixture
def standings(boards: Path) -> list[Standing]:
    return read_standings(boards)


def test_ties_are_bold_together_and_papers_never(standings: list[Standing]) -> None:
    lines = {row.split(" & ")[0]: row for row in latex(standings).splitlines() if row.endswith(r"\\")}
    first, second, third, paper = (lines[name] for name in (r"first\_\&\_best", "second", "third", "UNet*"))
    assert first.split(" & ")[1].startswith(r"\textbf")
    assert second.split(" & ")[1].startswith(r"\textbf")
    assert r"\textbf" not in third + paper
    assert r"\textcolor{gray}{0.757}" in paper
    assert "24.60" in paper


def test_every_row_of_the_latex_has_all_columns(standings: list[Standing]) -> None:
    text = latex(standings)
    columns = re.search(r"\\begin\{tabular\}\{(l r*|l[r]+)\}", text)
    assert columns is not None
    width = len(columns[1])
    rows = [row for row in text.splitlines() if row.endswith(r"\\")]
    spans = [sum(int(n) for n in re.findall(r"multicolumn\{(\d+)\}", row)) for row in rows]
    widths = [
        1 + span if span else 1 + len(re.findall(r"(?<!\\)&", row)) for row, span in zip(rows, spans, strict=True)
    ]
    assert set(widths) == {width}
    bare = re.sub(r"\\[{}]", "", text)
    assert bare.count("{") == bare.count("}")
    assert r"\cmidrule(lr){2-5}" in text
    assert "made-up: " in text


def test_markdown_and_csv_hold_the_same_figures(standings: list[Standing]) -> None:
    page = markdown(standings, truths=("raw",), metrics=("psnr", "ssim"))
    assert "| method | raw PSNR ↑ | raw SSIM ↑ | source |" in page
    assert "(0.757: Gaussian window)" in page
    rows = {row["method"]: row for row in csv.DictReader(io.StringIO(comma_separated(standings)))}
    assert rows["UNet*"]["raw_psnr"] == "24.60"
    assert rows["third"]["raw_psnr_rank"] == "3"
    assert rows["second"]["raw_psnr_rank"] == "1–2"
    assert rows["identity"]["kind"] == "baseline"


def test_the_json_fits_the_published_schema(boards: Path, standings: list[Standing]) -> None:
    values = json.loads(json.dumps(as_json(standings), allow_nan=False))
    jsonschema.validate(values, schema())
    jsonschema.validate(as_json(read_standings(PROJECT / "leaderboards")), schema())
    [table] = values["tables"]
    best = next(line for line in table["lines"] if line["method"] == "first_&_best")["scores"]["registered"]["psnr"]
    assert (best["place"], best["rank_low"], best["n_ranked"]) == (1, 1, 3)
    wrong = json.loads(json.dumps(values))
    wrong["tables"][0]["lines"][0]["input"] = "triple"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, schema())


def test_an_unknown_table_says_which_there_are(boards: Path) -> None:
    with pytest.raises(LeaderboardError, match="has no table sdd; it has made-up"):
        read_standings(boards, ["sdd"])


@pytest.mark.parametrize(
    ("form", "text"),
    [("latex", "toprule"), ("markdown", "## made-up"), ("csv", "dataset,kind"), ("json", '"schema": 1')],
)
def test_the_command_writes_every_format(boards: Path, tmp_path: Path, form: str, text: str) -> None:
    arguments = ["leaderboard", "export", "--leaderboards", str(boards), "--format", form]
    shown = CliRunner().invoke(main, arguments)
    assert shown.exit_code == 0, shown.output
    assert text in shown.stdout
    file = tmp_path / "table"
    assert CliRunner().invoke(main, [*arguments, "-o", str(file)]).exit_code == 0
    assert file.read_text() == shown.stdout

from __future__ import annotations

import json
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from sdd_bench.analysis.options import AnalyzeOptions
from sdd_bench.analysis.run import analyze
from sdd_bench.analysis.table import read_table
from sdd_bench.data.layouts import PairList, open_dataset
from sdd_bench.errors import ConfigError, ImageError, OutputError
from sdd_bench.types import Progress

_FAST = AnalyzeOptions(flow="dis", worst=1)


class _Links(HTMLParser):
    """Everything a page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.targets += [value or "" for name, value in attrs if name in ("src", "href")]


@pytest.fixture(scope="module")
def dataset(captures: Path) -> PairList:
    return open_dataset(captures)


@pytest.fixture(scope="module")
def finished(dataset: PairList, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "out"
    analyze(dataset, out, options=_FAST)
    return out


def test_every_pair_is_measured_close_to_the_truth(finished: Path) -> None:
    rows = read_table(finished / "misalignment.csv")
    assert [row["pair_id"] for row in rows] == ["test/0000", "test/0001"]
    assert all(row["trusted"] and row["corner_error_px"] < 0.05 for row in rows)
    summary = json.loads((finished / "summary.json").read_text())
    assert summary["n_trusted"] == summary["dataset"]["n_expected"] == 2
    assert summary["corner_error_px"]["n_above_1_px_and_trusted"] == 0


def test_the_page_is_complete_in_itself(finished: Path) -> None:
    page = (finished / "analysis.html").read_text(encoding="utf-8")
    links = _Links()
    links.feed(page)
    assert [link for link in links.targets if not link.startswith(("data:", "#"))] == []
    assert sum(link.startswith("data:image") for link in links.targets) >= 8
    assert "test/0000" in page


def test_a_second_call_measures_nothing_and_writes_the_same(dataset: PairList, finished: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (finished / "pairs").iterdir()}
    table = (finished / "misalignment.csv").read_bytes()
    seen: list[Progress] = []
    analyze(dataset, finished, options=_FAST, page=False, on_progress=seen.append)
    assert {path: path.stat().st_mtime_ns for path in (finished / "pairs").iterdir()} == before
    assert (finished / "misalignment.csv").read_bytes() == table
    assert [progress.done for progress in seen] == [1, 2]


def test_other_options_and_foreign_folders_are_refused(dataset: PairList, finished: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="aligned_px was 0.5, now 0.7"):
        analyze(dataset, finished, options=AnalyzeOptions(flow="dis", aligned_px=0.7))
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="not empty"):
        analyze(dataset, tmp_path, options=_FAST)


def test_a_damaged_pair_is_a_problem_and_the_others_are_measured(captures: Path, tmp_path: Path) -> None:
    shutil.copytree(captures, tmp_path / "set")
    (tmp_path / "set/test/blur/0000.png").write_bytes(b"not a picture")
    done = analyze(open_dataset(tmp_path / "set"), tmp_path / "out", options=_FAST, page=False)
    assert [problem.item for problem in done.problems] == ["test/0000"]
    assert [row["pair_id"] for row in done.rows] == ["test/0001"]
    assert done.summary["problems"][0]["item"] == "test/0000"
    (tmp_path / "set/test/blur/0001.png").write_bytes(b"not a picture")
    with pytest.raises(ImageError, match="not one pair"):
        analyze(open_dataset(tmp_path / "set"), tmp_path / "other", options=_FAST)

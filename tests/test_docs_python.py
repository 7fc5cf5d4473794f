"""The Python that the documentation shows runs, line by line as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import sdd_bench
from sdd_bench.preparation.options import PrepareOptions
from sdd_bench.synth.options import SynthOptions

PROJECT = Path(__file__).parents[1]
PAGES = ("README.md", "docs/python.md", "docs/tasks/prepare.md", "docs/quickstarts/trainer.md")
"""Pages whose examples need no more than a set, captures, predictions, and a method."""
ELSEWHERE = {"docs/networks.md", "docs/tasks/evaluate.md"}
"""A network, run by tests/cli/test_own_network.py; a bridge to a package that is not installed."""


def blocks(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def test_every_page_with_python_is_tried_here_or_elsewhere() -> None:
    pages = [PROJECT / "README.md", *(PROJECT / "docs").rglob("*.md")]
    assert {str(page.relative_to(PROJECT)) for page in pages if blocks(page)} == {*PAGES, *ELSEWHERE}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds what the examples name."""
    folder = tmp_path_factory.mktemp("desk")
    sdd_bench.synthesize(folder / "CAPTURES", SynthOptions(width=352, height=288, n_train=2, n_test=1))
    sdd_bench.prepare(
        folder / "CAPTURES", folder / "SET", PrepareOptions(resize="none", patch=256, overlap=0.8, drop=0.0)
    )
    (folder / "predictions").symlink_to(folder / "CAPTURES/test/blur")
    return folder


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # those of torch's loader are its own
@pytest.mark.parametrize("page", PAGES)
def test_the_python_of_a_page_runs(page: str, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(desk)
    for block in blocks(PROJECT / page):
        exec(block, {"my_method": lambda picture: picture})

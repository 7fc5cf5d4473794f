"""The table by which the bundled network is judged."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[dict[str, tuple[float, float]]], list[list[str]]]]:
    """Cells of the rows for pictures with these LPIPS, of the network and of its input."""
    monkeypatch.syspath_prepend(str(TOOLS))
    import evaluate_bundled

    def table(scores: dict[str, tuple[float, float]]) -> list[list[str]]:
        made: list[Any] = [
            evaluate_bundled.Score("synthetic", name, 30.0, 29.0, 0.9, 0.8, *lpips) for name, lpips in scores.items()
        ]
        return [[cell.strip() for cell in row.split("|")[1:-1]] for row in evaluate_bundled.lines(made)]

    yield table
    for name in ("evaluate_bundled", "bundled_sets"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("nothing", [0.0, 3e-9, -1e-9, 4e-5])
def test_an_input_without_blur_has_no_change_and_counts_in_the_mean(
    lines: Callable[[dict[str, tuple[float, float]]], list[list[str]]], nothing: float
) -> None:
    rows = lines({"sharp": (0.01, nothing), "blurred": (0.19, 0.25)})
    change = rows[0].index("change")
    assert [row[change] for row in rows[2:]] == ["-", "-24.0 %", "-20.0 %"]
    assert len({len(row) for row in rows}) == 1


def test_a_set_of_such_inputs_alone_has_no_change(
    lines: Callable[[dict[str, tuple[float, float]]], list[list[str]]],
) -> None:
    rows = lines({"sharp": (0.01, 0.0)})
    assert [row[rows[0].index("change")] for row in rows[2:]] == ["-", "-"]

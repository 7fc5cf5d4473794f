"""A small part of ``tools/bench/trust.py``: no measurement that is wrong is trusted, and few that are right are not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

from sdd_bench.flow.estimator import load_flow

BENCH = Path(__file__).parents[2] / "tools" / "bench"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(BENCH))
    yield
    for name in ("trust", "trust_sets", "flow_data"):
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("bench")
def test_what_is_wrong_is_flagged_and_what_is_right_is_not() -> None:
    import trust
    import trust_sets

    families = (trust_sets.plain, trust_sets.circle, trust_sets.border, trust_sets.layers, trust_sets.mirrored)
    canvases = chain.from_iterable(trust_sets.canvases([], 1, number) for number in range(len(families)))
    pairs = [family(canvas) for family, canvas in zip(families, canvases, strict=True)]
    pairs.append(trust_sets.repeated(next(iter(trust_sets.canvases([], 1, 7)))))
    table = trust.judge(pairs, load_flow("dis"), show=True)
    for name in ("plain", "mask", "border", "layers"):
        assert dict(table[name]) == {"right": 1}, name
    assert dict(table["mirrored"]) == {"wrong, flagged": 1}
    for name, verdicts in table.items():
        assert "WRONG, TRUSTED" not in verdicts, name

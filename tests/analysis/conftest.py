"""A small synthetic set whose misalignment is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdd_bench.synth.options import SynthOptions
from sdd_bench.synth.run import synthesize

_OPTIONS = SynthOptions(
    width=640,
    height=384,
    n_train=0,
    n_test=2,
    zoom_range=(0.98, 1.02),
    shift_range=(-6, 6),
    coc_range=(2, 6),
    exposure_range=(0.8, 1.3),
)


@pytest.fixture(scope="session")
def captures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two synthetic test pairs of 640x384, with truth; not to be changed."""
    out = tmp_path_factory.mktemp("analysis") / "captures"
    synthesize(out, _OPTIONS)
    return out

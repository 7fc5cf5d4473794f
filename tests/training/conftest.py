"""A tiny prepared set, and a configuration that trains on it in a second."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from prepared_sets import make_prepared

from sdd_bench.training.config import TrainConfig

MakeConfig = Callable[..., TrainConfig]
TINY = {
    "model": "unet-small",
    "width": 2,
    "crop": 32,
    "batch": 2,
    "epochs": 3,
    "stage_one_epochs": 1,
    "learning_rate": 1e-3,
    "levels": 3,
    "reblur_width": 4,
    "flow": "dis",
    "accelerator": "cpu",
    "dropout": 0.2,
}


@pytest.fixture
def tiny() -> MakeConfig:
    """A configuration: :data:`TINY` with changes."""
    return lambda **changes: TrainConfig(**(TINY | changes))


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """Three pairs of four patches of 48 pixels each."""
    return make_prepared(tmp_path)

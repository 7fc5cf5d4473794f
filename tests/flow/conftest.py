"""Fixtures of the flow tests."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from formula_weights import formula_weight

from sdd_bench.flow.pwcnet.checkpoint import published_name_to_own
from sdd_bench.flow.pwcnet.network import PWCNet

_NAMES = ("One", "Two", "Thr", "Fou", "Fiv", "Six")


def published_names() -> list[str]:
    """Every key of the published checkpoints, ``net`` spelling."""
    layers = [f"netExtractor.net{name}.{layer}" for name in _NAMES for layer in (0, 2, 4)]
    layers += [f"netRefiner.netMain.{layer}" for layer in range(0, 13, 2)]
    for name in _NAMES[1:]:
        layers += [f"net{name}.net{layer}.0" for layer in _NAMES]
        if name != "Six":
            layers += [f"net{name}.netUpflow", f"net{name}.netUpfeat"]
    return [f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")]


@pytest.fixture
def published_checkpoint(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a checkpoint with the published names (``module`` or ``net``), weights by formula."""
    shapes = {name: tuple(value.shape) for name, value in PWCNet().state_dict().items()}

    def write(spelling: str) -> Path:
        tensors = {}
        for name in published_names():
            own = published_name_to_own(name)
            assert own is not None
            tensors[re.sub(r"\bnet(?=[A-Z])", spelling, name)] = formula_weight(name, shapes[own])
        path = tmp_path / f"{spelling}.pth"
        torch.save(tensors, path)
        return path

    return write

"""The table of bundled weights."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sdd_bench import weights
from sdd_bench.core.errors import WeightsError
from sdd_bench.core.storage.files import sha256_of
from sdd_bench.weights import State


@pytest.mark.parametrize("weight", weights.TABLE.values(), ids=lambda weight: weight.name)
def test_every_entry_is_true_of_its_file_and_has_a_card(weight: weights.Weight) -> None:
    """When weights are trained anew, their entry in the table is to be written anew as well."""
    file = weights.path(weight.name)
    assert (sha256_of(file), file.stat().st_size) == (weight.sha256, weight.n_bytes)
    assert weight.purpose
    assert weight.licence
    assert file.with_suffix(".md").is_file()


def test_absent_and_damaged_files_are_named(package: Path) -> None:
    assert weights.verify() == []
    absent, damaged = (package / weights.TABLE[name].file for name in ("alexnet", "pwcnet"))
    absent.unlink()
    damaged.write_bytes(b"half a file")
    assert (weights.state("alexnet"), weights.state("pwcnet")) == (State.ABSENT, State.DAMAGED)
    with pytest.raises(WeightsError, match=r"alexnet\.safetensors: .* are not there"):
        weights.path("alexnet")
    with pytest.raises(WeightsError, match=r"pwcnet\.safetensors: .* are damaged: expected sha256"):
        weights.path("pwcnet")
    assert {problem.item for problem in weights.verify()} == {"alexnet", "pwcnet"}


def test_unknown_weights_list_the_known() -> None:
    with pytest.raises(WeightsError, match=f"'vgg': unknown; known: {', '.join(weights.TABLE)}"):
        weights.path("vgg")


def test_importing_the_table_imports_nothing_heavy() -> None:
    code = "import sys, sdd_bench.weights; print({'torch', 'numpy', 'requests'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "set()"

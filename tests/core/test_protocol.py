"""Protocol numbers in place of the package's version."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

import sdd_bench
from sdd_bench.preparation.options import PRESETS
from sdd_bench.preparation.run import prepare

PACKAGE = Path(sdd_bench.__file__).parent


def test_no_key_or_plan_holds_the_version_of_the_package() -> None:
    """It may stand in provenance, in pages and in help; these files decide whether a record counts."""
    deciding = ("evaluation/picture/task.py", "analysis/pair.py", "preparation/resume.py", "core/storage/claims.py")
    assert [name for name in deciding if "__version__" in (PACKAGE / name).read_text(encoding="utf-8")] == []


def test_a_set_begun_by_another_release_of_the_same_protocol_goes_on(
    captures: Path, tmp_path: Path, monkeypatch
) -> None:

    options = dataclasses.replace(PRESETS["sdd"], resize="none", patch=32)
    out = tmp_path / "set"
    done = 0

    def stop(progress: object) -> None:
        nonlocal done
        done += 1
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(captures, out, options, on_progress=stop)
    assert not (out / "dataset.json").exists()
    monkeypatch.setattr("sdd_bench.preparation.run.__version__", "9.9.9")
    prepare(captures, out, options)
    assert re.search(r'"tool_version": "9.9.9"', (out / "dataset.json").read_text(encoding="utf-8"))

"""The public face: what ``import sdd_bench`` offers."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import sdd_bench

PUBLIC = {
    "PairDataset",
    "__version__",
    "analyze",
    "analyze_pair",
    "benchmark",
    "describe",
    "evaluate",
    "evaluate_without_truth",
    "export",
    "load_flow",
    "load_network",
    "metrics",
    "open_dataset",
    "open_pairs",
    "open_pictures",
    "predict",
    "prepare",
    "synthesize",
    "train",
    "validate",
}


def test_exactly_these_names_are_public() -> None:
    assert set(sdd_bench.__all__) == PUBLIC
    assert set(dir(sdd_bench)) == PUBLIC


@pytest.mark.parametrize("name", sorted(PUBLIC - {"__version__", "metrics"}))
def test_every_public_name_is_there_and_documented(name: str) -> None:
    found = getattr(sdd_bench, name)
    assert callable(found)
    assert ">>>" in found.__doc__, "an example, which is run as a test"


def test_the_metrics_are_functions() -> None:
    assert sdd_bench.metrics.__all__ == ["dists", "lpips", "mae", "psnr", "ssim"]
    assert all(">>>" in getattr(sdd_bench.metrics, name).__doc__ for name in sdd_bench.metrics.__all__)


def test_an_unknown_name_says_what_is_there() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'deblur'; it has PairDataset, "):
        sdd_bench.deblur  # noqa: B018


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import sys, sdd_bench; print({'torch', 'numpy', 'cv2', 'h5py', 'click'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "set()"


def test_a_path_may_be_text_wherever_the_public_interface_takes_one() -> None:
    asked = 0
    for name in PUBLIC - {"__version__", "metrics"}:
        for parameter in inspect.signature(getattr(sdd_bench, name)).parameters.values():
            takes = str(parameter.annotation)
            if "Path" in takes:
                assert "AnyPath" in takes or "Path | str" in takes, f"{name}({parameter.name}: {takes})"
                asked += 1
    assert asked > 25


@pytest.mark.parametrize(
    ("home", "name", "field", "others"),
    [
        ("analysis.options", "AnalyzeOptions", "flow_weights", {}),
        ("evaluation.options", "EvaluateOptions", "flow_weights", {}),
        ("synth.options", "SynthOptions", "photos", {}),
        ("captures.pairing", "Pairing", "list_file", {}),
        ("captures.splits", "SplitRule", "file", {}),
        ("preparation.drop", "DropRules", "table", {}),
        ("preparation.drop", "DropRules", "exclude", {}),
        ("training.config", "TrainConfig", "init", {}),
        ("training.config", "TrainConfig", "flow_weights", {}),
        ("training.config", "TrainConfig", "flow_file", {}),
        ("training.config", "TrainConfig", "light", {"match": "gain"}),
        ("training.config", "TrainConfig", "loss_weights", {"loss": "contextual"}),
    ],
)
def test_a_path_among_options_may_be_text(home: str, name: str, field: str, others: dict[str, str]) -> None:
    options = getattr(import_module(f"sdd_bench.{home}"), name)(**{field: "some/where"}, **others)
    assert getattr(options, field) == Path("some/where")


def test_text_goes_the_whole_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sdd_bench.evaluation.options import EvaluateOptions
    from sdd_bench.prediction.classical import load_classical
    from sdd_bench.prediction.run import pictures_of
    from sdd_bench.preparation.options import PrepareOptions
    from sdd_bench.synth.options import SynthOptions

    monkeypatch.chdir(tmp_path)
    sdd_bench.synthesize("set", SynthOptions(width=128, height=96, n_train=1, n_test=1))
    sdd_bench.prepare("set", "prepared", PrepareOptions(resize="none", patch=64))
    assert sdd_bench.describe("prepared")["kind"] == "prepared dataset"
    assert not sdd_bench.validate("prepared").problems
    assert sdd_bench.export("prepared", "exported").n_written > 0
    sdd_bench.predict(load_classical("unsharp"), {"0000": pictures_of("set")["0000"].as_posix()}, "made")
    run = sdd_bench.evaluate(
        sdd_bench.open_dataset("set"), "made", "run", options=EvaluateOptions(metrics=("psnr",), flow="dis")
    )
    assert run.summary["n_images"] == 1
    assert len(sdd_bench.open_pictures("set").pictures) == 1
    assert len(sdd_bench.open_pairs("set", crop=32)) == 1
    assert len(sdd_bench.PairDataset("prepared", crop=32)) > 0

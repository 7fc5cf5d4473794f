"""The public face: what ``import sdd_bench`` offers."""

from __future__ import annotations

import subprocess
import sys

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

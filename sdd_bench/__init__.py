"""sdd-bench: dataset toolkit and benchmark suite for misaligned defocus data.

Follows Li, Ren, Shu, Zuo, "Learning Single Image Defocus Deblurring with Misaligned Training Pairs" (AAAI 2023).

The names below are the public interface: the functions the commands are made of, the dataset for training, and
:mod:`sdd_bench.metrics`. They are imported when they are first used, so ``import sdd_bench`` costs nothing. What lies
in the folders is private and may move.

Example:
    >>> import numpy as np
    >>> import sdd_bench
    >>> picture = np.full((64, 64, 3), 0.5, np.float32)
    >>> round(sdd_bench.metrics.psnr(picture + np.float32(0.1), picture), 2)
    20.0
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sdd_bench import metrics
    from sdd_bench.analysis.arrays import analyze_pair
    from sdd_bench.analysis.run import analyze
    from sdd_bench.evaluation.no_truth.run import evaluate_without_truth
    from sdd_bench.evaluation.run import evaluate
    from sdd_bench.flow.estimator import load_flow
    from sdd_bench.inspect.describe import describe
    from sdd_bench.inspect.validate import validate
    from sdd_bench.leaderboard.benchmark import benchmark
    from sdd_bench.models.network import load_network
    from sdd_bench.prediction.run import predict
    from sdd_bench.preparation.run import prepare
    from sdd_bench.prepared.export.run import export
    from sdd_bench.prepared.open import open_dataset, open_pictures
    from sdd_bench.prepared.open_pairs import open_pairs
    from sdd_bench.prepared.torch_dataset import PairDataset
    from sdd_bench.synth.run import synthesize
    from sdd_bench.training.run import train

__version__ = "0.1.0"

__all__ = [
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
]

_HOMES = {
    "PairDataset": "prepared.torch_dataset",
    "analyze": "analysis.run",
    "analyze_pair": "analysis.arrays",
    "benchmark": "leaderboard.benchmark",
    "describe": "inspect.describe",
    "evaluate": "evaluation.run",
    "evaluate_without_truth": "evaluation.no_truth.run",
    "export": "prepared.export.run",
    "load_flow": "flow.estimator",
    "load_network": "models.network",
    "open_dataset": "prepared.open",
    "open_pairs": "prepared.open_pairs",
    "open_pictures": "prepared.open",
    "predict": "prediction.run",
    "prepare": "preparation.run",
    "synthesize": "synth.run",
    "train": "training.run",
    "validate": "inspect.validate",
}
"""The module that each public name comes from."""


def __getattr__(name: str) -> Any:
    if name == "metrics":
        return import_module("sdd_bench.metrics")
    if name in _HOMES:
        return getattr(import_module(f"sdd_bench.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'sdd_bench' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return __all__

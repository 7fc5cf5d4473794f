"""The first picture of a run is read while torch is imported, which takes as long; so nothing here imports torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sdd_bench.core.errors import PairingError
from sdd_bench.core.types import Pair
from sdd_bench.evaluation.options import EvaluateOptions
from sdd_bench.evaluation.picture.match import absolute, match_predictions
from sdd_bench.evaluation.picture.read import read_ahead


def read_first_ahead(pairs: Sequence[Pair], predictions: Path, run: Path, options: EvaluateOptions) -> None:
    """Begin to read the first picture that ``run`` will score, but where it is scored already.

    Args:
        pairs: Of the dataset.
        predictions: Folder of predictions; what is wrong with it is said later.
        run: The run folder.
        options: Of the evaluation.
    """
    try:
        matches = match_predictions(pairs, predictions, suffix=options.suffix).matches
    except PairingError:
        return
    if matches and not (run / "pictures" / f"{matches[0].pair.name}.json").exists():
        first = absolute(matches[0])
        read_ahead(first.pair, first.prediction_path, options)

"""Which prediction belongs to which pair, and how a prediction is read.

A prediction is called after the blurry picture: its stem is :attr:`sdd_bench.core.types.Pair.name`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sdd_bench.core.errors import PairingError
from sdd_bench.core.types import Pair, Problem
from sdd_bench.evaluation.picture.read import kind_of_file

SUFFIXES = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".npy")
_MAX_LISTED = 5


@dataclass(frozen=True)
class Match:
    """A pair and the file that predicts its sharp picture."""

    pair: Pair
    prediction_path: Path


def match_predictions(pairs: Sequence[Pair], folder: Path) -> tuple[list[Match], list[Problem]]:
    """Match the files of ``folder`` to ``pairs`` by name.

    Returns:
        The matches in the order of ``pairs``, and what is missing, extra or there twice.

    Raises:
        PairingError: No such folder, or not one file of it matches.
    """
    if not folder.is_dir():
        raise PairingError(f"{folder}: expected a folder of predictions, found {kind_of_file(folder)}.")
    candidates: dict[str, list[Path]] = {}
    others: dict[str, list[Path]] = {}
    for path in sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")):
        (candidates if path.suffix.lower() in SUFFIXES else others).setdefault(path.stem, []).append(path)
    matches, problems = [], []
    for pair in pairs:
        found = candidates.pop(pair.name, [])
        if len(found) == 1:
            matches.append(Match(pair, found[0]))
        elif found:
            names = ", ".join(path.name for path in found)
            problems.append(Problem(pair.name, f"several predictions: {names}; keep one."))
        else:
            near = "".join(f"; {path.name} is of no kind that can be read" for path in others.get(pair.name, []))
            problems.append(
                Problem(pair.name, f"no prediction {pair.name}.png, .tiff, .jpg or .npy in {folder}{near}.")
            )
    extra = [path for paths in candidates.values() for path in paths]
    if not matches and not any("several" in problem.reason for problem in problems):
        wanted = ", ".join(pair.name for pair in pairs[:_MAX_LISTED])
        got = ", ".join(path.name for path in extra[:_MAX_LISTED]) or "no pictures"
        raise PairingError(
            f"{folder}: no prediction matches a blurry picture. Expected files called like {wanted}; got {got}. "
            "Name each after its blurry input."
        )
    problems += [Problem(path.name, "extra: no pair of this name in the test split.") for path in extra]
    return matches, problems

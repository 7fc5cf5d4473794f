"""Which prediction belongs to which pair.

A prediction is called after the blurry picture: its stem is :attr:`sdd_bench.core.types.Pair.name`, with or without an
ending that all predictions share, such as ``_out``. The ending is stated, or found where names without one do not fit.
"""

from __future__ import annotations

from collections import Counter
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


@dataclass(frozen=True)
class Matching:
    """The predictions of a folder, matched to pairs."""

    matches: tuple[Match, ...]
    """In the order of the pairs."""
    problems: tuple[Problem, ...]
    """What is missing, extra or there twice."""
    suffix: str
    """Ending of the predictions' names, empty where they are those of the pairs."""
    found: bool = False
    """Whether the ending was found here, not stated."""

    @property
    def note(self) -> str:
        """What a person should know of the ending; empty where there is none or it was stated."""
        if not self.found:
            return ""
        return f"Predictions are called after the blurry picture with {self.suffix!r} at the end: matched by that."


def match_predictions(pairs: Sequence[Pair], folder: Path, *, suffix: str | None = None) -> Matching:
    """Match the files of ``folder`` to ``pairs`` by name.

    Args:
        pairs: The pairs.
        folder: Folder of predictions.
        suffix: Ending of every prediction's name before the extension, as ``_out``; None finds it.

    Raises:
        PairingError: No such folder, or not one file of it matches.
    """
    if not folder.is_dir():
        raise PairingError(f"{folder}: expected a folder of predictions, found {kind_of_file(folder)}.")
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    predictions = [path for path in files if path.suffix.lower() in SUFFIXES]
    ending = _common_suffix(pairs, predictions) if suffix is None else suffix
    candidates: dict[str, list[Path]] = {}
    others: dict[str, list[Path]] = {}
    strangers: list[Path] = []
    for path in files:
        kind = candidates if path.suffix.lower() in SUFFIXES else others
        if path.stem.endswith(ending):
            kind.setdefault(path.stem.removesuffix(ending), []).append(path)
        elif kind is candidates:
            strangers.append(path)
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
            wanted = f"{pair.name}{ending}"
            problems.append(Problem(pair.name, f"no prediction {wanted}.png, .tiff, .jpg or .npy in {folder}{near}."))
    extra = sorted([*strangers, *(path for paths in candidates.values() for path in paths)])
    if not matches and not any("several" in problem.reason for problem in problems):
        raise PairingError(
            f"{folder}: no prediction matches a blurry picture. {_names(pairs, ending, extra)} Name each after its "
            "blurry input, or say the ending that they share by --suffix."
        )
    if 2 * len(extra) >= len(predictions) > 0:
        problems.insert(0, Problem(folder.name, f"half or more do not fit. {_names(pairs, ending, extra)}"))
    problems += [Problem(path.name, "extra: no pair of this name in the test split.") for path in extra]
    return Matching(tuple(matches), tuple(problems), ending, found=suffix is None and bool(ending))


def _names(pairs: Sequence[Pair], ending: str, extra: Sequence[Path]) -> str:
    wanted = ", ".join(f"{pair.name}{ending}" for pair in pairs[:_MAX_LISTED])
    got = ", ".join(path.name for path in extra[:_MAX_LISTED]) or "no pictures"
    more = f" and {len(extra) - _MAX_LISTED} more" if len(extra) > _MAX_LISTED else ""
    return f"Expected files called like {wanted}; got {got}{more}."


def _common_suffix(pairs: Sequence[Pair], predictions: Sequence[Path]) -> str:
    """Ending by which the most pairs have a prediction; empty unless half of the pairs or of the files share one.

    Names without an ending come first: they are only given up where they fit fewer than an ending does.
    """
    stems = {path.stem for path in predictions}
    exact = sum(pair.name in stems for pair in pairs)
    endings = Counter(stem[len(pair.name) :] for pair in pairs for stem in stems if stem.startswith(pair.name))
    endings.pop("", None)
    if not endings:
        return ""
    best = min(endings, key=lambda ending: (-endings[ending], ending))
    enough = 2 * endings[best] >= min(len(pairs), len(stems))
    return best if enough and endings[best] > max(exact, 1) else ""

"""Which prediction belongs to which pair.

A prediction is called after the blurry picture: its stem is :attr:`sdd_bench.core.types.Pair.name`, with or without an
ending that all predictions share, such as ``_out``. The ending is stated, or found where names without one do not fit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from unicodedata import normalize

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
        return _note(self.suffix, self.found)


@dataclass(frozen=True)
class NameMatching:
    """The predictions of a folder by the names that were looked for."""

    paths: Mapping[str, Path]
    """In the order of the names."""
    problems: tuple[Problem, ...]
    suffix: str
    found: bool

    @property
    def note(self) -> str:
        """As of :class:`Matching`."""
        return _note(self.suffix, self.found)


def match_predictions(pairs: Sequence[Pair], folder: Path, *, suffix: str | None = None) -> Matching:
    """Match the files of ``folder`` to ``pairs`` by name; arguments and errors as of :func:`match_names`."""
    by_name = {pair.name: pair for pair in pairs}
    matching = match_names([pair.name for pair in pairs], folder, suffix=suffix)
    matches = tuple(Match(by_name[name], path) for name, path in matching.paths.items())
    return Matching(matches, matching.problems, matching.suffix, matching.found)


def match_names(names: Sequence[str], folder: Path, *, suffix: str | None = None) -> NameMatching:
    """Match the files of ``folder`` to names of blurry pictures.

    Args:
        names: The names.
        folder: Folder of predictions; where it holds none, those in its subfolders, called after the picture, or after
            its path with ``__`` in place of ``/``.
        suffix: Ending of every prediction's name before the extension, as ``_out``; None finds it.

    Raises:
        PairingError: No such folder, or not one file of it matches.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "0001_out.png").write_bytes(b"")
        ...     match_names(["0001"], Path(folder), suffix="_out").paths["0001"].name
        '0001_out.png'
    """
    if not folder.is_dir():
        raise PairingError(f"{folder}: expected a folder of predictions, found {kind_of_file(folder)}.")
    files = _files(folder)
    predictions = [path for path in files if path.suffix.lower() in SUFFIXES]
    ending = _common_suffix(names, predictions) if suffix is None else suffix
    candidates: dict[str, list[Path]] = {}
    others: dict[str, list[Path]] = {}
    strangers: list[Path] = []
    known = set(names)
    for path in files:
        kind = candidates if path.suffix.lower() in SUFFIXES else others
        stem = normalize("NFC", path.stem)
        if (whole := normalize("NFC", "__".join(path.relative_to(folder).with_suffix("").parts))) != stem:
            stem = whole if whole.removesuffix(ending) in known else stem
        if stem.endswith(ending):
            kind.setdefault(stem.removesuffix(ending), []).append(path)
        elif kind is candidates:
            strangers.append(path)
    matches: dict[str, Path] = {}
    problems = []
    for name in names:
        found = candidates.pop(name, [])
        if len(found) == 1:
            matches[name] = found[0]
        elif found:
            twins = ", ".join(path.relative_to(folder).as_posix() for path in found)
            problems.append(Problem(name, f"several predictions: {twins}; keep one."))
        else:
            near = "".join(f"; {path.name} is of no kind that can be read" for path in others.get(name, []))
            wanted = f"{name}{ending}"
            problems.append(Problem(name, f"no prediction {wanted}.png, .tiff, .jpg or .npy in {folder}{near}."))
    extra = sorted([*strangers, *(path for paths in candidates.values() for path in paths)])
    if not matches and not any("several" in problem.reason for problem in problems):
        unread = sorted(path for paths in others.values() for path in paths)
        told = _names(names, ending, extra or unread)
        if unread and not extra:
            told += f" Kinds that can be read are {', '.join(SUFFIXES)}."
        raise PairingError(
            f"{folder}: no prediction matches a blurry picture. {told} Name each after its "
            "blurry input, or say the ending that they share by --suffix."
        )
    if 2 * len(extra) >= len(predictions) > 0:
        problems.insert(0, Problem(folder.name, f"half or more do not fit. {_names(names, ending, extra)}"))
    problems += [Problem(path.name, "extra: no pair of this name in the test split.") for path in extra]
    return NameMatching(matches, tuple(problems), ending, found=suffix is None and bool(ending))


def _files(folder: Path) -> list[Path]:
    """The files of ``folder``, or where no prediction is among them, of its subfolders; none that is hidden."""
    here = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    if any(path.suffix.lower() in SUFFIXES for path in here):
        return here
    below = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in below if not any(part.startswith(".") for part in path.relative_to(folder).parts))


def _note(ending: str, found: bool) -> str:
    if not found:
        return ""
    return f"Predictions are called after the blurry picture with {ending!r} at the end: matched by that."


def _names(names: Sequence[str], ending: str, extra: Sequence[Path]) -> str:
    wanted = ", ".join(f"{name}{ending}" for name in names[:_MAX_LISTED])
    got = ", ".join(path.name for path in extra[:_MAX_LISTED]) or "no files"
    more = f" and {len(extra) - _MAX_LISTED} more" if len(extra) > _MAX_LISTED else ""
    return f"Expected files called like {wanted}; got {got}{more}."


def _common_suffix(names: Sequence[str], predictions: Sequence[Path]) -> str:
    """Ending by which the most pairs have a prediction; empty unless half of the pairs or of the files share one.

    Names without an ending come first: they are only given up where they fit fewer than an ending does.
    """
    stems = {normalize("NFC", path.stem) for path in predictions}
    exact = sum(name in stems for name in names)
    endings = Counter(stem[len(name) :] for name in names for stem in stems if stem.startswith(name))
    endings.pop("", None)
    if not endings:
        return ""
    best = min(endings, key=lambda ending: (-endings[ending], ending))
    enough = 2 * endings[best] >= min(len(names), len(stems))
    return best if enough and endings[best] > max(exact, min(1, len(names) - 1)) else ""


def absolute(match: Match) -> Match:
    """The match with absolute paths: a worker may stand in another folder. Links stay links, for their names' sake."""
    pair = match.pair
    pair = replace(
        pair,
        blurry_path=pair.blurry_path.absolute(),
        sharp_path=pair.sharp_path.absolute(),
        aligned_path=pair.aligned_path and pair.aligned_path.absolute(),
        truth_path=pair.truth_path and pair.truth_path.absolute(),
    )
    return Match(pair, match.prediction_path.absolute())

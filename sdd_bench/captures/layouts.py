"""Pairs from folders of pictures: the layouts that are known, and how each says which pictures belong together.

============ =========================================================== ==================================
layout       folders                                                     paired by
============ =========================================================== ==================================
sdd          ``{train,val,test}/{blur,gt}``                              same name
sdd-patches  ``{train_patches,val,test}/{blur,gt}``                      same name
dpdd         ``{train,val,test}_c/{source,target}``                      lists, same name, or sorted order
restormer    ``{train,val,test}/{inputC,target}``                        lists, same name, or sorted order
realdof      ``{source,target}`` (all of it is the test split)           same name, or sorted order
lfdof        ``{train,test}_data/{input/SCENE/*,ground_truth/SCENE.*}``  many blurry to the sharp of SCENE
csv          a CSV file, see :mod:`sdd_bench.captures.csv_pairs`             its rows
============ =========================================================== ==================================

Names are compared without suffix, so ``a.jpg`` pairs with ``a.png``. Sorted order is used only if no name occurs on
both sides and the counts are equal; a note then shows the first and last pairs. Nothing is dropped silently: each file
that forms no pair is a :class:`~sdd_bench.core.types.Problem`.

An SDD folder may hold ``scenes.csv`` (``split,name,scene,group``) and the truth of a synthetic set:
``truth/SPLIT/NAME.json`` and ``truth/SPLIT/NAME_aligned.png``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sdd_bench.captures.csv_pairs import SCENES_CSV, lists_sharp, read_pairs_csv, read_scenes_csv
from sdd_bench.captures.folders import FOLDERS, LISTED, Found, describe, read_folders
from sdd_bench.captures.listing import names_of, natural_key
from sdd_bench.core.errors import ConfigError, PairingError
from sdd_bench.core.types import Pair, Problem, Split
from sdd_bench.images.photograph import IMAGE_SUFFIXES, RAW_SUFFIXES


@dataclass(frozen=True)
class PairList:
    """The pairs of a dataset in order: train, val, test; within a split in the natural order of names."""

    root: Path
    """Folder that contains all pictures."""
    layout: str
    pairs: tuple[Pair, ...]
    problems: tuple[Problem, ...] = ()
    """Files that were left out, and why."""
    notes: tuple[str, ...] = ()
    """Remarks that a person should read, such as a pairing by sorted order."""
    n_lost: int = 0
    """Number of pairs that the split lacks because of the problems; set by :func:`open_dataset`."""


LAYOUTS = (*FOLDERS, "csv")
"""Names of all layouts."""
# sdd-patches is left out: it has the folders val and test of sdd, so only train_patches tells it.
_MARKED_BY = {name: folders for name, folders in FOLDERS.items() if name != "sdd-patches"}


def read_layout(
    root: Path,
    *,
    layout: str = "auto",
    pairs_csv: Path | None = None,
    lists: Path | None = None,
    limit: int | None = None,
    default_split: Split = Split.TRAIN,
) -> PairList:
    """The pairs below ``root``.

    Args:
        root: Folder of captures, or CSV file of pairs.
        layout: One of :data:`LAYOUTS`; or ``auto``, which finds the layout by the names of the folders.
        pairs_csv: CSV of pairs to use in place of the folders; its paths are relative to ``root``.
        lists: Folder of DPDD's name lists, ``{train,val,test}_{src,trg}.npy`` (or ``.txt``, one name per line).
        limit: Number of pairs to keep, from the first on; None keeps all.
        default_split: Split of CSV rows that state none.

    Raises:
        PairingError: No layout or more than one fits, a list or CSV is damaged, or no pair is left.
        ConfigError: The layout is unknown, or an option does not go with it.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for side in ("blur", "gt"):
        ...         Path(folder, "test", side).mkdir(parents=True)
        ...         _ = Path(folder, "test", side, "0001.png").write_bytes(b"")
        ...     found = read_layout(Path(folder))
        >>> found.layout, [pair.pair_id for pair in found.pairs]
        ('sdd', ['test/0001'])
    """
    if layout != "auto" and layout not in LAYOUTS:
        raise ConfigError(f"layout {layout!r} is unknown; known: auto, {', '.join(LAYOUTS)}.")
    if limit is not None and limit < 1:
        raise ConfigError(f"limit {limit}: expected 1 or more.")
    if not root.exists():
        raise PairingError(f"{root}: does not exist; expected a folder of captures or a CSV file of pairs.")
    layout, csv_path = _resolve(root, layout, pairs_csv)
    if lists is not None and layout not in LISTED:
        raise ConfigError(f"name lists go with the layouts {', '.join(LISTED)}; {root} is read as {layout}.")
    if csv_path is not None:
        root = root if root.is_dir() else root.parent
        found = Found(*read_pairs_csv(csv_path, root, default_split))
    else:
        found = read_folders(root, layout, lists)
    if not found.pairs:
        raise PairingError(_no_pairs(root, layout, found.problems))
    names = names_of([(pair.split, pair.blurry_path) for pair in found.pairs], root)
    pairs = [dataclasses.replace(pair, name=name) for pair, name in zip(found.pairs, names, strict=True)]
    if layout.startswith("sdd"):
        pairs = list(_with_scenes_and_truth(pairs, root))
    return PairList(root, layout, tuple(pairs[:limit]), tuple(found.problems), tuple(found.notes))


def has_pairs(root: Path, *, layout: str = "auto", pairs_csv: Path | None = None) -> bool:
    """Whether a source has sharp pictures: both folders of a layout, or a CSV with the column ``sharp``.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Path(folder, "test", "blur").mkdir(parents=True)
        ...     has_pairs(Path(folder))
        False
    """
    if root.is_file() and root.suffix.lower() in IMAGE_SUFFIXES | RAW_SUFFIXES:
        return False
    if layout not in ("auto", "csv"):
        return layout in FOLDERS and _is_complete(root, layout)
    if pairs_csv is not None or root.is_file():
        return lists_sharp(pairs_csv or root)
    listed = (root / "pairs.csv").is_file() and lists_sharp(root / "pairs.csv")
    return listed or (layout == "auto" and _has_both(root))


def _has_both(root: Path) -> bool:
    return any(_is_complete(root, name) for name in FOLDERS)


def _resolve(root: Path, layout: str, pairs_csv: Path | None) -> tuple[str, Path | None]:
    """The layout to read, and its CSV file if the layout is ``csv``."""
    if pairs_csv is not None or root.is_file():
        if layout not in ("auto", "csv"):
            raise ConfigError(f"a CSV of pairs was given, so the layout cannot be {layout}.")
        if pairs_csv is not None and root.is_file():
            raise ConfigError(f"{root} is no folder, but pairs are to be read from {pairs_csv}; name one of the two.")
        return "csv", pairs_csv or root
    if layout == "csv":
        return "csv", root / "pairs.csv"
    if layout != "auto":
        return layout, None
    fitting = [
        name
        for name, folders in _MARKED_BY.items()
        if any((root / side).is_dir() for split in folders for side in (split.blurry, split.sharp))
    ]
    if (root / "train_patches/blur").is_dir() and not (root / "train/blur").is_dir():
        fitting = ["sdd-patches", *(name for name in fitting if name != "sdd")]
    if (root / "pairs.csv").is_file():
        fitting.append("csv")
    complete = [name for name in fitting if name == "csv" or _is_complete(root, name)]
    fitting = complete or fitting
    if len(fitting) == 1:
        return fitting[0], root / "pairs.csv" if fitting[0] == "csv" else None
    known = "\n".join(f"  {name}: {describe(name)}" for name in LAYOUTS)
    if fitting:
        raise PairingError(f"{root}: fits more than one layout ({', '.join(fitting)}); say which by --layout.\n{known}")
    entries = sorted((entry.name + "/" * entry.is_dir() for entry in root.iterdir()), key=natural_key)
    there = ", ".join(entries[:10]) + (f" and {len(entries) - 10} more" if len(entries) > 10 else "")
    raise PairingError(f"{root}: fits no known layout. It holds: {there or 'nothing'}. Layouts known:\n{known}")


def _is_complete(root: Path, layout: str) -> bool:
    return any((root / split.blurry).is_dir() and (root / split.sharp).is_dir() for split in FOLDERS[layout])


def _no_pairs(root: Path, layout: str, problems: list[Problem]) -> str:
    reasons = "".join(f"\n  {problem.item}: {problem.reason}" for problem in problems[:3])
    return f"{root}: read as {layout}, but no pair was found; expected {describe(layout)}.{reasons}"


def _with_scenes_and_truth(pairs: Iterable[Pair], root: Path) -> Iterator[Pair]:
    scenes = read_scenes_csv(root / SCENES_CSV)
    for pair in pairs:
        scene, group = scenes.get((pair.split, pair.name), ("", ""))
        truth = root / "truth" / pair.split
        aligned, values = truth / f"{pair.name}_aligned.png", truth / f"{pair.name}.json"
        yield dataclasses.replace(
            pair,
            scene=scene,
            group=group,
            aligned_path=aligned if aligned.is_file() else None,
            truth_path=values if values.is_file() else None,
        )

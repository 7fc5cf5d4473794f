"""Opening a set to look at or to score: test frames of a prepared set, pairs of a layout, or blurry pictures alone."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from sdd_bench.captures.layouts import PairList, has_pairs, read_layout
from sdd_bench.captures.pairing import Pairing
from sdd_bench.captures.pictures import PictureList, blurry_of, read_pictures
from sdd_bench.core.errors import ManifestError, PairingError
from sdd_bench.core.types import AnyPath, Pair, Problem, Split
from sdd_bench.prepared.leaks import leaks_of_pairs, leaks_of_set
from sdd_bench.prepared.manifest import PARTS, is_prepared, read_manifest


def open_dataset(
    path: AnyPath,
    *,
    split: Split | None = Split.TEST,
    layout: str = "auto",
    pairs_csv: AnyPath | None = None,
    lists: AnyPath | None = None,
    pairing: Pairing | None = None,
    limit: int | None = None,
) -> PairList:
    """The full pictures of a prepared set (its test frames), or the pairs of any layout, to look at or to score.

    Args:
        path: Prepared set, folder of captures, or CSV file of pairs.
        split: Split to keep, with its problems and those that belong to no split; ``None`` keeps all. CSV rows that
            state no split count as this one.
        layout: Layout of the folders, see :func:`~sdd_bench.captures.layouts.read_layout`; not used for a prepared set.
        pairs_csv: CSV of pairs to use in place of the folders.
        lists: Folder of DPDD's name lists.
        pairing: What the user says about pairs, see :mod:`sdd_bench.captures.pairing`.
        limit: Number of pairs to keep, from the first on; None keeps all.

    Raises:
        PairingError: The pairs cannot be read (see :func:`~sdd_bench.captures.layouts.read_layout`), or the split has
            none.
        ManifestError: ``path`` is a damaged or unfinished prepared set.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for side in ("blur", "gt"):
        ...         Path(folder, "test", side).mkdir(parents=True)
        ...         _ = Path(folder, "test", side, "0001.png").write_bytes(b"")
        ...     [pair.pair_id for pair in open_dataset(Path(folder)).pairs]
        ['test/0001']
    """
    path = Path(path)
    found, kept = _read(
        path, split=split, layout=layout, pairs_csv=pairs_csv, lists=lists, pairing=pairing, limit=limit
    )
    return dataclasses.replace(kept, shared=_shared(path, found, split))


def _read(
    path: Path,
    *,
    split: Split | None,
    layout: str,
    pairs_csv: AnyPath | None,
    lists: AnyPath | None,
    pairing: Pairing | None,
    limit: int | None,
) -> tuple[PairList, PairList]:
    """All pairs, and those of the split."""
    pairs_csv, lists = (None if given is None else Path(given) for given in (pairs_csv, lists))
    if is_prepared(path):
        found = _prepared_frames(path)
    elif (path / PARTS).is_dir():
        raise ManifestError(f"{path}: a prepared set that is not finished. Run the same prepare command again.")
    else:
        default_split = split or Split.TEST
        found = read_layout(
            path, layout=layout, pairs_csv=pairs_csv, lists=lists, pairing=pairing, default_split=default_split
        )
    kept = tuple(pair for pair in found.pairs if split is None or pair.split == split)
    if not kept:
        there = ", ".join(sorted({pair.split for pair in found.pairs})) or "none"
        raise PairingError(f"{path}: has no pairs of full pictures in the split {split}; splits with some: {there}.")
    problems = tuple(problem for problem in found.problems if split is None or problem.split in ("", split))
    lost = {(problem.split, problem.pair) for problem in problems if problem.pair}
    return found, dataclasses.replace(found, pairs=kept[:limit], problems=problems, n_lost=len(lost))


def _shared(path: Path, found: PairList, split: Split | None) -> tuple[str, ...]:
    """What pairs of the split, or of any, share with other pairs."""
    splits = {pair.split for pair in found.pairs} if split is None else {split}
    if is_prepared(path):
        leaks = leaks_of_set(read_manifest(path), splits=splits)
    else:
        try:
            leaks = leaks_of_pairs(found, splits=splits)
        except OSError:  # a file that is gone is told by whoever reads it
            leaks = []
    return tuple(f"{leak.item}: {leak.reason}" for leak in leaks)


def open_pictures(
    path: AnyPath,
    *,
    split: Split | None = Split.TEST,
    layout: str = "auto",
    pairs_csv: AnyPath | None = None,
    lists: AnyPath | None = None,
    pairing: Pairing | None = None,
    limit: int | None = None,
) -> PictureList:
    """The blurry pictures of a set, with or without sharp ones: to run a method on, or to describe its result.

    Args:
        path: What :func:`open_dataset` takes; or a set without sharp pictures, see :mod:`sdd_bench.captures.pictures`.
        split: Split to keep; ``None`` keeps all. Pictures whose split is not known count as this one.
        layout: Layout of the folders.
        pairs_csv: CSV to use in place of the folders.
        lists: Folder of DPDD's name lists.
        pairing: What the user says about pairs.
        limit: Number of pictures to keep, from the first on; None keeps all.

    Raises:
        PairingError: The pictures cannot be read, or the split has none.
        ManifestError: ``path`` is a damaged or unfinished prepared set.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "holiday.png").write_bytes(b"")
        ...     found = open_pictures(Path(folder))
        >>> [picture.name for picture in found.pictures], found.has_truth
        (['holiday'], False)
    """
    path = Path(path)
    pairs_csv, lists = (None if given is None else Path(given) for given in (pairs_csv, lists))
    is_set = is_prepared(path) or (path / PARTS).is_dir()
    if is_set or has_pairs(path, layout=layout, pairs_csv=pairs_csv, pairing=pairing):
        _, pairs = _read(
            path, split=split, layout=layout, pairs_csv=pairs_csv, lists=lists, pairing=pairing, limit=limit
        )
        return dataclasses.replace(
            blurry_of(pairs.root, pairs.layout, pairs.pairs), problems=pairs.problems, notes=pairs.notes
        )
    folders = () if pairing is None else pairing.blurry_dirs
    found = read_pictures(
        path, layout=layout, pictures_csv=pairs_csv, blurry_dirs=folders, default_split=split or Split.TEST
    )
    kept = tuple(picture for picture in found.pictures if split is None or picture.split == split)
    if not kept:
        there = ", ".join(sorted({picture.split for picture in found.pictures}))
        raise PairingError(f"{path}: has no picture in the split {split}; splits with some: {there}.")
    problems = tuple(problem for problem in found.problems if split is None or problem.split in ("", split))
    return dataclasses.replace(found, pictures=kept[:limit], problems=problems)


def _prepared_frames(path: Path) -> PairList:
    """The pairs of the splits that are stored as full pictures, and the problems because of which pairs are missing."""
    manifest = read_manifest(path)
    root = manifest.root
    frames = {record.name for split in manifest.splits.values() for record in split.frames}
    splits = {split for split, record in manifest.splits.items() if record.frames}

    def frame(name: str) -> Path | None:
        return root / name if name in frames else None

    pairs = []
    problems = [problem for problem in manifest.problems if problem.pair and problem.split in splits]
    for row in manifest.pairs:
        name = row.pair_id.partition("/")[2]
        blurry, sharp = frame(f"{row.split}/blur/{name}.png"), frame(f"{row.split}/gt/{name}.png")
        if blurry is not None and sharp is not None:
            aligned, truth = frame(f"{row.split}/aligned/{name}.png"), frame(f"{row.split}/truth/{name}.json")
            pairs.append(Pair(name, Split(row.split), blurry, sharp, row.scene, row.group, aligned, truth))
        elif row.split in splits and row.status == "failed":
            problems.append(Problem(row.pair_id, row.message, row.split, name))
    return PairList(root, "prepared", tuple(pairs), tuple(problems))

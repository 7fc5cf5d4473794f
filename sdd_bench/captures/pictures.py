"""Blurry pictures alone: sets without sharp pictures, and the blurry side of sets that have some.

A method can be run on such pictures and described, but not scored against a ground truth. A set without sharp pictures
is one of these:

- a known layout whose folder of sharp pictures is missing (``test/blur`` without ``test/gt``);
- a CSV with the column ``blurry`` (and ``split``, ``scene``, ``group``), relative to its folder;
- any other folder: every picture in it and in its subfolders;
- one picture.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sdd_bench.captures.csv_pairs import read_pictures_csv
from sdd_bench.captures.folders import FOLDERS
from sdd_bench.captures.listing import list_pictures, names_of, natural_key
from sdd_bench.captures.pairing import folder_below
from sdd_bench.core.errors import ConfigError, PairingError
from sdd_bench.core.types import Pair, Problem, Split
from sdd_bench.images.photograph import IMAGE_SUFFIXES, RAW_SUFFIXES


@dataclass(frozen=True)
class Picture:
    """A blurry picture; its name follows the rule of :class:`~sdd_bench.core.types.Pair`."""

    name: str
    split: Split
    path: Path
    scene: str = ""
    group: str = ""


@dataclass(frozen=True)
class PictureList:
    """Blurry pictures in natural order of their paths."""

    root: Path
    """Folder that contains them."""
    layout: str
    """Layout that they were read by; ``pictures`` if it is none."""
    pictures: tuple[Picture, ...]
    problems: tuple[Problem, ...] = ()
    """Files that were left out, and why."""
    notes: tuple[str, ...] = ()
    has_truth: bool = False
    """Whether every picture has a sharp one, so that the pairs can be opened as well."""


def blurry_of(root: Path, layout: str, pairs: Iterable[Pair]) -> PictureList:
    """The blurry pictures of pairs.

    Example:
        >>> pair = Pair("a", Split.TEST, Path("set/blur/a.png"), Path("set/gt/a.png"))
        >>> blurry_of(Path("set"), "sdd", [pair]).pictures[0].path.as_posix()
        'set/blur/a.png'
    """
    pictures = tuple(Picture(pair.name, pair.split, pair.blurry_path, pair.scene, pair.group) for pair in pairs)
    return PictureList(root, layout, pictures, has_truth=True)


def read_pictures(
    source: Path,
    *,
    layout: str = "auto",
    pictures_csv: Path | None = None,
    blurry_dirs: Sequence[str] = (),
    default_split: Split = Split.TEST,
) -> PictureList:
    """The blurry pictures of a source without sharp pictures.

    Args:
        source: Folder, picture, or CSV file.
        layout: A layout of folders, whose blurry side is read; or ``auto``.
        pictures_csv: CSV to use in place of the folders; its paths are relative to ``source``.
        blurry_dirs: Folders below ``source`` to use in place of a layout.
        default_split: Split of pictures whose folder or row states none.

    Raises:
        PairingError: There is no picture, two would have one name, or the CSV is damaged.
        ConfigError: The layout has no folders.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("in/a.png", "b.png"):
        ...         Path(folder, name).parent.mkdir(exist_ok=True)
        ...         _ = Path(folder, name).write_bytes(b"")
        ...     [picture.name for picture in read_pictures(Path(folder)).pictures]
        ['b', 'a']
    """
    if layout not in ("auto", "csv", *FOLDERS):
        raise ConfigError(f"layout {layout!r} has no folder of blurry pictures; known: auto, {', '.join(FOLDERS)}.")
    if not source.exists():
        raise PairingError(f"{source}: does not exist; expected a folder of pictures, a picture or a CSV file.")
    if source.is_file() and source.suffix.lower() in IMAGE_SUFFIXES | RAW_SUFFIXES:
        return PictureList(source.parent, "pictures", (Picture(source.stem, default_split, source),))
    root = source if source.is_dir() else source.parent
    csv_path = pictures_csv or (source if source.is_file() else None)
    if csv_path is None and layout == "auto" and (root / "pairs.csv").is_file():
        csv_path = root / "pairs.csv"
    if blurry_dirs:
        listings = [list_pictures(folder_below(root, each), root, default_split) for each in blurry_dirs]
        layout, problems = "pictures", [problem for listing in listings for problem in listing.problems]
        paths = {path for listing in listings for path in listing.pictures.values()}
        pictures = [Picture("", default_split, path) for path in sorted(paths, key=lambda path: natural_key(str(path)))]
    elif csv_path is not None:
        rows, problems = read_pictures_csv(csv_path, root, default_split)
        layout, pictures = "csv", [Picture("", *row) for row in rows]
    else:
        layout, pictures, problems = _from_folders(root, layout, default_split)
    if not pictures:
        reasons = "".join(f"\n  {problem.item}: {problem.reason}" for problem in problems[:3])
        raise PairingError(f"{source}: holds no picture.{reasons}")
    names = names_of([(picture.split, picture.path) for picture in pictures], root)
    named = tuple(dataclasses.replace(picture, name=name) for picture, name in zip(pictures, names, strict=True))
    return PictureList(root, layout, named, tuple(problems))


def _from_folders(root: Path, layout: str, default_split: Split) -> tuple[str, list[Picture], list[Problem]]:
    names = FOLDERS if layout == "auto" else {layout: FOLDERS[layout]}
    for name, splits in names.items():
        present = [folders for folders in splits if (root / folders.blurry).is_dir()]
        if present:
            splits_of = [(folders.split or default_split, folders.blurry) for folders in present]
            listings = [(split, list_pictures(root / blurry, root, split)) for split, blurry in splits_of]
            pictures = [Picture("", split, path) for split, each in listings for path in each.pictures.values()]
            return name, pictures, [problem for _, each in listings for problem in each.problems]
    if layout != "auto":
        return layout, [], []
    listing = list_pictures(root, root, default_split)
    pictures = [Picture("", default_split, path) for path in listing.pictures.values()]
    return "pictures", pictures, [problem for problem in listing.problems if problem.pair]  # notes may lie there, too

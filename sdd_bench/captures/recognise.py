"""Which layout a folder is in, by the names of its folders and tables, and why; and what to say if it is none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

from sdd_bench.captures.folders import FOLDERS, describe
from sdd_bench.captures.listing import natural_key
from sdd_bench.captures.metadata.imagefolder import find_tables
from sdd_bench.captures.metadata.parquet import find_parquet
from sdd_bench.captures.metadata.realbokeh import find_scenes
from sdd_bench.core.errors import PairingError
from sdd_bench.core.words import counted
from sdd_bench.images.photograph import IMAGE_SUFFIXES, RAW_SUFFIXES

PAIRS_CSV = "pairs.csv"
RTF = {"image": "GT", "Ground_Truth_Data": "Ground_Truth_Data"}
"""Folders of the two forms of RTF, blurry to sharp."""
TABLES = ("realbokeh", "hf-imagefolder", "hf-parquet", "csv")
"""Layouts that files describe."""
LAYOUTS = (*FOLDERS, "rtf", *TABLES)
"""Names of all layouts."""
_RULES = {
    "rtf": "image/*/image_NN + GT/sharp_NN; or Ground_Truth_Data/{image,sharp}_NN",
    "realbokeh": "{train,validation,test}/metadata/*.json with source_image, target_images, target_avs",
    "hf-imagefolder": "metadata.csv or metadata.jsonl with two columns of file names, at the top or in train, test",
    "hf-parquet": "*.parquet with two columns of picture bytes, in the folder or in data/",
    "csv": "pairs.csv with the columns blurry, sharp (and split, scene, group)",
}
# sdd-patches is left out: it has the folders val and test of sdd, so only train_patches tells it.
_MARKED_BY = {name: folders for name, folders in FOLDERS.items() if name != "sdd-patches"}
_SHOWN = 10
_LEAST_LIKENESS = 0.4
"""Of names of folders: below it, they have nothing in common but a few letters."""


@dataclass(frozen=True)
class Recognised:
    """The layout of a folder."""

    layout: str
    why: str
    """What was found that tells it."""
    complete: bool = True
    """Whether there are sharp pictures, too."""


def rule_of(layout: str) -> str:
    """The folders, files or columns of a layout.

    Example:
        >>> rule_of("basicsr")
        '{train,val,test}/lq + {train,val,test}/gt; lq + gt'
    """
    return _RULES.get(layout) or describe(layout)


def recognise(root: Path) -> Recognised:
    """The layout of a folder.

    A table of pictures (``realbokeh``, ``hf-imagefolder``) counts more than the names of folders, which it explains.

    Raises:
        PairingError: None or more than one fits.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for side in ("lq", "gt"):
        ...         Path(folder, "train", side).mkdir(parents=True)
        ...     recognise(Path(folder))
        Recognised(layout='basicsr', why='found train/lq and train/gt', complete=True)
    """
    fitting = candidates(root)
    complete = [each for each in fitting if each.complete]
    if len(complete) > 1:
        known = "\n".join(f"  {each.layout}: {each.why}" for each in complete)
        names = ", ".join(each.layout for each in complete)
        raise PairingError(f"{root}: fits more than one layout ({names}); say which by --layout.\n{known}")
    if fitting:
        return (complete or fitting)[0]
    raise PairingError(_none_fits(root))


def candidates(root: Path) -> list[Recognised]:
    """Every layout that fits a folder, whole or in part."""
    return [*_by_tables(root)] or [*_by_folders(root)]


def _by_tables(root: Path) -> Iterator[Recognised]:
    if scenes := find_scenes(root):
        yield Recognised("realbokeh", f"found {len(scenes)} file(s) metadata/*.json")
    elif tables := find_tables(root):
        yield Recognised("hf-imagefolder", f"found {', '.join(_shown(root, tables))}")


def _by_folders(root: Path) -> Iterator[Recognised]:
    for name, folders in _MARKED_BY.items():
        if name == "sdd" and (root / "train_patches/blur").is_dir() and not (root / "train/blur").is_dir():
            name, folders = "sdd-patches", FOLDERS["sdd-patches"]
        sides = [[side for side in (each.blurry, each.sharp) if (root / side).is_dir()] for each in folders]
        if whole := [side for side in sides if len(side) == 2]:
            yield Recognised(name, "found " + ", ".join(" and ".join(side) for side in whole))
        elif half := [side[0] for side in sides if side]:
            yield Recognised(name, "found " + ", ".join(half), complete=False)
    for blurry, sharp in RTF.items():
        if (root / blurry).is_dir() and (root / sharp).is_dir():
            yield Recognised("rtf", f"found {blurry} and {sharp}" if blurry != sharp else f"found {blurry}")
    if (root / PAIRS_CSV).is_file():
        yield Recognised("csv", f"found {PAIRS_CSV}")
    if files := find_parquet(root):
        yield Recognised("hf-parquet", f"found {', '.join(_shown(root, files))}")


def _shown(root: Path, paths: list[Path]) -> list[str]:
    names = [path.relative_to(root).as_posix() for path in paths]
    return names if len(names) <= 3 else [*names[:2], f"and {len(names) - 2} more"]


def _none_fits(root: Path) -> str:
    entries = sorted(root.iterdir(), key=lambda entry: natural_key(entry.name))
    there = [f"{entry.name}/ ({_count(entry)})" if entry.is_dir() else entry.name for entry in entries[:_SHOWN]]
    more = f" and {len(entries) - _SHOWN} more" if len(entries) > _SHOWN else ""
    known = "\n".join(f"  {name}: {rule_of(name)}" for name in LAYOUTS)
    return (
        f"{root}: fits no known layout. It holds: {', '.join(there) or 'nothing'}{more}.{_nearest(root)} Two folders "
        f"of any name are read by --blurry-dir A --sharp-dir B. Layouts known:\n{known}"
    )


def _count(folder: Path) -> str:
    try:
        inside = [entry.name for entry in folder.iterdir() if entry.is_file() or entry.is_dir()]
        folders = sum((folder / name).is_dir() for name in inside)
    except OSError as error:
        return f"not readable: {error.strerror}"
    pictures = sum(Path(name).suffix.lower() in IMAGE_SUFFIXES | RAW_SUFFIXES for name in inside)
    return ", ".join([counted(pictures, "picture"), *([counted(folders, "folder")] if folders else [])])


def _nearest(root: Path) -> str:
    """A sentence on the layout whose folders' names are most like those that are there."""
    there = [path.relative_to(root).as_posix() for path in root.glob("*") if path.is_dir()]
    there += [path.relative_to(root).as_posix() for path in root.glob("*/*") if path.is_dir()]
    best, of_best = _LEAST_LIKENESS, ""
    for name, folders in FOLDERS.items():
        for split in folders:
            likes = []
            for side in (split.blurry, split.sharp):
                ratios = [(_likeness(side.lower(), each.lower()), each) for each in there]
                likes.append(max(ratios, default=(0.0, "")))
            like = sum(ratio for ratio, _ in likes) / 2
            if like > best and likes[0][1] != likes[1][1]:
                best, seen = like, f"{likes[0][1]} and {likes[1][1]}"
                of_best = (
                    f" The nearest layout is {name}, which needs {split.blurry} and {split.sharp}; here are {seen}."
                )
    return of_best


def _likeness(path: str, other: str) -> float:
    """Share of letters that two paths have in common; a little less where only their last parts have."""
    whole = SequenceMatcher(None, path, other).ratio()
    last = SequenceMatcher(None, path.rpartition("/")[2], other.rpartition("/")[2]).ratio()
    return max(whole, 0.9 * last)

"""Pairs from two folders of pictures, matched by name, by DPDD's lists, by sorted order, or by scene (LFDOF)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from sdd_bench.captures.listing import Listing, below, list_pictures
from sdd_bench.core.errors import PairingError
from sdd_bench.core.types import Pair, Problem, Split
from sdd_bench.core.words import counted

_PREVIEW = 3
"""Pairs shown from each end of a pairing by sorted order: a shift by one shows in the first or the last."""


@dataclass(frozen=True)
class SplitFolders:
    """The folders in which a layout keeps a split, relative to the layout's root."""

    split: Split | None
    """None: the names of the folders do not tell the split."""
    blurry: str
    sharp: str


@dataclass
class Found:
    """What was read of a layout; the pairs have no names yet."""

    pairs: list[Pair] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    root: Path | None = None
    """Folder that contains all pictures, if it is not the source."""


def _folders(pattern: str, blurry: str, sharp: str, splits: Iterable[Split] = tuple(Split)) -> tuple[SplitFolders, ...]:
    return tuple(SplitFolders(split, pattern.format(split) + blurry, pattern.format(split) + sharp) for split in splits)


def _any_split(blurry: str, sharp: str) -> tuple[SplitFolders, ...]:
    """Folders below those of the splits (``val`` or ``validation``), or without splits."""
    named = (*_folders("{}/", blurry, sharp), SplitFolders(Split.VAL, f"validation/{blurry}", f"validation/{sharp}"))
    return (*named, SplitFolders(None, blurry, sharp))


_SDD = _folders("{}/", "blur", "gt")
FOLDERS: dict[str, tuple[SplitFolders, ...]] = {
    "sdd": _SDD,
    "sdd-patches": (SplitFolders(Split.TRAIN, "train_patches/blur", "train_patches/gt"), *_SDD[1:]),
    "dpdd": _folders("{}_c/", "source", "target"),
    "restormer": _folders("{}/", "inputC", "target"),
    "realdof": (SplitFolders(Split.TEST, "source", "target"),),
    "lfdof": _folders("{}_data/", "input", "ground_truth", (Split.TRAIN, Split.TEST)),
    "pairs": (*_any_split("input", "target"), *_any_split("blurry", "sharp")),
    "basicsr": _any_split("lq", "gt"),
    "ebb": (*_any_split("bokeh", "original"), *_any_split("gt", "in")),
}
_EBB_GT = [folders.blurry for folders in FOLDERS["ebb"] if folders.blurry.endswith("gt")]
LISTED = ("dpdd", "restormer")
"""Layouts that can be paired by DPDD's name lists."""


def describe(layout: str) -> str:
    """The folders of a layout, for messages.

    Example:
        >>> describe("realdof"), describe("lfdof")
        ('source + target', '{train,test}_data/input + {train,test}_data/ground_truth')
    """
    forms: dict[tuple[str, str], list[str]] = {}
    for folders in FOLDERS[layout]:
        names = [name for name in (*Split, "validation") if folders.blurry.startswith((f"{name}/", f"{name}_"))]
        name = names[0] if names else ""
        form = folders.blurry.removeprefix(name), folders.sharp.removeprefix(name)
        forms.setdefault(form, []).append(name)
    shown = []
    for sides, found in forms.items():
        splits = [str(name) for name in found if name and name != "validation"]
        before = f"{{{','.join(splits)}}}" if len(splits) > 1 else "".join(splits)
        if splits:
            shown.append(" + ".join(before + side for side in sides))
        elif "" in found:
            shown.append(" + ".join(sides))
    return "; ".join(shown)


def read_folders(root: Path, layout: str, lists: Path | None, default_split: Split = Split.TEST) -> Found:
    """Pair the pictures below ``root``, split by split.

    Args:
        root: Folder of captures.
        layout: Layout of the folders, a key of :data:`FOLDERS`.
        lists: Folder of DPDD's name lists; None: pair without lists.
        default_split: Split of folders whose names do not tell it.

    Raises:
        PairingError: A list is damaged, or sorted order is needed and the counts differ.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     root = Path(folder)
        ...     for side in ("source", "target"):
        ...         (root / side).mkdir()
        ...         _ = (root / side / "0001.png").write_bytes(b"")
        ...     pair = read_folders(root, "realdof", None).pairs[0]
        ...     pair.blurry_path.relative_to(root).as_posix(), pair.sharp_path.relative_to(root).as_posix()
        ('source/0001.png', 'target/0001.png')
    """
    found = Found()
    for folders in FOLDERS[layout]:
        split = folders.split or default_split
        sides = [list_pictures(root / side, root, split) for side in (folders.blurry, folders.sharp)]
        present = [side for side in sides if side.folder.is_dir()]
        found.problems += chain.from_iterable(side.problems for side in sides)
        if len(present) == 1:
            absent = next(side for side in sides if side not in present)
            count, partner = len(present[0].pictures), below(absent.folder, root)
            reason = f"there is no folder {partner}, so its {count} picture(s) have no partner"
            found.problems.append(Problem(below(present[0].folder, root), reason, split, partner))
        elif present:
            blurry, sharp = sides
            if layout == "lfdof":
                found.pairs += _pair_by_scene(split, blurry, sharp, root, found.problems)
                continue
            stems = _pair_stems(layout, split, blurry, sharp, lists, root, found)
            found.pairs += [Pair("", split, blurry.pictures[a], sharp.pictures[b]) for a, b in stems]
    if layout == "ebb" and any(
        pair.blurry_path.is_relative_to(root / each) for pair in found.pairs for each in _EBB_GT
    ):
        found.notes.append("gt was taken as the blurry side and in as the sharp one, as in EBB; else use --blurry-dir")
    if layout == "sdd" and (root / "train_patches").is_dir():
        found.notes.append("train_patches/ was not read, because train/ is there: --layout sdd-patches reads it")
    return found


def _pair_stems(
    layout: str, split: Split, blurry: Listing, sharp: Listing, lists: Path | None, root: Path, found: Found
) -> list[tuple[str, str]]:
    """The stems of blurry and sharp pictures that belong together; the other pictures go to ``found.problems``."""
    shared = [stem for stem in blurry.stems if stem in sharp.pictures]
    if lists is not None:
        wanted = _read_lists(lists, split)
        stems = [(a, b) for a, b in wanted if a in blurry.pictures and b in sharp.pictures]
        for a, b in wanted:
            missing = [stem for stem, side in ((a, blurry), (b, sharp)) if stem not in side.pictures]
            if missing:
                reason = f"the list pairs {a} with {b}, but there is no picture {', '.join(missing)}"
                found.problems.append(Problem(f"{split}/{a}", reason, split, a))
        why = f"not in the lists of {lists.name}"
    elif shared or layout.startswith("sdd"):
        stems, why = [(stem, stem) for stem in shared], "no picture of the same name in {}"
    else:
        if len(blurry.pictures) != len(sharp.pictures):
            raise PairingError(
                f"{blurry.folder}: {counted(len(blurry.pictures), 'picture')}, but {len(sharp.pictures)} in "
                f"{sharp.folder}, and no name occurs in both. Pairing by sorted order needs equal counts: "
                "give --lists or a CSV of pairs."
            )
        stems, why = sorted_order(blurry, sharp, root, found.notes), ""
    for side, other, used in (
        (blurry, sharp, {a for a, _ in stems}),
        (sharp, blurry, {b for _, b in stems}),
    ):
        reason = why.format(below(other.folder, root))
        found.problems += [
            Problem(below(side.pictures[s], root), reason, split, "" if lists else s)
            for s in side.stems
            if s not in used
        ]
    return stems


def sorted_order(blurry: Listing, sharp: Listing, root: Path, notes: list[str]) -> list[tuple[str, str]]:
    """The stems of two folders with equal counts, paired by sorted order; ``notes`` gets the first and last pairs."""
    stems = list(zip(blurry.stems, sharp.stems, strict=True))
    if not stems:
        return stems
    shown = stems if len(stems) <= 2 * _PREVIEW else [*stems[:_PREVIEW], *stems[-_PREVIEW:]]
    lines = "".join(f"\n  {blurry.pictures[a].name} - {sharp.pictures[b].name}" for a, b in shown)
    folders = f"{below(blurry.folder, root)} and {below(sharp.folder, root)}"
    notes.append(
        f"{folders}: the names differ, so pairs were formed by sorted order ({len(stems)}); check them:{lines}"
    )
    return stems


def _read_lists(folder: Path, split: Split) -> list[tuple[str, str]]:
    blurry, sharp = (_read_names(folder, f"{split}_{side}") for side in ("src", "trg"))
    if len(blurry) != len(sharp):
        raise PairingError(
            f"{folder}: {split}_src names {counted(len(blurry), 'picture')}, but {split}_trg {len(sharp)}."
        )
    for side, names in (("src", blurry), ("trg", sharp)):
        twice = sorted(name for name, count in Counter(names).items() if count > 1)
        if twice:
            raise PairingError(f"{folder}: {split}_{side} names {', '.join(twice[:5])} more than once.")
    return list(zip(blurry, sharp, strict=True))


def _read_names(folder: Path, name: str) -> list[str]:
    from sdd_bench.core.storage.npy import read_npy

    array, text = folder / f"{name}.npy", folder / f"{name}.txt"
    try:
        if array.is_file():
            names = read_npy(array)
            if names.ndim != 1 or names.dtype.kind != "U":
                raise PairingError(f"{array}: expected a row of names, got {names.dtype} of shape {names.shape}.")
            return [str(entry) for entry in names]
        lines = text.read_text(encoding="utf-8").splitlines()
        return [line.strip() for line in lines if line.strip()]
    except FileNotFoundError as error:
        raise PairingError(f"{folder}: has neither {array.name} nor {text.name}, needed for --lists.") from error
    except (OSError, ValueError, EOFError) as error:
        raise PairingError(f"{array if array.is_file() else text}: not a readable list of names ({error}).") from error


def _pair_by_scene(split: Split, blurry: Listing, sharp: Listing, root: Path, problems: list[Problem]) -> list[Pair]:
    """Pairs of LFDOF: any number of pictures ``input/SCENE/*`` belong to the one picture ``ground_truth/SCENE.*``."""
    pairs = []
    for stem in blurry.stems:
        scene = stem.rpartition("/")[0]
        if scene in sharp.pictures:
            pairs.append(Pair("", split, blurry.pictures[stem], sharp.pictures[scene], scene=scene))
        else:
            where = f"{below(sharp.folder, root)}/{scene or 'SCENE'}"
            problems.append(Problem(below(blurry.pictures[stem], root), f"no sharp picture {where}.*", split, stem))
    used = {pair.scene for pair in pairs}
    reason = f"no blurry pictures in {below(blurry.folder, root)}"
    problems += [
        Problem(below(path, root), f"{reason}/{scene}", split, scene)
        for scene, path in sharp.pictures.items()
        if scene not in used
    ]
    return pairs

"""Pairs from folders of pictures: the layouts that are known, and how each says which pictures belong together.

============== ============================================================= ====================================
layout         folders or files                                              paired by
============== ============================================================= ====================================
sdd            ``{train,val,test}/{blur,gt}``                                same name
sdd-patches    ``{train_patches,val,test}/{blur,gt}``                        same name
dpdd           ``{train,val,test}_c/{source,target}``                        lists, same name, or sorted order
restormer      ``{train,val,test}/{inputC,target}``                          lists, same name, or sorted order
realdof        ``{source,target}`` (all of it is the test split)             same name, or sorted order
lfdof          ``{train,test}_data/{input/SCENE/*,ground_truth/SCENE.*}``    many blurry to the sharp of SCENE
pairs          ``{input,target}`` or ``{blurry,sharp}``, or below            same name, or sorted order
               ``{train,val,test}``
basicsr        ``{lq,gt}``, or below ``{train,val,test}``                    same name, or sorted order
ebb            ``{bokeh,original}`` or ``{gt,in}`` (blurry first), likewise  same name, or sorted order
rtf            ``image/*/image_NN``, ``GT/sharp_NN``; see recognise.py       number
realbokeh      ``{train,validation,test}/metadata/*.json``                   the JSON of a scene, many to one
hf-imagefolder ``metadata.csv`` or ``metadata.jsonl``                        its rows
hf-parquet     ``*.parquet``, ``data/*.parquet``                             its rows
csv            a CSV file, see :mod:`sdd_bench.captures.csv_pairs`           its rows
folders        any, see :mod:`sdd_bench.captures.pairing`                    what the user says
============== ============================================================= ====================================

Names are compared without suffix, so ``a.jpg`` pairs with ``a.png``. Sorted order is used only if no name occurs on
both sides and the counts are equal; a note then shows the first and last pairs. Nothing is dropped silently: each file
that forms no pair is a :class:`~sdd_bench.core.types.Problem`.

An SDD folder may hold ``scenes.csv`` (``split,name,scene,group``) and the truth of a synthetic set:
``truth/SPLIT/NAME.json`` and ``truth/SPLIT/NAME_aligned.png``.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sdd_bench.captures.csv_pairs import SCENES_CSV, lists_sharp, read_pairs_csv, read_scenes_csv
from sdd_bench.captures.folders import FOLDERS, LISTED, Found, read_folders
from sdd_bench.captures.listing import below, names_of
from sdd_bench.captures.metadata.imagefolder import read_imagefolder
from sdd_bench.captures.metadata.parquet import find_parquet, read_parquet
from sdd_bench.captures.metadata.realbokeh import read_realbokeh
from sdd_bench.captures.pairing import Pairing, read_pairing
from sdd_bench.captures.recognise import LAYOUTS, PAIRS_CSV, RTF, candidates, recognise, rule_of
from sdd_bench.core.errors import ConfigError, PairingError
from sdd_bench.core.types import Pair, Problem, Split
from sdd_bench.images.photograph import IMAGE_SUFFIXES, RAW_SUFFIXES

__all__ = ["LAYOUTS", "PairList", "has_pairs", "read_layout"]


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
    why: str = ""
    """What told the layout, where it was found out."""
    n_lost: int = 0
    """Number of pairs that the split lacks because of the problems; set by :func:`open_dataset`."""
    shared: tuple[str, ...] = ()
    """What pairs of the split share with other pairs and must not, such as a sharp picture that is in training, too;
    set by :func:`open_dataset`."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """The layout and what told it, if it was found out, then the notes."""
        return (*([f"read as {self.layout}: {self.why}"] if self.why else []), *self.notes)


def read_layout(
    root: Path,
    *,
    layout: str = "auto",
    pairs_csv: Path | None = None,
    lists: Path | None = None,
    pairing: Pairing | None = None,
    limit: int | None = None,
    default_split: Split = Split.TRAIN,
) -> PairList:
    """The pairs below ``root``.

    Args:
        root: Folder of captures, or CSV or Parquet file of pairs.
        layout: One of :data:`LAYOUTS`; or ``auto``, which finds the layout by the names of folders and files.
        pairs_csv: CSV of pairs to use in place of the folders; its paths are relative to ``root``.
        lists: Folder of DPDD's name lists, ``{train,val,test}_{src,trg}.npy`` (or ``.txt``, one name per line).
        pairing: What the user says about pairs: folders of any name, names to match, columns.
        limit: Number of pairs to keep, from the first on; None keeps all.
        default_split: Split of pairs whose folder or row states none.

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
        >>> found.layout, found.why, [pair.pair_id for pair in found.pairs]
        ('sdd', 'found test/blur and test/gt', ['test/0001'])
    """
    if layout != "auto" and layout not in LAYOUTS:
        raise ConfigError(f"layout {layout!r} is unknown; known: auto, {', '.join(LAYOUTS)}.")
    if limit is not None and limit < 1:
        raise ConfigError(f"limit {limit}: expected 1 or more.")
    if not root.exists():
        raise PairingError(f"{root}: does not exist; expected a folder of captures or a CSV file of pairs.")
    if root.is_file() and root.suffix.lower() in IMAGE_SUFFIXES | RAW_SUFFIXES:
        raise PairingError(
            f"{root}: a picture; expected a folder of captures or a CSV of pairs. One picture is taken by predict, "
            "blur-map and evaluate --no-truth, two by analyze BLURRY SHARP."
        )
    pairing = pairing or Pairing()
    layout, why = _resolve(root, layout, pairs_csv, pairing)
    if lists is not None and layout not in LISTED:
        raise ConfigError(f"name lists go with the layouts {', '.join(LISTED)}; {root} is read as {layout}.")
    if pairing.columns is not None and not layout.startswith("hf-"):
        raise ConfigError(f"--columns goes with the layouts hf-imagefolder and hf-parquet; {root} is read as {layout}.")
    csv_path = (pairs_csv or (root if root.is_file() else root / PAIRS_CSV)) if layout == "csv" else None
    root = root if root.is_dir() or layout != "csv" else root.parent
    found = _read(root, layout, csv_path, lists, pairing, default_split)
    root = found.root or root
    if not found.pairs:
        raise PairingError(_no_pairs(root, layout, found.problems))
    pairs = with_names(found.pairs, root)
    if layout.startswith("sdd"):
        pairs = list(_with_scenes_and_truth(pairs, root))
    if layout != "csv":  # a CSV says its scenes itself
        pairs = list(_with_shared_scenes(pairs, root))
    return PairList(root, layout, tuple(pairs[:limit]), tuple(found.problems), tuple(found.notes), why)


def with_names(pairs: Sequence[Pair], root: Path) -> list[Pair]:
    """Pairs named by the rule of :class:`~sdd_bench.core.types.Pair`.

    Raises:
        PairingError: Two pairs of a split would have one name.
    """
    names = names_of([(pair.split, pair.blurry_path) for pair in pairs], root)
    return [dataclasses.replace(pair, name=name) for pair, name in zip(pairs, names, strict=True)]


def _read(
    root: Path, layout: str, csv_path: Path | None, lists: Path | None, pairing: Pairing, default_split: Split
) -> Found:
    if csv_path is not None:
        return Found(*read_pairs_csv(csv_path, root, default_split))
    if layout == "folders":
        return read_pairing(root, pairing, default_split)
    if layout == "rtf":
        return _read_rtf(root)
    if layout == "realbokeh":
        return read_realbokeh(root)
    if layout == "hf-imagefolder":
        return read_imagefolder(root, default_split, pairing.columns)
    if layout == "hf-parquet":
        return read_parquet(root, default_split, pairing.columns)
    return read_folders(root, layout, lists, default_split)


def _read_rtf(root: Path) -> Found:
    blurry, sharp = next(((a, b) for a, b in RTF.items() if (root / a).is_dir() and (root / b).is_dir()), ("", ""))
    if not blurry:
        return Found()
    pattern = r"(?:(?P<sharp>sharp)|(?P<blurry>image))_([^/]+)$"
    return read_pairing(root, Pairing((blurry,), (sharp,), match_names=pattern), Split.TEST)


def has_pairs(
    root: Path, *, layout: str = "auto", pairs_csv: Path | None = None, pairing: Pairing | None = None
) -> bool:
    """Whether a source has sharp pictures: both folders of a layout, or a CSV with the column ``sharp``.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Path(folder, "test", "blur").mkdir(parents=True)
        ...     has_pairs(Path(folder))
        False
    """
    if pairing is not None and pairing.names_files:
        return pairing.has_sharp
    if root.is_file() and root.suffix.lower() in IMAGE_SUFFIXES | RAW_SUFFIXES:
        return False
    if layout in FOLDERS:
        return any((root / split.blurry).is_dir() and (root / split.sharp).is_dir() for split in FOLDERS[layout])
    if layout not in ("auto", "csv") or find_parquet(root):
        return True
    if pairs_csv is not None or root.is_file():
        return lists_sharp(pairs_csv or root)
    if (root / PAIRS_CSV).is_file() and lists_sharp(root / PAIRS_CSV):
        return True
    if layout == "csv":
        return False
    return any(found.complete and found.layout != "csv" for found in candidates(root))


def _resolve(root: Path, layout: str, pairs_csv: Path | None, pairing: Pairing) -> tuple[str, str]:
    """The layout to read, and what told it if it was found out."""
    if pairing.names_files:
        if layout != "auto" or pairs_csv is not None:
            raise ConfigError("--blurry-dir and --list say which files form pairs; leave out --layout and --pairs.")
        if not root.is_dir():
            raise ConfigError(f"{root} is no folder; --blurry-dir and --list name files below a folder.")
        return "folders", ""
    if pairs_csv is not None or (root.is_file() and not find_parquet(root)):
        if layout not in ("auto", "csv"):
            raise ConfigError(f"a CSV of pairs was given, so the layout cannot be {layout}.")
        if pairs_csv is not None and root.is_file():
            raise ConfigError(f"{root} is no folder, but pairs are to be read from {pairs_csv}; name one of the two.")
        return "csv", ""
    if root.is_file():
        if layout not in ("auto", "hf-parquet"):
            raise ConfigError(f"{root} is a Parquet file, so the layout cannot be {layout}.")
        return "hf-parquet", ""
    if layout != "auto":
        return layout, ""
    found = recognise(root)
    return found.layout, found.why


def _no_pairs(root: Path, layout: str, problems: list[Problem]) -> str:
    reasons = "".join(f"\n  {problem.item}: {problem.reason}" for problem in problems[:3])
    expected = "" if layout == "folders" else f"; expected {rule_of(layout)}"
    return f"{root}: read as {layout}, but no pair was found{expected}.{reasons}"


def _with_shared_scenes(pairs: list[Pair], root: Path) -> Iterator[Pair]:
    """Name the scene of pairs that share a sharp picture, where the layout does not."""
    uses = Counter(pair.sharp_path for pair in pairs)
    for pair in pairs:
        shared = uses[pair.sharp_path] > 1 and not pair.scene
        scene = below(pair.sharp_path.with_suffix(""), root) if shared else pair.scene
        yield dataclasses.replace(pair, scene=scene)


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

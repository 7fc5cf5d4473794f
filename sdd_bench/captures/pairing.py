r"""Pairs where the names of folders do not say which pictures belong together: the user says it.

Two folders, or several (``blurry_dirs``, ``sharp_dirs``), are paired by the first of these rules that is given or fits:

1. ``list_file``: two columns without a header, blurry then sharp, separated by a comma, a tab or spaces (as NRKNet's).
2. ``match_names``: a regular expression that is searched in each name (the path below its folder, without suffix).
   Pictures with the same values of its groups belong together. Groups called ``blurry`` and ``sharp`` tell the sides
   where both lie in one folder: ``(\d+)_(?:(?P<sharp>f16)|(?P<blurry>f\d+))``.
3. Equal names. A blurry picture in a subfolder also belongs to the sharp picture of its file name, so folders of
   several apertures go to one sharp folder.
4. Sorted order, if no name occurs on both sides and the counts are equal; a note shows the first and last pairs.

Any number of blurry pictures may belong to one sharp picture; they then form a scene.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sdd_bench.captures.csv_pairs import RowError, inside
from sdd_bench.captures.folders import Found, sorted_order
from sdd_bench.captures.listing import Listing, below, list_pictures
from sdd_bench.core.config import take_strings
from sdd_bench.core.errors import ConfigError, PairingError, reason_of
from sdd_bench.core.types import Pair, Problem, Split
from sdd_bench.core.words import counted

_SIDES = ("blurry", "sharp")


@dataclass(frozen=True)
class Pairing:
    """What the user says about pairs."""

    blurry_dirs: tuple[str, ...] = ()
    """Folders of blurry pictures, relative to the source."""
    sharp_dirs: tuple[str, ...] = ()
    """As many folders of sharp pictures, or one for all."""
    match_names: str | None = None
    """Regular expression whose groups are equal in the names of a pair."""
    list_file: Path | None = None
    """List of pairs, without a header."""
    columns: tuple[str, str] | None = None
    """Names of the blurry and the sharp column of a table of pictures (``hf-imagefolder``, ``hf-parquet``)."""

    def __post_init__(self) -> None:
        take_strings(self, "list_file")
        n_blurry, n_sharp = len(self.blurry_dirs), len(self.sharp_dirs)
        if n_sharp and not n_blurry:
            raise ConfigError("--sharp-dir was given without --blurry-dir; name the folder of blurry pictures, too.")
        if n_sharp not in (0, 1, n_blurry):
            raise ConfigError(
                f"{n_blurry} folders by --blurry-dir, but {n_sharp} by --sharp-dir; expected one for all, or one each."
            )
        if self.match_names is not None:
            _compiled(self.match_names)
            if not n_blurry or self.list_file is not None:
                raise ConfigError("--match-names goes with --blurry-dir, and not with --list.")

    @property
    def names_files(self) -> bool:
        """Whether it says by itself which files form pairs, so that no layout is needed."""
        return bool(self.blurry_dirs) or self.list_file is not None

    @property
    def has_sharp(self) -> bool:
        """Whether it names sharp pictures.

        Example:
            >>> Pairing(("blur",)).has_sharp, Pairing(("blur",), ("gt",)).has_sharp
            (False, True)
        """
        one_folder = self.match_names is not None and "sharp" in _compiled(self.match_names).groupindex
        return bool(self.sharp_dirs) or self.list_file is not None or one_folder


def read_pairing(root: Path, pairing: Pairing, split: Split) -> Found:
    """The pairs that ``pairing`` names below ``root``, all of ``split``.

    Raises:
        PairingError: A folder is missing or leads out of ``root``, the list is damaged, or names tell nothing and the
            counts differ.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     root = Path(folder)
        ...     for name in ("f2/1.png", "f8/1.png", "f16/1.png"):
        ...         (root / name).parent.mkdir()
        ...         _ = (root / name).write_bytes(b"")
        ...     found = read_pairing(root, Pairing(("f2", "f8"), ("f16",)), Split.TEST)
        ...     [pair.blurry_path.relative_to(root).as_posix() for pair in found.pairs]
        ['f2/1.png', 'f8/1.png']
    """
    found = Found()
    if pairing.list_file is not None:
        bases = [folder_below(root, dirs[0]) if dirs else root for dirs in (pairing.blurry_dirs, pairing.sharp_dirs)]
        _read_list(pairing.list_file, bases[0], bases[1], split, found)
        return found
    if not pairing.has_sharp:
        raise PairingError(
            f"{root}: --blurry-dir names blurry pictures, but nothing names sharp ones. Give --sharp-dir; or use "
            "predict, which needs none."
        )
    sharp_dirs = pairing.sharp_dirs or pairing.blurry_dirs
    sharp_dirs = sharp_dirs * len(pairing.blurry_dirs) if len(sharp_dirs) == 1 else sharp_dirs
    together: dict[str, list[str]] = {}
    for blurry_dir, sharp_dir in zip(pairing.blurry_dirs, sharp_dirs, strict=True):
        together.setdefault(sharp_dir, []).append(blurry_dir)
    for sharp_dir, blurry_dirs in together.items():
        _read_sides(root, blurry_dirs, sharp_dir, pairing.match_names, split, found)
    return found


def _read_sides(
    root: Path, blurry_dirs: list[str], sharp_dir: str, match_names: str | None, split: Split, found: Found
) -> None:
    folder = folder_below(root, sharp_dir)
    folders = [folder_below(root, each) for each in blurry_dirs]
    sharp = list_pictures(folder, root, split)
    if match_names is None or folder not in folders:
        _leave_out_below(sharp, folders)
    found.problems += sharp.problems
    used: set[str] = set()
    for blurry_folder in folders:
        blurry = list_pictures(blurry_folder, root, split)
        if blurry_folder != folder:
            _leave_out_below(blurry, [folder, *(each for each in folders if each != blurry_folder)])
            found.problems += blurry.problems
        elif match_names is None:
            raise PairingError(
                f"{folder}: holds both sides. Say by --match-names which is which, with groups called blurry and sharp."
            )
        if match_names is not None:
            used |= _by_pattern(blurry, sharp, _compiled(match_names), root, split, found)
        else:
            used |= _by_name(blurry, sharp, root, split, found)
    if folder in folders:
        return  # what is on neither side was listed as blurry
    found.problems += [
        Problem(below(path, root), "no blurry picture belongs to it", split, stem)
        for stem, path in sharp.pictures.items()
        if stem not in used
    ]


def folder_below(root: Path, text: str) -> Path:
    """The folder that ``text`` names, relative to ``root`` or absolute, below ``root``.

    Raises:
        PairingError: It leads out of ``root``, or is no folder.
    """
    base, folder = root.absolute(), (root / text).absolute()
    parts = [part for part in folder.parts if part != "."]
    while ".." in parts:
        at = parts.index("..")
        del parts[at - 1 : at + 1]
    folder = Path(*parts)
    if not folder.is_relative_to(base):
        raise PairingError(f"{text}: leads out of {root}. Name a source folder above both sides, and folders below it.")
    if not folder.is_dir():
        raise PairingError(f"{folder}: {'is no folder' if folder.exists() else 'does not exist'}; expected pictures.")
    return root if folder == base else root / folder.relative_to(base)


def _leave_out_below(listing: Listing, others: Iterable[Path]) -> None:
    """Leave out the pictures of folders that lie below this one; they belong to the other side."""
    inner = [other for other in others if other != listing.folder and other.is_relative_to(listing.folder)]
    listing.pictures = {
        stem: path for stem, path in listing.pictures.items() if not any(path.is_relative_to(each) for each in inner)
    }


def _by_name(blurry: Listing, sharp: Listing, root: Path, split: Split, found: Found) -> set[str]:
    last = {stem.rpartition("/")[2]: stem for stem in sharp.pictures}
    counts = Counter(stem.rpartition("/")[2] for stem in sharp.pictures)
    partner = {}
    for stem in blurry.pictures:
        name = stem.rpartition("/")[2]
        if stem in sharp.pictures:
            partner[stem] = stem
        elif counts[name] == 1:
            partner[stem] = last[name]
    if not partner and blurry.pictures and sharp.pictures:
        if len(blurry.pictures) != len(sharp.pictures):
            raise PairingError(
                f"{blurry.folder}: {counted(len(blurry.pictures), 'picture')}, but {len(sharp.pictures)} in "
                f"{sharp.folder}, and no name occurs in both. Pairing by sorted order needs equal counts: "
                "give --match-names or --list."
            )
        partner = dict(sorted_order(blurry, sharp, root, found.notes))
    found.pairs += [Pair("", split, blurry.pictures[a], sharp.pictures[b]) for a, b in partner.items()]
    reason = f"no picture of the same name in {below(sharp.folder, root)}"
    found.problems += [
        Problem(below(path, root), reason, split, stem) for stem, path in blurry.pictures.items() if stem not in partner
    ]
    return set(partner.values())


def _compiled(text: str) -> re.Pattern[str]:
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise ConfigError(f"--match-names {text!r}: not a regular expression ({reason_of(error)}).") from error
    if pattern.groups - sum(side in pattern.groupindex for side in _SIDES) < 1:
        raise ConfigError(rf"--match-names {text!r}: has no group that a pair shares; expected one, such as (\d+).")
    return pattern


def _key(pattern: re.Pattern[str], stem: str, side: str) -> tuple[str, ...] | None:
    """What a name shares with its partner; None if the pattern is not in it, or tells that it is of the other side."""
    match = pattern.search(stem)
    if match is None:
        return None
    told = [each for each in _SIDES if match.groupdict().get(each) is not None]
    if told and told != [side]:
        return None
    numbers = {pattern.groupindex[each] for each in _SIDES if each in pattern.groupindex}
    return tuple(value or "" for number, value in enumerate(match.groups(), 1) if number not in numbers)


def _by_pattern(
    blurry: Listing, sharp: Listing, pattern: re.Pattern[str], root: Path, split: Split, found: Found
) -> set[str]:
    of_key: dict[tuple[str, ...], str] = {}
    for stem, path in sharp.pictures.items():
        key = _key(pattern, stem, "sharp")
        if key is not None and of_key.setdefault(key, stem) != stem:
            raise PairingError(
                f"{path}: matches {', '.join(key)}, as {sharp.pictures[of_key[key]]} does; --match-names must give "
                "every sharp picture another value."
            )
    used = set()
    for stem, path in blurry.pictures.items():
        key = _key(pattern, stem, "blurry")
        if key in of_key and key is not None:
            found.pairs.append(Pair("", split, path, sharp.pictures[of_key[key]]))
            used.add(of_key[key])
        elif blurry.folder != sharp.folder or _key(pattern, stem, "sharp") is None:
            shown = f"no sharp picture matches {', '.join(key)}" if key else f"{pattern.pattern} is not in its name"
            found.problems.append(Problem(below(path, root), shown, split, stem))
    return used


def _read_list(path: Path, blurry_root: Path, sharp_root: Path, split: Split, found: Found) -> None:
    seen: set[Path] = set()
    for number, (blurry, sharp) in _list_rows(path):
        try:
            pair = Pair("", split, inside(blurry_root, blurry, "blurry"), inside(sharp_root, sharp, "sharp"))
            if pair.blurry_path in seen:
                raise RowError(f"{blurry} was given already; a blurry picture belongs to one pair")
            if pair.blurry_path == pair.sharp_path:
                raise RowError(f"blurry and sharp are the same file, {blurry}")
        except RowError as error:
            found.problems.append(Problem(f"{path.name} line {number}", str(error), split, f"line {number}"))
            continue
        seen.add(pair.blurry_path)
        found.pairs.append(pair)


def _list_rows(path: Path) -> Iterator[tuple[int, tuple[str, str]]]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = "not UTF-8 text" if isinstance(error, UnicodeDecodeError) else reason_of(error)
        raise PairingError(f"{path}: cannot be read as a list of pairs ({reason}).") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        separator = next((each for each in (",", "\t") if each in line), None)
        cells = [cell.strip() for cell in line.strip().split(separator)]
        if len(cells) != 2:
            raise PairingError(
                f"{path}:{number}: expected two names, blurry and sharp, separated by a comma or a tab; got "
                f"{line.strip()!r}."
            )
        yield number, (cells[0], cells[1])

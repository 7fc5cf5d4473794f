"""The pictures of a folder, in natural order (``img2`` before ``img10``), and what in it is no picture.

A picture is known by its *stem*: its path below the folder without the suffix, parts joined by ``/``. Hidden files
and what file managers leave behind are ignored; everything else that is no picture, a folder that cannot be read, or a
name that no table can hold is a :class:`Problem`.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from sdd_bench.images.io import IMAGE_SUFFIXES, RAW_SUFFIXES
from sdd_bench.types import Problem

_LEFT_BEHIND = frozenset({"thumbs.db", "desktop.ini", "__macosx", "@eadir"})
_NO_LETTERS = ("Cc", "Cs", "Zl", "Zp")
"""Unicode's control characters, surrogates (bytes that are not UTF-8), line and paragraph separators."""
_NUMBER = re.compile(r"([0-9]+)")


def natural_key(text: str) -> tuple[list[str | int], str]:
    """Sort key that compares runs of digits as numbers.

    Example:
        >>> sorted(["img10", "img9", "img09"], key=natural_key)
        ['img09', 'img9', 'img10']
    """
    return [int(part) if part.isdigit() else part for part in _NUMBER.split(text)], text


@dataclass
class Listing:
    """What a folder of pictures holds."""

    folder: Path
    pictures: dict[str, Path] = field(default_factory=dict)
    """Stem to path, in natural order."""
    problems: list[Problem] = field(default_factory=list)

    @property
    def stems(self) -> list[str]:
        return list(self.pictures)


def list_pictures(folder: Path, root: Path) -> Listing:
    """List the pictures of ``folder`` and its subfolders; problems name files relative to ``root``.

    Two pictures with one stem (``a.png`` and ``a.tif``) are both left out: which is meant cannot be known.
    """
    listing = Listing(folder)
    by_stem: dict[str, list[Path]] = defaultdict(list)
    for path in _walk(folder, listing.problems, root):
        if any(unicodedata.category(letter) in _NO_LETTERS for letter in below(path, root)):
            name = ascii(below(path, root))
            listing.problems.append(Problem(name, "its name is not UTF-8, or holds control characters: rename it"))
        elif not path.exists():
            listing.problems.append(Problem(below(path, root), "a broken link"))
        elif path.suffix.lower() in IMAGE_SUFFIXES or path.suffix.lower() in RAW_SUFFIXES:
            by_stem[path.relative_to(folder).with_suffix("").as_posix()].append(path)
        else:
            reason = f"not a picture: the suffix {path.suffix or '(none)'} is not one that is read"
            listing.problems.append(Problem(below(path, root), reason))
    for stem in sorted(by_stem, key=natural_key):
        paths = by_stem[stem]
        if len(paths) == 1:
            listing.pictures[stem] = paths[0]
            continue
        names = ", ".join(path.name for path in paths)
        reason = f"{len(paths)} pictures share the name {stem} ({names}): keep one of them"
        listing.problems += [Problem(below(path, root), reason) for path in paths]
    return listing


def _walk(folder: Path, problems: list[Problem], root: Path) -> list[Path]:
    found = []

    def refused(error: OSError) -> None:
        if isinstance(error, FileNotFoundError):
            return
        problems.append(Problem(below(Path(error.filename), root), f"the folder cannot be read ({error.strerror})"))

    for parent, folders, files in os.walk(folder, onerror=refused):
        folders[:] = sorted((name for name in folders if not _is_ignored(name)), key=natural_key)
        for name in folders:
            link = Path(parent, name)
            if link.is_symlink():
                problems.append(Problem(below(link, root), "a link to a folder is not followed: put the folder here"))
        found += [Path(parent, name) for name in sorted(files, key=natural_key) if not _is_ignored(name)]
    return found


def _is_ignored(name: str) -> bool:
    return name.startswith(".") or name.lower() in _LEFT_BEHIND


def below(path: Path, root: Path) -> str:
    """``path`` relative to ``root`` with forward slashes, for messages and manifests."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()

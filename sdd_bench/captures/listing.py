"""The pictures of a folder, in natural order (``img2`` before ``img10``), and the files that are not pictures.

A picture is identified by its *stem*: its path below the folder without the suffix, with ``/`` between the parts.
Hidden files and what file managers leave behind are ignored. Anything else is a :class:`Problem`: a file that is not a
picture, a name that a table cannot hold.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sdd_bench.core.errors import PairingError
from sdd_bench.core.types import Problem, Split
from sdd_bench.images.photograph import IMAGE_SUFFIXES, RAW_SUFFIXES

_LEFT_BEHIND = frozenset({"thumbs.db", "desktop.ini", "__macosx", "@eadir"})
_OTHER_KINDS = frozenset({
    ".avif", ".exr", ".gif", ".hdr", ".heic", ".heif", ".hif", ".j2k", ".jfif", ".jp2", ".jpe", ".jxl",
    ".pbm", ".pgm", ".pnm", ".ppm", ".psd", ".qoi", ".tga", ".webp",
})  # fmt: skip
"""Suffixes of pictures that are not read: each is a picture that is missed, not a note that lies there."""
_NO_LETTERS = ("Cc", "Cs", "Zl", "Zp")
"""Unicode's control characters, surrogates (bytes that are not UTF-8), line and paragraph separators."""
_NUMBER = re.compile(r"([0-9]+)")


def natural_key(text: str) -> tuple[list[str | int], str]:
    """A sort key that compares runs of digits as numbers.

    Example:
        >>> sorted(["img10", "img9", "img09"], key=natural_key)
        ['img09', 'img9', 'img10']
    """
    return [int(part) if part.isdigit() else part for part in _NUMBER.split(text)], text


@dataclass
class Listing:
    """The content of a folder of pictures."""

    folder: Path
    pictures: dict[str, Path] = field(default_factory=dict)
    """Path of each stem, in natural order."""
    problems: list[Problem] = field(default_factory=list)

    @property
    def stems(self) -> list[str]:
        """Stems of the pictures, in natural order."""
        return list(self.pictures)


def list_pictures(folder: Path, root: Path, split: str = "") -> Listing:
    """List the pictures of a folder and its subfolders.

    If two pictures have one stem (``a.png`` and ``a.tif``), both are left out, because it is not known which is meant.

    Args:
        folder: Folder to list; one side, blurry or sharp, of a split.
        root: Folder that the problems' file names are relative to.
        split: Split that the folder belongs to.

    Raises:
        PairingError: The folder, or one in it, cannot be read.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("img10.png", "img2.jpg", "notes.txt"):
        ...         _ = Path(folder, name).write_bytes(b"")
        ...     listing = list_pictures(Path(folder), Path(folder))
        >>> listing.stems, [problem.item for problem in listing.problems]
        (['img2', 'img10'], ['notes.txt'])
    """
    listing = Listing(folder)

    def leave_out(path: Path, reason: str, *, is_pair: bool = True) -> None:
        name = below(path, root)
        stem = _stem(path, folder)
        listing.problems.append(
            Problem(name if _is_text(name) else ascii(name), reason, split, stem if is_pair else "")
        )

    by_stem: dict[str, list[Path]] = defaultdict(list)
    for path in _walk(folder, leave_out):
        is_picture = path.suffix.lower() in IMAGE_SUFFIXES | RAW_SUFFIXES
        if not _is_text(below(path, root)):
            leave_out(path, "its name is not UTF-8, or holds control characters: rename it", is_pair=is_picture)
        elif not path.exists():
            leave_out(path, "a broken link", is_pair=is_picture)
        elif is_picture:
            by_stem[_stem(path, folder)].append(path)
        elif path.suffix.lower() in _OTHER_KINDS:
            leave_out(path, f"pictures of the kind {path.suffix} are not read: convert it to PNG or TIFF")
        else:
            reason = f"not a picture: the suffix {path.suffix or '(none)'} is not one that is read"
            leave_out(path, reason, is_pair=False)
    for stem in sorted(by_stem, key=natural_key):
        paths = by_stem[stem]
        if len(paths) == 1:
            listing.pictures[stem] = paths[0]
            continue
        alike = len({unicodedata.normalize("NFC", path.name) for path in paths}) < len(paths)
        names = ", ".join(ascii(path.name) if alike else path.name for path in paths)
        for path in paths:
            leave_out(path, f"{len(paths)} pictures share the name {stem} ({names}): keep one of them")
    return listing


def _stem(path: Path, folder: Path) -> str:
    """The stem, its letters composed: file systems and archives differ in how they write the same accented name."""
    return unicodedata.normalize("NFC", path.relative_to(folder).with_suffix("").as_posix())


def _walk(folder: Path, leave_out: Callable[[Path, str], None]) -> list[Path]:
    found = []

    def refused(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            # That says nothing of the pictures in it: a set without them is not made.
            raise PairingError(
                f"{error.filename}: the folder cannot be read ({error.strerror}). Check the disk and the rights."
            ) from error

    for parent, folders, files in os.walk(folder, onerror=refused):
        folders[:] = sorted((name for name in folders if not _is_ignored(name)), key=natural_key)
        for name in folders:
            link = Path(parent, name)
            if link.is_symlink():
                leave_out(link, "a link to a folder is not followed: put the folder here")
        found += [Path(parent, name) for name in sorted(files, key=natural_key) if not _is_ignored(name)]
    return found


def _is_text(name: str) -> bool:
    return all(unicodedata.category(letter) not in _NO_LETTERS for letter in name)


def _is_ignored(name: str) -> bool:
    return name.startswith(".") or name.lower() in _LEFT_BEHIND


def below(path: Path, root: Path) -> str:
    """``path`` relative to ``root`` with forward slashes, for messages and manifests.

    A path outside ``root`` stays as it is.

    Example:
        >>> below(Path("/set/test/blur/a.png"), Path("/set"))
        'test/blur/a.png'
    """
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


def names_of(pictures: Sequence[tuple[Split, Path]], root: Path) -> list[str]:
    """The name of every blurry picture, by the rule of :class:`~sdd_bench.core.types.Pair`.

    Args:
        pictures: Split and path of each picture.
        root: Folder that contains them.

    Raises:
        PairingError: Two pictures of a split would have one name.

    Example:
        >>> paths = [Path("set/f2/1.png"), Path("set/f8/1.png"), Path("set/f8/2.png")]
        >>> names_of([(Split.TEST, path) for path in paths], Path("set"))
        ['f2__1', 'f8__1', '2']
    """
    stems = Counter((split, unicodedata.normalize("NFC", path.stem)) for split, path in pictures)
    taken: dict[tuple[Split, str], Path] = {}
    names = []
    for split, path in pictures:
        name = unicodedata.normalize("NFC", path.stem)
        if stems[split, name] > 1:
            name = unicodedata.normalize("NFC", below(path.with_suffix(""), root).replace("/", "__"))
        if taken.setdefault((split, name), path) != path:
            raise PairingError(f"{path} and {taken[split, name]} would both be called {split}/{name}; rename one.")
        names.append(name)
    return names

"""What makes the scores of a set worthless: a scene in two splits, one picture twice, sides changed over.

The same check runs on pairs before anything is written (files are compared by their place on the disk, and by their
bytes where their sizes are equal), and on a prepared set (by the SHA-256 in pairs.csv).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sdd_bench.captures.layouts import PairList
from sdd_bench.core.storage.files import sha256_or_empty
from sdd_bench.core.types import Pair, Problem
from sdd_bench.prepared.manifest import Manifest

_SHOWN = 3
_SAMPLE = 4096
_OWN_SCENES = ("lfdof",)
"""Layouts whose names of scenes count within a split only."""


@dataclass(frozen=True)
class Member:
    """A pair as the check sees it; equal keys mean equal pictures, an empty key is not known."""

    pair_id: str
    split: str
    scene: str
    blurry: str
    sharp: str


def leaks_of_pairs(found: PairList, *, splits: Collection[str] = ()) -> list[Problem]:
    """What is suspicious of pairs of files; :func:`leaks` says of which.

    Example:
        >>> import tempfile
        >>> from sdd_bench.core.types import Split
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     root = Path(folder)
        ...     _ = [(root / name).write_bytes(name.encode()) for name in ("a1", "a2", "s")]
        ...     splits = (("a1", Split.TRAIN), ("a2", Split.TEST))
        ...     pairs = tuple(Pair(name, split, root / name, root / "s") for name, split in splits)
        ...     [problem.reason for problem in leaks_of_pairs(PairList(root, "csv", pairs))]
        ['its sharp picture is in train and test: train/a1, test/a2']
    """
    keys = _keys(found.pairs)
    members = []
    for pair in found.pairs:
        scene = _scene(pair.scene, pair.split, found.layout)
        members.append(Member(pair.pair_id, pair.split, scene, keys[pair.blurry_path], keys[pair.sharp_path]))
    return leaks(members, splits=splits)


def leaks_of_set(manifest: Manifest, *, splits: Collection[str] = ()) -> list[Problem]:
    """What is suspicious of the pairs of a prepared set; :func:`leaks` says of which."""
    return leaks(
        (
            Member(
                row.pair_id,
                row.split,
                _scene(row.scene, row.split, manifest.source.layout),
                row.blurry_sha256,
                row.sharp_sha256,
            )
            for row in manifest.pairs
            if row.status == "ok"
        ),
        splits=splits,
    )


def _scene(scene: str, split: str, layout: str) -> str:
    return f"{split}/{scene}" if scene and layout in _OWN_SCENES else scene


def _keys(pairs: Sequence[Pair]) -> dict[Path, str]:
    """A key for every file: its bytes if another file has its size and middle, else its place on the disk."""
    paths = {path for pair in pairs for path in (pair.blurry_path, pair.sharp_path)}
    places: defaultdict[tuple[int, int, int], list[Path]] = defaultdict(list)
    for path in paths:
        state = path.stat()
        places[state.st_size, state.st_dev, state.st_ino].append(path)
    of_size = Counter(size for size, _, _ in places)
    middles = {place: _middle(members[0], place[0]) for place, members in places.items() if of_size[place[0]] > 1}
    alike = Counter((place[0], middle) for place, middle in middles.items())
    keys: dict[Path, str] = {}
    for place, members in places.items():
        has_double = place[0] and alike[place[0], middles.get(place, b"")] > 1
        key = sha256_or_empty(members[0]) if has_double else str(place)
        keys |= dict.fromkeys(members, key)
    return keys


def _middle(path: Path, size: int) -> bytes:
    """Some bytes from the middle of a file: uncompressed pictures are all of one size, and need not be read whole."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, size // 2 - _SAMPLE // 2))
            return file.read(_SAMPLE)
    except OSError:
        return b""


def leaks(members: Iterable[Member], *, splits: Collection[str] = ()) -> list[Problem]:
    """What is suspicious: scenes and pictures in two splits, one picture in two pairs, one picture as both sides.

    Args:
        members: The pairs of a set.
        splits: Only what pairs of these splits share with others; empty for everything.

    Example:
        >>> pairs = [Member("train/a", "train", "s1", "1", "2"), Member("test/b", "test", "s1", "3", "4")]
        >>> leaks(pairs)[0].reason
        'scene s1 is in train and test: train/a, test/b'
    """
    members = list(members)
    found_in: list[tuple[Sequence[Member], str]] = []
    scenes: defaultdict[str, list[Member]] = defaultdict(list)
    blurry: defaultdict[str, list[Member]] = defaultdict(list)
    sharp: defaultdict[str, list[Member]] = defaultdict(list)
    for member in members:
        scenes[member.scene].append(member)
        blurry[member.blurry].append(member)
        sharp[member.sharp].append(member)
    for found in scenes, blurry, sharp:
        found.pop("", None)
    for scene, of_scene in scenes.items():
        if where := _splits(of_scene):
            found_in.append((of_scene, f"scene {scene} is in {where}"))
    for of_sharp in sharp.values():
        same_scene = len({member.scene for member in of_sharp}) == 1 and of_sharp[0].scene
        if (where := _splits(of_sharp)) and not same_scene:  # else the scene was told already
            found_in.append((of_sharp, f"its sharp picture is in {where}"))
    found_in += [
        (same, f"its blurry picture occurs {len(same)} times, in {_where(same)}")
        for same in blurry.values()
        if len(same) > 1
    ]
    for key in blurry.keys() & sharp.keys():
        both = [member for member in blurry[key] if member.sharp == key]
        found_in += [([member], "its blurry and its sharp picture are the same") for member in both]
        others = [member for member in sharp[key] if member not in blurry[key]]
        if others:
            found_in.append(([*blurry[key], *others], "one picture is blurry in a pair and sharp in another"))
    if splits:
        found_in = [(of, what) for of, what in found_in if len(of) > 1 and any(member.split in splits for member in of)]
    return sorted((_problem(of, what) for of, what in found_in), key=lambda problem: problem.reason)


def _where(members: Sequence[Member]) -> str:
    return " and ".join(sorted({member.split for member in members}, key=["train", "val", "test"].index))


def _splits(members: Sequence[Member]) -> str:
    """The splits of the members in words; empty if it is one."""
    return _where(members) if len({member.split for member in members}) > 1 else ""


def _problem(members: Sequence[Member], what: str) -> Problem:
    first: Counter[str] = Counter()
    shown = []
    for member in members:  # of every split some
        first[member.split] += 1
        if first[member.split] <= _SHOWN - 1:
            shown.append(member.pair_id)
    more = f" and {len(members) - len(shown)} more" if len(members) > len(shown) else ""
    return Problem(
        members[0].pair_id, f"{what}: {', '.join(shown)}{more}" if len(members) > 1 else what, members[0].split
    )

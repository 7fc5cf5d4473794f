"""Which split each pair goes to: by share and seed, never a scene in two splits; or by a file.

Pairs of one scene, or of one sharp picture, stay together. Scenes are dealt out in an order drawn by the seed, group
after group, each to the split that lacks most of its share so far. So every split has its share of every group, as far
as whole scenes allow, and adding a group does not change how others are dealt.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdd_bench.captures.listing import below
from sdd_bench.core.config import take_strings
from sdd_bench.core.errors import ConfigError, PairingError
from sdd_bench.core.storage.files import sha256_of
from sdd_bench.core.storage.tables import Form, read_table
from sdd_bench.core.types import Pair, Problem, Split

_FORM = Form(PairingError, "Expected the columns split and one of scene, blurry, name.", by_hand=True)


@dataclass(frozen=True)
class SplitRule:
    """How pairs are dealt to splits."""

    shares: tuple[float, float, float] = (0.8, 0.1, 0.1)
    """Shares of the pairs in train, val and test; their sum is 1."""
    seed: int = 0
    """Seed of the order of scenes."""
    file: Path | None = None
    """CSV with the columns ``split`` and ``scene``, ``blurry`` (a path) or ``name``; used in place of the shares."""

    def __post_init__(self) -> None:
        take_strings(self, "file")
        if min(self.shares) < 0 or not abs(sum(self.shares) - 1) < 1e-6:  # so that NaN is refused
            raise ConfigError(f"split {', '.join(map(str, self.shares))}: expected shares of train, val, test; sum 1.")

    def as_dict(self) -> dict[str, Any]:
        """The rule as the manifest holds it, the file by its digest.

        Example:
            >>> SplitRule(seed=3).as_dict()
            {'shares': [0.8, 0.1, 0.1], 'seed': 3}
        """
        if self.file is not None:
            return {"file_sha256": sha256_of(self.file)}
        return {"shares": list(self.shares), "seed": self.seed}


@dataclass(frozen=True)
class _SplitRow:
    """A row of a file of splits."""

    split: str
    scene: str = ""
    blurry: str = ""
    name: str = ""


def deal(pairs: Sequence[Pair], rule: SplitRule, root: Path) -> tuple[list[Pair], list[Problem]]:
    """The pairs with the splits that ``rule`` gives them, split by split; and those that a file of splits leaves out.

    Args:
        pairs: Pairs of any splits.
        rule: The rule.
        root: Folder that paths in a file of splits are relative to.

    Raises:
        ConfigError: There are fewer scenes than splits with a share.
        PairingError: The file of splits is damaged, or puts a scene into two splits.

    Example:
        >>> pairs = [Pair("", Split.TRAIN, Path(f"b{n}"), Path(f"s{n // 2}")) for n in range(20)]
        >>> dealt, _ = deal(pairs, SplitRule((0.6, 0.2, 0.2)), Path())
        >>> sorted(Counter(str(pair.split) for pair in dealt).items())
        [('test', 4), ('train', 12), ('val', 4)]
    """
    problems: list[Problem] = []
    units = scene_units(pairs)
    if rule.file is not None:
        chosen = _by_file(pairs, units, rule.file, root, problems)
    else:
        chosen = _by_share(pairs, units, rule)
    order = list(Split)
    dealt = [
        dataclasses.replace(pair, split=chosen[unit]) for pair, unit in zip(pairs, units, strict=True) if unit in chosen
    ]
    return sorted(dealt, key=lambda pair: order.index(pair.split)), problems


def scene_units(pairs: Sequence[Pair]) -> list[str]:
    """For each pair the name of what stays together: all pairs that share a scene or a sharp picture.

    Example:
        >>> pairs = [Pair("", Split.TRAIN, Path(blurry), Path(sharp)) for blurry, sharp in ("ax", "bx", "cy")]
        >>> [len(set(scene_units(some))) for some in (pairs[:2], pairs)]
        [1, 2]
    """
    parent: dict[str, str] = {}

    def find(key: str) -> str:
        while parent.setdefault(key, key) != key:
            key = parent[key]
        return key

    for pair in pairs:
        keys = [f"sharp {pair.sharp_path}", *([f"scene {pair.scene}"] if pair.scene else [])]
        parent[find(keys[-1])] = find(keys[0])
    return [find(f"sharp {pair.sharp_path}") for pair in pairs]


def _by_share(pairs: Sequence[Pair], units: Sequence[str], rule: SplitRule) -> dict[str, Split]:
    sizes = Counter(units)
    groups: dict[str, str] = {}
    keys: dict[str, str] = {}
    for pair, unit in zip(pairs, units, strict=True):
        groups[unit] = max(groups.get(unit, ""), pair.group)
        keys[unit] = min(keys.get(unit, "\uffff"), pair.scene or "\uffff", pair.sharp_path.as_posix()[-80:])
    wanted = [split for split, share in zip(Split, rule.shares, strict=True) if share > 0]
    if len(sizes) < len(wanted):
        raise ConfigError(
            f"{len(sizes)} scene(s) cannot be dealt to {', '.join(wanted)} without a scene in two splits; "
            "give fewer shares."
        )
    drawn = {unit: hashlib.sha256(f"{rule.seed} {keys[unit]}".encode()).hexdigest() for unit in sizes}
    chosen: dict[str, Split] = {}
    have: Counter[Split] = Counter()
    dealt = 0
    for unit in sorted(sizes, key=lambda unit: (groups[unit], drawn[unit])):
        dealt += sizes[unit]
        lacks = {
            split: share * dealt - have[split] for split, share in zip(Split, rule.shares, strict=True) if share > 0
        }
        split = max(lacks, key=lambda each: (round(lacks[each], 9), -list(Split).index(each)))
        chosen[unit] = split
        have[split] += sizes[unit]
    for split in wanted:  # few scenes may leave a small share empty: it gets the smallest scene of the fullest split
        if not have[split]:
            members = Counter(chosen.values())
            giver = max((each for each in wanted if members[each] > 1), key=lambda each: have[each])
            unit = min((each for each in chosen if chosen[each] is giver), key=lambda each: (sizes[each], drawn[each]))
            have[giver] -= sizes[unit]
            have[split] += sizes[unit]
            chosen[unit] = split
    return chosen


def _by_file(
    pairs: Sequence[Pair], units: Sequence[str], path: Path, root: Path, problems: list[Problem]
) -> dict[str, Split]:
    told: dict[str, Split] = {}
    for line, row in read_table(path, _SplitRow, _FORM).items():
        keys = [f"{kind} {value}" for kind in ("scene", "blurry", "name") if (value := getattr(row, kind))]
        if row.split not in list(Split) or not keys:
            raise _FORM.fault(f"{path}:{line}", f"split is {row.split!r}, {len(keys)} of the other columns are filled")
        told |= dict.fromkeys(keys, Split(row.split))
    of_unit: dict[str, Split] = {}
    lacking: defaultdict[str, list[str]] = defaultdict(list)
    for pair, unit in zip(pairs, units, strict=True):
        blurry = below(pair.blurry_path, root)
        keys = [f"blurry {blurry}", f"name {pair.blurry_path.stem}", f"scene {pair.scene}"]
        split = next((told[key] for key in keys if key in told), None)
        if split is None:
            lacking[unit].append(blurry)
        elif of_unit.setdefault(unit, split) is not split:
            raise PairingError(
                f"{path}: puts {blurry} into {split}, and another picture of its scene into {of_unit[unit]}. A scene "
                "in two splits makes scores worthless; put it into one."
            )
    for unit, names in lacking.items():
        if unit not in of_unit:
            problems += [Problem(name, f"{path.name} gives it no split") for name in names]
    return of_unit

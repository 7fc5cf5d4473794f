"""Which pairs of a source a set is made of: what the rules leave, dealt to splits."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from sdd_bench.captures.layouts import PairList, with_names
from sdd_bench.captures.splits import deal
from sdd_bench.core.types import Pair, Problem, Split
from sdd_bench.preparation.drop import DropRules, Judged, Measured, judge
from sdd_bench.preparation.options import PrepareOptions

_UNLIKE = 0.25
"""Likeness below which two pictures hardly show one scene; the worst real pair tried has 0.42."""


@dataclass(frozen=True)
class Choice:
    """The pairs of a set, and those that were dropped."""

    source: PairList
    """All pairs, with the split and name that they have in the set."""
    pairs: tuple[Pair, ...]
    """Pairs that are kept."""
    dropped: tuple[Problem, ...]
    """Id and reason of each dropped pair."""
    dropped_pairs: tuple[Pair, ...]
    measured: Mapping[str, Measured]
    """Measurements by pair id, of kept and dropped pairs."""
    notes: tuple[str, ...]


def choose_pairs(found: PairList, options: PrepareOptions) -> Choice:
    """Apply the rules of ``options`` to the pairs of a source, then deal what is left to splits.

    The shares of the splits count pairs that are kept. A dropped pair goes where its scene goes.

    Raises:
        ConfigError: There are fewer scenes than splits with a share, or a list cannot be read.
        PairingError: A file of splits is damaged, or puts a scene into two splits.
        ManifestError: The table of measurements cannot be read, or is of other pairs.
    """
    judged, notes = judge(found.pairs, options.rules or DropRules(), found.root)
    problems = list(found.problems)
    if options.splits is not None:
        kept = [each.pair for each in judged if not each.reason]
        dealt, left_out = deal(kept, options.splits, found.root)
        problems += left_out
        judged = _moved(judged, dealt)
    order = list(Split)
    judged.sort(key=lambda each: order.index(each.pair.split))
    named = with_names([each.pair for each in judged], found.root)
    judged = [dataclasses.replace(each, pair=pair) for each, pair in zip(judged, named, strict=True)]
    dropped = [each for each in judged if each.reason]
    return Choice(
        dataclasses.replace(found, pairs=tuple(named), problems=tuple(problems)),
        tuple(each.pair for each in judged if not each.reason),
        tuple(Problem(each.pair.pair_id, each.reason, each.pair.split) for each in dropped),
        tuple(each.pair for each in dropped),
        {each.pair.pair_id: each.measured for each in judged if each.measured is not None},
        tuple(notes),
    )


def two_scenes(choice: Choice) -> list[Problem]:
    """Kept pairs whose pictures are hardly alike, if they were measured: perhaps they show two scenes."""
    found = []
    for pair in choice.pairs:
        measured = choice.measured.get(pair.pair_id)
        if measured is not None and measured.likeness is not None and measured.likeness < _UNLIKE:
            reason = f"its pictures are hardly alike (likeness {measured.likeness:.2f}): two scenes?"
            found.append(Problem(pair.pair_id, reason, pair.split))
    return found


def _moved(judged: list[Judged], dealt: list[Pair]) -> list[Judged]:
    """The pairs in the splits that they were dealt to; kept ones that were dealt to none are left out."""
    splits: dict[object, Split] = {}
    for pair in dealt:
        splits |= dict.fromkeys((pair.sharp_path, pair.scene, pair.blurry_path), pair.split)
    splits.pop("", None)
    moved = []
    for each in judged:
        keys = (each.pair.blurry_path, *((each.pair.sharp_path, each.pair.scene) if each.reason else ()))
        split = next((splits[key] for key in keys if key in splits), each.pair.split if each.reason else None)
        if split is not None:
            moved.append(dataclasses.replace(each, pair=dataclasses.replace(each.pair, split=split)))
    return moved

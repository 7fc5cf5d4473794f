"""Splits: never a scene in two, shares kept in every group, the same again from the same seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from sdd_bench.captures.splits import SplitRule, deal, scene_units
from sdd_bench.core.errors import ConfigError, PairingError
from sdd_bench.core.types import Pair, Split


def pairs(n: int, *, scene_of: int = 1, groups: Sequence[str] = ("",)) -> list[Pair]:
    """``n`` pairs, ``scene_of`` a scene, groups in turn by scene."""
    made = []
    for number in range(n):
        scene = number // scene_of
        made.append(
            Pair(
                "",
                Split.TRAIN,
                Path(f"b/{number}.png"),
                Path(f"s/{number}.png"),
                f"s{scene}",
                groups[scene % len(groups)],
            )
        )
    return made


def counts(dealt: Sequence[Pair]) -> dict[Split, int]:
    return dict(Counter(pair.split for pair in dealt))


def test_shares_are_kept_and_no_scene_is_in_two_splits() -> None:
    dealt, problems = deal(pairs(300, scene_of=3), SplitRule((0.8, 0.1, 0.1)), Path())
    assert problems == []
    assert counts(dealt) == {Split.TRAIN: 240, Split.VAL: 30, Split.TEST: 30}
    splits: dict[str, set[Split]] = {}
    for pair in dealt:
        splits.setdefault(pair.scene, set()).add(pair.split)
    assert all(len(each) == 1 for each in splits.values())
    assert [pair.split for pair in dealt] == sorted((pair.split for pair in dealt), key=list(Split).index)


def test_every_group_has_its_share() -> None:
    made = pairs(200, groups=("day", "night", "night", "night"))
    dealt, _ = deal(made, SplitRule((0.6, 0.2, 0.2), seed=5), Path())
    for group, size in (("day", 50), ("night", 150)):
        found = counts([pair for pair in dealt if pair.group == group])
        for split, share in zip(Split, (0.6, 0.2, 0.2), strict=True):
            assert abs(found[split] - share * size) <= 1.5


def test_groups_of_one_scene_do_not_all_go_to_train() -> None:
    dealt, _ = deal(pairs(100, groups=[f"g{n}" for n in range(100)]), SplitRule((0.8, 0.1, 0.1)), Path())
    assert counts(dealt) == {Split.TRAIN: 80, Split.VAL: 10, Split.TEST: 10}


def test_the_seed_decides_and_the_order_of_files_does_not() -> None:
    made = pairs(40, scene_of=2)
    first, other = (dict(_splits(deal(made, SplitRule(seed=seed), Path())[0])) for seed in (1, 2))
    assert first != other
    assert dict(_splits(deal(made[::-1], SplitRule(seed=1), Path())[0])) == first


def _splits(dealt: Sequence[Pair]) -> list[tuple[Path, Split]]:
    return [(pair.blurry_path, pair.split) for pair in dealt]


def test_one_sharp_picture_is_one_scene_and_so_is_what_hangs_together() -> None:
    made = [
        Pair("", Split.TRAIN, Path("1"), Path("s1"), scene="a"),
        Pair("", Split.TRAIN, Path("2"), Path("s1"), scene="b"),
        Pair("", Split.TRAIN, Path("3"), Path("s2"), scene="b"),
        Pair("", Split.TRAIN, Path("4"), Path("s3")),
    ]
    units = scene_units(made)
    assert len(set(units[:3])) == 1
    assert units[3] != units[0]


def test_a_small_share_gets_a_scene_if_there_is_one() -> None:
    dealt, _ = deal(pairs(6), SplitRule((0.9, 0.05, 0.05)), Path())
    assert counts(dealt) == {Split.TRAIN: 4, Split.VAL: 1, Split.TEST: 1}
    with pytest.raises(ConfigError, match=r"2 scene\(s\) cannot be dealt to train, val, test"):
        deal(pairs(4, scene_of=2), SplitRule(), Path())
    assert counts(deal(pairs(4, scene_of=2), SplitRule((0.5, 0, 0.5)), Path())[0]) == {Split.TRAIN: 2, Split.TEST: 2}


@pytest.mark.parametrize("shares", [(0.8, 0.1, 0.2), (1.2, -0.1, -0.1), (float("nan"), 0.5, 0.5)])
def test_shares_that_are_none_are_refused(shares: tuple[float, float, float]) -> None:
    with pytest.raises(ConfigError, match="expected shares of train, val, test; sum 1"):
        SplitRule(shares)


def test_a_file_says_every_split(tmp_path: Path) -> None:
    table = tmp_path / "splits.csv"
    table.write_text("blurry,name,split\nb/0.png,,test\n,1,val\n")
    dealt, problems = deal(pairs(3), SplitRule(file=table), Path())
    assert [(pair.split, pair.blurry_path.name) for pair in dealt] == [(Split.VAL, "1.png"), (Split.TEST, "0.png")]
    assert [(problem.item, problem.reason) for problem in problems] == [("b/2.png", "splits.csv gives it no split")]


def test_a_file_may_not_part_a_scene_and_must_be_right(tmp_path: Path) -> None:
    table = tmp_path / "splits.csv"
    made = pairs(4, scene_of=2)
    table.write_text("scene,split\ns0,test\ns1,train\n")
    assert counts(deal(made, SplitRule(file=table), Path())[0]) == {Split.TEST: 2, Split.TRAIN: 2}
    table.write_text("blurry,split\nb/0.png,test\nb/1.png,train\n")
    with pytest.raises(PairingError, match="A scene in two splits makes scores worthless"):
        deal(made, SplitRule(file=table), Path())
    table.write_text("blurry,split\nb/0.png,holdout\n")
    with pytest.raises(PairingError, match="splits.csv:2: split is 'holdout'"):
        deal(made, SplitRule(file=table), Path())

"""Pairs are dropped by what was measured and by name, and stay in pairs.csv with the reason."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from prepared_sets import make_prepared

from sdd_bench.captures.splits import SplitRule
from sdd_bench.core.errors import ConfigError, ManifestError, PairingError
from sdd_bench.core.storage.files import sha256_of
from sdd_bench.core.storage.tables import write_table
from sdd_bench.core.types import Pair, Split
from sdd_bench.preparation.drop import DropRules, Measured, judge
from sdd_bench.preparation.options import PrepareOptions
from sdd_bench.preparation.plan import plan
from sdd_bench.preparation.run import prepare
from sdd_bench.prepared.manifest import read_manifest
from sdd_bench.prepared.open import open_dataset
from sdd_bench.prepared.torch_dataset import PairDataset

PAIRS = [
    Pair(name, Split.TRAIN, Path(f"blur/{name}.png"), Path(f"gt/{name}.png"), scene=f"scene-{name}") for name in "abc"
]


def measured(name: str, **changes: Any) -> Measured:
    row = Measured(f"blur/{name}.png", f"gt/{name}.png", 1, "", 0.5, None, 0.99, 1.0, 1.0, 1.0, "", "")
    return dataclasses.replace(row, **changes)


def dropped(tmp_path: Path, rows: list[Measured], **rules: Any) -> dict[str, str]:
    write_table(tmp_path / "misalignment.csv", Measured, rows)
    judged, _ = judge(PAIRS, DropRules(tmp_path / "misalignment.csv", **rules), Path())
    assert [each.pair for each in judged] == PAIRS
    return {each.pair.pair_id: each.reason for each in judged if each.reason}


@pytest.mark.parametrize(
    ("rules", "bad", "reason"),
    [
        ({"max_misalignment_px": 2}, {"rms_px": 2.1}, "misaligned by 2.10 px, more than 2"),
        ({"max_residual_px": 2}, {"residual_px": 2.5}, "parts of it move by 2.50 px, more than 2"),
        ({"require_trusted": True}, {"trusted": 0, "distrust": "few tiles"}, "not trusted (few tiles)"),
        ({"min_likeness": 0.9}, {"likeness": 0.5}, "likeness 0.500, less than 0.9"),
        ({"min_likeness": 0.9}, {"likeness": None}, "likeness not known, less than 0.9"),
        ({"max_exposure_ev": 0.5}, {"exposure_gain_b": 0.5}, "exposure differs by -1.00 EV, more than 0.5"),
    ],
)
def test_each_rule_drops_what_breaks_it_and_says_why(
    tmp_path: Path, rules: dict[str, Any], bad: dict[str, Any], reason: str
) -> None:
    found = dropped(tmp_path, [measured("a", **bad), measured("b"), measured("c")], **rules)
    assert list(found) == ["train/a"]
    assert reason in found["train/a"]


def test_a_pair_that_was_not_measured_is_dropped_only_if_a_rule_goes_by_it(tmp_path: Path) -> None:
    assert dropped(tmp_path, [measured("a"), measured("b")], min_likeness=0.1) == {"train/c": "was not measured"}
    assert dropped(tmp_path, [measured("a"), measured("b")]) == {}
    with pytest.raises(ManifestError, match="has none of these pairs; its first row is blur/x.png"):
        dropped(tmp_path, [measured("x")])


def test_names_are_excluded_by_id_name_path_or_scene_and_what_names_nothing_is_said(tmp_path: Path) -> None:
    path = tmp_path / "exclude.txt"
    for text in ("train/a", "a", "blur/a.png", "blur/a", "scene-a"):
        path.write_text(f"# mine\n{text}, moved car\nnobody\n")
        judged, notes = judge(PAIRS, DropRules(exclude=path), Path())
        assert [each.reason for each in judged] == ["excluded by exclude.txt: moved car", "", ""]
        assert notes == ["exclude.txt: nobody names no pair"]
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8 text"):
        judge(PAIRS, DropRules(exclude=path), Path())


def test_rules_without_a_table_or_below_zero_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no table"):
        DropRules(require_trusted=True)
    with pytest.raises(ConfigError, match="expected 0 or more"):
        DropRules(tmp_path, max_exposure_ev=-1)


@pytest.fixture
def captured(tmp_path: Path) -> tuple[Path, Path]:
    """Captures of three train and two test pairs; a table that says a1 and t1 are far off."""
    make_prepared(tmp_path)
    root, rows = tmp_path / "captures", []
    for split, name, rms in (
        ("train", "a0", 0.1),
        ("train", "a1", 9),
        ("train", "a2", 0.2),
        ("test", "t1", 9),
        ("test", "t2", 0),
    ):
        paths = f"{split}/blur/{name}.png", f"{split}/gt/{name}.png"
        row = measured("a", blurry_path=paths[0], sharp_path=paths[1], rms_px=rms, exposure_gain_r=1.5)
        rows.append(
            dataclasses.replace(row, blurry_sha256=sha256_of(root / paths[0]), sharp_sha256=sha256_of(root / paths[1]))
        )
    write_table(tmp_path / "m.csv", Measured, rows)
    return root, tmp_path / "m.csv"


def test_dropped_pairs_are_rows_with_their_reason_and_nothing_else(captured: tuple[Path, Path], tmp_path: Path) -> None:
    root, table = captured
    options = PrepareOptions(resize="none", patch=48, overlap=0, drop=0, rules=DropRules(table, max_misalignment_px=1))
    planned = plan(root, options)
    assert [problem.item for problem in planned.kept.dropped] == ["train/a1", "test/t1"]
    report = prepare(root, tmp_path / "out", options)
    assert (report.n_pairs, report.problems, len(report.dropped)) == (3, (), 2)
    manifest = read_manifest(tmp_path / "out")
    states = [(row.pair_id, row.status, row.misalignment_px, row.exposure_ev, row.trusted) for row in manifest.pairs]
    assert states == [
        ("train/a0", "ok", 0.1, 0.585, 1),
        ("train/a2", "ok", 0.2, 0.585, 1),
        ("test/t2", "ok", 0.0, 0.585, 1),
        ("train/a1", "dropped", 9.0, 0.585, 1),
        ("test/t1", "dropped", 9.0, 0.585, 1),
    ]
    assert manifest.pairs[3].message == "misaligned by 9.00 px, more than 1"
    assert manifest.failures == ()
    assert len(PairDataset(tmp_path / "out", crop=None)) == 8
    frames = open_dataset(tmp_path / "out")
    assert ([pair.name for pair in frames.pairs], frames.n_lost) == (["t2"], 0)
    assert prepare(root, tmp_path / "out", options).was_finished
    with pytest.raises(ConfigError):
        prepare(root, tmp_path / "out", dataclasses.replace(options, rules=DropRules(table, max_misalignment_px=10)))
    with pytest.raises(PairingError, match="the rules drop all 5 pairs. First: likeness 0.990"):
        plan(root, dataclasses.replace(options, rules=DropRules(table, min_likeness=1)))


def test_a_table_of_other_pictures_ends_the_run(captured: tuple[Path, Path], tmp_path: Path) -> None:
    root, table = captured
    text = table.read_text().replace(sha256_of(root / "train/gt/a2.png"), "0" * 64)
    table.write_text(text)
    with pytest.raises(ManifestError, match="train/a2: its pictures are not those that were measured"):
        prepare(root, tmp_path / "out", PrepareOptions(resize="none", patch=48, rules=DropRules(table)))


def test_full_pictures_of_train_are_stored_and_opened(captured: tuple[Path, Path], tmp_path: Path) -> None:
    root, _ = captured
    report = prepare(root, tmp_path / "out", PrepareOptions(resize="none", train="full"))
    assert (report.n_pairs, report.n_patches) == (5, 0)
    pairs = open_dataset(tmp_path / "out", split=Split.TRAIN).pairs
    assert [pair.blurry_path.read_bytes() for pair in pairs] == [
        (root / f"train/blur/{name}.png").read_bytes() for name in ("a0", "a1", "a2")
    ]


def test_what_is_left_is_dealt_and_what_was_dropped_follows_its_scene(
    captured: tuple[Path, Path], tmp_path: Path
) -> None:
    root, table = captured
    rules = DropRules(table, max_misalignment_px=1)
    options = PrepareOptions(resize="none", patch=48, rules=rules, splits=SplitRule((0.34, 0.33, 0.33)))
    kept = plan(root, options).kept
    assert sorted(pair.split for pair in kept.pairs) == sorted(Split)
    assert len(kept.dropped) == 2
    names = [pair.pair_id for pair in (*kept.pairs, *kept.dropped_pairs)]
    assert len(set(names)) == 5
    (root / "scenes.csv").write_text("split,name,scene\ntrain,a0,s\ntrain,a1,s\n")
    kept = plan(root, options).kept
    of_scene = {pair.split for pair in (*kept.pairs, *kept.dropped_pairs) if pair.scene == "s"}
    assert len(of_scene) == 1


def test_pairs_that_are_hardly_alike_are_warned_of(captured: tuple[Path, Path]) -> None:
    root, table = captured
    lines = table.read_text().splitlines()
    assert ",0.99," in lines[1]
    table.write_text("\n".join([lines[0], lines[1].replace(",0.99,", ",0.1,"), *lines[2:]]) + "\n")
    options = PrepareOptions(resize="none", patch=48, rules=DropRules(table))
    assert [(each.item, each.reason) for each in plan(root, options).warnings] == [
        ("train/a0", "its pictures are hardly alike (likeness 0.10): two scenes?")
    ]
    with pytest.raises(PairingError, match="two scenes"):
        plan(root, options, strict=True)

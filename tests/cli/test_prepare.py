"""``sdd-bench prepare``: exit statuses and what is said."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result

from sdd_bench.cli.main import main
from sdd_bench.prepared.manifest import read_manifest
from sdd_bench.registration.evidence.roles import SAME, SWAPPED

SMALL = ("--resize", "none", "--patch", "32", "--overlap", "0.5")
SYNTH = ("--size", "192x128", "--train", "2", "--test", "1", "--seed", "1")


def _prepare(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["prepare", *map(str, arguments)])


def _picture(path: Path, *, height: int = 48, width: int = 64, bits: int = 8) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    ramp = np.arange(height * width * 3).reshape(height, width, 3) % 251
    assert cv2.imwrite(str(path), ramp.astype(np.uint8 if bits == 8 else np.uint16))


@pytest.fixture
def captures(tmp_path: Path) -> Path:
    """An SDD folder of two train pairs and one test pair."""
    for name in ("train/{}/a.png", "train/{}/b.png", "test/{}/c.png"):
        for side in ("blur", "gt"):
            _picture(tmp_path / "captures" / name.format(side))
    return tmp_path / "captures"


def test_a_set_is_made_and_made_once(captures: Path, tmp_path: Path) -> None:
    first = _prepare(captures, tmp_path / "out", *SMALL)
    assert (first.exit_code, first.stdout.strip()) == (0, f"{tmp_path}/out: finished: 3 pairs, 10 patches")
    assert read_manifest(tmp_path / "out").options["patch"] == 32
    again = _prepare(captures, tmp_path / "out", *SMALL, "--json")
    assert again.exit_code == 0
    said = json.loads(again.stdout)
    assert {warning["reason"][:31] for warning in said.pop("warnings")} >= {"its blurry and its sharp pictur"}
    assert said == {
        "out": str(tmp_path / "out"),
        "n_pairs": 3,
        "n_patches": 10,
        "problems": [],
        "dropped": [],
        "notes": [f"3 of 3 pairs (train/a, ...): {SAME}."],
        "was_finished": True,
    }


def test_a_dry_run_shows_the_pairing_and_the_plan_and_writes_nothing(captures: Path, tmp_path: Path) -> None:
    (captures / "train/blur/notes.txt").write_text("f/1.8")
    _picture(captures / "test/gt/c.png", width=60)
    result = _prepare(captures, tmp_path / "out", *SMALL, "--dry-run")
    assert result.exit_code == 1
    assert "train/blur/a.png" in result.stdout
    assert "patches expected" in result.stdout
    assert "train/blur/notes.txt: not a picture" in result.stderr
    assert "blurry is 64x48 but sharp (c.png) is 60x48" in result.stderr
    result = _prepare(captures, tmp_path / "out", *SMALL, "--dry-run", "--json", "--limit", 2)
    value = json.loads(result.stdout)
    assert (value["pairs"], value["patches_expected"], value["bit_depth"], value["files_left_out"]) == (2, 10, 8, 1)
    assert value["paired"][0] == {"pair_id": "train/a", "blurry": "train/blur/a.png", "sharp": "train/gt/a.png"}
    assert not (tmp_path / "out").exists()


def test_sorted_order_is_shown(tmp_path: Path) -> None:
    _picture(tmp_path / "c/test_c/source/1.png")
    _picture(tmp_path / "c/test_c/target/2.png")
    result = _prepare(tmp_path / "c", tmp_path / "out", *SMALL)
    assert result.exit_code == 0
    assert "note: test_c/source and test_c/target: the names differ" in result.stderr
    assert "1.png - 2.png" in result.stderr


def test_presets_are_overridden_one_by_one(captures: Path, tmp_path: Path) -> None:
    arguments = ("--preset", "dpdd", "--patch", 16, "--resize", "none", "--test", "patches", "--compression", "gzip")
    assert _prepare(captures, tmp_path / "out", *arguments).exit_code == 0
    options = read_manifest(tmp_path / "out").options
    assert (options["overlap"], options["patch"], options["test"], options["compression"]) == (
        0.6,
        16,
        "patches",
        "gzip",
    )


def test_the_plan_says_how_each_split_is_cut(captures: Path, tmp_path: Path) -> None:
    arguments = ("--preset", "dpdd", "--resize", "none", "--patch", 16, "--test", "patches", "--dry-run")
    shown = " ".join(_prepare(captures, tmp_path / "out", *arguments).stdout.split())
    assert "overlap 0.6, drop 0.3" in shown
    # Patches of 16 in 64x48: at 0, 6, ..., 48 and at 0, 6, ..., 30, 32.
    assert "64x48 to 64x48 (resize none): 16 px every 6 px, 45 of 63 kept a pair" in shown
    told = json.loads(_prepare(captures, tmp_path / "out", *arguments, "--drop-eval", 0.5, "--json").stdout)["cuts"]
    assert told["train"] == {"overlap": 0.6, "drop": 0.3}
    assert {"overlap": 0.01, "drop": 0.5} in told.values()


def test_roles_that_look_wrong_are_said_on_the_terminal(tmp_path: Path, photo: np.ndarray) -> None:
    defocused = np.asarray(cv2.GaussianBlur(photo, (0, 0), 3))
    pictures = {"a": (photo, defocused), "b": (defocused, photo), "c": (photo, photo), "d": (photo, defocused)}
    for name, pair in pictures.items():
        for side, picture in zip(("blur", "gt"), pair, strict=True):
            (tmp_path / "c/train" / side).mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(tmp_path / "c/train" / side / f"{name}.png"), picture)
    said = [f"2 of 4 pairs (train/a, ...): {SWAPPED}.", f"1 of 4 pairs (train/c): {SAME}."]
    for _ in range(2):  # the second time nothing is left to do, and it is said again
        result = _prepare(tmp_path / "c", tmp_path / "out", *SMALL)
        assert result.exit_code == 0, result.output
        lines = result.stderr.splitlines()
        assert [line for line in lines if " pairs (" in line] == [f"note: {sentence}" for sentence in said]
    assert json.loads(_prepare(tmp_path / "c", tmp_path / "out", *SMALL, "--json").stdout)["notes"] == said


def _truncate(root: Path) -> None:
    path = root / "train/blur/a.png"
    path.write_bytes(path.read_bytes()[:-200])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_truncate, "train/a: "),
        (lambda root: (root / "train/blur/a.png").write_bytes(b""), "train/a: "),
        (lambda root: (root / "train/gt/a.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish"), "train/a: "),
        (lambda root: _picture(root / "train/gt/a.png", width=60), "train/a: "),
        (lambda root: [_picture(root / f"train/{s}/a.png", height=30) for s in ("blur", "gt")], "train/a: "),
        (lambda root: (root / "train/gt/a.png").unlink(), "train/blur/a.png: no picture of the same name in train/gt"),
        (lambda root: _picture(root / "train/gt/a.bmp"), "train/gt/a.bmp: 2 pictures share the name a"),
        (lambda root: (root / "train/gt/list.csv").write_text("a"), "train/gt/list.csv: not a picture"),
        (lambda root: (root / "train/gt/x.png").symlink_to("nowhere.png"), "train/gt/x.png: a broken link"),
    ],
)
def test_a_bad_picture_is_listed_the_others_are_done_and_the_status_is_1(  # type: ignore[no-untyped-def]
    captures: Path, tmp_path: Path, spoil, message: str
) -> None:
    spoil(captures)
    result = _prepare(captures, tmp_path / "out", *SMALL)
    assert result.exit_code == 1, result.output
    assert "item(s) failed or were left out:" in result.stderr
    assert f"\n  {message}" in result.stderr
    done = [row.pair_id for row in read_manifest(tmp_path / "out").pairs if row.status == "ok"]
    assert {"train/b", "test/c"} <= set(done)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--layout", "gopro"), "'gopro' is not one of 'auto', 'sdd'"),
        (("--layout", "lfdof"), "read as lfdof, but no pair was found"),
        (("--pairs", "absent.csv"), "--pairs absent.csv: does not exist; expected a file"),
        (("--lists", "/"), "name lists go with the layouts dpdd, restormer"),
        (("--resize", "huge"), "huge"),
        (("--resize", "0"), "0"),
        (("--patch", "0"), "patch is 0; expected 1 to 32768"),
        (("--overlap", "1"), "overlap is 1.0; expected 0 or more and less than 1"),
        (("--drop", "2"), "drop is 2.0"),
        (("--compression", "zip"), "'zip' is not one of 'blosc2'"),
        (("--limit", "0"), "Invalid value for '--limit'"),
        (("--test", "none"), "Invalid value for '--test'"),
        (("--jobs", "0"), "Invalid value for '--jobs'"),
        (("--dask", "nonsense"), "--dask nonsense: no Dask scheduler answers there"),
    ],
)
def test_bad_usage_is_one_line_and_status_2(
    captures: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    result = _prepare(captures, tmp_path / "out", *SMALL, *arguments)
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert "Traceback" not in result.output


def test_bad_sources_and_outputs_are_status_2(captures: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "empty").mkdir()
    for source, out, message in (
        (tmp_path / "nowhere", tmp_path / "out", "nowhere: does not exist"),
        (tmp_path / "empty", tmp_path / "out", "fits no known layout. It holds: nothing"),
        (tmp_path / "file", tmp_path / "out", "file:1: expected the columns blurry, sharp"),
        (captures, tmp_path / "file", "something else is in the way"),
        (captures, tmp_path / "file/below", "something else is in the way"),
        (captures, tmp_path, "is not a prepared set"),
    ):
        result = _prepare(source, out, *SMALL)
        assert (result.exit_code, message in result.stderr) == (2, True), result.output


def test_a_mixed_set_is_refused_until_told(captures: Path, tmp_path: Path) -> None:
    _picture(captures / "train/blur/b.png", bits=16)
    result = _prepare(captures, tmp_path / "out", *SMALL)
    assert result.exit_code == 2
    assert "Say what to store by --bit-depth 8 or 16." in result.stderr
    assert _prepare(captures, tmp_path / "out", *SMALL, "--bit-depth", 8).exit_code == 0


def test_two_folders_of_any_name_are_prepared(tmp_path: Path) -> None:
    for name in ("rig/f2/1.png", "rig/f8/1.png", "rig/f16/1.png"):
        _picture(tmp_path / name)
    rig, out = tmp_path / "rig", tmp_path / "out"
    made = _prepare(rig, out, *SMALL, "--blurry-dir", "f2", "--blurry-dir", "f8", "--sharp-dir", "f16")
    assert made.exit_code == 0, made.output
    assert [(row.blurry_path, row.sharp_path, row.scene) for row in read_manifest(out).pairs] == [
        ("f2/1.png", "f16/1.png", "f16/1"),
        ("f8/1.png", "f16/1.png", "f16/1"),
    ]
    for arguments, message in (
        (("--sharp-dir", "f16"), "without --blurry-dir"),
        (("--columns", "one"), "expected two names, BLURRY,SHARP"),
    ):
        refused = _prepare(rig, tmp_path / "other", *arguments)
        assert refused.exit_code == 2
        assert message in refused.output


def test_what_told_the_layout_is_said(captures: Path, tmp_path: Path) -> None:
    assert (
        "note: read as sdd: found train/blur and train/gt" in _prepare(captures, tmp_path / "out", "--dry-run").output
    )


def _distinct(root: Path, *names: str) -> None:
    for number, name in enumerate(names):
        _picture(root / name, height=48 + number)
        pixels = np.random.default_rng(number).integers(0, 255, (48, 64, 3), np.uint8)
        assert cv2.imwrite(str(root / name), pixels)


def test_pairs_are_dealt_to_splits_by_scene(tmp_path: Path) -> None:
    rig, out = tmp_path / "rig", tmp_path / "out"
    _distinct(rig, *(f"{side}/{n}.png" for side in ("wide", "narrow") for n in range(6)))
    folders = ("--blurry-dir", "wide", "--sharp-dir", "narrow")
    made = _prepare(rig, out, *SMALL, *folders, "--split-by", "scene", "--split", "0.5,0.2,0.3", "--seed", "3")
    assert made.exit_code == 0, made.output
    assert "warning" not in made.stderr
    manifest = read_manifest(out)
    assert {split.value: record.n_pairs for split, record in manifest.splits.items()} == {
        "train": 3,
        "val": 1,
        "test": 2,
    }
    assert manifest.options["splits"] == {"shares": [0.5, 0.2, 0.3], "seed": 3}
    planned = json.loads(_prepare(rig, tmp_path / "x", *folders, "--split-by", "scene", "--dry-run", "--json").stdout)
    assert sum(planned["pairs_per_split"].values()) == 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--split", "0.8,0.1,0.1"), "--split and --seed go with --split-by scene"),
        (("--split-by", "scene", "--split", "a,b,c"), "expected three shares"),
        (("--split-by", "scene", "--split", "0.5,0.5,0.5"), "expected shares of train, val, test; sum 1"),
        (("--split-by", "scene", "--split-file", __file__), "leave out --split-by"),
        (("--split-file", "x.csv"), "--split-file x.csv: does not exist"),
        (("--max-misalignment-px", "1", "--measured", "gone.csv"), "--measured gone.csv: does not exist"),
    ],
)
def test_splits_and_rules_that_say_nothing_are_status_2(
    captures: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    result = _prepare(captures, tmp_path / "out", *arguments)
    assert result.exit_code == 2
    assert message in result.output


def test_a_scene_in_two_splits_is_a_warning_and_with_strict_an_error(tmp_path: Path) -> None:
    captures = tmp_path / "captures"
    _distinct(captures, *(f"{split}/{side}/{split}.png" for split in ("train", "test") for side in ("blur", "gt")))
    (captures / "scenes.csv").write_text("split,name,scene\ntrain,train,hall\ntest,test,hall\n")
    said = "train/train: scene hall is in train and test: train/train, test/test"
    assert f"warning: {said}" in _prepare(captures, tmp_path / "out", *SMALL, "--dry-run").output
    refused = _prepare(captures, tmp_path / "out", *SMALL, "--strict")
    assert (refused.exit_code, refused.stderr) == (2, f"error: {captures}: {said}\n")
    assert not (tmp_path / "out").exists()
    assert _prepare(captures, tmp_path / "out", *SMALL).exit_code == 0


@pytest.mark.slow
def test_what_a_rule_goes_by_is_measured_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(main, ["synth", "captures", *SYNTH]).exit_code == 0
    assert CliRunner().invoke(main, ["analyze", "captures", "-o", "analysis", "--no-page"]).exit_code == 0
    assert CliRunner().invoke(main, ["analyze", "captures", "--no-page"]).exit_code == 0
    assert (tmp_path / "analysis-captures/misalignment.csv").is_file()
    made = _prepare("captures", "out", *SMALL, "--max-misalignment-px", "500")
    assert made.exit_code == 0, made.output
    assert all(row.misalignment_px is not None for row in read_manifest(tmp_path / "out").pairs)


@pytest.mark.slow
def test_a_dry_run_measures_and_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    assert CliRunner().invoke(main, ["synth", "captures", *SYNTH]).exit_code == 0
    rules = ("--max-misalignment-px", "500", "--dry-run", "--json")

    def files() -> dict[Path, tuple[float, int] | None]:
        found = ((path, path.stat()) for path in tmp_path.rglob("*"))
        return {path: (at.st_mtime, at.st_size) if path.is_file() else None for path, at in found}

    before = files()
    measured = _prepare("captures", "out", *SMALL, *rules)
    assert measured.exit_code == 0, measured.output
    assert "a dry run keeps nothing" in measured.stderr
    assert files() == before
    dropped = _prepare("captures", "out", *SMALL, "--min-likeness", "2", "--dry-run")
    assert (dropped.exit_code, "the rules drop all 3 pairs" in dropped.stderr) == (2, True)
    assert files() == before

    assert CliRunner().invoke(main, ["analyze", "captures", "--no-page"]).exit_code == 0
    monkeypatch.setattr("sdd_bench.analysis.pair.measure", None)  # what is measured already is used
    before = files()
    assert _prepare("captures", "out", *SMALL, *rules).stdout == measured.stdout
    assert files() == before


def test_a_dry_run_asks_no_cluster_to_measure(captures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    result = _prepare(captures, "out", "--require-trusted", "--dry-run", "--dask", "tcp://127.0.0.1:1")
    assert result.exit_code == 2
    assert "--measured analysis-captures/misalignment.csv" in result.stderr
    assert sorted(tmp_path.rglob("*")) == before


def test_real_photographs_in_folders_of_apertures_need_no_csv(data_root: Path, tmp_path: Path) -> None:
    options = ["--blurry-dir", "vabd", "--sharp-dir", "vabd/input"]
    options += ["--blurry-dir", "ebb/blurry", "--sharp-dir", "ebb/sharp"]
    options += ["--split-by", "scene", "--split", "0.6,0.2,0.2", "--resize", "none", "--dry-run", "--json"]
    result = _prepare(data_root / "aperture", tmp_path / "out", *options)
    assert result.exit_code == 0, result.output
    planned = json.loads(result.stdout)
    assert (planned["pairs"], planned["problems"], planned["warnings"]) == (12, [], [])
    assert min(planned["pairs_per_split"].values()) >= 1
    splits: dict[str, set[str]] = {}
    for pair in planned["paired"]:
        splits.setdefault(pair["sharp"], set()).add(pair["pair_id"].partition("/")[0])
    assert all(len(each) == 1 for each in splits.values())

"""``info`` and ``validate`` know all that any command writes: every command is run, and every path it left is asked."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from sdd_bench.cli.main import main
from sdd_bench.inspect.describe import describe
from sdd_bench.inspect.kinds import Kind, kind_of
from sdd_bench.inspect.validate import validate

pytestmark = pytest.mark.slow
TRAIN = ["--model", "unet-small", "--width", 2, "--crop", 32, "--batch", 2, "--steps", 2, "--flow", "dis"]
SMALL = ["--accelerator", "cpu", "--match", "gain", "--export-program"]
SMALL += ["--set", "levels=3", "--set", "reblur_width=4", "--set", "log_every=1"]

FOLDERS = {
    "captures": Kind.CAPTURES,
    "set": Kind.DATASET,
    "analysis": Kind.ANALYSIS,
    "predictions": Kind.PREDICTIONS,
    "blur-maps": Kind.BLUR_MAPS,
    "run": Kind.RUN,
    "run/report": Kind.PAGES,
    "no-truth": Kind.RUN_WITHOUT_TRUTH,
    "training": Kind.TRAINING,
    "training/checkpoints": Kind.COLLECTION,
    "training/checkpoints/*": Kind.TRAINING_CHECKPOINT,
    "boards": Kind.BOARDS,
    "page": Kind.PAGES,
    "cache": Kind.CACHE,
    "cache/registered": Kind.CACHE,
    "sdd": Kind.EXPORT,
    "imagefolder": Kind.EXPORT,
    "parquet": Kind.EXPORT,
    "webdataset": Kind.EXPORT,
    "basicsr": Kind.EXPORT,
    ".": Kind.COLLECTION,
}
LEFT_ALONE = (".lock", "tensorboard")
"""What locks, and what TensorBoard reads."""


def call(*arguments: object) -> None:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, (arguments, result.output)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which every command that writes was run once."""
    root = tmp_path_factory.mktemp("everything")
    captures, prepared, predictions = root / "captures", root / "set", root / "predictions"
    quick = ["--flow", "dis", "--metrics", "psnr,ssim,mae,lpips", "--cache", root / "cache"]
    call("synth", captures, "--train", 1, "--test", 2, "--size", "128x96", "--truth", "full")
    call("prepare", captures, prepared, "--resize", "none", "--patch", 48, "--overlap", 0, "--drop", 0)
    call("analyze", captures, "-o", root / "analysis", "--flow", "dis", "--worst", 1)
    call("predict", prepared, "--model", "unsharp", "-o", predictions)
    call("blur-map", prepared, "-o", root / "blur-maps")
    call(
        "evaluate",
        prepared,
        "--predictions",
        predictions,
        "-o",
        root / "run",
        *quick,
        "--report",
        "--extra",
        "psnr-valid",
    )
    blurry = captures / "test" / "blur"
    call("evaluate", blurry, "--predictions", predictions, "-o", root / "no-truth", "--no-truth", "--flow", "dis")
    call("train-jdrl", prepared, "-o", root / "training", *TRAIN, *SMALL)
    call("leaderboard", "add", root / "run", "--leaderboards", root / "boards")
    call("leaderboard", "render", root / "page", "--leaderboards", root / "boards", "--pictures", root / "run")
    call("leaderboard", "bundle", root / "run", root / "mine.zip", "--predictions", predictions)
    call("leaderboard", "strip", root / "run", "--picture", "0000", "-o", root / "strip.png")
    for form, name in (("latex", "t.tex"), ("markdown", "t.md"), ("csv", "t.csv"), ("json", "t.json")):
        call("leaderboard", "export", "--leaderboards", root / "boards", "--format", form, "-o", root / name)
    call("leaderboard", "compare", root / "run", "identity", "--leaderboards", root / "boards", "--dataset", "set",
         "--plot", root / "differences")  # fmt: skip
    for form in ("sdd", "imagefolder", "parquet", "webdataset", "basicsr"):
        call("export", prepared, root / form, "--format", form)
    np.save(root / "prediction.npy", np.zeros((4, 5, 3), np.float32))
    return root


@pytest.mark.parametrize(("name", "kind"), FOLDERS.items())
def test_every_folder_is_known_and_whole(made: Path, name: str, kind: Kind) -> None:
    folder = next(made.glob(name)) if "*" in name else made / name
    assert kind_of(folder) is kind
    assert describe(folder)["kind"] == kind.value
    found = validate(folder)
    assert (found.kind, found.problems) == (kind, ())
    assert found.n_checked > 0


def test_every_file_that_a_command_left_is_known_and_whole(made: Path) -> None:
    files = [path for path in sorted(made.rglob("*")) if path.is_file()]
    files = [path for path in files if not set(LEFT_ALONE) & set(path.parts) and "cache" not in path.parts]
    files = [path for path in files if path.name != "state.pt"]  # known as a part of its checkpoint
    kinds = set()
    for path in files:
        kinds.add(describe(path)["kind"])
        problems = [problem for problem in validate(path).problems if "is not finished" not in problem.reason]
        assert problems == [], path
    alone = {Kind.TABLE, Kind.DOCUMENT, Kind.FLOW_FILE, Kind.ARRAY, Kind.PICTURE, Kind.BUNDLE, Kind.ARCHIVE, Kind.PAGE}
    others = {Kind.TEXT, Kind.SHARD, Kind.FLOW, Kind.SAFETENSORS, Kind.PROGRAM}
    assert {kind.value for kind in alone | others} <= kinds


@pytest.mark.parametrize(
    ("name", "damage", "said"),
    [
        ("predictions", lambda folder: (folder / "0000.png").write_bytes(b"x"), "was changed since it was predicted"),
        ("predictions", lambda folder: (folder / "0001.png").unlink(), "its prediction is missing"),
        ("blur-maps", lambda folder: (folder / "0000.png").write_bytes(b"x"), "0000.png"),
        (
            "analysis",
            lambda folder: drop_last_row(folder / "misalignment.csv"),
            "has 2 rows, but n_pairs in summary.json is 3",
        ),
        (
            "no-truth",
            lambda folder: drop_last_row(folder / "per_image.csv"),
            "has 1 row, but n_images in summary.json is 2",
        ),
        ("boards", lambda folder: drop_last_row(folder / "set.csv"), "expected one row each"),
        ("page", lambda folder: next((folder / "media").glob("*.webp")).unlink(), "which is not there"),
        ("cache", lambda folder: cut(next((folder / "registered").iterdir())), "changed or cut short"),
    ],
)
def test_damage_is_found(made: Path, tmp_path: Path, name: str, damage: object, said: str) -> None:
    copy = tmp_path / name
    shutil.copytree(made / name, copy)
    damage(copy)  # type: ignore[operator]
    problems = validate(copy).problems
    assert any(said in f"{problem.item} {problem.reason}" for problem in problems), problems


def drop_last_row(path: Path) -> None:
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows[:-1])


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("suffix", [".flo", ".npy", ".png", ".tiff", ".json", ".toml", ".zip", ".tar", ".svg", ".webp"])
def test_a_file_that_is_none_of_its_kind_is_a_problem(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"{nothing \xff")
    assert len(validate(path).problems) == 1

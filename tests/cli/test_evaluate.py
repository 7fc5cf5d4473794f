"""``sdd-bench evaluate``: what people and machines get, and what bad input ends as."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from numpy.typing import NDArray

from sdd_bench.cli.main import main

FAST = ["--flow", "dis", "--metrics", "psnr,ssim,mae"]


@pytest.fixture
def captures(tmp_path: Path, photo: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Two pairs in the SDD layout, and good predictions in ``net``; the working folder is theirs."""
    for number in range(2):
        top, left = 8 + 40 * number, 8 + 60 * number
        sharp = photo[top : top + 96, left : left + 128]
        moved = photo[top - 2 : top + 94, left + 3 : left + 131]
        for folder, picture in (
            ("captures/test/gt", sharp),
            ("captures/test/blur", cv2.GaussianBlur(moved, (0, 0), 1.5)),
            ("net", cv2.GaussianBlur(moved, (0, 0), 0.7)),
        ):
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(tmp_path / folder / f"p{number}.png"), picture)
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the pictures are so small that threads cost more than they save
    yield tmp_path
    torch.set_num_threads(threads)


def evaluate(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["evaluate", *arguments])


def test_people_get_a_table_notes_and_the_run_folder(captures: Path) -> None:
    result = evaluate("captures", "--predictions", "net", *FAST)
    assert result.exit_code == 0, result.output
    for text in (
        "net on captures (test, 2 of 2 pictures)",
        "raw",
        "warped",
        "registered",
        "matched",
        "identity",
        "drift_px",
    ):
        assert text in result.stdout
    assert "too few pictures to tell: 2 cannot reach 5 %" in " ".join(result.stdout.split())
    assert "raw: pixels=" in result.stdout
    assert (captures / "runs/net/run.json").is_file()


def test_a_pair_whose_light_cannot_be_estimated_is_scored_and_said_and_no_failure(captures: Path) -> None:
    result = evaluate("captures", "--predictions", "net", *FAST)
    assert result.exit_code == 0, result.output
    assert "The light of 2 of 2 pairs is in doubt" in " ".join(result.stdout.split())  # too small to compare light
    summary = json.loads((captures / "runs/net/summary.json").read_text())
    assert [flag["item"] for flag in summary["light"]["flagged"]] == ["p0", "p1"]
    assert (summary["complete"], summary["n_images"], summary["problems"]) == (True, 2, [])
    assert summary["scores"]["net"]["matched"] == summary["scores"]["net"]["registered"]


def test_extra_measures_are_shown_and_stored_and_change_no_signature(captures: Path) -> None:
    plain = json.loads(evaluate("captures", "--predictions", "net", "-o", "plain", "--json", *FAST).stdout)
    (captures / "mine.py").write_text("def level(picture):\n    return picture.mean()\n")
    names = "psnr-shift,niqe-style,mine:level"
    result = evaluate("captures", "--predictions", "net", "-o", "extra", "--extra", names, *FAST)
    assert result.exit_code == 0, result.output
    assert "extra measures, not ranked" in result.stdout
    assert "Extra niqe-style has no value on 2 picture(s): p0" in " ".join(result.stdout.split())
    summary = json.loads((captures / "extra/summary.json").read_text())
    assert summary["signature"] == plain["signature"]
    assert summary["scores"] == plain["scores"]
    assert list(summary["extras"]) == names.split(",")
    assert set(summary["extras"]["psnr-shift"]["scores"]["identity"]) == {"raw", "warped", "registered", "matched"}
    assert summary["extras"]["mine:level"]["scores"]["net"][""]["n"] == 2
    lines = (captures / "extra/extras.csv").read_text().splitlines()
    assert lines[0] == "method,image,scene,measure,ground_truth,value"
    assert set(json.loads((captures / "extra/run.json").read_text())["files"]) == {
        "per_image.csv", "summary.json", "extras.csv",
    }  # fmt: skip


def test_machines_get_the_summary(captures: Path) -> None:
    result = evaluate("captures", "--predictions", "net", "--method", "mine", "-o", "out", "--json", *FAST)
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    assert summary == json.loads((captures / "out/summary.json").read_text())
    assert summary["method"] == "mine"


def test_the_blurry_input_as_prediction_equals_the_identity_row(captures: Path) -> None:
    summary = json.loads(evaluate("captures", "--predictions", "captures/test/blur", "--json", *FAST).stdout)
    scores = summary["scores"]
    assert summary["method"] == "blur"
    assert scores["blur"] == scores["identity"]
    assert scores["blur"]["warped"] == scores["blur"]["registered"]


def _remove(folder: Path) -> None:
    (folder / "net/p1.png").unlink()


def _add(folder: Path) -> None:
    shutil.copy(folder / "net/p1.png", folder / "net/q.png")


def _twice(folder: Path) -> None:
    shutil.copy(folder / "net/p1.png", folder / "net/p1.tif")


def _empty(folder: Path) -> None:
    (folder / "net/p1.png").write_bytes(b"")


def _truncate(folder: Path) -> None:
    data = (folder / "net/p1.png").read_bytes()
    (folder / "net/p1.png").write_bytes(data[: len(data) // 2])


def _shrink(folder: Path) -> None:
    cv2.imwrite(str(folder / "net/p1.png"), cv2.imread(str(folder / "net/p1.png"))[:40, :50])


def _crop(folder: Path) -> None:
    cv2.imwrite(str(folder / "net/p1.png"), cv2.imread(str(folder / "net/p1.png"))[:92])


def _enlarge(folder: Path) -> None:
    cv2.imwrite(str(folder / "net/p1.png"), np.zeros((100, 130, 3), np.uint8))


def _not_finite(folder: Path) -> None:
    (folder / "net/p1.png").unlink()
    np.save(folder / "net/p1.npy", np.full((96, 128, 3), np.nan, np.float32))


def _another_scale(folder: Path) -> None:
    (folder / "net/p1.png").unlink()
    np.save(folder / "net/p1.npy", np.full((96, 128, 3), 128, np.float32))


def _channels_first(folder: Path) -> None:
    (folder / "net/p1.png").unlink()
    np.save(folder / "net/p1.npy", np.zeros((3, 96, 128), np.float32))


def _broken_ground_truth(folder: Path) -> None:
    (folder / "captures/test/gt/p1.png").write_bytes(b"not a picture")


@pytest.mark.parametrize(
    ("damage", "item", "reason", "complete"),
    [
        (_remove, "p1", "no prediction p1.png", False),
        (_add, "q.png", "extra: no pair of this name", True),
        (_twice, "p1", "several predictions: p1.png, p1.tif", False),
        (_empty, "p1", "p1.png", False),
        (_truncate, "p1", "p1.png", False),
        (_shrink, "p1", "is 50x40 but its ground truth is 128x96: not a crop of it", False),
        (_crop, "p1", "--crop topleft or --crop center", False),
        (_enlarge, "p1", "is 130x100 but its ground truth is 128x96: not a crop of it", False),
        (_not_finite, "p1", "36864 values are NaN or infinite", False),
        (_another_scale, "p1", "got values from 128 to 128; rescale it", False),
        (_channels_first, "p1", "got shape (3, 96, 128)", False),
        (_broken_ground_truth, "p1", "gt/p1.png", False),
    ],
)
def test_what_cannot_be_scored_is_listed_with_status_1(
    captures: Path, damage: Callable[[Path], None], item: str, reason: str, complete: bool
) -> None:
    damage(captures)
    result = evaluate("captures", "--predictions", "net", *FAST)
    assert result.exit_code == 1, result.output
    assert "1 item(s) failed or were left out:" in result.stderr
    assert f"  {item}: " in result.stderr
    assert reason in result.stderr
    summary = json.loads((captures / "runs/net/summary.json").read_text())
    assert summary["complete"] is complete
    assert summary["n_images"] == (2 if complete else 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "--predictions", "net"], "nowhere: does not exist"),
        (
            ["captures", "--predictions", "nowhere"],
            "--predictions nowhere: does not exist",
        ),
        (["captures", "--predictions", "net", "--suffix", "_x"], "no prediction matches a blurry picture"),
        (["captures", "--predictions", "net", "--metrics", "psnr,vif"], "expected some of psnr,ssim,mae,lpips"),
        (["captures", "--predictions", "net", "--extra", "vif"], "--extra vif: expected one of dists, niqe-style"),
        (["captures", "--predictions", "net", "--flow", "magic"], "unknown flow 'magic'"),
        (["captures", "--predictions", "net", "--flow-weights", "none.pth"], "none.pth"),
        (["captures", "--predictions", "net", "--method", "a/b"], "--method 'a/b'"),
        (["captures", "--predictions", "net", "--resize", "huge"], "huge"),
        (["captures", "--predictions", "net", "--split", "train"], "the split train"),
        (["captures", "--predictions", "net", "--dask", "nonsense"], "no Dask scheduler answers"),
        (["captures", "--predictions", "net", "--device", "toaster"], "toaster"),
        (["captures", "--predictions", "net", "-o", "net"], "is not a run (has no options.json)"),
        (["captures", "--predictions", "net", "-o", "net/p0.png/run"], "something else is in the way"),
    ],
)
def test_bad_usage_is_one_line_with_status_2(captures: Path, arguments: list[str], message: str) -> None:
    metrics = [] if "--metrics" in arguments else ["--metrics", "psnr"]
    flow = [] if {"--flow", "--flow-weights", "--device"} & set(arguments) else ["--flow", "dis"]
    result = evaluate(*arguments, *metrics, *flow)
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith("error: ")
    assert message in result.stderr
    assert not (captures / "runs").exists() or "--dask" in arguments


@contextmanager
def _little_space() -> Iterator[None]:
    import resource

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))  # bytes: less than a flow needs
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_full_disk_is_status_2_and_keeps_what_was_finished(captures: Path) -> None:
    arguments = ("captures", "--predictions", "net", "--save-flow", *FAST)
    assert evaluate(*arguments, "--limit", "1").exit_code == 0
    with _little_space():
        result = evaluate(*arguments)
    assert result.exit_code == 2, result.output
    assert "no space left on the disk" in result.stderr
    assert [path.name for path in (captures / "runs/net/pictures").iterdir()] == ["p0.json"]
    assert not (captures / "runs/net/run.json").exists()
    assert evaluate(*arguments).exit_code == 0


def test_a_cache_on_a_full_disk_is_no_failure(captures: Path) -> None:
    with _little_space():
        result = evaluate("captures", "--predictions", "net", *FAST, "--cache", "kept")
    assert (result.exit_code, result.stderr) == (0, "")
    kinds = {path.suffix for path in (captures / "kept/registered").iterdir()}
    assert kinds == {".light", ".blur", ".exposure", ".scores"}


@pytest.mark.parametrize(
    "arguments", [["--crop", "left"], ["--warp", "magic"], ["--precision", "8"], ["--limit", "0"], ["--jobs", "0"]]
)
def test_values_out_of_range_are_bad_usage(captures: Path, arguments: list[str]) -> None:
    result = evaluate("captures", "--predictions", "net", *arguments)
    assert result.exit_code == 2
    assert f"Invalid value for '{arguments[0]}'" in result.output.replace("'--jobs' / '-j'", "'--jobs'")


def test_another_run_in_the_folder_is_refused(captures: Path) -> None:
    assert evaluate("captures", "--predictions", "net", *FAST).exit_code == 0
    result = evaluate("captures", "--predictions", "net", *FAST, "--resize", "0.5")
    assert result.exit_code == 2
    assert "holds a run that was begun differently (resize was 'none', now '0.5')" in result.stderr


def test_the_cache_is_where_it_is_asked_for_and_can_be_left_out(captures: Path) -> None:
    arguments = ("captures", "--predictions", "net", "-o", "out", *FAST)
    assert evaluate(*arguments, "--cache", "kept", "--cache-limit", "1").exit_code == 0
    names = sorted(path.suffix for path in (captures / "kept/registered").iterdir())
    assert names == sorted([".blur", ".exposure", ".flow", ".light", ".scores"] * 2)
    table = (captures / "out/per_image.csv").read_bytes()
    shutil.rmtree(captures / "kept")
    shutil.rmtree(captures / "out")
    assert evaluate(*arguments, "--no-cache").exit_code == 0
    assert sorted(path.name for path in captures.iterdir()) == ["captures", "net", "out"]
    assert [path.name for path in (captures / "captures").iterdir()] == ["test"]
    assert (captures / "out/per_image.csv").read_bytes() == table


def test_a_cache_that_cannot_be_used_is_one_line_and_no_failure(captures: Path) -> None:
    result = evaluate("captures", "--predictions", "net", *FAST, "--cache", "net/p0.png")
    assert result.exit_code == 0
    assert "p0.png/registered: cannot be used (Not a directory)" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_cache_and_none_exclude_each_other(captures: Path) -> None:
    result = evaluate("captures", "--predictions", "net", "--cache", "kept", "--no-cache")
    assert result.exit_code == 2
    assert "--cache and --no-cache exclude each other." in result.stderr

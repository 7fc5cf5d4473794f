"""A run is believed only where it can be checked."""

import json
import math
import re
from pathlib import Path

import pytest
from run_folders import change_figures, change_summary, make_run, seal, set_figure

from sdd_bench.core.errors import LeaderboardError
from sdd_bench.leaderboard.runs.check import check_run, mismatches
from sdd_bench.leaderboard.runs.read import read_rows, read_run


def statuses(folder: Path) -> dict[str, str]:
    return {check.what: check.status for check in check_run(folder)}


def test_a_whole_run_passes_every_check(tmp_path: Path) -> None:
    assert set(statuses(make_run(tmp_path / "run")).values()) == {"ok"}


def test_a_changed_file_breaks_the_seal(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    path = folder / "per_image.csv"
    path.write_text(path.read_text().replace("indoor", "outdoor"))
    with pytest.raises(LeaderboardError, match=r"per_image\.csv: changed since the run was sealed"):
        read_run(folder)
    assert statuses(folder) == {"sealed": "missing"}


def test_a_forged_mean_is_found_even_under_a_fresh_seal(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    summary = json.loads((folder / "summary.json").read_text())
    summary["scores"]["UNet"]["raw"]["psnr"]["mean"] += 0.01
    change_summary(folder, **summary)
    assert mismatches(read_run(folder))[0].startswith("UNet raw psnr: summary.json says")
    assert statuses(folder)["means"] == "missing"


def test_a_forged_drift_is_found(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    change_summary(folder, drift_px={"UNet": 0.0, "identity": 0.0, "ceiling": 0.0})
    assert mismatches(read_run(folder))[0].startswith("UNet drift_px")


def test_a_picture_listed_twice_is_found(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    path = folder / "per_image.csv"
    path.write_text(path.read_text().replace("picture01", "picture00"))
    seal(folder)
    assert "UNet raw: a picture is there twice" in mismatches(read_run(folder))


def test_rows_of_a_stranger_are_found(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    path = folder / "per_image.csv"
    path.write_text(path.read_text().replace("ceiling", "other"))
    seal(folder)
    assert "rows of other" in mismatches(read_run(folder))[0]


@pytest.mark.parametrize("method", ["UNet", "identity", "ceiling"])
def test_a_picture_that_one_method_lacks_is_found(tmp_path: Path, method: str) -> None:
    folder = make_run(tmp_path / "run")
    change_figures(folder, (f"{method},picture00,scene of picture00,indoor,warped", f"{method},x,x,indoor,warped"))
    assert any(f"{method} warped: not the pictures of UNet (" in reason for reason in mismatches(read_run(folder)))
    assert statuses(folder)["means"] == "missing"


@pytest.mark.parametrize(
    ("metric", "value"),
    [("ssim", math.inf), ("psnr", -math.inf), ("psnr", 500.0), ("mae", -0.1), ("drift_px", math.inf)],
)
def test_a_figure_that_no_picture_can_have_is_found(tmp_path: Path, metric: str, value: float) -> None:
    folder = make_run(tmp_path / "run")
    first = read_run(folder).rows[0]
    line = "UNet,picture00,scene of picture00,indoor,raw"
    old = next(text for text in (folder / "per_image.csv").read_text().splitlines() if text.startswith(line))
    cells = old.split(",")
    cells[5 + [*first.figures].index(metric)] = str(value)
    change_figures(folder, (old, ",".join(cells)))
    assert f"UNet raw picture00: {metric} is {value}" in mismatches(read_run(folder))


def test_a_picture_that_equals_its_truth_may_be_infinite(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    set_figure(folder, "UNet", "picture00", "psnr", math.inf)
    assert mismatches(read_run(folder)) == []


@pytest.mark.parametrize("name", ["identity", "a/b", " x"])
def test_a_name_that_evaluate_refuses_is_no_method(tmp_path: Path, name: str) -> None:
    found = statuses(make_run(tmp_path / "run", method=name))
    assert found["method"] == "missing"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"scores": []}, "scores: expected an object, got []"),
        ({"scores": {"UNet": {"raw": {"psnr": 3}}}}, "scores.UNet.raw.psnr: expected an object, got 3"),
        ({"dataset": "x"}, "dataset: expected an object, got 'x'"),
        ({"dataset": {"name": "x"}}, "dataset.split: expected text, got nothing"),
        ({"provenance": None}, "provenance: expected an object, got None"),
        ({"problems": ["x"]}, "problems[0]: expected an object, got 'x'"),
        ({"signature": []}, "signature: expected an object"),
        ({"signature": {"raw": 3}}, "signature.raw: expected text, got 3"),
        ({"drift_px": None}, "drift_px: expected an object"),
        ({"flow": "x"}, "flow: expected an object"),
        ({"n_images": True}, "n_images: expected a whole number from 0 on, got True"),
        ({"bit_depth": []}, "bit_depth: expected a whole number or text"),
        ({"method": 3}, "method: expected text"),
    ],
)
def test_a_summary_of_another_shape_is_an_error_that_says_where(
    tmp_path: Path, change: dict[str, object], reason: str
) -> None:
    folder = make_run(tmp_path / "run")
    change_summary(folder, **change)
    with pytest.raises(LeaderboardError, match=re.escape(f"summary.json: {reason}")):
        read_run(folder)
    assert statuses(folder) == {"sealed": "missing"}


def test_an_incomplete_run_says_how_many_pictures_are_missing(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", n_expected=35)
    (check,) = (check for check in check_run(folder) if check.what == "pictures")
    assert (check.status, check.detail) == ("missing", "12 of 35 of the test split; all of test are needed")


def test_the_train_split_cannot_be_listed(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    change_summary(folder, dataset={"name": "sdd", "split": "train", "n_pairs": 12, "pixels_sha256": "abc"})
    assert statuses(folder)["pictures"] == "missing"


def test_what_is_absent_but_not_needed_is_a_note(tmp_path: Path) -> None:
    found = statuses(make_run(tmp_path / "run", truths=("raw",), metrics=("psnr", "ssim")))
    assert (found["ground truths"], found["metrics"], found["row"]) == ("note", "note", "ok")


def test_a_dataset_name_that_cannot_be_a_table_is_named_before_add(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", dataset="My Data")
    assert statuses(folder)["dataset"] == "missing"
    assert {check.what: check.status for check in check_run(folder, dataset="mine")}["dataset"] == "ok"


def test_cells_that_a_spreadsheet_would_run_keep_a_run_out(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", images=["=1+1", "b", "c"])
    assert statuses(folder)["cells"] == "missing"


def test_columns_of_another_version_are_no_fault(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    path = folder / "per_image.csv"
    header, *lines = path.read_text().splitlines()
    path.write_text("\n".join([f"{header},sharpness", *(f"{line},=1" for line in lines)]) + "\n")
    seal(folder)
    assert set(statuses(folder).values()) == {"ok"}


@pytest.mark.parametrize("name", ["run.json", "per_image.csv", "summary.json"])
def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path, name: str) -> None:
    folder = make_run(tmp_path / "run")
    (folder / name).unlink()
    with pytest.raises(LeaderboardError, match=name):
        read_run(folder)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"files": 3}', "\x00"])
def test_a_seal_that_is_none_is_an_error(tmp_path: Path, text: str) -> None:
    folder = make_run(tmp_path / "run")
    (folder / "run.json").write_text(text)
    with pytest.raises(LeaderboardError, match=r"run\.json"):
        read_run(folder)


def test_another_schema_is_an_error(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    change_summary(folder, schema=2)
    with pytest.raises(LeaderboardError, match="expected schema 1, got 2"):
        read_run(folder)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("psnr", "decibel", "expected the columns psnr; got"),
        (
            "picture00,scene of picture00,indoor,raw,",
            "picture00,scene of picture00,indoor,raw,x",
            "psnr is 'x.*; expected a number or nothing",
        ),
        ("picture00,scene of picture00,indoor,raw,", "picture00,scene of picture00,indoor,raw,nan,", "cells"),
        ("indoor,raw,", "indoor,other,", "ground_truth is 'other'; expected one of raw, warped"),
    ],
)
def test_figures_that_are_none_are_an_error(tmp_path: Path, old: str, new: str, reason: str) -> None:
    path = make_run(tmp_path / "run") / "per_image.csv"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(LeaderboardError, match=reason):
        read_rows(path)


def test_a_seal_of_any_length_is_cut_in_the_message(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    seal = json.loads((run / "run.json").read_text())
    seal["files"]["per_image.csv"] = "x" * 10_000
    (run / "run.json").write_text(json.dumps(seal))
    with pytest.raises(LeaderboardError, match="changed since the run was sealed") as caught:
        read_run(run)
    assert len(str(caught.value)) < 600

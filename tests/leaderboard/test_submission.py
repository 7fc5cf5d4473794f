"""A run is believed only where it can be checked."""

import json
from pathlib import Path

import pytest
from run_folders import change_summary, make_run, seal

from sdd_bench.errors import LeaderboardError
from sdd_bench.leaderboard.submission import check_run, entries_of, mean_of, mismatches, read_rows, read_run


def statuses(folder: Path) -> dict[str, str]:
    return {check.what: check.status for check in check_run(folder)}


def test_a_whole_run_passes_every_check(tmp_path: Path) -> None:
    assert set(statuses(make_run(tmp_path / "run")).values()) == {"ok"}


def test_the_entries_of_a_run_hold_its_recomputed_means(tmp_path: Path) -> None:
    run = read_run(make_run(tmp_path / "run"))
    entries = entries_of(run, trained_on="dpdd", reference="me")
    assert [entry.ground_truth for entry in entries] == ["raw", "warped", "registered"]
    stated = run.summary["scores"]["UNet"]["warped"]["psnr"]["mean"]
    assert entries[1].psnr == pytest.approx(stated, rel=1e-6)
    assert entries[0].drift_px == pytest.approx(0.65)
    assert (entries[0].flow, entries[1].flow) == ("", "pwcnet")
    assert entries[0].date == "2025-06-01"
    assert entries[0].run_sha256 == run.run_sha256


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
        ("psnr", "decibel", "expected the column psnr"),
        ("picture00,scene of picture00,indoor,raw,", "picture00,scene of picture00,indoor,raw,x", "not a number"),
        ("picture00,scene of picture00,indoor,raw,", "picture00,scene of picture00,indoor,raw,nan,", "cells"),
    ],
)
def test_figures_that_are_none_are_an_error(tmp_path: Path, old: str, new: str, reason: str) -> None:
    path = make_run(tmp_path / "run") / "per_image.csv"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(LeaderboardError, match=reason):
        read_rows(path)


def test_infinite_values_are_left_out_of_the_mean(tmp_path: Path) -> None:
    path = make_run(tmp_path / "run", images=["a", "b"]) / "per_image.csv"
    rows = read_rows(path)[:2]
    first = float(rows[0].figures["psnr"] or 0)
    path.write_text(path.read_text().replace(f",{rows[1].figures['psnr']},", ",inf,", 1))
    rows = read_rows(path)[:2]
    assert mean_of(rows, "psnr") == first

"""The rows of a table that a run gives."""

from pathlib import Path
from typing import Any

import pytest
from run_folders import make_run

from sdd_bench.leaderboard.runs.entries import entries_of, mean_of
from sdd_bench.leaderboard.runs.read import read_rows, read_run


def test_the_entries_of_a_run_hold_its_recomputed_means(tmp_path: Path) -> None:
    run = read_run(make_run(tmp_path / "run"))
    entries = entries_of(run, trained_on="dpdd", reference="me")
    assert [entry.ground_truth for entry in entries] == ["raw", "warped", "registered", "matched"]
    stated = run.summary["scores"]["UNet"]["warped"]["psnr"]["mean"]
    assert entries[1].psnr == pytest.approx(stated, rel=1e-6)
    assert entries[0].drift_px == pytest.approx(0.65)
    assert (entries[0].flow, entries[1].flow) == ("", "pwcnet")
    assert entries[0].date == "2025-06-01"
    assert entries[0].run_sha256 == run.run_sha256


@pytest.mark.parametrize(
    ("prediction", "expected"),
    [
        (None, (None, None)),
        ({"params": 12, "seconds_per_mpx": 3}, (12, 3.0)),
        ({"params": "many", "seconds_per_mpx": True}, (None, None)),
        (["no", "object"], (None, None)),
    ],
)
def test_the_cost_is_what_the_run_says_where_it_is_a_number(
    tmp_path: Path, prediction: Any, expected: tuple[object, object]
) -> None:
    entry = entries_of(read_run(make_run(tmp_path / "run", prediction=prediction)))[0]
    assert (entry.params, entry.seconds_per_mpx) == expected


def test_infinite_values_are_left_out_of_the_mean(tmp_path: Path) -> None:
    path = make_run(tmp_path / "run", images=["a", "b"]) / "per_image.csv"
    rows = read_rows(path)[:2]
    first = float(rows[0].figures["psnr"] or 0)
    path.write_text(path.read_text().replace(f",{rows[1].figures['psnr']},", ",inf,", 1))
    rows = read_rows(path)[:2]
    assert mean_of(rows, "psnr") == first

"""Tables of records: odd values and mixed sets (whole runs are in test_run.py)."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest

from sdd_bench.core.types import GroundTruth, Problem, WarpMode
from sdd_bench.evaluation.picture.moved import PairMotion
from sdd_bench.evaluation.picture.records import Baselines, PictureRecord
from sdd_bench.evaluation.picture.scorer import PictureScores, TruthScores
from sdd_bench.evaluation.summary import protocol_of, rows_of, seal_run, summarize, write_per_image
from sdd_bench.registration.light.transfer import Match, Transfer


def scores(psnr: float, *, warped: float | None = None, drift: float = 0.0, valid_share: float = 1.0) -> PictureScores:
    rows = {truth: TruthScores(psnr, None, 0.01, None, valid_share) for truth in GroundTruth}
    rows[GroundTruth.WARPED] = TruthScores(psnr if warped is None else warped, None, 0.01, None, valid_share)
    return PictureScores(rows, drift, drift / 2)


def record(name: str, method: PictureScores, **changes: Any) -> PictureRecord:
    values = PictureRecord(
        key="",
        name=name,
        scene="",
        group="",
        blurry_sha256=f"b{name}",
        sharp_sha256=f"s{name}",
        prediction_sha256="",
        bit_depth=8,
        prediction_bit_depth=8,
        crop="",
        coc_diameter_px=None,
        misalignment_px=0.2,
        misalignment_source="flow",
        exposure_gain=1.0,
        light=Transfer(),
        method=method,
        baselines=Baselines(scores(20.0), None, PairMotion(0.2, 0.1, 3.0, 0.9)),
    )
    return dataclasses.replace(values, **changes)


def summary_of(records: list[PictureRecord], **changes: Any) -> dict[str, Any]:
    protocol = protocol_of(
        records,
        resize="none",
        crop="center",
        metrics=("psnr", "mae"),
        lpips_sha256="",
        flow_signature="dis",
        warp=WarpMode.EXACT,
        match=Match.GAIN,
    )
    values = {"n_expected": len(records), "problems": [], "protocol": protocol} | changes
    return summarize(records, method="ours", dataset="set", split="test", **values)


def test_rows_are_sorted_by_method_then_name() -> None:
    records = [record("b", scores(30)), record("a", scores(31))]
    assert [(row.method, row.record.name) for row in rows_of(records, "zeta")] == [
        ("zeta", "a"),
        ("zeta", "b"),
        ("identity", "a"),
        ("identity", "b"),
    ]


def test_infinite_and_absent_figures_are_written_as_text(tmp_path: Path) -> None:
    write_per_image(tmp_path / "t.csv", rows_of([record('a "1", x', scores(math.inf))], "ours")[:1])
    lines = (tmp_path / "t.csv").read_text().splitlines()
    assert lines[1] == 'ours,"a ""1"", x",,,raw,inf,,0.01,,1.0,0.0,0.0,,0.2,,0.1,3.0,0.9' + 12 * ","


def test_all_infinite_psnr_has_no_mean_and_an_infinite_median() -> None:
    estimate = summary_of([record("a", scores(math.inf))])["scores"]["ours"]["raw"]["psnr"]
    assert estimate == {"mean": None, "median": "inf", "low": None, "high": None, "n": 1, "n_infinite": 1}


def test_sets_of_two_bit_depths_say_so() -> None:
    summary = summary_of([record("a", scores(30)), record("b", scores(30), bit_depth=16)])
    assert summary["bit_depth"] == "8+16"
    assert "bits=8+16" in summary["signature"]["raw"]


def test_crops_enter_the_signature_only_when_something_was_cropped() -> None:
    whole = [record("a", scores(30)), record("b", scores(30))]
    cropped = [dataclasses.replace(item, crop="120x90") for item in whole]
    assert summary_of(whole)["crop"] == "none"
    assert summary_of(cropped)["crop"] == "center:120x90"
    assert summary_of(cropped)["signature"]["raw"] != summary_of(whole)["signature"]["raw"]


def test_bins_hold_their_lower_end() -> None:
    records = [record(str(px), scores(30 + px), misalignment_px=px) for px in (0.0, 0.5, 0.75, 9.0)]
    bins = summary_of(records)["misalignment_bins"]
    assert [(level["from_px"], level["to_px"], level["n"]) for level in bins] == [
        (0.0, 0.5, 1),
        (0.5, 1.0, 2),
        (8.0, "inf", 1),
    ]
    assert bins[1]["scores"]["raw"]["psnr"] == pytest.approx(30.625)


def test_a_run_with_fewer_pictures_is_incomplete_and_lists_why() -> None:
    summary = summary_of([record("a", scores(30))], n_expected=2, problems=[Problem("b", "gone")])
    assert not summary["complete"]
    assert summary["problems"] == [{"item": "b", "reason": "gone"}]


def test_sealing_needs_both_tables(tmp_path: Path) -> None:
    (tmp_path / "per_image.csv").write_text("x")
    with pytest.raises(FileNotFoundError):
        seal_run(tmp_path)
    assert not (tmp_path / "run.json").exists()

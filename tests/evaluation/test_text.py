"""Summaries as lines for people."""

from typing import Any

from sdd_bench.evaluation.text import (
    COLUMNS,
    group_lines,
    level_lines,
    motion_lines,
    ordered_methods,
    pair_lines,
    score_lines,
)


def _estimate(mean: float | str | None, **changes: Any) -> dict[str, Any]:
    return {"mean": mean, "median": mean, "low": None, "high": None, "n": 3, "n_infinite": 0} | changes


SUMMARY = {
    "method": "net",
    "metrics": ["psnr"],
    "scores": {
        "net": {
            "raw": {"psnr": _estimate(21.239, low=20.0, high=22.5)},
            "warped": {"psnr": _estimate(25.0, n_infinite=2)},
            "registered": {"psnr": _estimate(None, n_infinite=3)},
            "matched": {"psnr": _estimate(26.0)},
        },
        "identity": {truth: {"psnr": _estimate(20.0)} for truth in ("raw", "warped", "registered", "matched")},
    },
    "drift_px": {"net": 0.123, "identity": 0.0},
    "deform_px": {"net": 0.5, "identity": 0.0},
}


def test_identity_stands_first_and_an_absent_ceiling_nowhere() -> None:
    assert ordered_methods(SUMMARY) == ["identity", "net"]


def test_cells_hold_mean_interval_and_how_many_are_infinite() -> None:
    lines = score_lines(SUMMARY)
    assert lines[0] == ["PSNR (dB) ↑", "identity", "20.00", "20.00", "20.00", "20.00"]
    assert lines[1] == ["", "net", "21.24 [20.00, 22.50]", "25.00 +2∞", "- +3∞", "26.00"]
    assert score_lines(SUMMARY, intervals=False)[1][2] == "21.24"
    assert {len(line) for line in lines} == {len(COLUMNS)}


def test_motion_is_in_hundredths_of_a_pixel() -> None:
    assert motion_lines(SUMMARY) == [["identity", "0.00", "0.00"], ["net", "0.12", "0.50"]]


def test_what_moved_as_a_whole_and_in_layers_stand_apart() -> None:
    doubt = {"item": "p0", "reason": "little is shown"}
    motion = {"similarity_px": 2.345, "in_doubt": [doubt], "n_layered": 1, "layer_share": 0.25, "layer_px": 12.04}
    lines = pair_lines({"n_images": 3, "motion": motion})
    assert lines == [["as a whole", "3", "", "2.35 px", "in doubt: 1"], ["in layers", "1", "25%", "12.0 px", ""]]


def test_levels_name_their_range() -> None:
    scores = {truth: {"psnr": 30.0} for truth in ("raw", "warped", "registered", "matched")}
    levels = [{"from_px": low, "to_px": to, "n": 2, "scores": scores} for low, to in ((2.0, 8.0), (8.0, "inf"))]
    assert [line[0] for line in level_lines(levels, "psnr")] == ["2 to 8", "8 or more"]
    assert level_lines(levels, "psnr")[0][1:] == ["2", "30.00", "30.00", "30.00", "30.00"]


def test_groups_name_their_size() -> None:
    scores = {truth: {"psnr": 30.0 + number} for number, truth in enumerate(("raw", "warped", "registered", "matched"))}
    summary = {"groups": {"indoor": scores}, "group_sizes": {"indoor": 4}}
    assert group_lines(summary, "psnr") == [["indoor", "4", "30.00", "31.00", "32.00", "33.00"]]

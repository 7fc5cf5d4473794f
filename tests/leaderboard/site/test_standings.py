"""What a page shows: lines, ranks within a protocol, baselines and ends."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
from run_folders import change_figures, make_run, set_figure

from sdd_bench.core.errors import LeaderboardError
from sdd_bench.leaderboard.runs.entries import entries_of
from sdd_bench.leaderboard.runs.read import read_run
from sdd_bench.leaderboard.site.standings import Line, Standing, extremes, standing
from sdd_bench.leaderboard.tables.schema import Entry

PAPER = [
    Entry("UNet", "made-up", truth, 24.6, 0.757, None, 0.28, None, 35, "paper", reference="Li et al.")
    for truth in ("raw", "warped")
]


def standing_of(*runs: Path) -> Standing:
    read = [read_run(run) for run in runs]
    entries = [entry for run in read for entry in entries_of(run)]
    return standing("made-up", [*PAPER, *entries], {run.run_sha256: run.rows for run in read})


@pytest.fixture
def lines(tmp_path: Path) -> dict[str, Line]:
    good = make_run(tmp_path / "good", method="good", gain=3.0, seed=1)
    base = make_run(tmp_path / "base", method="base", gain=0.5, seed=2)
    other = make_run(tmp_path / "other", method="other", protocol="pixels=abc bits=16", seed=3)
    return {line.method + line.protocol: line for line in standing_of(good, base, other).lines}


def test_the_ground_truths_of_a_run_share_a_line(lines: dict[str, Line]) -> None:
    assert len(lines["goodP1"].entries) == 4
    assert len(lines["UNet"].entries) == 2
    assert lines["UNet"].cells["raw", "psnr"].text == "24.60"
    assert lines["UNet"].cells["raw", "mae"].text == ""


def test_parameters_and_time_stand_beside_a_measured_method(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", prediction={"params": 20_127_073, "seconds_per_mpx": 12.345})
    by_kind = {line.kind: line for line in standing_of(run).lines}
    assert (by_kind["measured"].params.text, by_kind["measured"].seconds.text) == ("20.1", "12.35")
    assert (by_kind["paper"].params.text, by_kind["baseline"].seconds.text) == ("", "")


def test_a_papers_figure_of_another_implementation_is_shown_but_not_sorted_by() -> None:
    noted = [replace(PAPER[0], metrics_note="ssim: Gaussian window; 8 bit", input="dual")]
    [line] = standing("made-up", noted, {}).lines
    cell = line.cells["raw", "ssim"]
    assert (cell.text, cell.value, cell.note) == ("0.757", "", "Gaussian window")
    assert (line.cells["raw", "psnr"].value, line.input, line.metrics_note) == ("24.6", "dual", noted[0].metrics_note)


def test_papers_stand_by_the_ground_truth_that_most_print() -> None:
    high, low = replace(PAPER[0], method="raw alone", psnr=25.0), replace(PAPER[0], method="both", psnr=24.0)
    lines = standing("made-up", [low, replace(low, ground_truth="warped", psnr=26.0), high], {}).lines
    assert [line.method for line in lines] == ["raw alone", "both"]


def test_only_equal_signatures_are_ranked_together(lines: dict[str, Line]) -> None:
    good, base, other = (lines[name].cells["registered", "psnr"] for name in ("goodP1", "baseP1", "otherP2"))
    assert (good.rank.low, good.rank.high, good.n_ranked) == (1, 1, 2)  # type: ignore[union-attr]
    assert (base.rank.low, base.rank.high) == (2, 2)  # type: ignore[union-attr]
    assert other.n_ranked == 1
    assert good.leads
    assert not base.leads
    assert not other.leads


def test_runs_of_other_scenes_are_refused(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / name, method=name, seed=seed) for seed, name in enumerate("ab")]
    change_figures(runs[1], ("scene of picture03", "hall"), ("scene of picture04", "hall"))
    with pytest.raises(LeaderboardError, match=r"a@.{8} and b@.{8}: other scenes of the same pictures"):
        standing_of(*runs)


def test_a_difference_below_what_the_ground_truth_costs_leaves_the_places_open(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / name, method=name, gain=gain) for name, gain in (("a", 3.0), ("b", 0.5))]
    for number in range(12):
        set_figure(runs[1], "ceiling", f"picture{number:02d}", "psnr", 25.0)
    cells = [line.cells["registered", "psnr"] for line in standing_of(*runs).measured]
    assert [str(cell.rank) for cell in cells] == ["1–2", "1–2"]
    assert [cell.leads for cell in cells] == [False, False]


def test_what_is_below_its_input_says_so_and_does_not_lead(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / name, method=name, gain=gain) for name, gain in (("bad", -1.0), ("worse", -3.0))]
    cells = [line.cells["registered", "psnr"] for line in standing_of(*runs).measured]
    assert [(cell.rank.low, cell.below, cell.leads) for cell in cells if cell.rank] == [
        (1, True, False),
        (2, True, False),
    ]


def test_papers_and_baselines_are_not_ranked(lines: dict[str, Line]) -> None:
    for name in ("UNet", "identityP1", "ceilingP1", "identityP2"):
        assert all(cell.rank is None for cell in lines[name].cells.values())


def test_lines_stand_by_protocol_measured_first(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / str(i), method=f"m{i}", gain=i, seed=i) for i in range(3)]
    found = standing_of(*runs)
    assert [line.method for line in found.lines] == ["m2", "m1", "m0", "ceiling", "identity", "UNet"]
    assert found.kinds == ["measured", "baseline", "paper"]


def test_a_run_against_fewer_ground_truths_joins_the_larger_protocol(tmp_path: Path) -> None:
    full = make_run(tmp_path / "full", method="full", seed=1)
    raw = make_run(tmp_path / "raw", method="raw only", truths=("raw",), seed=2)
    found = standing_of(full, raw)
    assert [protocol.name for protocol in found.protocols] == ["P1"]
    assert found.protocols[0].n_methods == 2
    assert found.measured[1].cells["raw", "psnr"].n_ranked == 2


def test_a_table_of_papers_alone_stands_without_runs() -> None:
    found = standing("made-up", PAPER, {})
    assert (len(found.lines), found.images, found.empty_truths) == (1, (), ["registered", "matched"])


@pytest.mark.parametrize(("metric", "worst_is_low"), [("psnr", True), ("lpips", False)])
def test_extremes_are_the_worst_and_the_best(tmp_path: Path, metric: str, worst_is_low: bool) -> None:
    rows = [
        row for row in read_run(make_run(tmp_path / "run")).rows if row.method == "UNet" and row.ground_truth == "raw"
    ]
    worst, best = extremes(rows, metric, 3)
    values = sorted((row.figures[metric] for row in rows if row.figures[metric] is not None), reverse=not worst_is_low)
    assert [row.figures[metric] for row in worst] == values[:3]
    assert [row.figures[metric] for row in best] == values[::-1][:3]


def test_few_pictures_are_not_both_worst_and_best(tmp_path: Path) -> None:
    run = read_run(make_run(tmp_path / "run", images=["a", "b", "c"]))
    worst, best = extremes([row for row in run.rows if row.method == "UNet"][:3], "psnr", 4)
    assert len(worst) == len(best) == 1
    assert worst[0].image != best[0].image


def test_infinite_psnr_stands_beside_the_mean_and_counts_in_the_order(tmp_path: Path) -> None:
    equal = make_run(tmp_path / "equal", method="equal", gain=1.0)
    better = make_run(tmp_path / "better", method="better", gain=2.0, seed=1)
    set_figure(equal, "equal", "picture00", "psnr", math.inf)
    first, second = standing_of(equal, better).measured
    ours, theirs = first.cells["registered", "psnr"], second.cells["registered", "psnr"]
    assert (first.method, ours.rank.place, theirs.rank.place) == ("equal", 1, 2)  # type: ignore[union-attr]
    assert ours.text == f"{entries_of(read_run(equal))[2].psnr:.2f} +1 inf"
    assert float(ours.text.split()[0]) < float(theirs.text)
    assert float(ours.value) > float(theirs.value)


def test_one_method_by_two_protocols_has_one_place_where_they_agree(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / warp, method="same", warp=warp) for warp in ("exact", "released")]
    found = standing_of(*runs, make_run(tmp_path / "other", method="other", gain=3.0, seed=1))
    cells = [line.cells["raw", "psnr"] for line in found.measured if line.method == "same"]
    assert [(cell.rank.low, cell.rank.high, cell.n_ranked) for cell in cells if cell.rank] == [(2, 2, 2)] * 2

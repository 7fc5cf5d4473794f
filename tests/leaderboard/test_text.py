"""Comparing methods of runs and tables."""

import json
import math
from pathlib import Path

import pytest
from run_folders import change_figures, make_run, seal, set_figure

from sdd_bench.core.errors import LeaderboardError
from sdd_bench.leaderboard.runs.entries import entries_of
from sdd_bench.leaderboard.runs.read import read_run
from sdd_bench.leaderboard.tables.add import add
from sdd_bench.leaderboard.text import compare_methods, write_drawing


@pytest.fixture
def boards(tmp_path: Path) -> Path:
    for number, (method, gain) in enumerate((("good", 2.0), ("base", 0.5), ("twin", 0.5)), start=1):
        add(make_run(tmp_path / method, method=method, gain=gain, seed=number), tmp_path / "boards")
    return tmp_path / "boards"


def test_methods_of_a_table_are_compared_on_all_metrics(boards: Path) -> None:
    report = compare_methods(["good", "base", "twin"], leaderboards=boards, dataset="made-up", n_resamples=2000)
    assert list(report.comparisons) == ["psnr", "ssim", "mae", "lpips"]
    verdicts = {(item.first, item.second): item.verdict for item in report.comparisons["psnr"]}
    assert list(verdicts.values()) == ["better", "better", "no difference shown"]
    assert [row[-1] for row in report.tables()[1][2]] == ["good is better", "good is better", "no difference shown"]
    assert [str(item) for item in report.ranks["psnr"]] == ["1", "2–3", "2–3"]
    assert len(report.tables()) == 8
    assert json.loads(json.dumps(report.as_json(), allow_nan=False))["comparisons"]["psnr"][0]["verdict"] == "better"


def test_run_folders_and_table_names_mix(boards: Path, tmp_path: Path) -> None:
    run = make_run(tmp_path / "unlisted", method="new", gain=3.0, seed=9)
    report = compare_methods([str(run), "good", "identity"], leaderboards=boards, dataset="made-up", metrics=["psnr"])
    assert [item.method for item in report.ranks["psnr"]] == ["new", "good", "identity"]
    assert [item.place for item in report.ranks["psnr"]] == [1, 2, 3]


def test_two_runs_of_one_name_are_told_apart(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / str(index), gain=index, seed=index) for index in range(2)]
    report = compare_methods([str(run) for run in runs], leaderboards=tmp_path, metrics=["psnr"])
    assert [item.method for item in report.ranks["psnr"]] == ["UNet (1)", "UNet (2)"]


def test_a_name_that_stands_for_two_runs_says_which(boards: Path, tmp_path: Path) -> None:
    other = add(make_run(tmp_path / "again", method="good", protocol="pixels=abc bits=16"), boards)
    with pytest.raises(LeaderboardError, match=r"stands for 2 runs; say which: good@"):
        compare_methods(["good", "base"], leaderboards=boards, dataset="made-up")
    with pytest.raises(LeaderboardError, match="scored by other protocols"):
        compare_methods([f"good@{other[0].run_sha256[:8]}", "base"], leaderboards=boards, dataset="made-up")


def test_an_unknown_method_lists_the_known_ones(boards: Path) -> None:
    with pytest.raises(LeaderboardError, match="measured: base, good, twin"):
        compare_methods(["good", "best"], leaderboards=boards, dataset="made-up")


def test_a_name_without_a_dataset_says_what_to_add(boards: Path) -> None:
    with pytest.raises(LeaderboardError, match="say --dataset NAME"):
        compare_methods(["good", "base"], leaderboards=boards)


def test_other_pictures_are_refused(tmp_path: Path) -> None:
    a = make_run(tmp_path / "a", images=["x", "y", "z"])
    b = make_run(tmp_path / "b", images=["x", "y", "w"], method="b")
    with pytest.raises(LeaderboardError, match=r"not the same pictures \(w, z\)"):
        compare_methods([str(a), str(b)], leaderboards=tmp_path)


def test_other_scenes_are_refused_whichever_comes_first(tmp_path: Path) -> None:
    a, b = make_run(tmp_path / "a", method="a"), make_run(tmp_path / "b", method="b", seed=1)
    change_figures(b, ("scene of picture03", "hall"), ("scene of picture04", "hall"))
    for first, second, named in ((a, b, "'scene of picture03', 'hall'"), (b, a, "'hall', 'scene of picture03'")):
        with pytest.raises(
            LeaderboardError, match=f"other scenes of the same pictures .*picture03: {named}; picture04"
        ):
            compare_methods([str(first), str(second)], leaderboards=tmp_path)


def test_scenes_of_other_names_are_the_same_scenes(tmp_path: Path) -> None:
    a, b = make_run(tmp_path / "a", method="a"), make_run(tmp_path / "b", method="b", seed=1)
    for run, scene in ((a, "hall"), (b, "room")):
        change_figures(run, ("scene of picture03", scene), ("scene of picture04", scene))
    there = compare_methods([str(a), str(b)], leaderboards=tmp_path, metrics=["psnr"]).comparisons["psnr"][0]
    back = compare_methods([str(b), str(a)], leaderboards=tmp_path, metrics=["psnr"]).comparisons["psnr"][0]
    assert (there.n_units, there.unit, there.p_value) == (11, "scenes", back.p_value)
    assert there.difference == -back.difference


def test_the_ceiling_of_a_run_bounds_what_is_called_better(tmp_path: Path) -> None:
    a, b = make_run(tmp_path / "a", method="a", gain=3.0), make_run(tmp_path / "b", method="b", gain=1.0, seed=1)

    def verdict() -> str:
        return compare_methods([str(a), str(b)], leaderboards=tmp_path, metrics=["psnr"]).comparisons["psnr"][0].verdict

    assert verdict() == "better"
    for number in range(12):
        set_figure(b, "ceiling", f"picture{number:02d}", "psnr", 25.0)
    assert verdict() == "no difference shown: the aligned truth (ceiling) scores no better than either"


def test_a_ceiling_of_some_pictures_alone_bounds_nothing(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / name, method=name, gain=gain) for name, gain in (("a", 3.0), ("b", 1.0))]
    for run in runs:
        set_figure(run, "ceiling", "picture00", "psnr", 25.0)
        path = run / "per_image.csv"
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(line for line in lines if not line.startswith("ceiling,picture0")))
        seal(run)
    (found,) = compare_methods([str(run) for run in runs], leaderboards=tmp_path, metrics=["psnr"]).comparisons["psnr"]
    assert (found.truth_cost, found.verdict) == (0.0, "better")


def test_a_ground_truth_that_was_not_scored_is_refused(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / name, method=name, truths=("raw",)) for name in "ab"]
    with pytest.raises(LeaderboardError, match="a: has no scores against warped"):
        compare_methods([str(run) for run in runs], leaderboards=tmp_path, truth="warped")


def test_a_metric_that_is_missing_is_refused(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / name, method=name, metrics=("psnr",)) for name in "ab"]
    with pytest.raises(LeaderboardError, match="lpips is missing for some pictures"):
        compare_methods([str(run) for run in runs], leaderboards=tmp_path, metrics=["lpips"])
    assert list(compare_methods([str(run) for run in runs], leaderboards=tmp_path).ranks) == ["psnr"]


def test_the_mean_is_the_protocols_and_the_table_says_the_cap(tmp_path: Path) -> None:
    equal, other = make_run(tmp_path / "a", method="a"), make_run(tmp_path / "b", method="b", gain=2.0, seed=1)
    set_figure(equal, "a", "picture00", "psnr", math.inf)
    report = compare_methods([str(equal), str(other)], leaderboards=tmp_path, metrics=["psnr"])
    mean = entries_of(read_run(equal))[2].psnr
    title, _, rows = report.tables()[0]
    assert [row[:3] for row in rows] == [
        ("a", f"{mean:.3f} +1 inf", 1),
        ("b", f"{report.ranks['psnr'][1].mean:.3f}", 2),
    ]
    assert "count 100 dB in places and pairs" in title


def test_a_baseline_is_of_the_protocol_of_the_others(tmp_path: Path) -> None:
    for warp in ("exact", "released"):
        add(make_run(tmp_path / warp, method=warp, warp=warp), tmp_path / "boards")
    for names in (["exact", "identity"], ["identity", "released"]):
        report = compare_methods(names, leaderboards=tmp_path / "boards", dataset="made-up", metrics=["psnr"])
        assert [item.method for item in report.ranks["psnr"]] == names


def test_differences_are_drawn_as_svg_and_png_the_same_every_time(tmp_path: Path) -> None:
    runs = [
        str(make_run(tmp_path / name, method=name, gain=gain, seed=n))
        for n, (name, gain) in enumerate((("a", 2.0), ("b", 1.0)))
    ]
    report = compare_methods(runs, leaderboards=tmp_path, metrics=("psnr", "lpips"))
    drawing = report.drawing()
    svg, png = write_drawing(drawing, tmp_path / "plots" / "diff.svg")
    assert (svg.name, png.name) == ("diff.svg", "diff.png")
    assert png.read_bytes()[:4] == b"\x89PNG"
    text = svg.read_text()
    assert "a – b" in text
    assert "a is better" in text
    assert "PSNR (dB): how much better the first is, registered ground truth" in text
    again = compare_methods(runs, leaderboards=tmp_path, metrics=("psnr", "lpips")).drawing()
    assert (again.svg, again.png) == (drawing.svg, drawing.png)
    assert "gains" not in report.as_json()
    assert len(report.to_frame()) == 2
    assert "<td>a - b</td>" in report._repr_html_()

"""The rendered folder: what is in it, and what a browser makes of it."""

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from in_browser import browsed
from run_folders import make_run, seal, set_figure
from sites import HEIGHT, HOSTILE, HOSTILE_PICTURE, METHODS, WIDTH, make_data, make_site

from sdd_bench.core.errors import LeaderboardError, OutputError
from sdd_bench.core.storage.claims import alone_in
from sdd_bench.core.types import GroundTruth, Problem
from sdd_bench.evaluation.notes import notes_on
from sdd_bench.evaluation.picture.moved import PairMotion
from sdd_bench.evaluation.picture.records import Baselines, PictureRecord
from sdd_bench.evaluation.picture.scorer import PictureScores, TruthScores
from sdd_bench.evaluation.summary import Row as EvaluatedRow
from sdd_bench.evaluation.summary import rows_of
from sdd_bench.flow.flo import write_flo
from sdd_bench.leaderboard.runs.entries import entries_of
from sdd_bench.leaderboard.runs.read import read_run
from sdd_bench.leaderboard.site.media import PictureSource, make_pictures, share_truth
from sdd_bench.leaderboard.site.site import render_run, render_site
from sdd_bench.leaderboard.tables.add import add, run_paths
from sdd_bench.leaderboard.text import compare_methods
from sdd_bench.registration.light.transfer import Transfer

PROJECT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def boards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(PROJECT / "leaderboards", tmp_path_factory.mktemp("tables") / "boards"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, boards: Path) -> Path:
    return make_site(tmp_path_factory.mktemp("site"), boards).parent


def test_there_is_a_page_a_method_and_a_page_a_picture(site: Path) -> None:
    assert len(list(site.glob("*/methods/*.html"))) == 3
    assert len(list(site.glob("*/pictures/*.html"))) == 6
    # Preview and crops of 6 blurry, 6 sharp, 18 deblurred, 6 warped; 2 errors each; 6 thumbs, flows, strips; the wheel.
    assert len(list((site / "media").iterdir())) == 2 * (6 + 6 + 18 + 6) + 2 * 18 + 6 + 6 + 6 + 1


def test_every_address_on_every_page_is_a_file_of_the_site(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        for address in re.findall(r'(?:href|src)="([^"]*)"', text):
            target = address.split("#")[0]
            if target and not target.startswith("data:"):
                assert (page.parent / target).resolve().is_file(), (page, address)
                assert site in (page.parent / target).resolve().parents


def test_no_page_lets_a_name_become_a_script(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert HOSTILE not in text
        assert HOSTILE_PICTURE not in text
        assert text.count("<script") == text.count("</script>")


def test_a_second_rendering_makes_no_picture_again(tmp_path: Path) -> None:
    data, predictions = make_data(tmp_path, ["a", "b"])
    run = make_run(tmp_path / "run", images=["a", "b"])
    source = PictureSource.open(run, data, predictions[0])
    render_run(source, tmp_path / "out")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "media").iterdir()}
    pages = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.html")}
    render_run(source, tmp_path / "out")
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "media").iterdir()}
    assert pages == {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.html")}


def test_the_errors_of_all_methods_are_against_one_truth_that_is_named(tmp_path: Path) -> None:
    names = ["picture0", "picture1"]
    data, predictions = make_data(tmp_path, names)
    runs = [make_run(tmp_path / f"run{i}", method=METHODS[i], images=names, seed=i) for i in range(2)]
    saved = runs[1] / "warped" / "registered" / "picture0.png"  # by one run, of one picture
    saved.parent.mkdir(parents=True)
    shutil.copyfile(data / "test" / "gt" / "picture0.png", saved)
    sources = []
    for run, predicted in zip(runs, predictions, strict=False):
        add(run, tmp_path / "boards")
        sources.append(PictureSource.open(run, data, predicted))
    tasks = share_truth([task for source in sources for task in source.tasks(tmp_path / "media")])
    files = [make_pictures(task) for task in tasks]
    views = {(made.run_sha256, made.image): set(made.views) for made in files}
    for source in sources:
        assert views[source.run.run_sha256, "picture0"] == {"error-registered", "error-raw"}
        assert views[source.run.run_sha256, "picture1"] == {"error-raw"}
    # Here the registered truth is the sharp picture, so both maps are the same.
    assert all(
        (tmp_path / "media" / made.views["error-registered"]).read_bytes()
        == (tmp_path / "media" / made.views["error-raw"]).read_bytes()
        for made in files
        if made.image == "picture0"
    )
    render_site(tmp_path / "boards", tmp_path / "out", sources=sources)
    page = next((tmp_path / "out").glob("*/pictures/picture0*.html")).read_text(encoding="utf-8")
    assert "error against registered ground truth" in page


def test_pages_say_in_words_what_is_below_its_input_and_what_evaluate_said(tmp_path: Path) -> None:
    for name, gain in (("good", 3.0), ("bad", -3.0)):
        run = make_run(tmp_path / name, method=name, gain=gain, seed=len(name))
        summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
        summary["notes"] = [f"{name}: light differs by a factor of 1.4."]
        (run / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
        seal(run)
        add(run, tmp_path / "boards")
    index = render_site(tmp_path / "boards", tmp_path / "out")
    rows = {name: row for row in index.read_text(encoding="utf-8").split("<tr ") if (name := _name_of(row))}
    assert rows["bad"].count('class="below">below its input') == 16
    assert "lead-value" not in rows["bad"]
    assert "below its input" not in rows["good"]
    assert rows["good"].count("lead-value") == 16
    assert re.search(r'class="ranked interval">\d\d\.\d\d–.\d\d\.\d\d<', rows["identity"])
    methods, pictures = ((tmp_path / "out").glob(f"*/{name}*.html") for name in ("methods/good", "pictures/"))
    for page in (index, *methods, *pictures):
        assert "good: light differs by a factor of 1.4." in page.read_text(encoding="utf-8")


def test_pages_have_tables_by_misalignment_and_the_share_with_evidence(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    table = run / "per_image.csv"
    lines = table.read_text(encoding="utf-8").splitlines()
    little = (line.removesuffix("2.5") + "0.3" if "picture00" in line else line for line in lines[1:])
    wide = [lines[0] + ",supported_share", *(line + ",0.625" for line in little)]
    table.write_text("\n".join(wide) + "\n", encoding="utf-8")
    seal(run)
    add(run, tmp_path / "boards")
    index = render_site(tmp_path / "boards", tmp_path / "out")
    [method] = (tmp_path / "out").glob("*/methods/*.html")
    picture = next((tmp_path / "out").glob("*/pictures/picture00*.html")).read_text(encoding="utf-8")
    board, page = index.read_text(encoding="utf-8"), method.read_text(encoding="utf-8")
    assert "PSNR against registered by misalignment (px)" in board
    for text in (board, page):
        assert "0 to 0.5" in text
        assert "2 to 4" in text
    assert "the pictures show the flow on 62 % of the picture" in page
    assert "the pictures show the flow on 62 % of the picture" in picture
    assert "0.30 px as a whole" in picture


def test_the_list_of_pictures_has_small_pictures(site: Path) -> None:
    text = (site / "index.html").read_text(encoding="utf-8")
    listed = text[text.index("<summary>Pictures (6)") :]
    assert len(re.findall(r'<img loading="lazy"[^>]*src="media/\w+\.webp"', listed)) == 6


def _name_of(row: str) -> str:
    found = re.search(r'class="first" data-value="(\w+)"', row)
    return found[1] if found else ""


def test_a_picture_that_cannot_be_shown_is_named_and_the_rest_is_there(tmp_path: Path) -> None:
    data, predictions = make_data(tmp_path, ["a", "b"])
    run = make_run(tmp_path / "run", images=["a", "b"])
    (predictions[0] / "a.png").write_bytes(b"not a picture")
    index = render_run(PictureSource.open(run, data, predictions[0]), tmp_path / "out")
    text = index.read_text(encoding="utf-8")
    assert "What could not be shown" in text
    assert "a.png" in text
    assert len(list((tmp_path / "out").glob("*/pictures/*.html"))) == 2


def test_a_table_or_comparison_that_fails_is_named_and_the_rest_is_there(tmp_path: Path) -> None:
    boards = tmp_path / "boards"
    entries = add(make_run(tmp_path / "run"), boards)
    figures = run_paths(boards, entries[0].run_sha256).figures
    figures.write_text(figures.read_text().replace("identity,picture00,", "identity,other,"))
    (boards / "damaged.csv").write_text("method\n")
    problems: list[Problem] = []
    index = render_site(boards, tmp_path / "out", on_problem=problems.append)
    assert [problem.item for problem in problems] == ["damaged.csv", "made-up: UNet against its input"]
    assert "not the same pictures" in problems[1].reason
    text = index.read_text(encoding="utf-8")
    assert all(problem.item in text for problem in problems)
    assert len(list((tmp_path / "out").glob("*/methods/*.html"))) == 1


def test_the_page_says_what_infinite_psnr_counts(tmp_path: Path) -> None:
    data, predictions = make_data(tmp_path, ["a", "b", "c"])
    run = make_run(tmp_path / "run", images=["a", "b", "c"])
    set_figure(run, "UNet", "a", "psnr", float("inf"))
    index = render_run(PictureSource.open(run, data, predictions[0]), tmp_path / "out")
    mean = entries_of(read_run(run))[0].psnr
    text = index.read_text(encoding="utf-8")
    assert f"{mean:.2f} +1 inf" in text
    assert "each counts as 100 dB" in text
    page = next(index.parent.glob("*/methods/*.html")).read_text(encoding="utf-8")
    assert f"mean {mean:.2f}<" in page


def test_a_run_of_one_picture_has_a_page_that_claims_nothing(tmp_path: Path) -> None:
    data, predictions = make_data(tmp_path, ["a"])
    run = make_run(tmp_path / "run", images=["a"])
    index = render_run(PictureSource.open(run, data, predictions[0]), tmp_path / "out")
    page = next(index.parent.glob("*/methods/*.html")).read_text(encoding="utf-8")
    assert "nan" not in page
    assert "too few pictures to tell: 1 cannot reach 5 % (smallest p 1)" in page
    assert "Too few pictures" in page


def evaluated_rows(run: Path) -> list[EvaluatedRow]:
    """The rows of a run as ``evaluate`` held them when it wrote its notes."""
    figures: dict[tuple[str, str], dict[GroundTruth, TruthScores]] = {}
    scenes = {}
    for row in read_run(run).rows:
        scores = TruthScores(row.figures["psnr"], None, None, None, 1.0)
        figures.setdefault((row.method, row.image), {})[GroundTruth(row.ground_truth)] = scores
        scenes[row.image] = row.scene
    found = {key: PictureScores(truths, 0.0, 0.0) for key, truths in figures.items()}
    labels: dict[str, Any] = dict.fromkeys(("key", "group", "blurry_sha256", "sharp_sha256", "prediction_sha256"), "")
    records = [
        PictureRecord(
            **labels, name=image, scene=scene, bit_depth=8, prediction_bit_depth=8, crop="", coc_diameter_px=None,
            misalignment_px=0.0, misalignment_source="flow", exposure_gain=1.0, light=Transfer(),
            method=found["UNet", image],
            baselines=Baselines(found["identity", image], found["ceiling", image], PairMotion(0.0, 0.0, 0.0)),
        )
        for image, scene in scenes.items()
    ]  # fmt: skip
    return rows_of(records, "UNet")


def test_notes_compare_and_page_give_one_interval_and_one_verdict(tmp_path: Path) -> None:
    run, boards = make_run(tmp_path / "run", gain=0.15), tmp_path / "boards"
    entry = add(run, boards)[0]
    (found,) = compare_methods([str(run), "identity"], leaderboards=boards, dataset="made-up").comparisons["psnr"]
    notes = "\n".join(notes_on(evaluated_rows(run), method="UNet", n_expected=12))
    assert f"registered PSNR: {found.difference:+.2f} dB {found.interval(2)}: {found.verdict}" in notes
    render_site(boards, tmp_path / "out")
    page = next((tmp_path / "out").glob(f"*/methods/*{entry.run_sha256[:8]}.html")).read_text(encoding="utf-8")
    assert (
        f'<td>{found.interval(2)}</td><td>{found.superiority:.0%}</td><td class="text reason">{found.verdict}</td>'
        in page
    )


def test_the_page_of_a_method_no_better_than_the_ceiling_allows_says_so(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", gain=3.0)
    for number in range(12):
        set_figure(run, "ceiling", f"picture{number:02d}", "psnr", 25.0)
    add(run, tmp_path / "boards")
    render_site(tmp_path / "boards", tmp_path / "out")
    page = next((tmp_path / "out").glob("*/methods/*.html")).read_text(encoding="utf-8")
    assert "no difference shown: the aligned truth (ceiling) scores no better than either" in page


def test_tables_render_without_any_picture(tmp_path: Path, boards: Path) -> None:
    index = render_site(boards, tmp_path / "out")
    assert "MPRNet*" in index.read_text(encoding="utf-8")
    assert not (tmp_path / "out" / "media").exists()


def test_a_run_that_no_table_names_is_refused(tmp_path: Path, boards: Path) -> None:
    data, predictions = make_data(tmp_path, ["a"])
    run = make_run(tmp_path / "run", images=["a"], method="stranger")
    with pytest.raises(LeaderboardError, match="not in the tables.*add it first"):
        render_site(boards, tmp_path / "out", sources=[PictureSource.open(run, data, predictions[0])])


@pytest.mark.slow
def test_workers_make_the_same_site(tmp_path: Path) -> None:
    data, predictions = make_data(tmp_path, ["a", "b"])
    finished = make_run(tmp_path / "run", images=["a", "b"])
    for name in ("a", "b"):
        write_flo(finished / "flow" / f"{name}.flo", np.ones((2, HEIGHT, WIDTH), np.float32))
    source = PictureSource.open(finished, data, predictions[0])
    for jobs in (1, 2):
        render_run(source, tmp_path / f"out{jobs}", jobs=jobs)
        assert any((tmp_path / f"out{jobs}" / "media").glob("*.png")), "no strips of crops"
    files = [sorted(p for p in (tmp_path / f"out{jobs}").rglob("*") if p.is_file()) for jobs in (1, 2)]
    assert [path.name for path in files[0]] == [path.name for path in files[1]]
    assert [path.read_bytes() for path in files[0]] == [path.read_bytes() for path in files[1]]


@pytest.mark.slow
def test_a_hundred_methods_on_76_pictures_give_small_pages(tmp_path: Path) -> None:
    images = [f"picture{index:02d}" for index in range(76)]
    for index in range(100):
        run = make_run(tmp_path / f"run{index}", method=f"method {index}", images=images, gain=index / 30, seed=index)
        add(run, tmp_path / "boards")
    index_page = render_site(tmp_path / "boards", tmp_path / "out")
    sizes = [path.stat().st_size for path in (tmp_path / "out").rglob("*.html")]
    assert len(sizes) == 1 + 100 + 76
    assert index_page.stat().st_size < 2e6
    assert max(sizes) < 2e6


@pytest.fixture(scope="module")
def seen(site: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    artifacts = Path(os.environ.get("SDD_BENCH_ARTIFACTS") or PROJECT / "artifacts")
    return browsed(site, artifacts)


def test_a_browser_finds_no_error_and_asks_nobody(seen: dict[str, Any]) -> None:
    assert seen["complaints"] == []


def test_a_heading_sorts_by_keyboard_and_says_so(seen: dict[str, Any]) -> None:
    measured = [name for name in seen["sorted"] if name in METHODS or name in ("identity", "ceiling")]
    assert measured == ["ceiling", *METHODS, "identity"]
    assert [name for name in seen["sorted_again"] if name in measured] == measured[::-1]
    assert seen["aria_sort"] == ["ascending", "descending"]
    assert sorted(seen["sorted"]) == sorted(seen["start"])


def test_filters_choose_rows_and_columns(seen: dict[str, Any]) -> None:
    assert seen["filtered"] == [METHODS[1]]
    assert seen["status"] == "1 of 21 rows"
    assert seen["n_paper"] == 16
    assert seen["ssim_hidden"]
    assert seen["at_most"] == [METHODS[2]]
    assert seen["cost_hidden"]


def test_the_slider_moves_by_key_and_by_pointer(seen: dict[str, Any]) -> None:
    start, by_key, by_pointer = (float(value.rstrip("%")) for value in seen["divider"])
    assert (start, by_key) == (50.0, 51.0)
    assert by_pointer == pytest.approx(25.0, abs=1.0)
    assert "percent: blurry to the left, deblurred" in seen["valuetext"]


def test_two_methods_stand_side_by_side_and_zoom_and_move_together(seen: dict[str, Any]) -> None:
    assert seen["beside"] == [f"deblurred · {METHODS[1]}", f"deblurred · {METHODS[0]}"]
    (left, top, width, height), (left2, top2, width2, height2) = seen["panes"]
    assert (top, height) == (top2, height2)
    assert width == pytest.approx(width2, abs=1)
    assert left2 >= left + width
    assert seen["zooms"][0] == "2.3×"
    assert float(seen["zooms"][1].rstrip("×")) > 2.3
    assert seen["zooms"][2] == "1.0×"
    assert seen["scale"] == pytest.approx(1.0, abs=0.01)
    for ours, theirs in seen["transforms"]:
        assert ours == theirs
    assert len({ours for ours, _ in seen["transforms"]}) == 3


def test_no_column_is_cut_off_on_a_common_screen(seen: dict[str, Any]) -> None:
    assert seen["cut"] == []


def test_the_slider_changes_method_and_layer(seen: dict[str, Any]) -> None:
    assert seen["method_changed"]
    assert seen["alt"] == f"sharp registered to blurry · {METHODS[1]}"


def test_everything_has_a_name_for_a_screen_reader(seen: dict[str, Any]) -> None:
    assert seen["nameless"] == []


def test_it_fits_a_phone_and_turns_dark(seen: dict[str, Any]) -> None:
    assert seen["too_wide"] == []
    assert seen["dark"] == "rgb(18, 21, 25)"


def test_a_second_rendering_into_one_folder_at_a_time_is_refused(boards: Path, tmp_path: Path) -> None:
    with alone_in(tmp_path / "site"), pytest.raises(OutputError, match="another run is writing here"):
        render_site(boards, tmp_path / "site")
    render_site(boards, tmp_path / "site")
    assert not (tmp_path / "site" / ".lock").exists()


def test_a_rendering_removes_the_pictures_that_a_killed_one_left_half_written(boards: Path, tmp_path: Path) -> None:
    left = tmp_path / "site" / "media" / f".{'ab' * 16}.partial"
    left.parent.mkdir(parents=True)
    left.touch()
    render_site(boards, tmp_path / "site")
    assert not left.exists()


@pytest.mark.parametrize("there", ["dataset.json", "index.html", "holiday/a.png"])
def test_a_folder_of_anything_else_is_left_as_it_is(there: str, boards: Path, tmp_path: Path) -> None:
    path = tmp_path / "out" / there
    path.parent.mkdir(parents=True)
    path.write_text("<!doctype html>mine")
    name = there.split("/")[0]
    with pytest.raises(OutputError, match=f"out: holds {name} and is no folder of pages. Choose a new or empty"):
        render_site(boards, tmp_path / "out")
    assert [each for each in (tmp_path / "out").rglob("*") if each.is_file()] == [path]
    assert path.read_text() == "<!doctype html>mine"
    path.unlink()
    shutil.rmtree(tmp_path / "out")
    for _ in range(2):  # its own pages are written over
        render_site(boards, tmp_path / "out")

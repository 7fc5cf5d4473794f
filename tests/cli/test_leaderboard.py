"""``sdd-bench leaderboard``: exit status, messages, and what is left on disk."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from run_folders import change_summary, make_run
from sites import make_data

from sdd_bench.cli.main import main


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["leaderboard", *map(str, arguments)])


@pytest.fixture
def boards(tmp_path: Path) -> Path:
    for number, (method, gain) in enumerate((("good", 2.0), ("base", 0.5)), start=1):
        run = make_run(tmp_path / method, method=method, gain=gain, seed=number)
        assert call("add", run, "--leaderboards", tmp_path / "boards").exit_code == 0
    return tmp_path / "boards"


def test_check_says_in_one_screen_that_a_run_can_be_listed(tmp_path: Path) -> None:
    result = call("check", make_run(tmp_path / "run"))
    assert result.exit_code == 0
    assert "can be listed: sdd-bench leaderboard add" in result.output
    assert len(result.output.splitlines()) <= 24


def test_check_names_what_is_missing_and_leaves_with_1(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", n_expected=35)
    result = call("check", run)
    assert result.exit_code == 1
    assert "missing pictures       12 of 35 of the test split" in result.output
    found = json.loads(call("check", run, "--json").output)
    assert found["listable"] is False
    assert [check["what"] for check in found["checks"] if check["status"] == "missing"] == ["pictures"]


def test_check_of_a_folder_that_is_no_run_says_so(tmp_path: Path) -> None:
    result = call("check", tmp_path)
    assert result.exit_code == 1
    assert "expected a finished run (no run.json)" in result.output
    assert call("check", tmp_path / "nothing").exit_code == 2


def test_add_reports_its_rows(tmp_path: Path) -> None:
    result = call(
        "add", make_run(tmp_path / "run"), "--leaderboards", tmp_path / "boards", "--trained-on", "dpdd", "--json"
    )
    assert result.exit_code == 0
    rows = json.loads(result.output)
    assert [(row["ground_truth"], row["trained_on"]) for row in rows] == [
        ("raw", "dpdd"),
        ("warped", "dpdd"),
        ("registered", "dpdd"),
        ("matched", "dpdd"),
    ]


def test_add_refuses_a_forged_run_with_status_2(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    change_summary(run, drift_px={"UNet": 0.0})
    result = call("add", run, "--leaderboards", tmp_path / "boards")
    assert result.exit_code == 2
    assert "error:" in result.output
    assert "UNet drift_px" in result.output


def test_add_refuses_a_duplicate_until_replace(tmp_path: Path, boards: Path) -> None:
    run = make_run(tmp_path / "again", method="good", gain=2.5, seed=7)
    assert "Use --replace" in call("add", run, "--leaderboards", boards).output
    assert call("add", run, "--leaderboards", boards, "--replace").exit_code == 0


def test_verify_passes_and_then_finds_damage(boards: Path) -> None:
    assert "all is right, tables checked: 1" in call("verify", "--leaderboards", boards).output
    table = boards / "made-up.csv"
    table.write_text(table.read_text().replace("good,made-up,raw,", "good,made-up,raw,1", 1))
    result = call("verify", "--leaderboards", boards)
    assert result.exit_code == 1
    assert "good raw psnr" in result.output
    found = json.loads(
        CliRunner().invoke(main, ["leaderboard", "verify", "--leaderboards", str(boards), "--json"]).stdout
    )
    assert found["problems"]


def test_verify_without_tables_says_what_to_do(tmp_path: Path) -> None:
    result = call("verify", "--leaderboards", tmp_path / "none")
    assert result.exit_code == 2
    assert "Say --leaderboards DIR" in result.output


@pytest.mark.parametrize(
    "command",
    [
        ["verify"], ["verify", "--json"], ["render", "out"],
        *(["export", "--format", form] for form in ("latex", "markdown", "json", "csv")),
    ],
)  # fmt: skip
def test_a_folder_without_tables_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "boards").mkdir()
    result = call(*command, "--leaderboards", "boards")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "error: boards: expected tables (DATASET.csv), got a folder without any" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["boards"]


def test_rerun_needs_data_and_predictions(tmp_path: Path) -> None:
    result = call("verify", "--rerun", make_run(tmp_path / "run"))
    assert result.exit_code == 2
    assert "--rerun needs --data and --predictions" in result.output


def test_compare_prints_ranks_and_pairs(boards: Path) -> None:
    result = call("compare", "good", "base", "--dataset", "made-up", "--leaderboards", boards, "--metric", "psnr")
    assert result.exit_code == 0, result.output
    assert "good - base" in result.output
    assert "good is better" in result.output
    found = json.loads(
        call("compare", "good", "base", "--dataset", "made-up", "--leaderboards", boards, "--json").output
    )
    assert found["comparisons"]["lpips"][0]["difference"] > 0
    assert found["n_images"] == 12


def test_compare_of_one_method_is_bad_usage(boards: Path) -> None:
    result = call("compare", "good", "--dataset", "made-up", "--leaderboards", boards)
    assert result.exit_code == 2
    assert "at least two" in result.output


def test_compare_of_an_unknown_method_lists_the_known(boards: Path) -> None:
    result = call("compare", "good", "best", "--dataset", "made-up", "--leaderboards", boards)
    assert result.exit_code == 2
    assert "measured: base, good" in result.output


def test_render_writes_a_page_with_the_pictures_of_a_run(tmp_path: Path) -> None:
    data, predictions = make_data(tmp_path, ["a", "b"])
    run, boards = make_run(tmp_path / "run", images=["a", "b"]), tmp_path / "boards"
    call("add", run, "--leaderboards", boards)
    result = call(
        "render", tmp_path / "out", "--leaderboards", boards, "--pictures-from", run, data, predictions[0], "--json"
    )
    assert result.exit_code == 0, result.output
    index = Path(json.loads(result.output)["page"])
    assert "UNet" in index.read_text(encoding="utf-8")
    assert any((index.parent / "media").iterdir())


def test_render_without_tables_is_an_error(tmp_path: Path) -> None:
    result = call("render", tmp_path / "out", "--leaderboards", tmp_path / "none")
    assert result.exit_code == 2
    assert not (tmp_path / "out").exists()


def test_evaluate_report_gives_the_same_page_for_one_run(tmp_path: Path) -> None:
    data, predictions = make_data(tmp_path, ["a", "b"])
    arguments = ["evaluate", data, "--predictions", predictions[0], "-o", tmp_path / "run", "--flow", "dis", "--report"]
    result = CliRunner().invoke(main, [*map(str, arguments), "--metrics", "psnr,ssim"])
    assert result.exit_code == 0, result.output
    assert "page:" in result.output
    page = tmp_path / "run" / "report"
    assert "predictions0" in (page / "index.html").read_text(encoding="utf-8")
    picture = sorted(page.glob("*/pictures/*.html"))[0].read_text(encoding="utf-8")
    assert "sharp registered to blurry" in picture


def test_render_lists_a_picture_that_cannot_be_shown_and_leaves_with_1(tmp_path: Path) -> None:
    data, predictions = make_data(tmp_path, ["a", "b"])
    run, boards = make_run(tmp_path / "run", images=["a", "b"]), tmp_path / "boards"
    call("add", run, "--leaderboards", boards)
    damaged = predictions[0] / "a.png"
    damaged.write_bytes(damaged.read_bytes()[:100])
    result = call("render", tmp_path / "out", "--leaderboards", boards, "--pictures-from", run, data, predictions[0])
    assert result.exit_code == 1, result.output
    assert "1 item(s) failed" in result.output
    assert (tmp_path / "out" / "index.html").is_file()


def test_a_run_from_a_csv_of_pairs_can_be_scored_and_shown_again(tmp_path: Path) -> None:
    data, predictions = make_data(tmp_path, ["a", "b"])
    pairs, run, boards = tmp_path / "pairs.csv", tmp_path / "run", tmp_path / "boards"
    (data / "test").rename(data / "captures")
    pairs.write_text("blurry,sharp\n" + "".join(f"captures/blur/{n}.png,captures/gt/{n}.png\n" for n in "ab"))
    options = ["--pairs", pairs]
    arguments = ["evaluate", data, *options, "--predictions", predictions[0], "-o", run, "--flow", "dis"]
    result = CliRunner().invoke(main, [*map(str, arguments), "--metrics", "psnr,ssim"])
    assert result.exit_code == 0, result.output
    result = call("verify", "--rerun", run, "--data", data, *options, "--predictions", predictions[0])
    assert result.exit_code == 0, result.output
    assert "of 2 pictures agree" in result.output
    assert "the protocol is as stated" in result.output
    files = ["--rerun", run, "--data", data, "--predictions", predictions[0]]
    result = call("verify", *files, *options, "--device", "foo")
    assert (result.exit_code, "--device foo: cannot be used" in result.output) == (2, True)
    assert call("add", run, "--leaderboards", boards).exit_code == 0
    moved = ["--pictures-from", run, data, predictions[0], *options]
    for name, shown in (("moved", moved), ("alone", ["--pictures", run])):
        result = call("render", tmp_path / name, "--leaderboards", boards, *shown)
        assert result.exit_code == 0, result.output
    alone, moved = ({path.name for path in (tmp_path / name / "media").iterdir()} for name in ("alone", "moved"))
    assert alone == moved != set()
    (predictions[0] / "a.png").unlink()
    result = call("render", tmp_path / "out", "--leaderboards", boards, "--pictures", run)
    assert result.exit_code == 2
    assert "a.png: a picture of" in result.output
    (run / "sources.json").unlink()
    result = call("render", tmp_path / "out", "--leaderboards", boards, "--pictures", run)
    assert "does not say where its pictures are" in result.output
    assert "--pictures-from RUN DATA PREDICTIONS" in result.output

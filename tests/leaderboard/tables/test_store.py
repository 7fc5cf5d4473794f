"""Tables: form, order, digits, and text that no spreadsheet runs."""

import dataclasses
from pathlib import Path

import pytest

from sdd_bench.core.errors import LeaderboardError
from sdd_bench.leaderboard.tables.schema import COLUMNS, Entry, problems_of
from sdd_bench.leaderboard.tables.store import locked, read_table, table_path, table_text, tables, write_table
from sdd_bench.leaderboard.tables.verify import verify

PAPER = Entry(
    method="UNet*", dataset="sdd", ground_truth="warped", psnr=25.82, ssim=0.783, mae=0.032, lpips=0.305, drift_px=None,
    n_images=35, source="paper", trained_on="sdd", flow="PWC-Net", reference="Li et al., AAAI 2023, Table 1",
)  # fmt: skip
MEASURED = dataclasses.replace(
    PAPER, method="mine", source="measured", psnr=25.123456, ssim=0.7654321, signature="warped: pixels=abc",
    date="2025-06-01", run_sha256="a" * 64, reference="",
)  # fmt: skip


def test_the_columns_are_those_of_the_schema() -> None:
    assert ",".join(COLUMNS) == (
        "method,dataset,ground_truth,psnr,ssim,mae,lpips,drift_px,n_images,source,trained_on,bit_depth,resize,crop,flow,"
        "warp,signature,reference,run_sha256,tool_version,date,params,seconds_per_mpx,"
        "input,as_printed_in,metrics_note"
    )


def test_a_table_of_an_earlier_version_has_fewer_columns(tmp_path: Path) -> None:
    path = table_path(tmp_path, "sdd")
    path.write_text(table_text([PAPER], n_columns=21))
    assert path.read_text().splitlines()[0].endswith(",tool_version,date")
    assert read_table(path) == [PAPER]
    assert verify(tmp_path) == []
    write_table(path, [*read_table(path), dataclasses.replace(MEASURED, params=5, seconds_per_mpx=1.23456)])
    assert [line.split(",")[21:23] for line in path.read_text().splitlines()] == [
        ["params", "seconds_per_mpx"],
        ["5", "1.2346"],
        ["", ""],
    ]


def test_a_table_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = table_path(tmp_path, "sdd")
    write_table(path, [PAPER, MEASURED])
    back = read_table(path)
    assert back[1] == PAPER
    assert back[0] == dataclasses.replace(MEASURED, psnr=25.1235, ssim=0.765432)
    assert table_text(back) == path.read_text()


def test_a_paper_keeps_its_digits() -> None:
    assert "25.82,0.783,0.0320,0.305,,35,paper" in table_text([PAPER])


def test_a_paper_that_prints_more_digits_keeps_them() -> None:
    assert "26.114,0.783,0.0320,0.305,,35,paper" in table_text([dataclasses.replace(PAPER, psnr=26.114)])


def test_a_note_says_which_figures_are_of_another_implementation() -> None:
    note = "ssim: pytorch_msssim; lpips: fed BGR; rounded to 8 bit"
    noted = dataclasses.replace(PAPER, metrics_note=note)
    assert noted.foreign == {"ssim": "pytorch_msssim", "lpips": "fed BGR"}
    assert problems_of(noted) == []
    assert problems_of(dataclasses.replace(noted, lpips=None)) == ["metrics_note names lpips, which is empty"]
    assert problems_of(dataclasses.replace(MEASURED, metrics_note=note)) == ["a measured row has no metrics_note"]
    assert problems_of(dataclasses.replace(PAPER, input="triple")) == ["input 'triple' is neither single nor dual"]


@pytest.mark.parametrize("name", ["=HYPERLINK(1)", "+1", "-net", "@sum", "'=x"])
def test_a_method_that_a_spreadsheet_would_run_is_neutralised_and_comes_back(tmp_path: Path, name: str) -> None:
    path = table_path(tmp_path, "sdd")
    write_table(path, [dataclasses.replace(PAPER, method=name)])
    line = path.read_text().splitlines()[1]
    assert line.startswith("'")
    assert read_table(path)[0].method == name


def test_rows_stand_by_ground_truth_then_source_then_method() -> None:
    raw = dataclasses.replace(PAPER, ground_truth="raw")
    other = dataclasses.replace(PAPER, method="AAA")
    lines = table_text([PAPER, MEASURED, other, raw]).splitlines()[1:]
    assert [line.split(",")[:3:2] for line in lines] == [
        ["UNet*", "raw"],
        ["mine", "warped"],
        ["AAA", "warped"],
        ["UNet*", "warped"],
    ]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"method": " x"}, "spaces around"),
        ({"method": ""}, "method is empty"),
        ({"method": "a\u202eb"}, "control characters"),
        ({"ground_truth": "aligned"}, "none of raw, warped, registered, matched"),
        ({"source": "guess"}, "neither paper nor measured"),
        ({"psnr": 1e4}, "psnr 10000.0 is outside"),
        ({"ssim": 1.2}, "ssim 1.2 is outside"),
        ({"mae": -0.1}, "mae -0.1 is outside"),
        ({"lpips": float("nan")}, "lpips nan is outside"),
        ({"drift_px": -1.0}, "not a length"),
        ({"n_images": 0}, "n_images 0"),
        ({"params": -1}, "params -1"),
        ({"seconds_per_mpx": float("inf")}, "not a time"),
        ({"source": "paper", "params": 5}, "a paper row has no params"),
        ({"date": "yesterday"}, "not YYYY-MM-DD"),
        ({"run_sha256": "abc"}, "needs the run's run_sha256"),
        ({"signature": ""}, "needs signature"),
        ({"psnr": None, "ssim": None}, "needs figures"),
    ],
)
def test_a_row_that_breaks_the_schema_is_named(change: dict[str, object], reason: str) -> None:
    found = problems_of(dataclasses.replace(MEASURED, **change))  # type: ignore[arg-type]
    assert any(reason in problem for problem in found), found


def test_a_paper_row_needs_its_reference_and_has_no_signature() -> None:
    assert problems_of(PAPER) == []
    assert problems_of(dataclasses.replace(PAPER, reference="")) == ["a paper row needs its reference"]
    assert problems_of(dataclasses.replace(PAPER, signature="x")) == ["a paper row has no signature"]


def test_writing_the_same_row_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LeaderboardError, match="two rows of one method"):
        write_table(table_path(tmp_path, "sdd"), [PAPER, PAPER])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no header"),
        ("a,b\n1,2\n", "expected the columns method, dataset"),
        (",".join(COLUMNS) + "\nx,sdd\n", f"expected {len(COLUMNS)} cells, got 2"),
        (",".join(COLUMNS) + "\nx,sdd,raw,high" + "," * (len(COLUMNS) - 4) + "\n", "psnr is 'high'; expected a number"),
    ],
)
def test_a_file_that_is_no_table_is_an_error_that_says_where(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "sdd.csv"
    path.write_text(text)
    with pytest.raises(LeaderboardError, match=reason):
        read_table(path)


def test_bytes_that_are_no_text_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "sdd.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(LeaderboardError, match="not UTF-8 text"):
        read_table(tmp_path / "sdd.csv")


@pytest.mark.parametrize("name", ["../x", "A", "", "a b", ".hidden", "x/y"])
def test_a_dataset_name_that_is_no_file_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(LeaderboardError, match="Say --dataset NAME"):
        table_path(tmp_path, name)


def test_no_folder_of_leaderboards_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(LeaderboardError, match="Say --leaderboards DIR"):
        tables(tmp_path / "none")


def test_a_folder_without_tables_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("no table")
    with pytest.raises(LeaderboardError, match=r"expected tables \(DATASET.csv\), got a folder without any"):
        tables(tmp_path)


def test_a_second_writer_waits_for_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdd_bench.leaderboard.tables.store._LOCK_SECONDS", 0.05)
    with locked(tmp_path), pytest.raises(LeaderboardError, match="another process has been writing"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass

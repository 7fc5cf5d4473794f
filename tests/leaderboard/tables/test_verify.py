"""The tables of the project are right, and damage to tables is found."""

import shutil
from pathlib import Path

import pytest
from run_folders import make_run

from sdd_bench.leaderboard.runs.entries import entries_of
from sdd_bench.leaderboard.runs.read import read_run
from sdd_bench.leaderboard.tables.add import add, run_paths
from sdd_bench.leaderboard.tables.store import read_table, table_path, write_table
from sdd_bench.leaderboard.tables.verify import verify

PROJECT = Path(__file__).parents[3] / "leaderboards"


@pytest.fixture
def boards(tmp_path: Path) -> Path:
    add(make_run(tmp_path / "run"), tmp_path / "boards")
    return tmp_path / "boards"


def reasons(boards: Path) -> str:
    return "\n".join(f"{problem.item}: {problem.reason}" for problem in verify(boards))


def test_the_tables_of_the_project_are_right() -> None:
    assert verify(PROJECT) == []


def test_every_row_of_the_paper_is_there() -> None:
    rows = [entry for name in ("sdd", "dpdd", "realdof") for entry in read_table(table_path(PROJECT, name))]
    paper = [entry for entry in rows if entry.reference.startswith("Li et al., AAAI 2023")]
    assert len(paper) == 63
    best = {(entry.dataset, entry.ground_truth): max(
        e.psnr for e in paper if (e.dataset, e.ground_truth) == (entry.dataset, entry.ground_truth) and e.psnr
    ) for entry in paper}  # fmt: skip
    assert best == {
        ("sdd", "warped"): 26.88,
        ("dpdd", "raw"): 25.73,
        ("dpdd", "warped"): 26.21,
        ("realdof", "raw"): 25.75,
        ("realdof", "warped"): 25.61,
    }


def test_the_rows_of_newer_papers_are_there() -> None:
    rows = [entry for path in sorted(PROJECT.glob("*.csv")) for entry in read_table(path)]
    newer = [entry for entry in rows if not entry.reference.startswith("Li et al., AAAI 2023")]
    assert len(newer) == 52
    assert {entry.n_images for entry in newer if entry.dataset == "lfdof"} == {725}
    assert max((entry.psnr or 0, entry.method) for entry in newer if entry.dataset == "lfdof") == (31.87, "LaKDNet-S")
    foreign = {entry.method for entry in newer if entry.foreign}
    assert foreign == {"NRKNet", "DCPT", "MaskDCPT", "InstructIR", "DA-CLIP", "FoundIR", "UniRestore"}


def test_a_table_edited_by_hand_is_found(boards: Path) -> None:
    path = table_path(boards, "made-up")
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[0], *reversed(lines[1:])]))
    assert "not in the order or form" in reasons(boards)


def test_a_figure_that_its_pictures_do_not_give_is_found(boards: Path) -> None:
    path = table_path(boards, "made-up")
    psnr = f"{read_table(path)[0].psnr:.4f}"
    path.write_text(path.read_text().replace(psnr, "40.0000"))
    assert f"UNet raw psnr: '40.0000', but its run gives '{psnr}'" in reasons(boards)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("pixels=abc", "pixels=abd", "UNet raw signature"),
        ("warp=exact", "warp=released", "UNet warped signature"),
        (",exact,", ",released,", "UNet registered warp: 'released', but its run gives 'exact'"),
        (",8,none,", ",16,none,", "UNet raw bit_depth"),
        (",pwcnet,", ",dis,", "UNet warped flow"),
        ("2025-06-01", "2025-07-01", "UNet raw date"),
        (",0.1.0,", ",0.2.0,", "UNet raw tool_version"),
        ("UNet,", "VNet,", "VNet raw method: 'VNet', but its run gives 'UNet'"),
    ],
)
def test_no_column_that_the_run_knows_can_be_changed_unseen(boards: Path, old: str, new: str, reason: str) -> None:
    path = table_path(boards, "made-up")
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    assert reason in reasons(boards)


def test_a_row_that_was_taken_out_is_found(boards: Path) -> None:
    path = table_path(boards, "made-up")
    path.write_text("".join(line for line in path.read_text().splitlines(keepends=True) if ",warped," not in line))
    assert "expected one row each of raw, warped, registered, matched" in reasons(boards)


def test_a_run_that_add_would_refuse_is_found(tmp_path: Path, boards: Path) -> None:
    forged = make_run(tmp_path / "forged", n_expected=35)
    run = read_run(forged)
    for source, target in zip(run.files, run_paths(boards, run.run_sha256), strict=True):
        shutil.copyfile(source, target)
    write_table(table_path(boards, "made-up"), entries_of(run))
    assert "UNet pictures: 12 of 35 of the test split" in reasons(boards)


def test_few_pictures_in_the_table_of_a_known_set_are_found(boards: Path) -> None:
    path = table_path(boards, "made-up")
    path.rename(table_path(boards, "sdd"))
    table_path(boards, "sdd").write_text(table_path(boards, "sdd").read_text().replace(",made-up,", ",sdd,"))
    assert "n_images 12, but the test split of sdd has 35 pictures" in reasons(boards)


def test_a_hash_that_names_a_file_elsewhere_is_found(boards: Path) -> None:
    path = table_path(boards, "made-up")
    path.write_text(path.read_text().replace(read_table(path)[0].run_sha256, "../../victim/data"))
    assert "a measured row needs the run's run_sha256 (64 hex digits)" in reasons(boards)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_changed_figures_per_picture_are_found(boards: Path, which: int) -> None:
    path = run_paths(boards, read_table(table_path(boards, "made-up"))[0].run_sha256)[which]
    path.write_bytes(path.read_bytes() + b"\n")
    assert "changed" in reasons(boards)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_missing_figures_per_picture_are_found(boards: Path, which: int) -> None:
    run_paths(boards, read_table(table_path(boards, "made-up"))[0].run_sha256)[which].unlink()
    assert "missing" in reasons(boards)
    assert "Restore runs/ from version control" in reasons(boards)


def test_figures_that_no_row_names_are_found(boards: Path) -> None:
    (boards / "runs" / "stray.csv").write_text("")
    assert "runs/stray.csv: no row of any table names it" in reasons(boards)


def test_a_row_in_the_table_of_another_dataset_is_found(boards: Path) -> None:
    table_path(boards, "made-up").rename(table_path(boards, "dpdd"))
    assert "dataset is 'made-up' in the table of dpdd" in reasons(boards)


def test_a_table_that_is_none_is_found(boards: Path) -> None:
    (boards / "lfdof.csv").write_text("method\n")
    assert "lfdof.csv" in reasons(boards)

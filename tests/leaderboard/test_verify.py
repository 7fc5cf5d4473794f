"""The tables of the project are right, and damage to tables is found."""

from pathlib import Path

import pytest
from run_folders import make_run

from sdd_bench.leaderboard.add import add, run_paths
from sdd_bench.leaderboard.table import read_table, table_path
from sdd_bench.leaderboard.verify import verify

PROJECT = Path(__file__).parents[2] / "leaderboards"


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
    paper = [entry for entry in rows if entry.source == "paper"]
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


def test_a_table_edited_by_hand_is_found(boards: Path) -> None:
    path = table_path(boards, "sdd")
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[0], *reversed(lines[1:])]))
    assert "not in the order or form" in reasons(boards)


def test_a_figure_that_its_pictures_do_not_give_is_found(boards: Path) -> None:
    path = table_path(boards, "sdd")
    psnr = f"{read_table(path)[0].psnr:.4f}"
    path.write_text(path.read_text().replace(psnr, "40.0000"))
    assert "UNet raw psnr: 40.0, but its pictures give" in reasons(boards)


@pytest.mark.parametrize("which", [0, 1])
def test_changed_figures_per_picture_are_found(boards: Path, which: int) -> None:
    path = run_paths(boards, read_table(table_path(boards, "sdd"))[0].run_sha256)[which]
    path.write_bytes(path.read_bytes() + b"\n")
    assert "changed" in reasons(boards)


@pytest.mark.parametrize("which", [0, 1])
def test_missing_figures_per_picture_are_found(boards: Path, which: int) -> None:
    run_paths(boards, read_table(table_path(boards, "sdd"))[0].run_sha256)[which].unlink()
    assert "missing from runs/" in reasons(boards)


def test_figures_that_no_row_names_are_found(boards: Path) -> None:
    (boards / "runs" / "stray.csv").write_text("")
    assert "runs/stray.csv: no row of any table names it" in reasons(boards)


def test_a_row_in_the_table_of_another_dataset_is_found(boards: Path) -> None:
    table_path(boards, "sdd").rename(table_path(boards, "dpdd"))
    assert "dataset is 'sdd' in the table of dpdd" in reasons(boards)


def test_a_table_that_is_none_is_found(boards: Path) -> None:
    (boards / "lfdof.csv").write_text("method\n")
    assert "lfdof.csv" in reasons(boards)

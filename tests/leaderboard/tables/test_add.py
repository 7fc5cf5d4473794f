"""Entering runs: what is refused, what is kept, and two at once."""

import multiprocessing
from pathlib import Path

import pytest
from run_folders import change_figures, change_summary, make_run

from sdd_bench.core.errors import LeaderboardError, OutputError
from sdd_bench.leaderboard.tables.add import add, run_paths
from sdd_bench.leaderboard.tables.store import read_table, table_path
from sdd_bench.leaderboard.tables.verify import verify


def test_a_run_enters_with_its_figures_per_picture(tmp_path: Path) -> None:
    run, boards = make_run(tmp_path / "run"), tmp_path / "boards"
    entries = add(run, boards, trained_on="dpdd", reference="https://example.org/x")
    assert [entry.ground_truth for entry in entries] == ["raw", "warped", "registered", "matched"]
    assert len(read_table(table_path(boards, "made-up"))) == 4
    kept = run_paths(boards, entries[0].run_sha256)
    assert kept.figures.read_bytes() == (run / "per_image.csv").read_bytes()
    assert kept.summary.read_bytes() == (run / "summary.json").read_bytes()
    assert kept.seal.read_bytes() == (run / "run.json").read_bytes()
    assert verify(boards) == []


def test_the_dataset_may_be_named_otherwise(tmp_path: Path) -> None:
    add(make_run(tmp_path / "run", dataset="My Data"), tmp_path / "boards", dataset="mine")
    assert read_table(table_path(tmp_path / "boards", "mine"))[0].dataset == "mine"


def test_an_incomplete_run_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(LeaderboardError, match="12 of 35 of the test split"):
        add(make_run(tmp_path / "run", n_expected=35), tmp_path / "boards")
    assert not (tmp_path / "boards").exists()


def test_other_scenes_than_those_of_the_rows_it_is_ranked_with_are_refused(tmp_path: Path) -> None:
    first, other = make_run(tmp_path / "a", method="a"), make_run(tmp_path / "b", method="b", seed=1)
    change_figures(other, ("scene of picture03", "hall"), ("scene of picture04", "hall"))
    add(first, tmp_path / "boards")
    with pytest.raises(LeaderboardError, match="b and a: other scenes of the same pictures .picture03: 'hall'"):
        add(other, tmp_path / "boards")
    assert {entry.method for entry in read_table(table_path(tmp_path / "boards", "made-up"))} == {"a"}
    add(make_run(tmp_path / "c", method="c", protocol="pixels=abc bits=16"), tmp_path / "boards")


def test_a_forged_mean_is_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    change_summary(run, drift_px={"UNet": 0.0})
    with pytest.raises(LeaderboardError, match="means: UNet drift_px"):
        add(run, tmp_path / "boards")


def test_a_duplicate_needs_replace_and_then_takes_the_place(tmp_path: Path) -> None:
    boards = tmp_path / "boards"
    old = add(make_run(tmp_path / "old"), boards)
    better = make_run(tmp_path / "new", gain=2.0, seed=1)
    with pytest.raises(LeaderboardError, match="there already with this protocol.*Use --replace"):
        add(better, boards)
    new = add(better, boards, replace=True)
    table = read_table(table_path(boards, "made-up"))
    assert {entry.run_sha256 for entry in table} == {new[0].run_sha256}
    assert not any(path.exists() for path in run_paths(boards, old[0].run_sha256))
    assert verify(boards) == []


def test_the_same_run_twice_is_a_duplicate_under_any_label(tmp_path: Path) -> None:
    run, boards = make_run(tmp_path / "run"), tmp_path / "boards"
    add(run, boards)
    with pytest.raises(LeaderboardError, match="there already"):
        add(run, boards, trained_on="something else")


def test_another_protocol_is_another_row(tmp_path: Path) -> None:
    boards = tmp_path / "boards"
    add(make_run(tmp_path / "a"), boards)
    add(make_run(tmp_path / "b", protocol="pixels=abc bits=8 resize=0.5"), boards)
    assert len(read_table(table_path(boards, "made-up"))) == 8


def test_another_warp_is_another_run_though_raw_knows_no_warp(tmp_path: Path) -> None:
    boards = tmp_path / "boards"
    exact = add(make_run(tmp_path / "a"), boards)
    add(make_run(tmp_path / "b", warp="released"), boards)
    assert len(read_table(table_path(boards, "made-up"))) == 8
    assert verify(boards) == []
    newer = make_run(tmp_path / "c", warp="released", gain=2.0, seed=1)
    with pytest.raises(
        LeaderboardError, match=r"there already with this protocol \(raw, warped, registered, matched\)"
    ):
        add(newer, boards)
    released = add(newer, boards, replace=True)
    runs = [entry.run_sha256 for entry in read_table(table_path(boards, "made-up"))]
    assert sorted(runs) == sorted(entry.run_sha256 for entry in [*exact, *released])
    assert verify(boards) == []


def test_a_few_pictures_of_a_known_set_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LeaderboardError, match="n_images 12, but the test split of sdd has 35 pictures"):
        add(make_run(tmp_path / "run"), tmp_path / "boards", dataset="sdd")
    whole = make_run(tmp_path / "whole", dataset="sdd", images=[f"picture{index:02d}" for index in range(35)])
    assert len(add(whole, tmp_path / "boards")) == 4


def test_replace_deletes_nothing_outside_the_folder(tmp_path: Path) -> None:
    boards, victim = tmp_path / "boards", tmp_path / "victim" / "data.csv"
    entries = add(make_run(tmp_path / "old"), boards)
    victim.parent.mkdir()
    victim.write_text("dear")
    table = table_path(boards, "made-up")
    table.write_text(table.read_text().replace(entries[0].run_sha256, "../../victim/data"))
    before = table.read_text()
    with pytest.raises(LeaderboardError, match="expected a run_sha256 of 64 hex digits, got '../../victim/data'"):
        add(make_run(tmp_path / "new", seed=1), boards, replace=True)
    assert victim.read_text() == "dear"
    assert table.read_text() == before


def test_a_file_in_the_way_of_the_tables_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "boards").write_text("")
    with pytest.raises(OutputError, match="in the way"):
        add(make_run(tmp_path / "run"), tmp_path / "boards")


def _add(run: Path, boards: Path) -> None:
    add(run, boards)


def test_adds_at_once_lose_nothing(tmp_path: Path) -> None:
    boards = tmp_path / "boards"
    runs = [make_run(tmp_path / f"run{index}", method=f"method {index}", seed=index) for index in range(4)]
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_add, args=(run, boards)) for run in runs]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=60)
        assert process.exitcode == 0
    assert {entry.method for entry in read_table(table_path(boards, "made-up"))} == {f"method {i}" for i in range(4)}
    assert verify(boards) == []


class Killed(BaseException):
    """What stands for SIGKILL: nothing of the command runs after it."""


def _kill(*_: object) -> None:
    raise Killed


def test_the_same_command_finishes_an_add_that_was_killed_after_the_table_was_written(tmp_path: Path) -> None:
    run, boards = make_run(tmp_path / "run"), tmp_path / "boards"
    entries = add(run, boards, trained_on="dpdd")
    before = {path: path.read_bytes() for path in boards.rglob("*.*") if path.is_file()}
    assert add(run, boards, trained_on="dpdd") == entries
    assert {path: path.read_bytes() for path in boards.rglob("*.*") if path.is_file()} == before


def test_the_same_command_removes_the_replaced_run_where_it_was_killed_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boards, new = tmp_path / "boards", make_run(tmp_path / "new", gain=2.0, seed=1)
    old = add(make_run(tmp_path / "old"), boards)[0].run_sha256
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr("sdd_bench.leaderboard.tables.add._sweep", _kill)
        add(new, boards, replace=True)
    assert run_paths(boards, old).figures.is_file()
    add(new, boards, replace=True)
    assert not any(path.exists() for path in run_paths(boards, old))
    assert verify(boards) == []


def test_an_add_that_fails_leaves_no_files_of_its_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    boards = tmp_path / "boards"
    kept = add(make_run(tmp_path / "a", method="a"), boards)[0].run_sha256

    def full(*_: object) -> None:
        raise OutputError("no space left")

    with monkeypatch.context() as patch, pytest.raises(OutputError):
        patch.setattr("sdd_bench.leaderboard.tables.add.write_table", full)
        add(make_run(tmp_path / "b", method="b", seed=1), boards)
    assert {path.name.partition(".")[0] for path in (boards / "runs").iterdir()} == {kept}


@pytest.mark.parametrize("damage", ["unreadable", "no run"])
def test_no_file_goes_where_a_table_cannot_be_believed(damage: str, tmp_path: Path) -> None:
    boards = tmp_path / "boards"
    old = add(make_run(tmp_path / "old", dataset="other"), boards)[0].run_sha256
    table = table_path(boards, "other")
    table.write_text("<<<<<<< ours" if damage == "unreadable" else table.read_text().replace(old, "1234"))
    add(make_run(tmp_path / "new", seed=1), boards)
    assert all(path.is_file() for path in run_paths(boards, old))

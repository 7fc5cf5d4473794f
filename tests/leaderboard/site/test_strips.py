"""Strips of crops: the pixels of every method, unchanged, and what is refused."""

import io
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from click.testing import CliRunner
from run_folders import make_run
from sites import METHODS, make_data

from sdd_bench.captures.layouts import read_layout
from sdd_bench.cli.main import main
from sdd_bench.core.errors import LeaderboardError
from sdd_bench.evaluation.picture.match import match_predictions
from sdd_bench.evaluation.sources import write_sources
from sdd_bench.images.photograph import read_photograph
from sdd_bench.leaderboard.site.media import PictureSource
from sdd_bench.leaderboard.site.strips import strip_of_runs
from sdd_bench.report.strip import GAP, strip


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    data, predictions = make_data(tmp_path, ["a", "b"])
    runs = []
    for number in range(2):
        runs.append(make_run(tmp_path / f"run{number}", method=METHODS[number], images=["a", "b"]))
        write_sources(runs[-1], match_predictions(read_layout(data).pairs, predictions[number]).matches)
    return runs


def test_every_crop_is_of_the_pictures_own_pixels(runs: list[Path], tmp_path: Path) -> None:
    places = [(30, 20, 50, 40), (200, 100, 50, 60)]
    drawn = strip_of_runs([PictureSource.open(run) for run in runs], "b", places=places, labels=False)
    files = [tmp_path / "data/test/blur/b.png", *(tmp_path / f"predictions{i}" / "b.png" for i in range(2))]
    files.append(tmp_path / "data/test/gt/b.png")
    assert drawn.shape == (40 + GAP + 60, 4 * 50 + 3 * GAP, 3)
    for number, file in enumerate(files):
        left = number * (50 + GAP)
        picture = iio.imread(file)
        np.testing.assert_array_equal(drawn[:40, left : left + 50], picture[20:60, 30:80])
        np.testing.assert_array_equal(drawn[40 + GAP :, left : left + 50], picture[100:160, 200:250])


def test_names_stand_above_and_long_ones_are_cut() -> None:
    crop = np.zeros((10, 40, 3), np.uint8)
    named = strip([("a", [crop]), ("a name far longer than its column is wide", [crop])])
    bare = strip([("a", [crop]), ("b", [crop])], labels=False)
    assert named.shape[1] == bare.shape[1]
    above = named[: -bare.shape[0]]
    assert above.shape[0] > 10
    assert (above < 128).any()
    np.testing.assert_array_equal(named[-bare.shape[0] :], bare)


def test_the_command_writes_a_png(runs: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "strip.png"
    arguments = ["leaderboard", "strip", *map(str, runs), "--picture", "a", "--crop", "10,10,60,50", "-o", str(out)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert iio.imread(io.BytesIO(out.read_bytes()), extension=".png").shape[1] == 4 * 60 + 3 * GAP
    assert "strip.png" in result.output


@pytest.mark.parametrize("name", ["strip.nope", "strip.jpg", "strip"])
def test_a_file_of_a_kind_that_is_not_written_is_refused_before_pictures_are_read(
    runs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("sdd_bench.leaderboard.site.strips.strip_of_runs", None)
    result = CliRunner().invoke(
        main, ["leaderboard", "strip", str(runs[0]), "--picture", "a", "-o", str(tmp_path / name)]
    )
    assert result.exit_code == 2
    assert f"{name}: pictures are written as .png or .tiff" in result.stderr
    assert not (tmp_path / name).exists()


def test_the_command_writes_a_tiff_of_the_same_pixels(runs: list[Path], tmp_path: Path) -> None:
    for name in ("strip.png", "strip.tiff"):
        arguments = ["leaderboard", "strip", str(runs[0]), "--picture", "a", "-o", str(tmp_path / name)]
        assert CliRunner().invoke(main, arguments).exit_code == 0
    png, tiff = (read_photograph(tmp_path / name).pixels for name in ("strip.png", "strip.tiff"))
    assert (tmp_path / "strip.tiff").read_bytes()[:2] in (b"II", b"MM")
    np.testing.assert_array_equal(png, tiff)


@pytest.mark.parametrize(
    ("crop", "said"),
    [("10,10,60", "expected X,Y,W,H"), ("1,2,3,-4", "expected X,Y,W,H"), ("350,0,60,50", "lies outside of 360x240")],
)
def test_a_crop_that_cannot_be_is_refused(runs: list[Path], tmp_path: Path, crop: str, said: str) -> None:
    out = tmp_path / "strip.png"
    arguments = ["leaderboard", "strip", str(runs[0]), "--picture", "a", "--crop", crop, "-o", str(out)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert said in result.output
    assert not out.exists()


def test_a_picture_that_a_run_lacks_is_refused_with_what_it_has(runs: list[Path]) -> None:
    with pytest.raises(LeaderboardError, match="has no picture c; it has a, b"):
        strip_of_runs([PictureSource.open(runs[0])], "c")

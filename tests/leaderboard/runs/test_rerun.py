"""Scores are scored again from the pictures, and a run that lies is found."""

import csv
import json
import shutil
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from run_folders import change_summary, seal
from sites import make_data

from sdd_bench.core.errors import LeaderboardError
from sdd_bench.evaluation.options import EvaluateOptions
from sdd_bench.evaluation.picture.cache import open_cache
from sdd_bench.evaluation.run import evaluate
from sdd_bench.leaderboard.runs.check import check_run
from sdd_bench.leaderboard.runs.rerun import Rescored, rerun, rerun_problems
from sdd_bench.leaderboard.site.media import PictureSource
from sdd_bench.leaderboard.site.site import render_run
from sdd_bench.leaderboard.tables.add import add
from sdd_bench.leaderboard.tables.verify import verify
from sdd_bench.prepared.open import open_dataset

OPTIONS = EvaluateOptions(flow="dis", metrics=("psnr", "ssim", "mae"), save_flow=True, save_warped=True)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a dataset, predictions, and the run that evaluate made of them."""
    folder = tmp_path_factory.mktemp("original")
    data, predictions = make_data(folder, ["=a", "b", "c"])
    cache = open_cache(folder / "cache")  # made before any test, so the fixture of tests does not reach here
    evaluate(open_dataset(data), predictions[0], folder / "run", method="-mine", options=OPTIONS, cache=cache)
    return folder


@pytest.fixture
def scored(original: Path, tmp_path: Path) -> tuple[Path, Path, Path]:
    """Copies of the run, its dataset and its predictions."""
    names = ("run", "data", "predictions0")
    run, data, predictions = (Path(shutil.copytree(original / name, tmp_path / name)) for name in names)
    return run, data, predictions


def test_a_run_of_evaluate_can_be_listed_rendered_and_scored_again(
    scored: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    run, data, predictions = scored
    assert [check.what for check in check_run(run) if check.status == "missing"] == []
    entries = add(run, tmp_path / "boards")
    assert [entry.ground_truth for entry in entries] == ["raw", "warped", "registered", "matched"]
    assert verify(tmp_path / "boards") == []
    results = rerun(run, open_dataset(data), predictions, n_pictures=2, seed=1)
    assert len([item for item in results if item.image]) == 2 * 2 * 4 * 4  # pictures, method and input, truths, figures
    assert rerun_problems(results) == []
    assert rerun_problems(rerun(run, open_dataset(data), predictions)) == []
    index = render_run(PictureSource.open(run, data, predictions), tmp_path / "site")
    method = next(index.parent.glob("*/methods/*.html")).read_text(encoding="utf-8")
    assert "Where it helps, and where it harms" in method
    assert '<a href="../../differences.svg">' in method
    assert (index.parent / "differences.png").is_file()
    picture = sorted((index.parent).glob("*/pictures/*.html"))[0].read_text(encoding="utf-8")
    assert "sharp warped to this method" in picture
    assert "flow from deblurred to sharp" in picture


def test_other_predictions_than_those_scored_are_found(scored: tuple[Path, Path, Path]) -> None:
    run, data, predictions = scored
    for path in predictions.iterdir():
        iio.imwrite(path, np.clip(iio.imread(path).astype(int) + 3, 0, 255).astype(np.uint8))
    problems = rerun_problems(rerun(run, open_dataset(data), predictions, n_pictures=1, seed=0))
    assert len(problems) >= 6
    assert problems[0].item.startswith("-mine ")
    assert "the run says" in problems[0].reason


def test_a_protocol_that_the_options_do_not_give_is_found(scored: tuple[Path, Path, Path]) -> None:
    run, data, predictions = scored
    summary = json.loads((run / "summary.json").read_text())
    signature = {truth: text.replace("warp=exact", "warp=released") for truth, text in summary["signature"].items()}
    change_summary(run, warp="released", signature=signature)
    problems = rerun_problems(rerun(run, open_dataset(data), predictions, n_pictures=1, seed=0))
    assert [problem.item for problem in problems] == [
        "-mine warped signature",
        "-mine registered signature",
        "-mine matched signature",
        "-mine warp",
    ]


def test_the_hash_of_all_pixels_is_checked_when_all_are_scored(scored: tuple[Path, Path, Path]) -> None:
    run, data, predictions = scored
    summary = json.loads((run / "summary.json").read_text())
    pixels = summary["dataset"]["pixels_sha256"]
    signature = {truth: text.replace(pixels, "0" * 64) for truth, text in summary["signature"].items()}
    change_summary(run, dataset=summary["dataset"] | {"pixels_sha256": "0" * 64}, signature=signature)
    assert rerun_problems(rerun(run, open_dataset(data), predictions, n_pictures=1, seed=0)) == []
    assert len(rerun_problems(rerun(run, open_dataset(data), predictions))) == 4


@pytest.mark.parametrize("method", ["-mine", "identity"])
@pytest.mark.parametrize("figure", ["drift_px", "psnr"])
def test_a_forged_figure_of_method_or_baseline_is_found(
    scored: tuple[Path, Path, Path], method: str, figure: str
) -> None:
    run, data, predictions = scored
    with open(run / "per_image.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        if row["method"].lstrip("'") == method:
            row[figure] = str(float(row[figure]) + 0.5)
    with open(run / "per_image.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    seal(run)
    problems = rerun_problems(rerun(run, open_dataset(data), predictions, n_pictures=1, seed=0))
    assert len(problems) == 4
    assert all(problem.item.startswith(method) and problem.item.endswith(figure) for problem in problems)


def test_code_that_a_run_names_is_not_run(
    scored: tuple[Path, Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, data, predictions = scored
    (tmp_path / "their_code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\ndef f(picture):\n    return 0.0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    provenance = json.loads((run / "summary.json").read_text())["provenance"]
    provenance["options"]["extra"] = ["their_code:f"]
    change_summary(run, provenance=provenance)
    assert rerun_problems(rerun(run, open_dataset(data), predictions, n_pictures=1, seed=1)) == []
    assert not (tmp_path / "ran").exists()


def test_a_prediction_that_is_gone_is_named(scored: tuple[Path, Path, Path]) -> None:
    run, data, predictions = scored
    (predictions / "b.png").unlink()
    with pytest.raises(LeaderboardError, match=r"scored b \(1 such\)"):
        rerun(run, open_dataset(data), predictions)


@pytest.mark.parametrize(
    ("truth", "claimed", "found", "agrees"),
    [
        ("raw", 25.0, 25.0005, True),
        ("raw", 25.0, 25.01, False),
        ("warped", 25.0, 25.01, True),
        ("raw", float("inf"), float("inf"), True),
        ("raw", float("inf"), 90.0, False),
        ("raw", 25.0, None, False),
    ],
)
def test_what_another_machine_may_change_is_allowed_and_no_more(
    truth: str, claimed: float, found: float | None, agrees: bool
) -> None:
    assert Rescored("m", "a", truth, "psnr", claimed, found).agrees is agrees

"""Runs without sharp pictures: a folder of photographs and predictions of them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from sdd_bench.cli.main import main
from sdd_bench.core.errors import ConfigError
from sdd_bench.evaluation.no_truth.run import evaluate_without_truth
from sdd_bench.evaluation.options import EvaluateOptions
from sdd_bench.prepared.open import open_pictures


@pytest.fixture
def phone(tmp_path: Path, photo: NDArray[np.uint8]) -> Path:
    """Two blurry photographs of 240x200 in ``phone``; sharpened and moved by two pixels in ``net``."""
    for number in range(2):
        part = photo[8 * number : 8 * number + 204, 60 * number : 60 * number + 244]
        blurry = cv2.GaussianBlur(part, (0, 0), 1.5)
        for folder, picture in (("phone", blurry[2:-2, 2:-2]), ("net", part[2:-2, 4:])):
            (tmp_path / folder).mkdir(exist_ok=True)
            cv2.imwrite(str(tmp_path / folder / f"p{number}{'_out' if folder == 'net' else ''}.png"), picture)
    return tmp_path


def test_what_a_method_does_is_described(phone: Path) -> None:
    options = EvaluateOptions(flow="dis", extra=("blur-effect",))
    report = evaluate_without_truth(open_pictures(phone / "phone"), phone / "net", phone / "run", options=options)
    figures = report.summary["figures"]
    assert figures["drift_px"]["mean"] == pytest.approx(2.0, abs=0.3)
    assert figures["sharpness_gain_db"]["mean"] > 5
    measured = report.summary["extras"]["blur-effect"]["scores"]
    assert measured["net"][""]["mean"] < measured["identity"][""]["mean"]
    assert "'_out'" in report.summary["notes"][0]
    assert (report.summary["kind"], report.problems) == ("no-truth", ())
    with open(phone / "run/per_image.csv", newline="") as file:
        assert [row["image"] for row in csv.DictReader(file)] == ["p0", "p1"]
    assert list(report.to_frame()["image"]) == ["p0", "p1"]
    before = (phone / "run/pictures/p0.json").stat().st_mtime_ns
    evaluate_without_truth(open_pictures(phone / "phone"), phone / "net", phone / "run", options=options)
    assert (phone / "run/pictures/p0.json").stat().st_mtime_ns == before


def test_measures_that_need_a_reference_are_refused(phone: Path) -> None:
    for options in (EvaluateOptions(flow="dis", extra=("psnr-shift",)), EvaluateOptions(flow="dis", resize="0.5")):
        with pytest.raises(ConfigError, match="needs a ground truth|leave out --resize"):
            evaluate_without_truth(open_pictures(phone / "phone"), phone / "net", phone / "run", options=options)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1)])
def test_a_line_or_a_point_is_left_out_and_said_to_be_too_small(phone: Path, size: tuple[int, int]) -> None:
    for path in (phone / "phone/p1.png", phone / "net/p1_out.png"):
        cv2.imwrite(str(path), np.zeros((*size, 3), np.uint8))
    options = EvaluateOptions(flow="dis")
    report = evaluate_without_truth(open_pictures(phone / "phone"), phone / "net", phone / "run", options=options)
    assert [row.image for row in report.rows] == ["p0"]
    assert [(problem.item, problem.reason[:25]) for problem in report.problems] == [
        ("p1", f"{size[1]}x{size[0]} is too small to find what moved"[:25])
    ]


def test_the_command_shows_a_table_and_lists_what_failed(phone: Path) -> None:
    cv2.imwrite(str(phone / "net/p1_out.png"), np.zeros((20, 20, 3), np.uint8))
    arguments = ["evaluate", str(phone / "phone"), "--predictions", str(phone / "net"), "--no-truth", "--flow", "dis"]
    result = CliRunner().invoke(main, [*arguments, "-o", str(phone / "run"), "--extra", "blur-effect"])
    assert result.exit_code == 1, result.output
    assert "net without ground truth (1 of 2 pictures)" in result.stdout
    assert "sharpness gain, dB" in result.stdout
    assert "is 20x20 but its input is 240x200" in result.stderr
    assert json.loads((phone / "run/summary.json").read_text())["n_images"] == 1
    refused = CliRunner().invoke(main, [*arguments, "--report"])
    assert (refused.exit_code, "--report shows scores" in refused.output) == (2, True)

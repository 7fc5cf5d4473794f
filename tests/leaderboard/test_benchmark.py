"""Predict and score in one call: functions, modules, names, and what a notebook shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from sdd_bench import benchmark, evaluate, weights
from sdd_bench.core.errors import ConfigError, ImageError, OutputError
from sdd_bench.evaluation.options import EvaluateOptions
from sdd_bench.prepared.open import open_dataset

FAST = EvaluateOptions(flow="dis", metrics=("psnr",))


@pytest.fixture
def data(tmp_path: Path, photo: NDArray[np.uint8]) -> Path:
    """Two pairs in the SDD layout."""
    for number in range(2):
        sharp = photo[40 * number : 40 * number + 96, 60 * number : 60 * number + 128]
        for side, picture in (("gt", sharp), ("blur", cv2.GaussianBlur(sharp, (0, 0), 1.2))):
            (tmp_path / f"set/test/{side}").mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(tmp_path / f"set/test/{side}/p{number}.png"), picture)
    return tmp_path / "set"


def sharpen(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    return picture + 0.5 * (picture - cv2.GaussianBlur(picture, (0, 0), 1.5))


def sharpen_tensor(batch: torch.Tensor) -> torch.Tensor:
    assert batch.shape[:2] == (1, 3)
    return torch.from_numpy(sharpen(batch[0].permute(1, 2, 0).numpy())).permute(2, 0, 1)[None]


class Sharpen(torch.nn.Module):
    size_multiple = 32

    def forward(self, batch: torch.Tensor) -> list[torch.Tensor]:
        assert not self.training
        assert batch.shape[2] % 32 == batch.shape[3] % 32 == 0
        return [sharpen_tensor(batch)]


def test_a_function_on_arrays_is_scored_as_its_files_are(data: Path, tmp_path: Path) -> None:
    report = benchmark(sharpen, data, tmp_path / "out", options=FAST)
    assert report.summary["method"] == "sharpen"
    again = evaluate(open_dataset(data), tmp_path / "out/predictions", tmp_path / "again", method="x", options=FAST)
    assert again.summary["scores"]["x"] == report.summary["scores"]["sharpen"]
    means = {name: scores["raw"]["psnr"]["mean"] for name, scores in report.summary["scores"].items()}
    assert means["sharpen"] > means["identity"] + 0.5


@pytest.mark.parametrize(("method", "tensors"), [(sharpen_tensor, True), (Sharpen(), False)])
def test_tensors_and_modules_give_the_same(data: Path, tmp_path: Path, method: Any, tensors: bool) -> None:
    plain = benchmark(sharpen, data, tmp_path / "plain", options=FAST, name="net")
    other = benchmark(method, data, tmp_path / "other", options=FAST, name="net", tensors=tensors)
    theirs, ours = (r.summary["scores"]["net"]["registered"]["psnr"]["mean"] for r in (plain, other))
    assert ours == pytest.approx(theirs, abs=0.05)  # the module sees a padded border


def test_classical_names_and_checkpoints_run(data: Path, tmp_path: Path) -> None:
    assert benchmark("unsharp", str(data), str(tmp_path / "a"), options=FAST).summary["method"] == "unsharp"
    found = benchmark(weights.path("unet-folded"), data, tmp_path / "b", options=FAST)
    assert found.summary["n_images"] == 2


def test_a_function_that_has_changed_is_scored_anew(data: Path, tmp_path: Path) -> None:
    def scored(method: Callable[..., Any]) -> float:
        report = benchmark(method, data, tmp_path / "out", options=FAST, name="mine")
        return float(report.summary["scores"]["mine"]["raw"]["psnr"]["mean"])

    first, second = scored(lambda blurry: blurry), scored(sharpen)
    assert second > first + 0.5
    assert scored(lambda blurry: blurry) == first


@pytest.mark.parametrize(
    ("method", "error", "message"),
    [
        (lambda blurry: blurry[:-1], ImageError, "keep the size"),
        (lambda blurry: blurry * np.nan, ImageError, "NaN or infinite"),
        (lambda blurry: torch.zeros(3), ImageError, "say tensors=True"),
        (7, ConfigError, "expected a function"),
        ("oracle-map", ConfigError, "needs true blur maps"),
    ],
)
def test_a_method_that_does_not_work_is_an_error(
    data: Path, tmp_path: Path, method: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        benchmark(method, data, tmp_path / "out", options=FAST, name="mine")


def test_what_a_function_raises_is_passed_on(data: Path, tmp_path: Path) -> None:
    def broken(blurry: NDArray[np.float32]) -> None:
        raise ZeroDivisionError("theirs")

    with pytest.raises(ZeroDivisionError, match="theirs"):
        benchmark(broken, data, tmp_path / "out", options=FAST)


def test_a_notebook_gets_frames_and_tables(data: Path, tmp_path: Path) -> None:
    report = benchmark(sharpen, data, tmp_path / "out", options=FAST)
    frame = report.to_frame()
    assert set(frame["method"]) == {"sharpen", "identity"}
    raw = frame[(frame.method == "sharpen") & (frame.ground_truth == "raw")]
    assert raw.psnr.mean() == pytest.approx(report.summary["scores"]["sharpen"]["raw"]["psnr"]["mean"])
    page = report._repr_html_()
    assert "sharpen on set (2 of 2 pictures)" in page
    assert page.count("<tr>") == 3


def test_two_calls_into_one_folder_at_a_time_are_refused(data: Path, tmp_path: Path) -> None:
    def again(picture: NDArray[np.float32]) -> NDArray[np.float32]:
        with pytest.raises(OutputError, match="another run is writing here"):
            benchmark(sharpen, data, tmp_path / "out", options=FAST)
        return picture

    benchmark(again, data, tmp_path / "out", options=FAST)

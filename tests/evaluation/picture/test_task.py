"""One picture from files: sizes, crops, truth, bit depth."""

import json
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sdd_bench.core.errors import ImageError, ManifestError, UnreadableError
from sdd_bench.core.types import GroundTruth, Pair, Split
from sdd_bench.evaluation.options import EvaluateOptions
from sdd_bench.evaluation.picture import task
from sdd_bench.evaluation.picture.cache import SharedCache
from sdd_bench.evaluation.picture.match import Match
from sdd_bench.evaluation.picture.read import crop_to
from sdd_bench.evaluation.picture.task import score_files
from sdd_bench.evaluation.picture.truth import read_truth
from sdd_bench.flow.estimator import load_flow
from sdd_bench.images.light import linear_to_srgb, srgb_to_linear
from sdd_bench.metrics.psnr import psnr
from sdd_bench.registration.measure import measure

METRICS = ("psnr", "mae")


def _read(path: Path) -> NDArray[np.float32]:
    return cv2.imread(str(path))[..., ::-1].astype(np.float32) / 255


@pytest.mark.parametrize(("mode", "rows", "columns"), [("topleft", (0, 90), (0, 120)), ("center", (3, 93), (4, 124))])
def test_a_crop_compares_the_part_the_network_kept(
    make_set: Any, predictions: Path, mode: Any, rows: tuple[int, int], columns: tuple[int, int]
) -> None:
    pair = make_set(1).pairs[0]
    part = (slice(*rows), slice(*columns))
    cropped = cv2.imread(str(predictions / "p0.png"))[part]
    cv2.imwrite(str(predictions / "p0.png"), cropped)
    record = score_files(pair, predictions / "p0.png", EvaluateOptions(flow="dis", metrics=METRICS, crop=mode))
    assert record.crop == "120x90"
    expected = psnr(_read(predictions / "p0.png"), np.ascontiguousarray(_read(pair.sharp_path)[part]))
    assert record.method.truths[GroundTruth.RAW].psnr == pytest.approx(expected, abs=1e-4)
    identity = psnr(*(np.ascontiguousarray(_read(path)[part]) for path in (pair.blurry_path, pair.sharp_path)))
    assert record.baselines.identity.truths[GroundTruth.RAW].psnr == pytest.approx(identity, abs=1e-4)


def test_crop_to_takes_the_middle_as_networks_do() -> None:
    picture = np.arange(7 * 9 * 3, dtype=np.uint8).reshape(7, 9, 3)
    np.testing.assert_array_equal(crop_to(picture, 4, 4, "center"), picture[1:5, 2:6])
    np.testing.assert_array_equal(crop_to(picture, 4, 4, "topleft"), picture[:4, :4])


@pytest.mark.parametrize(
    ("shape", "crop", "message"),
    [
        ((90, 120), "error", "say how: --crop topleft or --crop center"),
        ((100, 128), "center", "not a crop of it"),
        ((48, 64), "center", "not a crop of it"),
    ],
)
def test_other_sizes_are_refused(
    make_set: Any, predictions: Path, shape: tuple[int, int], crop: Any, message: str
) -> None:
    pair = make_set(1).pairs[0]
    cv2.imwrite(str(predictions / "p0.png"), np.zeros((*shape, 3), np.uint8))
    with pytest.raises(ImageError, match=f"p0.png: is {shape[1]}x{shape[0]} but its ground truth is 128x96.*{message}"):
        score_files(pair, predictions / "p0.png", EvaluateOptions(flow="dis", metrics=METRICS, crop=crop))


def test_resize_brings_the_pair_to_the_size_of_predictions(make_set: Any, predictions: Path) -> None:
    pair = make_set(1).pairs[0]
    half = cv2.resize(cv2.imread(str(pair.sharp_path)), (64, 48), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(predictions / "p0.png"), half)
    record = score_files(pair, predictions / "p0.png", EvaluateOptions(flow="dis", metrics=METRICS, resize="0.5"))
    assert (record.method.truths[GroundTruth.RAW].psnr or 0) > 45
    assert record.misalignment_px == pytest.approx(np.hypot(3, 2) / 2, rel=1e-6)
    assert record.coc_diameter_px == pytest.approx(0.5)


def test_without_truth_misalignment_is_measured(make_set: Any, predictions: Path) -> None:
    pair = make_set(1, truth=False).pairs[0]
    record = score_files(pair, predictions / "p0.png", EvaluateOptions(flow="dis", metrics=METRICS))
    assert record.misalignment_source == "flow"
    assert record.misalignment_px == pytest.approx(np.hypot(3, 2), abs=0.15)
    assert record.baselines.ceiling is None
    assert record.coc_diameter_px is None


def test_a_float_prediction_scores_as_its_picture(make_set: Any, predictions: Path) -> None:
    pair = make_set(1).pairs[0]
    options = EvaluateOptions(flow="dis", metrics=METRICS)
    png = score_files(pair, predictions / "p0.png", options)
    np.save(predictions / "p0.npy", _read(predictions / "p0.png"))
    npy = score_files(pair, predictions / "p0.npy", options)
    assert npy.method == png.method
    assert (png.prediction_bit_depth, npy.prediction_bit_depth) == (8, 32)


def test_sixteen_bit_pictures_are_scored_at_sixteen_bit(tmp_path: Path, photo: NDArray[np.uint8]) -> None:
    from sdd_bench.core.types import Pair

    wide = photo[:64, :96].astype(np.uint16) * 256
    for name, picture in (("blurry", wide), ("sharp", wide), ("ours", wide + 64)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), picture)
    pair = Pair("blurry", Split.TEST, tmp_path / "blurry.png", tmp_path / "sharp.png")
    record = score_files(pair, tmp_path / "ours.png", EvaluateOptions(flow="dis", metrics=METRICS))
    assert record.bit_depth == 16
    assert record.method.truths[GroundTruth.RAW].mae == pytest.approx(64 / 65535, rel=1e-4)


FAR = '{"width": 10, "height": 10, "zoom": 1e200, "rotation_deg": 0, "shift_x_px": 1e300, "shift_y_px": 0}'


@pytest.mark.parametrize("values", ["{", "[]", '{"width": 0}', '{"width": 10, "zoom": 1}', "[" * 100_000, FAR])
def test_damaged_truth_is_named(tmp_path: Path, values: str) -> None:
    (tmp_path / "a.json").write_text(values)
    with pytest.raises(ManifestError, match=r"a\.json: (damaged: |zoom is 1e\+200; expected 0.01 to 100)"):
        read_truth(tmp_path / "a.json", width=10, height=10)


def test_truth_is_scaled_to_the_scored_picture(tmp_path: Path) -> None:
    values = {"width": 200, "height": 100, "zoom": 1.0, "rotation_deg": 0.0, "shift_x_px": 6.0, "shift_y_px": 8.0}
    (tmp_path / "a.json").write_text(json.dumps({**values, "coc_diameter_px": {"mean": 4.0, "max": 9.0}}))
    truth = read_truth(tmp_path / "a.json", width=100, height=50)
    assert truth.misalignment_px == pytest.approx(5.0)
    assert truth.coc_diameter_px == pytest.approx(2.0)


def test_truth_is_scaled_along_x_and_y_apart(tmp_path: Path) -> None:
    """The displacement in the middle of every pixel of the resized picture, by definition."""
    values = {"width": 100, "height": 100, "zoom": 1.0, "rotation_deg": 0.0, "shift_x_px": 0.0, "shift_y_px": 8.0}
    (tmp_path / "a.json").write_text(json.dumps(values))
    assert read_truth(tmp_path / "a.json", width=50, height=100).misalignment_px == pytest.approx(8.0)
    (tmp_path / "a.json").write_text(json.dumps({**values, "zoom": 1.03, "rotation_deg": 2.0, "shift_x_px": 5.0}))
    x, y = np.meshgrid((np.arange(50) - 24.5) * 2, np.arange(100) - 49.5)
    angle = math.radians(2.0)
    dx = 1.03 * (math.cos(angle) * x - math.sin(angle) * y) + 5.0 - x
    dy = 1.03 * (math.sin(angle) * x + math.cos(angle) * y) + 8.0 - y
    expected = math.sqrt(np.mean((dx / 2) ** 2 + dy**2))
    assert read_truth(tmp_path / "a.json", width=50, height=100).misalignment_px == pytest.approx(expected)


@pytest.mark.parametrize("gain", [0.6, 1.0, 1.5])
def test_the_exposure_of_a_pair_is_the_gain_that_analyze_measures(tmp_path: Path, photo: Any, gain: float) -> None:
    light = srgb_to_linear(photo / 255) / 2  # dark enough not to clip
    moved = np.roll(cv2.GaussianBlur(light, (0, 0), 1.5) * gain, (-2, 3), (0, 1))
    files = {}
    for name, picture in (("blur", moved), ("gt", light)):
        files[name] = tmp_path / f"{name}.png"
        cv2.imwrite(str(files[name]), np.rint(linear_to_srgb(picture) * 255).astype(np.uint8)[..., ::-1])
    pair = Pair("a", Split.TEST, files["blur"], files["gt"])
    record = score_files(pair, files["blur"], EvaluateOptions(flow="dis", metrics=METRICS))
    assert record.exposure_gain == pytest.approx(gain, rel=0.02)
    blurry, sharp = (cv2.imread(str(files[name]))[..., ::-1] for name in ("blur", "gt"))
    measured = measure(np.ascontiguousarray(blurry), np.ascontiguousarray(sharp), load_flow("dis"))
    assert record.exposure_gain == pytest.approx(measured.exposure_gain[1], rel=0.02)


def test_a_file_replaced_while_it_is_scored_is_a_problem_not_a_record(
    make_set: Any, predictions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prediction, score = predictions / "p0.png", task.score_files

    def score_and_replace(*arguments: Any, **options: Any) -> Any:
        record = score(*arguments, **options)
        cv2.imwrite(str(prediction), np.zeros_like(cv2.imread(str(prediction))))
        return record

    monkeypatch.setattr(task, "score_files", score_and_replace)
    options = EvaluateOptions(flow="dis", metrics=METRICS)
    work = task.PictureTask(Match(make_set(1).pairs[0], prediction), tmp_path / "run", SharedCache(), options)
    with pytest.raises(UnreadableError, match="p0: a file changed while it was scored"):
        task.evaluate_picture(work)
    assert not list((tmp_path / "run").rglob("*.json"))


def test_a_file_that_was_another_only_while_it_was_read_gives_no_record(
    make_set: Any, predictions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair, prediction, score = make_set(1).pairs[0], predictions / "p0.png", task.score_files
    before = prediction.read_bytes()

    def score_another(*arguments: Any, **options: Any) -> Any:
        cv2.imwrite(str(prediction), np.zeros_like(cv2.imread(str(prediction))))
        try:
            return score(*arguments, **options)
        finally:
            prediction.write_bytes(before)

    monkeypatch.setattr(task, "score_files", score_another)
    options = EvaluateOptions(flow="dis", metrics=METRICS)
    work = task.PictureTask(Match(pair, prediction), tmp_path / "run", SharedCache(), options)
    with pytest.raises(UnreadableError, match="p0: a file changed while it was scored"):
        task.evaluate_picture(work)
    assert not list((tmp_path / "run").rglob("*.json"))

"""PSNR and MAE, and what every metric refuses."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from sdd_bench.core.errors import ImageError
from sdd_bench.metrics.mae import mae
from sdd_bench.metrics.psnr import psnr
from sdd_bench.metrics.ssim import ssim

Metric = Callable[[np.ndarray, np.ndarray], float]
METRICS = (psnr, ssim, mae)


@pytest.fixture
def truth(photo: np.ndarray) -> np.ndarray:
    return (photo / 255).astype(np.float32)


@pytest.fixture
def prediction(truth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.clip(truth + 0.05 * rng.standard_normal(truth.shape), 0, 1).astype(np.float32)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_psnr_equals_scikit_image(prediction: np.ndarray, truth: np.ndarray, dtype: type) -> None:
    a, b = prediction.astype(dtype), truth.astype(dtype)
    assert psnr(a, b) == pytest.approx(peak_signal_noise_ratio(b, a, data_range=1), abs=1e-10)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_mae_equals_numpy(prediction: np.ndarray, truth: np.ndarray, dtype: type) -> None:
    a, b = prediction.astype(dtype), truth.astype(dtype)
    assert mae(a, b) == pytest.approx(np.abs(a - b).mean(dtype=np.float64), rel=1e-12)


def test_equal_pictures_have_infinite_psnr_and_no_error(truth: np.ndarray) -> None:
    assert psnr(truth, truth.copy()) == math.inf
    assert mae(truth, truth.copy()) == 0
    assert ssim(truth, truth.copy()) == pytest.approx(1, abs=1e-12)


def test_one_level_of_one_pixel_is_not_infinite(truth: np.ndarray) -> None:
    other = truth.copy()
    other[-1, -1, -1] += np.float32(1 / 255)
    assert psnr(other, truth) == pytest.approx(10 * math.log10(truth.size * 255**2), abs=1e-3)


def test_values_outside_the_range_are_measured_as_they_are() -> None:
    truth = np.full((8, 8, 3), 0.5, np.float32)
    assert mae(truth + 1, truth) == pytest.approx(1)
    assert psnr(truth + 1, truth) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_pixels_that_are_no_numbers_are_counted(metric: Metric, truth: np.ndarray, bad: float) -> None:
    prediction = truth.copy()
    prediction[3, 4, 1] = prediction[3, 4, 2] = prediction[100, 7, 0] = bad
    with pytest.raises(ImageError, match=f"prediction: 2 of {256 * 384} pixels are NaN or infinite"):
        metric(prediction, truth)
    with pytest.raises(ImageError, match="ground truth: 2 of"):
        metric(truth, prediction)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    ("shape", "other", "message"),
    [
        ((8, 9, 3), (9, 8, 3), r"prediction is \(8, 9, 3\) but ground truth is \(9, 8, 3\)"),
        ((0, 9, 3), (0, 9, 3), r"expected at least \dx\d pixels, got 9x0"),
        ((9, 9), (9, 9), r"expected an \(H, W, 3\) picture"),
        ((9, 9, 4), (9, 9, 4), r"expected an \(H, W, 3\) picture"),
    ],
)
def test_shapes_no_metric_is_defined_on_are_refused(
    metric: Metric, shape: tuple[int, ...], other: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ImageError, match=message):
        metric(np.zeros(shape, np.float32), np.zeros(other, np.float32))


@pytest.mark.parametrize("metric", METRICS)
def test_integers_are_refused(metric: Metric, photo: np.ndarray) -> None:
    with pytest.raises(ImageError, match="got uint8; convert it with to_float"):
        metric(photo, photo)

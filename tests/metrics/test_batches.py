"""Metrics on batches of tensors give what the functions on arrays give."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torchvision

from sdd_bench import metrics
from sdd_bench.core.errors import ImageError, WeightsError
from sdd_bench.metrics.dists import load_dists

NAMES = ("psnr", "ssim", "mae", "lpips")


@pytest.fixture
def pair(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    truth = rng.random((3, 48, 56, 3)).astype(np.float32)
    noise = rng.normal(0, [[[[0.05]]], [[[0.1]]], [[[0.2]]]], truth.shape)
    return np.clip(truth + noise, 0, 1).astype(np.float32), truth


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_batch_scores_as_its_pictures_do(pair: Any, name: str, dtype: torch.dtype) -> None:
    function = getattr(metrics, name)
    batches = [torch.from_numpy(side.transpose(0, 3, 1, 2)).to(dtype) for side in pair]
    scores = function(*batches)
    assert (scores.shape, scores.dtype) == ((3,), torch.float64)
    expected = [function(p, t) for p, t in zip(*pair, strict=True)]
    assert scores.tolist() == pytest.approx(expected, rel=1e-5)
    assert len(set(expected)) == 3


def test_equal_pictures_score_perfectly(pair: Any) -> None:
    truth = torch.from_numpy(pair[1].transpose(0, 3, 1, 2))
    assert metrics.psnr(truth, truth).tolist() == [math.inf] * 3
    assert metrics.lpips(truth, truth).tolist() == [0.0] * 3


@pytest.mark.parametrize(
    ("prediction", "truth", "message"),
    [
        (torch.zeros(1, 3, 40, 40), torch.zeros(2, 3, 40, 40), "one shape"),
        (torch.zeros(3, 40, 40), torch.zeros(3, 40, 40), "one shape"),
        (torch.zeros(1, 3, 40, 40, dtype=torch.uint8), torch.zeros(1, 3, 40, 40, dtype=torch.uint8), "divide by 255"),
        (torch.full((1, 3, 40, 40), torch.nan), torch.zeros(1, 3, 40, 40), "prediction: holds NaN"),
        (torch.zeros(1, 3, 40, 40), np.zeros((40, 40, 3), np.float32), "got one of each"),
    ],
)
@pytest.mark.parametrize("name", [*NAMES, "dists"])
def test_what_has_no_score_is_refused(name: str, prediction: Any, truth: Any, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        getattr(metrics, name)(prediction, truth)


@pytest.mark.parametrize(("name", "smallest"), [("ssim", 7), ("lpips", 31), ("dists", 32)])
def test_too_small_pictures_are_refused(name: str, smallest: int) -> None:
    small = torch.zeros(1, 3, smallest - 1, 64)
    with pytest.raises(ImageError, match=f"at least {smallest}x{smallest} pixels"):
        getattr(metrics, name)(small, small)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of checkpoints."""
    pytest.importorskip("torchmetrics")
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    load_dists.cache_clear()
    (tmp_path / "checkpoints").mkdir()
    return tmp_path / "checkpoints" / "vgg16-397923af.pth"


def test_dists_without_or_with_other_weights_is_an_error(hub: Path) -> None:
    picture = np.zeros((32, 32, 3), np.float32)
    with pytest.raises(WeightsError, match="missing; DISTS stands on torchvision's VGG16"):
        metrics.dists(picture, picture)
    hub.write_bytes(b"other")
    with pytest.raises(WeightsError, match="begins with 397923af"):
        metrics.dists(picture, picture)


def test_dists_of_torchmetrics_is_called_rightly(hub: Path, pair: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """VGG16's weights cannot be had in tests: its layers are untrained here, so only order and shapes are real."""
    layers = torchvision.models.vgg.make_layers(torchvision.models.vgg.cfgs["D"])
    monkeypatch.setattr("torchmetrics.functional.image.dists.vgg16", lambda weights: SimpleNamespace(features=layers))
    monkeypatch.setattr(sys.modules["sdd_bench.metrics.dists"], "sha256_of", lambda file: "397923af")
    hub.write_bytes(b"stand-in")
    batches = [torch.from_numpy(side.transpose(0, 3, 1, 2)) for side in pair]
    scores = metrics.dists(*batches)
    assert (scores.shape, scores.dtype) == ((3,), torch.float64)
    assert scores.tolist() == pytest.approx([metrics.dists(p, t) for p, t in zip(*pair, strict=True)], abs=1e-5)
    assert scores[0] < scores[2]
    assert metrics.dists(batches[1], batches[1]).tolist() == pytest.approx([0.0] * 3, abs=1e-5)
    load_dists.cache_clear()

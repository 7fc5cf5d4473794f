"""LPIPS against the lpips package and its published example."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import cv2
import lpips
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from sdd_bench import weights
from sdd_bench.core.errors import ImageError, WeightsError
from sdd_bench.metrics.lpips import SMALLEST, Lpips


@pytest.fixture(scope="session")
def metric() -> Lpips:
    return Lpips()


@pytest.fixture(scope="session")
def reference() -> lpips.LPIPS:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it calls torchvision in a way torchvision has deprecated
        network = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    tensors = load_file(weights.path("alexnet"))
    for part in (network.net.slice1, network.net.slice2, network.net.slice3, network.net.slice4, network.net.slice5):
        part.load_state_dict({name: tensors[f"features.{name}"] for name in part.state_dict()})
    return network


def _score(metric: Lpips, a: np.ndarray, b: np.ndarray) -> float:
    return metric.distance(metric.features(a), metric.features(b))


@pytest.mark.parametrize(("name", "expected"), [("ex_p0", 0.722), ("ex_p1", 0.138)])
def test_the_published_example_is_met(metric: Lpips, data_root: Path, name: str, expected: float) -> None:
    a, b = (cv2.imread(str(data_root / "lpips" / f"{n}.png"))[..., ::-1] / np.float32(255) for n in ("ex_ref", name))
    assert _score(metric, a, b) == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize("size", [(256, 384), (SMALLEST, SMALLEST), (33, 100), (97, 61)])
def test_lpips_equals_the_package(
    metric: Lpips, reference: lpips.LPIPS, photo: np.ndarray, size: tuple[int, int]
) -> None:
    truth = (photo[: size[0], : size[1]] / 255).astype(np.float32)
    prediction = cv2.GaussianBlur(truth, (0, 0), 2)
    a, b = (torch.from_numpy(p.transpose(2, 0, 1).copy())[None] for p in (prediction, truth))
    with torch.inference_mode():
        expected = float(reference(a, b, normalize=True))
    assert _score(metric, prediction, truth) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("rows", [1, 6, 37, 96, 97])
def test_strips_of_any_height_join_without_a_seam(metric: Lpips, photo: np.ndarray, rows: int) -> None:
    picture = (photo[:97, :61] / 255).astype(np.float32)
    in_strips = Lpips(strip_pixels=rows * 61).features(picture)
    for strips, whole in zip(in_strips.layers, metric.features(picture).layers, strict=True):
        torch.testing.assert_close(torch.cat(strips), torch.cat(whole), atol=1e-5, rtol=0)  # tiles lie elsewhere


@pytest.mark.parametrize("rows", [40, 64, 200])
def test_a_difference_counts_by_the_whole_picture_in_whatever_strip_it_lies(
    metric: Lpips, photo: np.ndarray, rows: int
) -> None:
    picture = np.ascontiguousarray(photo[:, :96] / 255, dtype=np.float32)
    changed = picture.copy()
    changed[-48:] = picture[-48:, ::-1]
    in_strips = Lpips(strip_pixels=rows * 96)
    assert _score(in_strips, picture, changed) == pytest.approx(_score(metric, picture, changed), rel=1e-5)
    assert len(in_strips.features(picture).layers[0]) > 1


def test_features_serve_every_comparison_and_order_does_not_matter(metric: Lpips, photo: np.ndarray) -> None:
    picture = (photo / 255).astype(np.float32)
    a, b = metric.features(picture), metric.features(np.ascontiguousarray(picture[:, ::-1]))
    assert metric.distance(a, a) == 0
    assert metric.distance(a, b) == metric.distance(b, a) > 0.05


@pytest.mark.parametrize("rows", [1, 40, 1000])
@pytest.mark.parametrize("threads", [1, 2])
def test_pictures_compared_strip_by_strip_are_as_far_apart_as_whole_ones(
    photo: np.ndarray, rows: int, threads: int
) -> None:
    picture = np.ascontiguousarray(photo[:75, :96] / 255, dtype=np.float32)
    pictures = [picture, cv2.GaussianBlur(picture, (0, 0), 2), np.ascontiguousarray(picture[::-1])]
    metric, pairs = Lpips(strip_pixels=rows * 96), [(0, 1), (0, 2), (2, 1), (1, 1)]
    features = [metric.features(one) for one in pictures]
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found = metric.distances(pictures, pairs)
    finally:
        torch.set_num_threads(before)
    assert found == [metric.distance(features[a], features[b]) for a, b in pairs]
    assert found[3] == 0
    assert min(found[:3]) > 0.05


def test_pictures_of_which_one_has_no_score_are_refused_together(metric: Lpips) -> None:
    black = np.zeros((40, 40, 3), np.float32)
    with pytest.raises(ImageError, match="one picture is 40x40, the other 44x40"):
        metric.distances([black, np.zeros((40, 44, 3), np.float32)], [(0, 1)])
    with pytest.raises(ImageError, match="1600 of 1600 pixels are NaN"):
        metric.distances([black, black + np.nan], [(0, 1)])


def test_a_flat_picture_has_a_score(metric: Lpips) -> None:
    """A layer whose features are all zero has no direction."""
    black = np.zeros((64, 64, 3), np.float32)
    assert math.isfinite(_score(metric, black, black + 1))


def test_loading_leaves_the_random_numbers_of_torch_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    Lpips().load()
    assert torch.rand(1) == expected


def test_the_sha256_covers_both_files_and_stays(metric: Lpips) -> None:
    assert metric.sha256 == "fbfa56a528d1fa7bf6b48bfebe0e5ae3a3a8719de74db82fec78938cfd22d3cf"


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (np.zeros((SMALLEST - 1, 64, 3), np.float32), "expected at least 31x31 pixels, got 64x30"),
        (np.full((40, 40, 3), np.nan, np.float32), "1600 of 1600 pixels are NaN"),
        (np.zeros((40, 40, 3), np.uint8), "got uint8"),
    ],
)
def test_pictures_without_a_score_are_refused(metric: Lpips, picture: np.ndarray, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        metric.features(picture)


def test_pictures_of_two_sizes_are_refused(metric: Lpips) -> None:
    a, b = (metric.features(np.zeros((40, width, 3), np.float32)) for width in (40, 44))
    with pytest.raises(ImageError, match="one picture is 40x40, the other 44x40"):
        metric.distance(a, b)


@pytest.mark.parametrize("change", ["absent", "damaged"])
def test_without_the_right_weights_there_is_no_number(package: Path, change: str) -> None:
    file = package / weights.TABLE["alexnet"].file
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.unlink()
    if change == "damaged":
        file.write_bytes(content)
    with pytest.raises(WeightsError, match=r"alexnet\.safetensors: the weights alexnet .*Install sdd-bench again"):
        Lpips()


def test_features_are_computed_without_tf32(metric: Lpips, photo: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    convolve = torch.nn.functional.conv2d

    def noticed(*arguments: torch.Tensor, **options: object) -> torch.Tensor:
        seen.append(torch.backends.cudnn.conv.fp32_precision)
        return convolve(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(torch.nn.functional, "conv2d", noticed)
    metric.features(photo[:64, :64].astype(np.float32) / 255)
    assert set(seen) == {"ieee"}

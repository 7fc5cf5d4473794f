"""What moved as a whole and what moved in layers are told apart."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from sdd_bench.core.types import Pair, Split
from sdd_bench.evaluation.options import EvaluateOptions
from sdd_bench.evaluation.picture.moved import PairMotion, pair_motion
from sdd_bench.evaluation.picture.task import score_files
from sdd_bench.flow.compose import similarity_flow
from sdd_bench.flow.estimator import KnowsSupport, load_flow
from sdd_bench.geometry.affine import warp
from sdd_bench.geometry.similarity import Similarity

_SIZE = 120, 200


def _flow() -> np.ndarray:
    return similarity_flow(Similarity(1.01, 0.2, 1.5, -0.5), *_SIZE).numpy()


def test_a_similarity_has_no_layers() -> None:
    found = pair_motion(_flow())
    assert found.similarity_px == pytest.approx(Similarity(1.01, 0.2, 1.5, -0.5).rms_px(*_SIZE), rel=1e-3)
    assert (found.layer_share, found.layer_px, found.supported_share) == (0.0, 0.0, None)


def test_a_layer_counts_only_where_it_is_shown() -> None:
    flow = _flow()
    flow[1, :, 150:] += 8.0
    support = np.ones(_SIZE, np.float32)
    whole = pair_motion(flow, support)
    assert whole.layer_share == pytest.approx(0.22, abs=0.01)  # a quarter, without what lies near the edge
    assert whole.layer_px == pytest.approx(8.0, rel=0.01)
    assert whole.similarity_px == pytest.approx(pair_motion(_flow()).similarity_px, rel=0.02)
    support[:, 150:] = 0.1
    hidden = pair_motion(flow, support)
    assert hidden.layer_share == 0
    assert hidden.supported_share == pytest.approx(0.75)


@pytest.mark.parametrize("by", [Similarity(1.047, 0.28, -3.5, 5.6), Similarity(1.0, 0.0, 14.0, -9.0)])
def test_a_guess_where_the_counterpart_is_outside_is_no_layer(by: Similarity) -> None:
    height, width = 256, 352
    flow = similarity_flow(by, height, width).numpy()
    there = np.indices((height, width), dtype=np.float64)[::-1] + flow
    beyond = np.maximum(-there, there - np.array([width - 1, height - 1])[:, None, None]).max(axis=0)
    flow[0] += 5.0 * np.clip(1 + beyond / 14, 0, 1)  # from where it is a guess it reaches 14 px inwards
    assert float((np.clip(1 + beyond / 14, 0, 1) > 0.2).mean()) > 0.1
    assert pair_motion(flow, np.ones((height, width))).layer_share < 0.05
    flow[1, :, 200:290] += 8.0
    assert pair_motion(flow).layer_share == pytest.approx(90 / (width - 32), abs=0.04)


def _scene(seed: int) -> np.ndarray:
    """Discs of all sizes and colours, (352, 448, 3) float32."""
    rng = np.random.default_rng(seed)
    scene = np.full((352, 448, 3), 0.5, np.float32)
    for radius in np.sort(rng.uniform(4, 60, 250))[::-1]:
        at = int(rng.integers(448)), int(rng.integers(352))
        cv2.circle(scene, at, int(radius), rng.random(3).tolist(), -1, cv2.LINE_AA)
    return np.clip(scene + 0.02 * rng.standard_normal(scene.shape, np.float32), 0, 1)


def _captured(scene: np.ndarray, by: Similarity, blur_px: float, *, layer_px: float = 0.0) -> PairMotion:
    """What is found of a pair of 352x256, moved as a whole or with a right third that moved further down."""
    moved = warp(scene, by.inverse())
    if layer_px:
        further = warp(scene, (Similarity(shift_y_px=layer_px) @ by).inverse())
        moved[:, 300:] = further[:, 300:]
    pair = cv2.GaussianBlur(scene, (0, 0), blur_px), moved
    blurry, sharp = (
        torch.from_numpy(np.ascontiguousarray(p[48:304, 48:400])).permute(2, 0, 1)[None].contiguous() for p in pair
    )
    flow = load_flow("pwcnet")
    found = flow.estimate(blurry, sharp)
    assert isinstance(flow, KnowsSupport)
    return pair_motion(found[0].numpy(), flow.support(blurry, sharp, found)[0, 0].numpy())


@pytest.mark.parametrize(
    ("seed", "by", "blur_px"),
    [
        (2, Similarity(1.047, 0.28, -3.5, 5.6), 1.5),
        (0, Similarity(1.03, 0.1, 8.0, 3.0), 3.0),
        (0, Similarity(0.99, 0.0, 3.0, -18.0), 2.0),
    ],
)
def test_a_small_pair_that_moved_as_a_whole_has_no_layers(seed: int, by: Similarity, blur_px: float) -> None:
    assert _captured(_scene(seed), by, blur_px).layer_share < 0.02


def test_a_small_pair_with_a_layer_has_one() -> None:
    found = _captured(_scene(1), Similarity(1.02, 0.2, 3.0, -4.0), 1.0, layer_px=9.0)
    assert found.layer_share == pytest.approx(100 / 352, abs=0.08)
    assert found.layer_px == pytest.approx(9.0, abs=1.5)


def test_a_pair_that_shows_nothing_still_has_a_motion() -> None:
    found = pair_motion(_flow(), np.zeros(_SIZE, np.float32))
    assert found.supported_share == 0
    assert found.similarity_px > 1
    assert found.doubt == "the pictures show the flow on 0.0% of the picture alone"


def test_what_moved_as_a_whole_is_in_doubt_where_no_similarity_describes_it() -> None:
    assert pair_motion(_flow(), np.ones(_SIZE)).doubt == ""
    layered, waving = _flow(), _flow()
    layered[1, :, 150:] += 8.0
    assert pair_motion(layered).doubt == ""  # the rest moved as one
    waving[1] += 6.0 * np.sin(np.arange(_SIZE[1]) / 12)
    assert "no similarity describes it" in pair_motion(waving).doubt


def test_the_map_of_what_is_shown_lies_beside_the_flow_and_its_share_is_in_the_record(
    tmp_path: Path, photo: np.ndarray
) -> None:
    sharp = np.ascontiguousarray(photo[:160, :224])
    blurry = cv2.GaussianBlur(sharp, (0, 0), 1.5)
    paths = {name: tmp_path / f"{name}.png" for name in ("blurry", "sharp")}
    for path, picture in zip(paths.values(), (blurry, sharp), strict=True):
        cv2.imwrite(str(path), picture[..., ::-1])
    pair = Pair("a", Split.TEST, paths["blurry"], paths["sharp"])
    options = EvaluateOptions(metrics=("psnr",), save_flow=True)
    record = score_files(pair, paths["blurry"], options, save_to=tmp_path / "run")
    shown = cv2.imread(str(next((tmp_path / "run" / "flow").glob("*.support.png"))), cv2.IMREAD_GRAYSCALE)
    assert shown.shape == (160, 224)
    share = record.baselines.measured.supported_share
    assert share is not None
    assert share == pytest.approx(float((shown >= 128).mean()), abs=0.02)

"""Scores of one picture, on arrays whose geometry is known."""

import dataclasses
import math

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from sdd_bench.core.errors import ConfigError, ImageError
from sdd_bench.core.types import GroundTruth, WarpMode
from sdd_bench.evaluation.picture.scorer import PictureScorer, score_picture
from sdd_bench.flow.estimator import load_flow
from sdd_bench.images.light import linear_to_srgb, srgb_to_linear
from sdd_bench.metrics.lpips import Lpips
from sdd_bench.metrics.mae import mae
from sdd_bench.metrics.psnr import psnr
from sdd_bench.metrics.ssim import ssim
from sdd_bench.registration.light.transfer import Match, Transfer
from sdd_bench.synth.scenes import random_scene

Triple = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
METRICS = ("psnr", "ssim", "mae")


@pytest.fixture
def scorer(triple: Triple) -> PictureScorer:
    return PictureScorer(triple[0], triple[1], flow=load_flow("dis"), metrics=METRICS)


@pytest.mark.parametrize("flow", ["dis", "pwcnet"])
@pytest.mark.parametrize("size", [(1, 1), (1, 64), (64, 1), (2, 2), (2, 64), (64, 2)])
def test_a_picture_is_scored_from_two_pixels_a_side_on(triple: Triple, flow: str, size: tuple[int, int]) -> None:
    blurry, sharp, prediction = (np.ascontiguousarray(picture[: size[0], : size[1]]) for picture in triple)
    estimator = load_flow(flow)
    if min(size) < 2:
        with pytest.raises(ImageError, match=f"^{size[1]}x{size[0]} is too small .* at least 2 px a side"):
            score_picture(blurry, sharp, prediction, flow=estimator, metrics=("psnr",))
    else:
        scores = score_picture(blurry, sharp, prediction, flow=estimator, metrics=("psnr",))
        assert scores.truths[GroundTruth.RAW].psnr == pytest.approx(psnr(prediction, sharp))


@pytest.mark.parametrize("flow", ["dis", "pwcnet"])
def test_registration_undoes_a_known_shift(triple: Triple, flow: str) -> None:
    blurry, sharp, aligned = triple
    truths = score_picture(blurry, sharp, aligned, flow=load_flow(flow), metrics=METRICS).truths
    assert truths[GroundTruth.RAW].psnr == pytest.approx(psnr(aligned, sharp))
    for truth in (GroundTruth.WARPED, GroundTruth.REGISTERED):
        better, raw = truths[truth], truths[GroundTruth.RAW]
        assert (better.psnr or 0) > (raw.psnr or 0) + 5
        assert (better.ssim or 0) > (raw.ssim or 0)
        assert (better.mae or 1) < (raw.mae or 0)


def test_the_valid_share_is_what_the_shift_leaves_inside(scorer: PictureScorer, triple: Triple) -> None:
    shares = {truth: scores.valid_share for truth, scores in scorer.score(triple[2]).truths.items()}
    assert shares[GroundTruth.RAW] == 1.0
    assert shares[GroundTruth.REGISTERED] == pytest.approx((1 - 3 / 128) * (1 - 2 / 96), abs=0.015)


def test_identity_has_no_drift_and_one_warped_ground_truth(scorer: PictureScorer, triple: Triple) -> None:
    scores = scorer.score(scorer.blurry, scorer.still)
    assert (scores.drift_px, scores.deform_px) == (0.0, 0.0)
    assert scores.truths[GroundTruth.WARPED] == scores.truths[GroundTruth.REGISTERED]
    as_prediction = scorer.score(triple[0])
    assert as_prediction.truths == scores.truths
    assert as_prediction.drift_px == pytest.approx(0, abs=0.02)


def test_predictions_scored_together_have_the_scores_they_have_alone(triple: Triple) -> None:
    scorer = PictureScorer(triple[0], triple[1], flow=load_flow("dis"), lpips=Lpips())
    asked = [(triple[2], scorer.motion(triple[2])), (triple[0], scorer.still)]
    assert scorer.score_all(asked) == [scorer.score(*one) for one in asked]


def test_what_is_scored_beside_the_flows_is_what_the_metrics_say(scorer: PictureScorer, triple: Triple) -> None:
    prediction = (triple[0] + triple[2]) / 2
    motion = scorer.motion(prediction)
    assert set(motion.figures) == {GroundTruth.RAW, GroundTruth.REGISTERED, GroundTruth.MATCHED}
    truths = {"raw": triple[1], "registered": scorer.registered.picture, "matched": scorer.matched.picture}
    for name, figures in motion.figures.items():
        truth = truths[name]
        assert figures == (psnr(prediction, truth), ssim(prediction, truth), mae(prediction, truth))
    assert scorer.score(prediction, dataclasses.replace(motion, figures={})) == scorer.score(prediction, motion)


@pytest.mark.parametrize("flow", ["dis", "pwcnet"])
def test_neither_threads_nor_the_order_of_the_ground_truths_change_a_score(triple: Triple, flow: str) -> None:
    """Flows begin before the registered picture is there, or after it; alone, two at a time, or all at once."""
    estimator, lpips, before = load_flow(flow), Lpips(), torch.get_num_threads()
    found = []
    try:
        for threads, registered_first in ((1, True), (1, False), (2, True), (2, False), (3, False)):
            torch.set_num_threads(threads)
            scorer = PictureScorer(triple[0], triple[1], flow=estimator, lpips=lpips)
            if registered_first:
                _ = scorer.matched
            found.append(scorer.score_all([(triple[2], scorer.motion(triple[2])), (triple[0], scorer.still)]))
    finally:
        torch.set_num_threads(before)
    for scores in found[1:]:
        if flow == "dis":  # a convolution adds in another order on two threads
            assert scores == found[0]
        for one, other in zip(scores, found[0], strict=True):
            for truth in GroundTruth:
                assert one.truths[truth].psnr == pytest.approx(other.truths[truth].psnr, abs=1e-3)


@pytest.mark.parametrize("metrics", [("ssim",), ("mae",), ("psnr",), ("psnr", "mae")])
def test_only_what_is_asked_for_is_scored(triple: Triple, metrics: tuple[str, ...]) -> None:
    scorer = PictureScorer(triple[0], triple[1], flow=load_flow("dis"), metrics=metrics, match=Match.NONE)
    for truth in scorer.score(triple[2]).truths.values():
        found = {"psnr": truth.psnr, "ssim": truth.ssim, "mae": truth.mae, "lpips": truth.lpips}
        assert {name for name, value in found.items() if value is not None} == {*metrics}


def test_the_drift_of_a_shifted_prediction_is_its_shift(scorer: PictureScorer, triple: Triple) -> None:
    shifted = np.roll(triple[0], (-2, 1), axis=(0, 1))
    scores = scorer.score(shifted)
    assert scores.drift_px == pytest.approx(math.hypot(2, 1), abs=0.1)
    registered, warped = scores.truths[GroundTruth.REGISTERED], scores.truths[GroundTruth.WARPED]
    assert (warped.psnr or 0) > (registered.psnr or 0) + 2, "warped forgives what registered does not"


def test_wavy_lines_are_deformation_and_no_drift(scorer: PictureScorer, triple: Triple) -> None:
    import torch

    from sdd_bench.flow.warp import backwarp

    rows = torch.arange(96, dtype=torch.float32)
    waves = torch.zeros(1, 2, 96, 128)
    waves[0, 0] = 2 * torch.sin(2 * math.pi * rows / 48)[:, None]
    wavy = backwarp(torch.from_numpy(triple[0].transpose(2, 0, 1))[None], waves)[0].numpy().transpose(1, 2, 0)
    scores = scorer.score(np.ascontiguousarray(wavy))
    assert scores.deform_px == pytest.approx(math.sqrt(2), abs=0.35)
    assert scores.drift_px < 0.5


def test_the_aligned_truth_scores_above_every_other_prediction(scorer: PictureScorer, triple: Triple) -> None:
    ceiling = scorer.score(triple[2])
    for other in (scorer.score(scorer.blurry, scorer.still), scorer.score((triple[0] + triple[2]) / 2)):
        for truth in (GroundTruth.WARPED, GroundTruth.REGISTERED):
            assert (ceiling.truths[truth].psnr or 0) > (other.truths[truth].psnr or 0)
            assert (ceiling.truths[truth].mae or 1) < (other.truths[truth].mae or 0)


def test_equal_pictures_have_infinite_psnr(triple: Triple) -> None:
    sharp = triple[1]
    scores = score_picture(sharp, sharp, sharp, flow=load_flow("dis"), metrics=METRICS)
    assert scores.truths[GroundTruth.RAW].psnr == math.inf
    assert scores.truths[GroundTruth.RAW].mae == 0
    assert scores.drift_px == pytest.approx(0, abs=0.02)


def test_the_released_warp_differs_from_the_exact_one(triple: Triple) -> None:
    blurry, sharp, aligned = triple
    exact, released = (
        score_picture(blurry, sharp, aligned, flow=load_flow("dis"), metrics=METRICS, warp=warp)
        for warp in (WarpMode.EXACT, WarpMode.RELEASED)
    )
    assert exact.truths[GroundTruth.RAW] == released.truths[GroundTruth.RAW]
    assert (exact.truths[GroundTruth.WARPED].psnr or 0) > (released.truths[GroundTruth.WARPED].psnr or 0)


def test_metrics_not_asked_for_are_none(triple: Triple) -> None:
    blurry, sharp, aligned = triple
    scores = score_picture(blurry, sharp, aligned, flow=load_flow("dis"), metrics=("mae",))
    values = dataclasses.asdict(scores.truths[GroundTruth.RAW])
    assert [name for name in ("psnr", "ssim", "mae", "lpips") if values[name] is not None] == ["mae"]


def test_a_registered_flow_can_be_given(triple: Triple, scorer: PictureScorer) -> None:
    kept = scorer.registered.flow
    again = PictureScorer(
        triple[0], triple[1], flow=load_flow("dis"), metrics=METRICS, registered_flow=lambda compute: kept
    )
    np.testing.assert_array_equal(again.registered.picture, scorer.registered.picture)


def test_what_does_not_fit_is_refused(triple: Triple, scorer: PictureScorer) -> None:
    blurry, sharp, aligned = triple
    with pytest.raises(ImageError, match=r"the prediction is \(95, 128, 3\), expected \(96, 128, 3\)"):
        scorer.score(aligned[1:])
    with pytest.raises(ImageError, match="a pair must share one size"):
        PictureScorer(blurry[1:], sharp, flow=load_flow("dis"), metrics=METRICS)
    with pytest.raises(ConfigError, match="no Lpips network was given"):
        PictureScorer(blurry, sharp, flow=load_flow("dis"))
    bad = aligned.copy()
    bad[3, 4, 1] = np.nan
    with pytest.raises(ImageError, match="the prediction holds NaN or infinite values"):
        scorer.score(bad)


def _exposed(picture: NDArray[np.float32], gains: tuple[float, float, float]) -> NDArray[np.float32]:
    return linear_to_srgb(np.clip(srgb_to_linear(picture) * np.array(gains, np.float32), 0, 1))


def test_the_matched_ground_truth_has_the_light_of_the_input_whatever_the_prediction() -> None:
    whole = np.clip(random_scene(256, 320, np.random.default_rng(5)), 0.1, 0.8)
    sharp, aligned = np.ascontiguousarray(whole[:-4, :-4]), np.ascontiguousarray(whole[2:-2, 3:-1])
    blurry = linear_to_srgb(cv2.GaussianBlur(srgb_to_linear(aligned), (0, 0), 1.5))
    darker = _exposed(blurry, (0.6, 0.65, 0.7))
    scorer = PictureScorer(darker, sharp, flow=load_flow("dis"), metrics=METRICS)
    before = scorer.matched.picture.copy()
    truths = scorer.score(_exposed(aligned, (0.6, 0.65, 0.7))).truths
    np.testing.assert_allclose(scorer.transfer.gains, (0.6, 0.65, 0.7), rtol=0.04)
    assert (truths[GroundTruth.MATCHED].psnr or 0) > (truths[GroundTruth.REGISTERED].psnr or 0) + 5
    scorer.score(darker)
    np.testing.assert_array_equal(scorer.matched.picture, before)


def test_without_matching_matched_is_registered(triple: Triple) -> None:
    scores = score_picture(*triple, flow=load_flow("dis"), metrics=METRICS, match=Match.NONE)
    assert scores.truths[GroundTruth.MATCHED] == scores.truths[GroundTruth.REGISTERED]


def test_a_pair_without_light_to_compare_stays_as_registered_and_is_flagged(triple: Triple) -> None:
    white = np.ones_like(triple[0])
    scorer = PictureScorer(white, triple[1], flow=load_flow("dis"), metrics=METRICS)
    assert scorer.transfer.gains == (1.0, 1.0, 1.0)
    assert "nothing to compare" in scorer.transfer.reason
    np.testing.assert_array_equal(scorer.matched.picture, scorer.registered.picture)


def test_a_transfer_can_be_given(triple: Triple) -> None:
    kept = Transfer(Match.GAIN, (0.5, 0.5, 0.5), white=(0.7, 0.7, 0.7))
    scorer = PictureScorer(triple[0], triple[1], flow=load_flow("dis"), metrics=METRICS, transfer=lambda estimate: kept)
    np.testing.assert_array_equal(scorer.matched.picture, kept.apply(scorer.registered.picture))

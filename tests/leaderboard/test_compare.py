"""Paired statistics against scipy and against truths made here."""

import numpy as np
import pytest
from scipy import stats

from sdd_bench.core.errors import LeaderboardError
from sdd_bench.leaderboard.compare import compare
from sdd_bench.statistics.permutation import holm


def two_methods(rng: np.random.Generator, n: int, gain: float) -> np.ndarray:
    base = rng.normal(25.0, 3.0, n)
    return np.stack([base + gain + rng.normal(0.0, 0.4, n), base])


def test_the_permutation_test_is_scipys_exact_one_for_few_pictures(rng: np.random.Generator) -> None:
    scores = two_methods(rng, 9, 0.15)
    (ours,) = compare(scores, ["a", "b"], "psnr")
    theirs = stats.permutation_test(
        (scores[0], scores[1]), lambda a, b, axis: (a - b).mean(axis=axis), permutation_type="samples",
        vectorized=True, n_resamples=np.inf,
    )  # fmt: skip
    assert ours.p_value == pytest.approx(theirs.pvalue, abs=1e-12)


def test_the_permutation_test_agrees_with_scipys_random_one(rng: np.random.Generator) -> None:
    scores = two_methods(rng, 40, 0.1)
    (ours,) = compare(scores, ["a", "b"], "psnr")
    theirs = stats.permutation_test(
        (scores[0], scores[1]), lambda a, b, axis: (a - b).mean(axis=axis), permutation_type="samples",
        vectorized=True, n_resamples=20_000, rng=np.random.default_rng(1),
    )  # fmt: skip
    assert ours.p_value == pytest.approx(theirs.pvalue, abs=0.015)


def test_the_interval_agrees_with_scipys_bca_bootstrap(rng: np.random.Generator) -> None:
    scores = np.stack([25.0 + rng.gamma(1.5, 1.0, 35), np.full(35, 25.0)])
    (ours,) = compare(scores, ["a", "b"], "psnr", n_resamples=20_000)
    theirs = stats.bootstrap(
        (scores[0] - scores[1],), np.mean, method="BCa", n_resamples=20_000, rng=np.random.default_rng(1)
    ).confidence_interval
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.03)


def test_effect_size_and_superiority_have_their_textbook_values() -> None:
    scores = np.array([[2.0, 3.0, 5.0, 1.0], [1.0, 1.0, 1.0, 1.0]])
    (got,) = compare(scores, ["a", "b"], "psnr")
    difference = np.array([1.0, 2.0, 4.0, 0.0])
    assert got.difference == pytest.approx(difference.mean())
    assert got.effect_size == pytest.approx(difference.mean() / difference.std(ddof=1))
    assert got.superiority == pytest.approx((3 + 0.5) / 4)


@pytest.mark.parametrize(("metric", "sign"), [("psnr", 1), ("ssim", 1), ("mae", -1), ("lpips", -1)])
def test_a_positive_difference_means_better_whatever_the_metric(metric: str, sign: int) -> None:
    (got,) = compare(np.array([[0.5, 0.6, 0.7], [0.3, 0.4, 0.5]]), ["a", "b"], metric)
    assert got.difference == pytest.approx(sign * 0.2)


def test_a_clear_gain_is_found_and_noise_is_a_tie(rng: np.random.Generator) -> None:
    scores = np.vstack([two_methods(rng, 35, 1.0), rng.normal(25.0, 3.0, (1, 35))])
    scores[2] = scores[1] + rng.normal(0.0, 0.4, 35)
    found = {(item.first, item.second): item for item in compare(scores, ["good", "base", "twin"], "psnr")}
    assert found["good", "base"].verdict == "good is better"
    assert found["base", "twin"].verdict == "tie"
    assert found["good", "base"].low > 0.5


def test_the_same_seed_gives_the_same_numbers(rng: np.random.Generator) -> None:
    scores = two_methods(rng, 35, 0.1)
    assert compare(scores, ["a", "b"], "psnr") == compare(scores, ["a", "b"], "psnr")


def test_pictures_of_one_scene_count_once(rng: np.random.Generator) -> None:
    scores = two_methods(rng, 12, 0.1)
    tripled = np.repeat(scores, 3, axis=1)
    scenes = [f"scene {index // 3}" for index in range(36)]
    (once,) = compare(scores, ["a", "b"], "psnr")
    (by_scene,) = compare(tripled, ["a", "b"], "psnr", scenes=scenes)
    (by_picture,) = compare(tripled, ["a", "b"], "psnr")
    assert by_scene.p_value == pytest.approx(once.p_value)
    assert (by_scene.low, by_scene.high) == pytest.approx((once.low, once.high), abs=1e-9)
    assert by_picture.high - by_picture.low < 0.75 * (once.high - once.low)


def test_equal_pictures_are_capped_and_two_of_them_are_equal() -> None:
    scores = np.array([[np.inf, np.inf, 30.0], [np.inf, 40.0, 30.0]])
    (got,) = compare(scores, ["a", "b"], "psnr")
    assert got.difference == pytest.approx((0.0 + 60.0 + 0.0) / 3)


def test_identical_methods_are_a_tie_with_an_interval_of_zero() -> None:
    (got,) = compare(np.full((2, 20), 25.0), ["a", "b"], "psnr")
    assert (got.low, got.high, got.p_value, got.effect_size, got.superiority) == (0.0, 0.0, 1.0, 0.0, 0.5)


def test_holm_keeps_order_and_never_passes_one() -> None:
    assert holm([0.01, 0.02, 0.03, 0.9]).tolist() == pytest.approx([0.04, 0.06, 0.06, 0.9])
    assert holm([0.5, 0.6]).tolist() == [1.0, 1.0]


def test_the_false_alarm_rate_is_the_one_promised(rng: np.random.Generator) -> None:
    alarms = sum(
        compare(rng.normal(size=(2, 15)), ["a", "b"], "ssim", n_resamples=400)[0].p_value < 0.05 for _ in range(300)
    )
    assert 3 <= alarms <= 27


@pytest.mark.parametrize("scores", [np.ones((1, 5)), np.ones((2, 0)), np.array([[1.0, np.nan], [1.0, 2.0]])])
def test_scores_that_cannot_be_compared_are_refused(scores: np.ndarray) -> None:
    with pytest.raises(LeaderboardError, match="compare:"):
        compare(scores, ["a", "b"], "psnr")

"""Paired comparisons and their verdict, against truths made here."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from sdd_bench.statistics.compare import Comparison, compare
from sdd_bench.statistics.permutation import smallest_p


def two_methods(rng: np.random.Generator, n: int, gain: float) -> np.ndarray:
    base = rng.normal(25.0, 3.0, n)
    return np.stack([base + gain + rng.normal(0.0, 0.4, n), base])


SHOWN = Comparison("psnr", "a", "b", 35, 35, 1, 10_000, 0.5, 0.3, 0.7, 0.001, 0.001, 1.2, 0.9, 0.0)


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


def test_a_clear_gain_is_found_and_noise_is_not(rng: np.random.Generator) -> None:
    scores = np.vstack([two_methods(rng, 35, 1.0), rng.normal(25.0, 3.0, (1, 35))])
    scores[2] = scores[1] + rng.normal(0.0, 0.4, 35)
    found = {(item.first, item.second): item for item in compare(scores, ["good", "base", "twin"], "psnr")}
    assert found["good", "base"].verdict == "better"
    assert found["base", "twin"].verdict == "no difference shown"
    assert (found["good", "base"].low or 0.0) > 0.5


def test_the_verdict_is_the_same_from_both_sides(rng: np.random.Generator) -> None:
    scores = two_methods(rng, 35, 1.0)
    (there,), (back,) = compare(scores, ["a", "b"], "psnr"), compare(scores[::-1], ["b", "a"], "psnr")
    assert (there.verdict, back.verdict) == ("better", "worse")
    assert there.sentence == back.sentence == "a is better"
    assert there.p_value == back.p_value


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
    assert (by_scene.n_units, by_scene.unit, once.n_units, once.unit) == (12, "scenes", 12, "pictures")
    assert (by_picture.high or 0) - (by_picture.low or 0) < 0.75 * ((once.high or 0) - (once.low or 0))


def test_identical_methods_have_an_interval_of_zero() -> None:
    (got,) = compare(np.full((2, 20), 25.0), ["a", "b"], "psnr")
    assert (got.low, got.high, got.p_value, got.effect_size, got.superiority) == (0.0, 0.0, 1.0, 0.0, 0.5)
    assert got.verdict == "no difference shown"


def test_five_scenes_are_too_few_however_large_the_difference() -> None:
    scores = np.stack([np.full(10, 35.0), np.linspace(20.0, 21.0, 10)])
    (got,) = compare(scores, ["a", "b"], "psnr", scenes=list("aabbccddee"))
    assert got.verdict == "too few scenes to tell: 5 cannot reach 5 % (smallest p 0.0625)"
    assert (got.low, got.high, got.interval(2)) == (None, None, "–")
    (of_pictures,) = compare(scores[:, :4], ["a", "b"], "psnr")
    assert of_pictures.verdict == "too few pictures to tell: 4 cannot reach 5 % (smallest p 0.125)"
    (six,) = compare(scores[:, :6], ["a", "b"], "psnr")
    assert (six.verdict, six.interval(1)[:2]) == ("better", "[+")


def test_more_pairs_need_more_units() -> None:
    scores = np.stack([np.full(6, value) + np.linspace(0.0, 0.1, 6) for value in (20.0, 25.0, 30.0)])
    words = {item.verdict for item in compare(scores, ["a", "b", "c"], "psnr")}
    assert words == {"too few pictures to tell: 6 cannot reach 5 % over 3 pairs (smallest p 0.0938)"}


def test_more_pairs_than_sign_flips_can_tell_apart_are_said() -> None:
    many = dataclasses.replace(SHOWN, n_pairs=4950, p_holm=0.49)
    assert many.verdict == "too few sign flips to tell: 10000 cannot reach 5 % over 4950 pairs (smallest p 0.495)"
    assert many.smallest_p == pytest.approx(4950 * smallest_p(35))


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, "better"),
        ({"difference": -0.5, "low": -0.7, "high": -0.3}, "worse"),
        ({"p_holm": 0.05}, "no difference shown"),
        ({"p_holm": 0.049}, "better"),
        ({"low": 0.0}, "no difference shown"),
        ({"difference": -0.5, "low": -0.7, "high": 0.1}, "no difference shown"),
        ({"truth_cost": 0.5}, "better"),
        ({"truth_cost": 0.51}, "no difference shown: below the 0.51 that the ground truth's own errors cost (ceiling)"),
        ({"difference": -0.5, "low": -0.7, "high": -0.3, "truth_cost": 0.4}, "worse"),
        (
            {"truth_cost": np.inf},
            "no difference shown: the aligned truth (ceiling) scores no better than either",
        ),
    ],
)
def test_a_difference_is_shown_where_p_interval_and_ceiling_allow_it(changes: dict[str, float], verdict: str) -> None:
    assert dataclasses.replace(SHOWN, **changes).verdict == verdict  # type: ignore[arg-type]


def test_a_sure_difference_below_what_the_ground_truth_costs_is_not_called_better(rng: np.random.Generator) -> None:
    base = rng.normal(30.0, 1.0, 35)
    scores = np.stack([base + 0.04 + rng.normal(0.0, 0.01, 35), base])
    (without,) = compare(scores, ["net", "identity"], "psnr")
    (known,) = compare(scores, ["net", "identity"], "psnr", ceiling=40.0)
    (back,) = compare(scores[::-1], ["identity", "net"], "psnr", ceiling=40.0)
    assert without.verdict == "better"
    assert known.verdict == back.verdict != "better"
    assert known.truth_cost == pytest.approx(-10 * np.log10(1 - 10 ** ((base.mean() - 40.0) / 10)))
    (far,) = compare(scores + 0.5 * np.array([[1.0], [0.0]]), ["net", "identity"], "psnr", ceiling=40.0)
    assert far.verdict == "better"


def test_the_ceiling_itself_is_better_than_what_is_far_below_it(rng: np.random.Generator) -> None:
    base = rng.normal(30.0, 1.0, 20)
    (got,) = compare(np.stack([base, np.full(20, 45.0)]), ["net", "ceiling"], "psnr", ceiling=45.0)
    assert got.verdict == "worse"

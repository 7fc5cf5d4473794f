"""Rank intervals against methods whose order is known."""

import numpy as np
import pytest

from sdd_bench.statistics.ranks import rank


def test_methods_far_apart_have_one_place_each(rng: np.random.Generator) -> None:
    base = rng.normal(25.0, 3.0, 35)
    scores = np.stack([base + gain + rng.normal(0.0, 0.1, 35) for gain in (0.0, 2.0, 1.0)])
    found = rank(scores, ["worst", "best", "middle"], "psnr")
    assert [(item.place, item.low, item.high) for item in found] == [(3, 3, 3), (1, 1, 1), (2, 2, 2)]


def test_neighbours_that_pictures_do_not_separate_share_their_places(rng: np.random.Generator) -> None:
    base = rng.normal(25.0, 3.0, 35)
    scores = np.stack([base + gain + rng.normal(0.0, 0.5, 35) for gain in (0.01, 0.0, -3.0)])
    twins = rank(scores, ["a", "b", "behind"], "psnr")
    assert [(item.low, item.high) for item in twins] == [(1, 2), (1, 2), (3, 3)]


def test_a_lower_lpips_ranks_first_and_keeps_its_sign() -> None:
    scores = np.array([[0.3] * 12, [0.1] * 12]) + np.linspace(0.0, 0.01, 12) * np.array([[1.0], [2.0]])
    first, second = rank(scores, ["a", "b"], "lpips")
    assert (first.place, second.place) == (2, 1)
    assert second.mean == pytest.approx(scores[1].mean())


def test_five_pictures_separate_nobody(rng: np.random.Generator) -> None:
    scores = np.stack([rng.normal(25, 1, 5), rng.normal(35, 1, 5)])
    assert [(item.low, item.high) for item in rank(scores, ["a", "b"], "psnr")] == [(1, 2), (1, 2)]


def test_a_difference_below_what_the_ground_truth_costs_leaves_the_place_open(rng: np.random.Generator) -> None:
    base = rng.normal(30.0, 1.0, 35)
    scores = np.stack([base + gain + rng.normal(0.0, 0.01, 35) for gain in (0.04, 0.0, -3.0)])
    names = ["a", "b", "behind"]
    assert [str(item) for item in rank(scores, names, "psnr")] == ["1", "2", "3"]
    assert [str(item) for item in rank(scores, names, "psnr", ceiling=40.0)] == ["1–2", "1–2", "3"]


def test_a_hundred_methods_can_still_be_separated(rng: np.random.Generator) -> None:
    base = rng.normal(25.0, 3.0, 76)
    scores = np.stack([base + 0.3 * index + rng.normal(0.0, 0.1, 76) for index in range(100)])
    found = rank(scores, [str(index) for index in range(100)], "psnr", n_resamples=1000)
    assert all(item.low == item.high == 100 - index for index, item in enumerate(found))


def test_equal_methods_rarely_get_an_order(rng: np.random.Generator) -> None:
    false_orders = 0
    for _ in range(100):
        found = rank(rng.normal(size=(5, 20)), list("abcde"), "ssim", n_resamples=400)
        false_orders += any((item.low, item.high) != (1, 5) for item in found)
    assert false_orders <= 14


def test_one_method_alone_is_first() -> None:
    (only,) = rank(np.array([[25.0, 26.0]]), ["a"], "psnr")
    assert (only.place, only.low, only.high, only.mean) == (1, 1, 1, 25.5)


def test_infinite_psnr_counts_as_100_db_for_the_place_and_stands_beside_the_mean() -> None:
    one, other, all_equal = rank(
        np.array([[np.inf, 27.0, 28.0], [30.0, 28.0, 29.0], [np.inf] * 3]), list("abc"), "psnr"
    )
    assert (one.place, one.mean, one.n_infinite) == (2, 27.5, 1)
    assert (other.place, other.mean, other.n_infinite) == (3, 29.0, 0)
    assert (all_equal.place, all_equal.mean, all_equal.n_infinite) == (1, None, 3)
    (alone,) = rank(np.array([[np.inf, 27.0, 28.0]]), ["a"], "psnr")
    assert (alone.mean, alone.n_infinite) == (27.5, 1)

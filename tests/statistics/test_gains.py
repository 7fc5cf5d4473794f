"""Gains, and what the ground truth's own errors cost."""

import numpy as np
import pytest

from sdd_bench.core.errors import LeaderboardError
from sdd_bench.statistics.gains import gains_of, truth_cost


def test_equal_pictures_are_capped_and_a_smaller_error_is_the_larger_gain() -> None:
    assert gains_of(np.array([[np.inf, 30.0], [40.0, np.inf]]), "ab", "psnr").tolist() == [[100.0, 30.0], [40.0, 100.0]]
    assert gains_of(np.array([[0.2], [0.1]]), "ab", "lpips").tolist() == [[-0.2], [-0.1]]


@pytest.mark.parametrize("scores", [np.ones((1, 5)), np.ones((2, 0)), np.array([[1.0, np.nan], [1.0, 2.0]])])
def test_scores_that_cannot_be_compared_are_refused(scores: np.ndarray) -> None:
    with pytest.raises(LeaderboardError, match="compare:"):
        gains_of(scores, ["a", "b"], "psnr")


@pytest.mark.parametrize("metric", ["psnr", "mae"])
def test_the_cost_is_what_a_method_gains_by_the_errors_of_the_ground_truth(metric: str) -> None:
    rng = np.random.default_rng(0)
    truth_error, method_error = rng.normal(0.0, 0.01, 200_000), rng.normal(0.0, 0.02, 200_000)

    def score(error: np.ndarray) -> float:
        return float(-10.0 * np.log10(np.mean(error**2)) if metric == "psnr" else np.abs(error).mean())

    honest, taken_over = score(method_error - truth_error), score(method_error)
    cost = truth_cost(metric, np.array(honest), score(truth_error))
    assert cost == pytest.approx(abs(taken_over - honest), rel=0.02)
    assert cost > 0


def test_the_cost_of_ssim_and_lpips_is_what_the_ceiling_lacks() -> None:
    assert truth_cost("ssim", np.array([0.8]), 0.97) == pytest.approx([0.03])
    assert truth_cost("lpips", np.array([0.3]), 0.02) == pytest.approx([0.02])


def test_nothing_is_told_beyond_the_ceiling_and_nothing_costs_without_one() -> None:
    assert truth_cost("psnr", np.array([46.0, 45.0, 20.0]), 45.0).tolist()[:2] == [np.inf, np.inf]
    assert truth_cost("mae", np.array([0.01, 0.03]), 0.02)[0] == np.inf
    assert truth_cost("psnr", np.array([46.0, 20.0]), None).tolist() == [0.0, 0.0]

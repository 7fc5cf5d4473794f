"""Sign flips against scipy's permutation test, and Holm's correction."""

import numpy as np
import pytest
from scipy import stats

from sdd_bench.statistics.permutation import holm, sign_flip_p, smallest_p
from sdd_bench.statistics.units import units_of


def singles(differences: np.ndarray) -> np.ndarray:
    return units_of(None, differences.shape[1])


def scipys_p(differences: np.ndarray, n_resamples: float) -> float:
    return float(
        stats.permutation_test(
            (differences, np.zeros_like(differences)), lambda a, b, axis: (a - b).mean(axis=axis),
            permutation_type="samples", vectorized=True, n_resamples=n_resamples, rng=np.random.default_rng(1),
        ).pvalue
    )  # fmt: skip


def test_it_is_scipys_exact_test_for_few_pictures(rng: np.random.Generator) -> None:
    differences = rng.normal(0.15, 0.4, (1, 9))
    (ours,) = sign_flip_p(differences, singles(differences))
    assert ours == pytest.approx(scipys_p(differences[0], np.inf), abs=1e-12)


def test_it_agrees_with_scipys_random_test_for_many(rng: np.random.Generator) -> None:
    differences = rng.normal(0.1, 0.4, (1, 40))
    (ours,) = sign_flip_p(differences, singles(differences))
    assert ours == pytest.approx(scipys_p(differences[0], 20_000), abs=0.015)


def test_pictures_of_one_scene_are_flipped_together(rng: np.random.Generator) -> None:
    sums = rng.normal(0.1, 0.4, (1, 9))
    pictures = np.concatenate([sums - 1.0, np.ones((1, 9))], axis=1)
    assert sign_flip_p(pictures, np.tile(np.arange(9), 2)) == pytest.approx(sign_flip_p(sums, np.arange(9)))


@pytest.mark.parametrize("n_units", [1, 5, 6, 13, 40])
def test_p_of_the_clearest_difference_is_the_smallest_and_never_zero(n_units: int) -> None:
    differences = np.ones((1, n_units))
    (p,) = sign_flip_p(differences, singles(differences), n_resamples=10_000)
    assert p == smallest_p(n_units, 10_000) == (2.0 ** (1 - n_units) if n_units <= 13 else 1 / 10_001)


def test_the_false_alarm_rate_is_the_one_promised(rng: np.random.Generator) -> None:
    differences = rng.normal(size=(300, 15))
    alarms = np.count_nonzero(sign_flip_p(differences, singles(differences), n_resamples=400) < 0.05)
    assert 3 <= alarms <= 27


def test_holm_keeps_order_and_never_passes_one() -> None:
    assert holm([0.01, 0.02, 0.03, 0.9]).tolist() == pytest.approx([0.04, 0.06, 0.06, 0.9])
    assert holm([0.5, 0.6]).tolist() == [1.0, 1.0]

"""The gradient step is the true minimum of its cost, whatever route gave it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sdd_bench.core.errors import ConfigError
from sdd_bench.deconvolution.methods import shrinkage
from sdd_bench.deconvolution.methods.shrinkage import shrink, threshold

BETAS = (1.0, 8.0, 64 * 2 * math.sqrt(2))
GRADIENTS = np.concatenate([np.linspace(-3, 3, 1201), [1e-4, -2e-3, 40.0]]).astype(np.float32)


def cost(w: np.ndarray, v: np.ndarray, beta: float, alpha: float) -> np.ndarray:
    return np.abs(w) ** alpha + beta / 2 * (w - v) ** 2


@pytest.mark.parametrize("alpha", [0.1, 0.5, 0.6, 2 / 3, 0.8, 1.0, 1.05, 1.2, 1.5, 1.9, 2.0])
@pytest.mark.parametrize("beta", BETAS)
def test_no_point_of_a_fine_grid_costs_less(alpha: float, beta: float) -> None:
    v = GRADIENTS.astype(np.float64)
    grid = v[:, None] * np.linspace(0, 1, 2001)  # the minimum lies between 0 and v
    best = cost(grid, v[:, None], beta, alpha).min(axis=1)
    w = shrink(GRADIENTS, beta=beta, alpha=alpha).astype(np.float64)
    assert (cost(w, v, beta, alpha) <= best * (1 + 1e-6) + 1e-9).all()


@pytest.mark.parametrize("alpha", [0.5, 2 / 3, 1.5])
@pytest.mark.parametrize("beta", BETAS)
def test_closed_forms_equal_newton(alpha: float, beta: float, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = shrink(GRADIENTS, beta=beta, alpha=alpha)
    monkeypatch.setattr(shrinkage, "_CLOSED_FORMS", {})
    np.testing.assert_allclose(shrink(GRADIENTS, beta=beta, alpha=alpha), closed, rtol=2e-5, atol=1e-7)


@pytest.mark.parametrize("alpha", [0.3, 0.5, 2 / 3, 0.9, 1.0])
def test_gradients_up_to_the_threshold_vanish_and_those_above_jump(alpha: float) -> None:
    edge = threshold(alpha)
    below, above = shrink(np.array([0.999 * edge, 1.001 * edge], np.float32), beta=1.0, alpha=alpha)
    assert below == 0
    assert above >= 2 * (1 - alpha) / (2 - alpha) * edge * 0.999
    assert above > 0


def test_both_sides_of_the_threshold_cost_the_same() -> None:
    """At the threshold zero and the root are equally good: the definition of it."""
    for alpha in (0.3, 0.5, 2 / 3, 0.9):
        v = np.array([threshold(alpha)])
        root = 2 * (1 - alpha) / (2 - alpha) * v
        np.testing.assert_allclose(cost(root, v, 1.0, alpha), cost(0 * v, v, 1.0, alpha), rtol=1e-9)


def test_a_sign_is_kept_and_a_step_is_odd() -> None:
    w = shrink(GRADIENTS, beta=8.0, alpha=0.5)
    np.testing.assert_array_equal(shrink(-GRADIENTS, beta=8.0, alpha=0.5), -w)
    assert (np.sign(w[w != 0]) == np.sign(GRADIENTS[w != 0])).all()


@pytest.mark.parametrize(("alpha", "beta"), [(0.0, 1.0), (1.95, 1.0), (2.5, 1.0), (0.5, 0.0), (0.5, math.inf)])
def test_numbers_out_of_range_are_refused(alpha: float, beta: float) -> None:
    with pytest.raises(ConfigError, match="expected"):
        shrink(GRADIENTS, beta=beta, alpha=alpha)

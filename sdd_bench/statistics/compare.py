r"""Comparison of methods: is one better than another, or do these pictures not show it?

All statistics are *paired*: both methods scored the same pictures, so what matters is the difference per picture,
:math:`d_i = a_i - b_i`, and how it varies over units: scenes with all their pictures where scenes are named, else
pictures. Differences are signed so that positive means better, whatever the metric.

- *Interval*: 95 % BCa bootstrap interval of the mean difference; none over fewer than six units.
- *p-value*: permutation test on the mean difference. If the methods were exchangeable, each unit's difference could as
  well have the other sign. All sign patterns are tried when there are few units, else random ones.
- *Holm* (1979): p-values of all pairs, adjusted so that 5 % is the chance of any false alarm among them.
- *Effect size*: Cohen's :math:`d_z`, mean over standard deviation of the :math:`d_i`.
- *Probability of superiority*: share of pictures on which the first is better, ties counted half.

The *verdict* is the one rule that every comparison of methods uses (:attr:`Comparison.verdict`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from sdd_bench.statistics.bootstrap import bca_interval, bootstrap_means
from sdd_bench.statistics.gains import capped, gains_of, truth_cost
from sdd_bench.statistics.permutation import holm, sign_flip_p, smallest_p, tries_all
from sdd_bench.statistics.units import LEVEL, N_RESAMPLES, SEED, Array, units_of

NO_DIFFERENCE = "no difference shown"
_PAIRS_AT_ONCE = 400
"""Pairs per step, which bounds the memory: their resampled differences take 32 MB at 10,000 resamples."""


@dataclass(frozen=True)
class Comparison:
    """``first`` against ``second`` on one metric; positive differences mean that ``first`` is better."""

    metric: str
    first: str
    second: str
    n_images: int
    n_units: int
    n_pairs: int
    """Number of pairs that Holm's correction covers."""
    n_resamples: int
    difference: float
    low: float | None
    high: float | None
    """Ends of the 95 % interval; None with fewer than six units."""
    p_value: float
    p_holm: float
    effect_size: float
    superiority: float
    truth_cost: float
    """Gain that the errors of the ground truth alone could give the worse of the two; zero where it is not known."""

    @property
    def unit(self) -> str:
        """Name of the units: ``scenes`` or ``pictures``."""
        return "scenes" if self.n_units < self.n_images else "pictures"

    @property
    def smallest_p(self) -> float:
        """Smallest p-value after Holm's correction that this number of units can give."""
        return min(1.0, self.n_pairs * smallest_p(self.n_units, self.n_resamples))

    @property
    def verdict(self) -> str:
        """``better``, ``worse``, or why neither can be said, in words.

        A difference is shown where p is below 5 % after Holm's correction, the interval leaves out zero, and the
        difference is no smaller than what the ground truth itself costs.
        """
        if self.smallest_p >= LEVEL:
            few = tries_all(self.n_units, self.n_resamples)
            count, what = (self.n_units, self.unit) if few else (self.n_resamples, "sign flips")
            pairs = f" over {self.n_pairs} pairs" if self.n_pairs > 1 else ""
            return f"too few {what} to tell: {count} cannot reach 5 %{pairs} (smallest p {self.smallest_p:.3g})"
        holds_zero = self.low is None or self.high is None or self.low <= 0.0 <= self.high
        if self.p_holm >= LEVEL or holds_zero:
            return NO_DIFFERENCE
        if abs(self.difference) < self.truth_cost:
            if np.isinf(self.truth_cost):
                return f"{NO_DIFFERENCE}: the aligned truth (ceiling) scores no better than either"
            return f"{NO_DIFFERENCE}: below the {self.truth_cost:.2g} that the ground truth's own errors cost (ceiling)"
        return "better" if self.difference > 0 else "worse"

    @property
    def sentence(self) -> str:
        """Verdict with the name of the better method."""
        better = {"better": self.first, "worse": self.second}.get(self.verdict)
        return f"{better} is better" if better else self.verdict

    def interval(self, decimals: int) -> str:
        """Interval as it is shown, ``[+0.02, +0.07]``; a dash when there is none."""
        if self.low is None or self.high is None:
            return "–"
        return f"[{self.low:+.{decimals}f}, {self.high:+.{decimals}f}]"


def compare(
    scores: Array,
    methods: Sequence[str],
    metric: str,
    *,
    scenes: Sequence[str] | None = None,
    ceiling: float | None = None,
    n_resamples: int = N_RESAMPLES,
    seed: int = SEED,
) -> list[Comparison]:
    """Compare every pair of methods on one metric.

    Args:
        scores: (methods, pictures), the same pictures in the same order.
        methods: Names of the methods.
        metric: One of psnr, ssim, mae, lpips.
        scenes: Scene of each picture. An empty name is a scene of its own.
        ceiling: Mean score of the aligned truth on these pictures, where it is known.
        n_resamples: Number of resamples of the bootstrap and of the permutation test.
        seed: Seed of both.

    Returns:
        One comparison per pair of methods; the one named earlier is ``first``.

    Raises:
        LeaderboardError: Fewer than two methods, no pictures, or a score that is missing.

    Example:
        >>> old = np.array([27.0, 31.0, 29.0, 30.0, 28.0, 26.0])
        >>> [found] = compare(np.stack([old + 1.0, old]), ["new", "old"], "psnr", n_resamples=1000)
        >>> found.sentence, found.interval(2), found.p_value
        ('new is better', '[+1.00, +1.00]', 0.03125)
    """
    gains = gains_of(scores, methods, metric)
    units = units_of(scenes, gains.shape[1])
    pairs = list(combinations(range(len(methods)), 2))
    left, right = np.array(pairs).T
    differences = gains[left] - gains[right]
    means = bootstrap_means(gains, units, n_resamples=n_resamples, seed=seed)
    low, high = np.empty(len(pairs)), np.empty(len(pairs))
    for start in range(0, len(pairs), _PAIRS_AT_ONCE):
        some = slice(start, start + _PAIRS_AT_ONCE)
        low[some], high[some] = bca_interval(differences[some], units, means[:, left[some]] - means[:, right[some]])
    p_values = sign_flip_p(differences, units, n_resamples=n_resamples, seed=seed)
    adjusted = holm(p_values)
    mean = differences.mean(axis=1)
    cost = truth_cost(metric, capped(metric, np.asarray(scores)).mean(axis=1), ceiling)
    effect = _effect_sizes(differences)
    superiority = (differences > 0).mean(axis=1) + 0.5 * (differences == 0).mean(axis=1)
    return [
        Comparison(
            metric=metric,
            first=methods[a],
            second=methods[b],
            n_images=differences.shape[1],
            n_units=int(units.max()) + 1,
            n_pairs=len(pairs),
            n_resamples=n_resamples,
            difference=float(mean[i]),
            low=None if np.isnan(low[i]) else float(low[i]),
            high=None if np.isnan(high[i]) else float(high[i]),
            p_value=float(p_values[i]),
            p_holm=float(adjusted[i]),
            effect_size=float(effect[i]),
            superiority=float(superiority[i]),
            truth_cost=float(min(cost[a], cost[b])),
        )
        for i, (a, b) in enumerate(pairs)
    ]


def _effect_sizes(differences: Array) -> Array:
    mean = differences.mean(axis=1)
    spread = differences.std(axis=1, ddof=1) if differences.shape[1] > 1 else np.zeros(len(mean))
    effect = np.divide(
        mean, spread, out=np.copysign(np.inf, mean), where=spread > 1e-12 * np.maximum(1.0, np.abs(mean))
    )
    effect[mean == 0.0] = 0.0
    return effect

r"""Is one method better than another, or do these pictures not tell?

All statistics are *paired*: both methods scored the same pictures, so what matters is the difference a picture,
:math:`d_i = a_i - b_i`, and how it varies over pictures. Pictures of one scene resemble each other; where scenes are
named, the unit that is drawn or flipped is the scene (all its pictures together), else the picture.

- *Interval*: 95 % bias-corrected and accelerated bootstrap interval (Efron, 1987) of the mean difference.
- *p-value*: permutation test on the mean difference. If the methods were exchangeable, each :math:`d_i` could as well
  have the other sign; exact over all sign patterns when there are few units, else by random patterns (the observed
  one counted in, so p is never 0).
- *Effect size*: Cohen's :math:`d_z`, mean over standard deviation of the :math:`d_i`.
- *Probability of superiority*: share of pictures on which the first is better, ties counted half.
- *Holm* (1979): p-values of all pairs, adjusted so that 5 % is the chance of any false alarm among them.

Differences are signed so that positive means better, whatever the metric. PSNR is capped at 100 dB: equal pictures
(infinite) are then better than any, and two infinite ones are equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from sdd_bench.statistics.bootstrap import bca_interval, bootstrap_means
from sdd_bench.statistics.gains import gains_of
from sdd_bench.statistics.permutation import holm, sign_flip_p
from sdd_bench.statistics.units import CONFIDENCE, N_RESAMPLES, SEED, Array, units_of

_PAIRS_AT_ONCE = 400


@dataclass(frozen=True)
class Comparison:
    """``first`` against ``second`` on one metric; positive differences mean that ``first`` is better."""

    metric: str
    first: str
    second: str
    n_images: int
    difference: float
    low: float
    high: float
    p_value: float
    p_holm: float
    effect_size: float
    superiority: float

    @property
    def verdict(self) -> str:
        """In words, at 5 % after Holm's correction."""
        if self.p_holm >= 1.0 - CONFIDENCE:
            return "tie"
        return f"{self.first if self.difference > 0 else self.second} is better"


def compare(
    scores: Array,
    methods: Sequence[str],
    metric: str,
    *,
    scenes: Sequence[str] | None = None,
    n_resamples: int = N_RESAMPLES,
    seed: int = SEED,
) -> list[Comparison]:
    """Every pair of methods on one metric.

    Args:
        scores: (methods, pictures), the same pictures in the same order.
        methods: Their names.
        metric: One of psnr, ssim, mae, lpips.
        scenes: The scene of each picture.
        n_resamples: Of bootstrap and permutation test.
        seed: Of both.

    Raises:
        LeaderboardError: Fewer than two methods, no pictures, or a score that is missing.
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
    spread = differences.std(axis=1, ddof=1) if differences.shape[1] > 1 else np.zeros(len(pairs))
    effect = np.divide(
        mean, spread, out=np.copysign(np.inf, mean), where=spread > 1e-12 * np.maximum(1.0, np.abs(mean))
    )
    effect[mean == 0.0] = 0.0
    superiority = (differences > 0).mean(axis=1) + 0.5 * (differences == 0).mean(axis=1)
    return [
        Comparison(
            metric=metric,
            first=methods[a],
            second=methods[b],
            n_images=differences.shape[1],
            difference=float(mean[i]),
            low=float(low[i]),
            high=float(high[i]),
            p_value=float(p_values[i]),
            p_holm=float(adjusted[i]),
            effect_size=float(effect[i]),
            superiority=float(superiority[i]),
        )
        for i, (a, b) in enumerate(pairs)
    ]

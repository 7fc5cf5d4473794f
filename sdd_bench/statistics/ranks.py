r"""Ranks that admit what the pictures cannot tell.

A method's place is that of its mean, in which infinite PSNR (equal pictures) counts as 100 dB; the mean that is shown
is the protocol's, over the finite values, and says how many infinite ones stand beside it. So a method with equal
pictures may stand above one whose finite mean is larger. Its *rank interval* runs from 1 + the number of methods
certainly better to n - the number certainly worse, where "certainly" is decided for all pairs at once: the studentised
mean difference must exceed what the largest of all pairs reaches in 95 % of the sign flips (Westfall and Young's single
step), so 5 % is the chance of any false order in the whole table. Its resolution does not run out with many methods, as
that of Holm's correction of permutation p-values does. A difference below what the ground truth itself costs
(:func:`~sdd_bench.statistics.gains.truth_cost`) is not certain either. Between methods whose intervals overlap these
pictures show no difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sdd_bench.statistics.gains import capped, gains_of, truth_cost
from sdd_bench.statistics.permutation import sign_patterns
from sdd_bench.statistics.units import CONFIDENCE, N_RESAMPLES, SEED, Array, by_unit, units_of


@dataclass(frozen=True)
class Rank:
    """Where a method stands: by its mean, and the places these pictures leave open."""

    method: str
    mean: float | None
    """Over the finite values; None when there is none."""
    n_infinite: int
    place: int
    low: int
    high: int

    def __str__(self) -> str:
        return f"{self.low}" if self.low == self.high else f"{self.low}–{self.high}"


def mean_text(mean: float | None, n_infinite: int, decimals: int) -> str:
    """A mean as it is shown: over the finite values, and how many infinite ones stand beside it.

    Example:
        >>> mean_text(27.1234, 0, 2), mean_text(27.1234, 1, 2), mean_text(None, 3, 2)
        ('27.12', '27.12 +1 inf', '+3 inf')
    """
    parts = [] if mean is None else [f"{mean:.{decimals}f}"]
    return " ".join([*parts, f"+{n_infinite} inf"] if n_infinite else parts)


def rank(
    scores: Array,
    methods: Sequence[str],
    metric: str,
    *,
    scenes: Sequence[str] | None = None,
    ceiling: float | None = None,
    n_resamples: int = N_RESAMPLES,
    seed: int = SEED,
) -> list[Rank]:
    """Place and rank interval of every method on one metric, in the order given; arguments as
    :func:`~sdd_bench.statistics.compare.compare`."""
    finite = np.isfinite(scores)
    means = [float(row[known].mean()) if known.any() else None for row, known in zip(scores, finite, strict=True)]
    n_infinite = (~finite).sum(axis=1).tolist()
    if len(methods) == 1:
        return [Rank(methods[0], means[0], n_infinite[0], 1, 1, 1)]
    gains = gains_of(scores, methods, metric)
    n_methods, n_images = gains.shape
    units = units_of(scenes, n_images)
    left, right = np.triu_indices(n_methods, k=1)
    sums, counts = by_unit(gains[left] - gains[right], units)
    n_units = len(counts)
    # Under sign flips the sum of squares stays, so the studentised mean is a function of the flipped sum alone.
    squares = (sums**2).sum(axis=1)

    def studentised(total: Array) -> Array:
        left_over = np.maximum(squares - total**2 / n_units, 1e-12 * np.maximum(squares, 1e-280))
        return np.abs(total) / np.sqrt(left_over)

    observed = studentised(sums.sum(axis=1))
    largest = np.concatenate(
        [
            studentised(signs @ sums.T).max(axis=1)
            for signs in sign_patterns(n_units, n_resamples, seed, width=len(sums))
        ]
    )
    # The smallest level that at most 5 % of the patterns exceed; the observed pattern is one of them.
    level = np.sort(largest)[min(len(largest) - 1, int(np.ceil(CONFIDENCE * (len(largest) + 1))) - 1)]
    mean_gain = sums.sum(axis=1) / n_images
    cost = truth_cost(metric, capped(metric, np.asarray(scores)).mean(axis=1), ceiling)
    certain = (observed > level) & (np.abs(mean_gain) >= np.minimum(cost[left], cost[right]))
    better = np.zeros((n_methods, n_methods), dtype=bool)
    better[left[certain & (mean_gain > 0)], right[certain & (mean_gain > 0)]] = True
    better[right[certain & (mean_gain < 0)], left[certain & (mean_gain < 0)]] = True
    place = 1 + (gains.mean(axis=1)[None, :] > gains.mean(axis=1)[:, None] + 1e-12).sum(axis=1)
    return [
        Rank(
            method,
            means[i],
            n_infinite[i],
            int(place[i]),
            low=1 + int(better[:, i].sum()),
            high=n_methods - int(better[i].sum()),
        )
        for i, method in enumerate(methods)
    ]

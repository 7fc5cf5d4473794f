r"""Ranks that admit what the pictures cannot tell.

A method's place is that of its mean, in which infinite PSNR (equal pictures) counts as 100 dB. The mean that is shown
is the protocol's: over the finite values, with the number of infinite ones beside it. A method with equal pictures may
therefore stand above one with a larger finite mean.

The *rank interval* of one of n methods runs from 1 + the number certainly better to n - the number certainly worse.
"Certainly" is decided for all pairs at once: the studentised mean difference must exceed a level that the largest of
all pairs exceeds in at most 5 % of the sign flips (Westfall and Young's single step). So 5 % is the chance of any false
order in the whole table. Unlike Holm's correction of permutation p-values, this rule keeps its resolution with many
methods. A difference below what the ground truth itself costs (:func:`~sdd_bench.statistics.gains.truth_cost`) is not
certain either. These pictures show no difference between methods whose intervals overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sdd_bench.statistics.gains import capped, gains_of, truth_cost
from sdd_bench.statistics.permutation import sign_patterns
from sdd_bench.statistics.units import CONFIDENCE, N_RESAMPLES, SEED, Array, by_unit, units_of

STANDS_OUT = (
    "certainly behind none, certainly ahead of some other method, and not below the blurry input; where nothing is "
    "told apart, nothing is"
)
"""The rule of :meth:`Rank.stands_out` in words: what is green on a page and bold in a table."""


@dataclass(frozen=True)
class Rank:
    """Place of a method by its mean, and the interval of places that these pictures leave open."""

    method: str
    mean: float | None
    """Mean over the finite values; None when no value is finite."""
    n_infinite: int
    """Number of infinite values."""
    place: int
    """Place by the mean, from 1."""
    low: int
    high: int
    """Ends of the rank interval."""

    def __str__(self) -> str:
        return f"{self.low}" if self.low == self.high else f"{self.low}–{self.high}"

    def stands_out(self, n_ranked: int, *, below_input: bool) -> bool:
        """Whether a figure is marked among ``n_ranked`` others, on pages and in tables alike (:data:`STANDS_OUT`).

        Example:
            >>> first, tied = Rank("new", 30.0, 0, 1, 1, 1), Rank("old", 29.0, 0, 1, 1, 2)
            >>> first.stands_out(2, below_input=False), tied.stands_out(2, below_input=False)
            (True, False)
            >>> first.stands_out(2, below_input=True)
            False
        """
        return self.low == 1 and self.high < n_ranked and not below_input


def mean_text(mean: float | None, n_infinite: int, decimals: int) -> str:
    """Mean over the finite values as it is shown, with the number of infinite ones beside it.

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
    """Place and rank interval of every method on one metric, in the order given.

    The arguments are those of :func:`~sdd_bench.statistics.compare.compare`.

    Example:
        >>> old = np.array([27.0, 31.0, 29.0, 30.0, 28.0, 26.0, 25.0, 32.0])
        >>> scores = np.stack([old + 1.0, old, old + [0.1, -0.1] * 4])
        >>> [f"{r.method} {r}" for r in rank(scores, ["new", "old", "copy"], "psnr")]
        ['new 1', 'old 2–3', 'copy 2–3']
    """
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
    # Sign flips keep the sum of squares, so the studentised mean is a function of the flipped sum alone.
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

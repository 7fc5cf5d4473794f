"""Time of the paired statistics: 10,000 resamples of 20 methods x 76 pictures (target: under 2 s).

Side by side: scipy's bootstrap and permutation test called once a pair, on the same scores; and the same work for
100 methods. Run: ``python tools/bench/leaderboard.py``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import combinations

import numpy as np
from scipy import stats

from sdd_bench.statistics.compare import compare
from sdd_bench.statistics.ranks import rank

N_PICTURES = 76
N_RESAMPLES = 10_000
SCIPY_PAIRS = 5


def scores_of(n_methods: int) -> np.ndarray:
    """PSNR-like scores: pictures differ much, methods little."""
    rng = np.random.default_rng(0)
    pictures = rng.normal(25.0, 3.0, N_PICTURES)
    return pictures + 0.05 * np.arange(n_methods)[:, None] + rng.normal(0.0, 0.4, (n_methods, N_PICTURES))


def scipy_pair(first: np.ndarray, second: np.ndarray) -> None:
    """What scipy does for one pair: interval and p-value, vectorised as far as it goes."""
    rng = np.random.default_rng(0)
    stats.bootstrap((first - second,), np.mean, vectorized=True, n_resamples=N_RESAMPLES, method="BCa", rng=rng)
    stats.permutation_test(
        (first, second), lambda a, b, axis: (a - b).mean(axis=axis), permutation_type="samples", vectorized=True,
        n_resamples=N_RESAMPLES, rng=rng,
    )  # fmt: skip


def seconds(function: Callable[[], object], repeats: int = 3) -> float:
    """The best of a few runs."""
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        taken.append(time.perf_counter() - start)
    return min(taken)


def row(what: str, value: float) -> None:
    """One line of the table."""
    print(f"{what:62s} {value:8.2f}")


def main() -> None:
    """Print the table."""
    print(f"paired statistics, {N_RESAMPLES} resamples, {N_PICTURES} pictures, one metric; best of 3\n")
    print(f"{'what':62s} {'seconds':>8s}")
    for n_methods in (20, 100):
        scores = scores_of(n_methods)
        names = [f"method {index}" for index in range(n_methods)]
        pairs = list(combinations(range(n_methods), 2))
        compared = seconds(lambda: compare(scores, names, "psnr"))  # noqa: B023
        ranked = seconds(lambda: rank(scores, names, "psnr"))  # noqa: B023
        row(f"{n_methods} methods, {len(pairs)} pairs: intervals, p-values, effect sizes", compared)
        row(f"{n_methods} methods: rank intervals", ranked)
        if n_methods == 20:
            some = pairs[:SCIPY_PAIRS]
            theirs = seconds(lambda: [scipy_pair(scores[a], scores[b]) for a, b in some], 1)  # noqa: B023
            whole = theirs * len(pairs) / len(some)
            row(f"scipy, a call a pair ({SCIPY_PAIRS} pairs timed, scaled to {len(pairs)})", whole)
            row("ratio: scipy / ours (all of the above)", whole / (compared + ranked))


if __name__ == "__main__":
    main()

"""The report of ``compare``: every pair of methods on every metric, and rank intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdd_bench.core.errors import LeaderboardError
from sdd_bench.leaderboard.tables.schema import METRICS
from sdd_bench.leaderboard.tables.select import contenders, pair
from sdd_bench.report.notebook import frame_of, html_table
from sdd_bench.statistics.compare import Comparison, compare
from sdd_bench.statistics.gains import PSNR_CAP_DB
from sdd_bench.statistics.ranks import Rank, mean_text, rank
from sdd_bench.statistics.units import N_RESAMPLES, SEED

if TYPE_CHECKING:
    from pandas import DataFrame

_DECIMALS = {"psnr": 3, "ssim": 4, "mae": 5, "lpips": 4}

Table = tuple[str, Sequence[str], Sequence[Sequence[object]]]


@dataclass(frozen=True)
class ComparisonReport:
    """Comparison of several methods over the same pictures, against one ground truth."""

    ground_truth: str
    n_images: int
    n_resamples: int
    comparisons: dict[str, list[Comparison]]
    ranks: dict[str, list[Rank]]

    def as_json(self) -> dict[str, Any]:
        """The report as plain JSON values; infinity is the text ``inf``, an unknown value is null."""
        values = asdict(self)
        for metric, pairs in self.comparisons.items():
            for pair_values, item in zip(values["comparisons"][metric], pairs, strict=True):
                pair_values["verdict"] = item.verdict
        return _plain(values)  # type: ignore[no-any-return]

    def to_frame(self) -> DataFrame:
        """Every pair of methods on every metric, one row each, as a pandas DataFrame."""
        return frame_of(item for pairs in self.comparisons.values() for item in pairs)

    def _repr_html_(self) -> str:
        return "".join(html_table(title, columns, rows) for title, columns, rows in self.tables())

    def tables(self) -> list[Table]:
        """The report as tables for people: title, columns and rows of each."""
        result: list[Table] = []
        for metric, ranks in self.ranks.items():
            decimals = _DECIMALS[metric]
            rows = [
                (item.method, mean_text(item.mean, item.n_infinite, decimals), item.place, str(item))
                for item in sorted(ranks, key=lambda item: (item.place, item.method))
            ]
            title = f"{metric.upper()}, {self.ground_truth} ground truth, {self.n_images} pictures"
            if any(item.n_infinite for item in ranks):
                title += f"; equal ones (inf) are not in the mean, and count {PSNR_CAP_DB:g} dB in places and pairs"
            result.append((title, ("method", "mean", "place", "rank interval"), rows))
            pairs = [
                (
                    f"{item.first} - {item.second}",
                    f"{item.difference:+.{decimals}f}",
                    item.interval(decimals),
                    f"{item.effect_size:+.2f}",
                    f"{item.superiority:.0%}",
                    f"{item.p_value:.4f}",
                    f"{item.p_holm:.4f}",
                    item.sentence,
                )
                for item in self.comparisons[metric]
            ]
            columns = ("pair", "better by", "95 % interval", "d_z", "superior", "p", "p (Holm)", "verdict")
            result.append((f"{metric.upper()}: pairs", columns, pairs))
        return result


def compare_methods(
    names: Sequence[str],
    *,
    leaderboards: Path,
    dataset: str | None = None,
    truth: str = "registered",
    metrics: Sequence[str] = (),
    n_resamples: int = N_RESAMPLES,
    seed: int = SEED,
) -> ComparisonReport:
    """Compare methods over the same pictures.

    Args:
        names: Run folders, or names in the table of ``dataset`` (``NAME@RUN`` if several runs have the name).
        leaderboards: Folder of tables.
        dataset: Name of the table.
        truth: Ground truth: raw, warped, registered or matched.
        metrics: Names of metrics; when empty, all that every method has.
        n_resamples: Number of resamples of the bootstrap and of the permutation test.
        seed: Seed of both.

    Raises:
        LeaderboardError: A method is unknown, a metric is missing, or protocols, pictures or scenes differ.
    """
    paired = pair(contenders(names, leaderboards=leaderboards, dataset=dataset), truth)
    chosen = list(metrics) or [metric for metric in METRICS if paired.has(metric)]
    if not chosen:
        raise LeaderboardError(f"{', '.join(paired.methods)}: no metric that all have on every picture.")

    def options(metric: str) -> dict[str, Any]:
        ceiling = paired.ceiling(metric)
        return {"scenes": paired.scenes, "ceiling": ceiling, "n_resamples": n_resamples, "seed": seed}

    return ComparisonReport(
        ground_truth=truth,
        n_images=len(paired.images),
        n_resamples=n_resamples,
        comparisons={m: compare(paired.scores(m), paired.methods, m, **options(m)) for m in chosen},
        ranks={m: rank(paired.scores(m), paired.methods, m, **options(m)) for m in chosen},
    )


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else ("inf" if value > 0 else "-inf")
    return value

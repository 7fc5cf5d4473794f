"""The report of ``compare``: every pair of methods on every metric, and rank intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdd_bench.core.errors import LeaderboardError
from sdd_bench.core.storage.files import sealed
from sdd_bench.core.words import counted
from sdd_bench.leaderboard.tables.schema import METRICS
from sdd_bench.leaderboard.tables.select import Contender, Paired, contenders, pair
from sdd_bench.report.notebook import frame_of, html_table
from sdd_bench.report.plots import Difference, Drawing, differences
from sdd_bench.statistics.compare import Comparison, compare
from sdd_bench.statistics.gains import PSNR_CAP_DB, gains_of
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
    gains: dict[str, dict[str, list[float]]] = field(default_factory=dict, repr=False)
    """By metric and method: what each picture scored, larger is better; PSNR is capped at 100 dB."""

    def as_json(self) -> dict[str, Any]:
        """The report as plain JSON values; infinity is the text ``inf``, an unknown value is null."""
        values = asdict(self)
        del values["gains"]  # of every picture, and in its run
        for metric, pairs in self.comparisons.items():
            for pair_values, item in zip(values["comparisons"][metric], pairs, strict=True):
                pair_values["verdict"] = item.verdict
        return _plain(values)  # type: ignore[no-any-return]

    def to_frame(self) -> DataFrame:
        """Every pair of methods on every metric, one row each, as a pandas DataFrame."""
        return frame_of(item for pairs in self.comparisons.values() for item in pairs)

    def _repr_html_(self) -> str:
        return "".join(html_table(title, columns, rows) for title, columns, rows in self.tables())

    def drawing(self) -> Drawing:
        """Paired differences of every pair of methods, one panel per metric."""
        panels = {}
        for metric, pairs in self.comparisons.items():
            gains = self.gains[metric]
            unit = " (dB)" if metric == "psnr" else ""
            panels[f"{metric.upper()}{unit}: how much better the first is, {self.ground_truth} ground truth"] = [
                Difference(
                    f"{item.first} – {item.second}",
                    [a - b for a, b in zip(gains[item.first], gains[item.second], strict=True)],
                    item.difference,
                    item.low,
                    item.high,
                    item.sentence.partition(":")[0],
                )
                for item in pairs
            ]
        return differences(panels, title=f"{counted(self.n_images, 'picture')}; mean and 95 % interval")

    def tables(self) -> list[Table]:
        """The report as tables for people: title, columns and rows of each."""
        result: list[Table] = []
        for metric, ranks in self.ranks.items():
            decimals = _DECIMALS[metric]
            rows = [
                (item.method, mean_text(item.mean, item.n_infinite, decimals), item.place, str(item))
                for item in sorted(ranks, key=lambda item: (item.place, item.method))
            ]
            title = f"{metric.upper()}, {self.ground_truth} ground truth, {counted(self.n_images, 'picture')}"
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
    found = contenders(names, leaderboards=leaderboards, dataset=dataset)
    return compare_found(found, truth=truth, metrics=metrics, n_resamples=n_resamples, seed=seed)


def compare_found(
    found: Sequence[Contender],
    *,
    truth: str = "registered",
    metrics: Sequence[str] = (),
    n_resamples: int = N_RESAMPLES,
    seed: int = SEED,
) -> ComparisonReport:
    """Compare methods that were found; else as :func:`compare_methods`."""
    paired = pair(found, truth)
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
        gains={m: _gains_by_method(paired, m) for m in chosen},
    )


def write_drawing(drawing: Drawing, path: Path) -> tuple[Path, Path]:
    """Write ``path`` as SVG and as PNG, whatever its own suffix; returns both paths.

    Raises:
        OutputError: The folder cannot be written.
    """
    base = path.with_suffix("") if path.suffix.lower() in (".svg", ".png") else path
    svg, png = base.with_name(f"{base.name}.svg"), base.with_name(f"{base.name}.png")
    for target, content in ((svg, drawing.svg), (png, drawing.png)):
        with sealed(target) as partial:
            partial.write_bytes(content)
    return svg, png


def _gains_by_method(paired: Paired, metric: str) -> dict[str, list[float]]:
    gains = gains_of(paired.scores(metric), paired.methods, metric)
    return {method: gains[number].tolist() for number, method in enumerate(paired.methods)}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else ("inf" if value > 0 else "-inf")
    return value

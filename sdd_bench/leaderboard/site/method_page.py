"""The page of a method: comparison with its input, histograms, worst and best pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sdd_bench.core.errors import LeaderboardError
from sdd_bench.core.types import Problem
from sdd_bench.evaluation.text import extra_lines
from sdd_bench.leaderboard.runs.entries import mean_of, rows_of
from sdd_bench.leaderboard.site.breakdowns import breakdowns, evidence_text, level_lines, mean_evidence
from sdd_bench.leaderboard.site.level_chart import level_chart
from sdd_bench.leaderboard.site.pages import Site, method_place, picture_place
from sdd_bench.leaderboard.site.picture_page import PictureLine, figures_of, thumb_of
from sdd_bench.leaderboard.site.standings import (
    DECIMALS,
    Cell,
    Line,
    Standing,
    cell_of,
    extremes,
    main_truth,
    mean_cell,
)
from sdd_bench.leaderboard.tables.schema import METRICS
from sdd_bench.leaderboard.tables.select import Contender, pair
from sdd_bench.report.histogram import Histogram, histogram
from sdd_bench.statistics.compare import compare

N_EXTREMES = 4


def write_method(site: Site, item: Standing, line: Line) -> None:
    truths = [entry.ground_truth for entry in line.entries]
    main = main_truth(truths)
    pictures = [
        PictureLine(
            name=image,
            page=picture_place(item.dataset, image),
            key=line.key,
            group=rows[0].group,
            thumb=thumb_of(site.media, line.run_sha256, image),
            **figures_of(rows),
        )
        for image, rows in sorted(line.by_image.get(line.method, {}).items())
    ]
    by_name = {picture.name: picture for picture in pictures}
    ends = []
    for metric in METRICS:
        worst, best = extremes(rows_of(line.rows, line.method, main), metric, N_EXTREMES)
        if worst:
            shown = [
                [(by_name[row.image], cell_of(row.figures[metric], metric)) for row in end] for end in (worst, best)
            ]
            ends.append((metric, *shown))
    try:
        gains = list(_gains(line, truths))
    except LeaderboardError as error:
        site.failed.append(Problem(f"{item.dataset}: {line.method} against its input", str(error)))
        gains = []
    evidence = mean_evidence(rows_of(line.rows, line.method, main))
    site.write(
        method_place(item.dataset, line),
        "method.html",
        evidence="" if evidence is None else evidence_text(evidence),
        breakdowns=[(found.title, level_lines(line, found)) for found in breakdowns(line.rows, line.method)],
        standing=item,
        line=line,
        main_truth=main,
        line_truths=truths,
        gains=gains,
        notes=site.notes_of(line),
        plots=site.plots.get(line.run_sha256, ()),
        extras=_extras(site.summaries.get(line.run_sha256, {}), line.method),
        levels=level_chart(rows_of(line.rows, line.method, "matched")),
        histograms=list(_histograms(line, truths)),
        extremes=ends,
        pictures=pictures,
    )


def _extras(summary: Mapping[str, Any], method: str) -> list[list[str]]:
    """Lines of the extra measures; a run of an earlier version has none."""
    known = {"extras": summary.get("extras", {}), "scores": summary.get("scores", {}), "method": method}
    return extra_lines(known)


@dataclass(frozen=True)
class _Gain:
    """Comparison of a method with its blurry input."""

    truth: str
    metric: str
    method: Cell
    identity: Cell
    difference: str
    interval: str
    superiority: str
    verdict: str


def _gains(line: Line, truths: Sequence[str]) -> Iterator[_Gain]:
    both = [Contender("identity", "identity", {}, line.rows), Contender(line.method, line.method, {}, line.rows)]
    if not any(row.method == "identity" for row in line.rows):
        return
    for truth in truths:
        paired = pair(both[::-1], truth)
        for metric in (metric for metric in METRICS if paired.has(metric)):
            scores, ceiling = paired.scores(metric), paired.ceiling(metric)
            found = compare(scores, paired.methods, metric, scenes=paired.scenes, ceiling=ceiling)[0]
            decimals = DECIMALS[metric]
            yield _Gain(
                truth=truth,
                metric=metric,
                method=line.cells[truth, metric],
                identity=mean_cell(rows_of(line.rows, "identity", truth), metric),
                difference=f"{found.difference:+.{decimals}f}",
                interval=found.interval(decimals),
                superiority=f"{found.superiority:.0%}",
                verdict=found.verdict,
            )


def _histograms(line: Line, truths: Sequence[str]) -> Iterator[tuple[str, Histogram]]:
    for metric in METRICS:
        for truth in truths:
            values = [row.figures[metric] for row in rows_of(line.rows, line.method, truth)]
            known = [value for value in values if value is not None]
            if known:
                means = {
                    name: mean_of(rows_of(line.rows, method, truth), metric)
                    for name, method in (("mean", line.method), ("input", "identity"))
                }
                marks = [(mean, name) for name, mean in means.items() if mean is not None]
                unit = " (dB)" if metric == "psnr" else ""
                label = f"{metric.upper()}{unit}, {truth}"
                yield metric, histogram(known, label=label, decimals=DECIMALS[metric], marks=marks)

"""The standings that a page shows: one standing per dataset, one line per method, ranks within a protocol.

Rows are ranked together only if their signatures are equal and they scored the same pictures. Rows of papers have no
signature and are shown unranked. The baselines of a run (the blurry input, and the aligned truth if the run has one)
are shown once per protocol, unranked too.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from sdd_bench.evaluation.per_image import ImageRow
from sdd_bench.leaderboard.runs.check import BASELINES
from sdd_bench.leaderboard.runs.entries import ceiling_of, mean_of, rows_of, scenes_of
from sdd_bench.leaderboard.tables.schema import METRICS, TRUTHS, Entry, signatures_by_run
from sdd_bench.report.html import slug
from sdd_bench.statistics.bootstrap import estimate_mean
from sdd_bench.statistics.gains import HIGHER_IS_BETTER, capped
from sdd_bench.statistics.ranks import Rank, mean_text, rank

DECIMALS = {
    "psnr": 2,
    "ssim": 3,
    "mae": 4,
    "lpips": 3,
    "drift_px": 2,
    "deform_px": 2,
    "valid_share": 3,
    "misalignment_px": 2,
    "supported_share": 2,
    "params": 1,
    "seconds": 2,
}


@dataclass(frozen=True)
class Cell:
    """Figure as it is shown."""

    text: str = ""
    value: str = ""
    """Number by which a column is sorted, or empty. For a mean it is the one that decides the place, with infinite PSNR
    capped."""
    rank: Rank | None = None
    n_ranked: int = 0
    note: str = ""
    """Why the figure is not to be compared: it is of another implementation, as a paper's row says."""
    below: bool = False
    """Whether it is worse than that of the blurry input against the same ground truth."""
    interval: str = ""
    """95 % interval of the mean of a baseline; a line may break within."""

    @property
    def leads(self) -> bool:
        """Whether the figure is green on pages and bold in tables, by the one rule of :meth:`Rank.stands_out`."""
        return self.rank is not None and self.rank.stands_out(self.n_ranked, below_input=self.below)


def cell_of(value: float | None, figure: str) -> Cell:
    """Cell of one figure, rounded to the digits of :data:`DECIMALS`.

    Example:
        >>> cell_of(27.1234, "psnr").text
        '27.12'
    """
    if value is None or math.isnan(value):
        return Cell()
    return Cell(f"{value:.{DECIMALS[figure]}f}", f"{value:.7g}")


def _paper_cell(entry: Entry, metric: str) -> Cell:
    """Cell of a paper's figure; one of another implementation has no value to be sorted by."""
    cell = cell_of(entry.score(metric), metric)
    note = entry.foreign.get(metric, "")
    return replace(cell, value="", note=note) if note and cell.text else cell


def mean_cell(rows: Sequence[ImageRow], figure: str, standing: Rank | None = None, n_ranked: int = 0) -> Cell:
    """The mean of a figure over pictures, and how many infinite ones it leaves out."""
    values = np.array([value for row in rows if (value := row.figures[figure]) is not None])
    if not len(values):
        return Cell()
    text = mean_text(mean_of(rows, figure), int(np.isinf(values).sum()), DECIMALS[figure])
    return Cell(text, f"{capped(figure, values).mean():.7g}", standing, n_ranked)


def main_truth(truths: Collection[str]) -> str:
    """The ground truth that pages sort and sum up by: the fairest there is.

    Example:
        >>> main_truth(["raw", "registered"])
        'registered'
    """
    return next((truth for truth in ("registered", "warped", "raw") if truth in truths), "matched")


def is_below(rows: Sequence[ImageRow], inputs: Sequence[ImageRow], metric: str) -> bool:
    """Whether a mean is worse than that of the input over the same pictures; infinite PSNR is capped."""
    theirs = {row.image: row.figures[metric] for row in inputs}
    pairs = [(row.figures[metric], theirs.get(row.image)) for row in rows]
    known = np.array([pair for pair in pairs if None not in pair], dtype=np.float64)
    if not len(known):
        return False
    own, before = (float(capped(metric, values).mean()) for values in known.T)
    return own < before if HIGHER_IS_BETTER[metric] else own > before


def _baseline_cell(rows: Sequence[ImageRow], metric: str) -> Cell:
    """Cell of a baseline's mean with its interval over scenes."""
    known = [row for row in rows if row.figures[metric] is not None]
    values = [value for row in known if (value := row.figures[metric]) is not None]
    found = estimate_mean(values, scenes=[row.scene for row in known])
    decimals = DECIMALS[metric]
    interval = "" if found.low is None else f"{found.low:.{decimals}f}–\u200b{found.high:.{decimals}f}"
    return replace(mean_cell(rows, metric), interval=interval)


@dataclass
class Line:
    """A method with its figures against every ground truth."""

    kind: str
    """Source of the figures: measured, paper or baseline."""
    method: str
    cells: dict[tuple[str, str], Cell]
    drift: Cell
    n_images: int | None
    params: Cell = Cell()
    """Parameters in millions."""
    seconds: Cell = Cell()
    """Seconds per megapixel, on the machine of the run."""
    trained_on: str = ""
    input: str = ""
    reference: str = ""
    as_printed_in: str = ""
    metrics_note: str = ""
    protocol: str = ""
    run_sha256: str = ""
    entries: tuple[Entry, ...] = ()
    rows: tuple[ImageRow, ...] = field(default=(), repr=False)

    @property
    def key(self) -> str:
        """File name and anchor of a measured line."""
        return f"{slug(self.method)}-{self.run_sha256[:8]}"

    @cached_property
    def by_image(self) -> dict[str, dict[str, list[ImageRow]]]:
        """Rows of the run by method (its own and the baselines) and picture."""
        found: dict[str, dict[str, list[ImageRow]]] = {}
        for row in self.rows:
            found.setdefault(row.method, {}).setdefault(row.image, []).append(row)
        return found


@dataclass(frozen=True)
class Protocol:
    """Protocol: all that a score depends on apart from the method, as one signature per ground truth."""

    name: str
    signatures: Mapping[str, str]
    n_methods: int


@dataclass(frozen=True)
class Standing:
    """All that the page of one dataset shows."""

    dataset: str
    lines: tuple[Line, ...]
    protocols: tuple[Protocol, ...]
    images: tuple[str, ...]
    """Pictures that measured runs scored."""

    @property
    def measured(self) -> list[Line]:
        """Lines of measured methods, in their order."""
        return [line for line in self.lines if line.kind == "measured"]

    @property
    def empty_truths(self) -> list[str]:
        """Ground truths that no line has a figure for."""
        known = {truth for line in self.lines for (truth, _), cell in line.cells.items() if cell.text}
        return [truth for truth in TRUTHS if truth not in known]

    @property
    def kinds(self) -> list[str]:
        """Kinds of the lines, in their order."""
        return list(dict.fromkeys(line.kind for line in self.lines))


def standing(dataset: str, entries: Sequence[Entry], rows_by_run: Mapping[str, tuple[ImageRow, ...]]) -> Standing:
    """Order and rank the rows of one dataset.

    Args:
        dataset: Name of the dataset.
        entries: Rows of its table.
        rows_by_run: Figures per picture of every run that a measured row names.

    Raises:
        LeaderboardError: Runs of one protocol group the pictures into different scenes.
    """
    ranks = _ranks(entries, rows_by_run)

    def cell(entry: Entry, metric: str) -> Cell:
        if entry.source != "measured":
            return _paper_cell(entry, metric)
        rows = rows_of(rows_by_run[entry.run_sha256], entry.method, entry.ground_truth)
        found = mean_cell(rows, metric, *ranks.get((entry.run_sha256, entry.ground_truth, metric), ()))
        inputs = rows_of(rows_by_run[entry.run_sha256], "identity", entry.ground_truth)
        return replace(found, below=is_below(rows, inputs, metric))

    protocols = _protocols(entries)
    lines = []
    for group in _grouped(entries):
        first = group[0]
        cells = {(entry.ground_truth, metric): cell(entry, metric) for entry in group for metric in METRICS}
        signatures = {entry.ground_truth: entry.signature for entry in group}
        lines.append(
            Line(
                kind=first.source,
                method=first.method,
                cells=cells,
                drift=cell_of(first.drift_px, "drift_px"),
                n_images=first.n_images,
                params=cell_of(None if first.params is None else first.params / 1e6, "params"),
                seconds=cell_of(first.seconds_per_mpx, "seconds"),
                trained_on=first.trained_on,
                input=first.input,
                reference=first.reference,
                as_printed_in=first.as_printed_in,
                metrics_note=first.metrics_note,
                protocol=next((p.name for p in protocols if first.source == "measured" and _within(signatures, p)), ""),
                run_sha256=first.run_sha256,
                entries=tuple(group),
                rows=rows_by_run.get(first.run_sha256, ()),
            )
        )
    for protocol in protocols:
        lines += _baselines(protocol, [line for line in lines if line.protocol == protocol.name])
    order = {"measured": 0, "baseline": 1, "paper": 2}
    lines.sort(key=lambda line: (line.protocol or "~", order[line.kind], -_leading_psnr(line), line.method.casefold()))
    images = sorted({row.image for line in lines if line.kind == "measured" for row in line.rows})
    return Standing(dataset, tuple(lines), tuple(protocols), tuple(images))


def _grouped(entries: Sequence[Entry]) -> list[list[Entry]]:
    """Rows of one method and one source of figures, which share a line."""
    groups: dict[tuple[str, ...], list[Entry]] = {}
    for entry in entries:
        source = entry.run_sha256 if entry.source == "measured" else entry.reference
        groups.setdefault((entry.method, entry.source, source, entry.trained_on), []).append(entry)
    return list(groups.values())


def _ranks(
    entries: Sequence[Entry], rows_by_run: Mapping[str, tuple[ImageRow, ...]]
) -> dict[tuple[str, str, str], tuple[Rank, int]]:
    """Rank and number of ranked methods by (run, ground truth, metric)."""
    result: dict[tuple[str, str, str], tuple[Rank, int]] = {}
    groups: dict[tuple[str, str, tuple[str, ...]], list[tuple[Entry, dict[str, ImageRow]]]] = {}
    for entry in entries:
        if entry.source == "measured":
            rows = rows_of(rows_by_run[entry.run_sha256], entry.method, entry.ground_truth)
            by_image = {row.image: row for row in rows}
            key = (entry.ground_truth, entry.signature, tuple(sorted(by_image)))
            groups.setdefault(key, []).append((entry, by_image))
    for (truth, _, images), members in groups.items():
        scenes = scenes_of({f"{entry.method}@{entry.run_sha256[:8]}": rows for entry, rows in members}, images)
        for metric in METRICS:
            known = [
                (entry, tuple(rows[image].figures[metric] for image in images))
                for entry, rows in members
                if all(rows[image].figures[metric] is not None for image in images)
            ]
            if not known:
                continue
            ceilings = [ceiling_of(rows_by_run[entry.run_sha256], truth, metric, images) for entry, _ in known]
            # Predictions scored by two protocols that agree on this ground truth are one method, not two.
            ranked = list(dict.fromkeys((entry.method, entry.trained_on, scores) for entry, scores in known))
            places = rank(
                np.array([scores for _, _, scores in ranked], dtype=np.float64),
                [method for method, _, _ in ranked],
                metric,
                scenes=scenes,
                ceiling=min((value for value in ceilings if value is not None), default=None),
            )
            of = dict(zip(ranked, places, strict=True))
            for entry, scores in known:
                result[entry.run_sha256, truth, metric] = (of[entry.method, entry.trained_on, scores], len(ranked))
    return result


def _protocols(entries: Sequence[Entry]) -> list[Protocol]:
    """Protocols of runs, the most used first. A run with only some of the signatures of a protocol belongs to it."""
    runs = signatures_by_run(entries)
    found: list[tuple[dict[str, str], int]] = []
    for signatures in sorted(runs.values(), key=lambda item: (-len(item), sorted(item.items()))):
        for index, (known, count) in enumerate(found):
            if signatures.items() <= known.items():
                found[index] = (known, count + 1)
                break
        else:
            found.append((signatures, 1))
    found.sort(key=lambda item: -item[1])
    return [Protocol(f"P{number}", known, count) for number, (known, count) in enumerate(found, start=1)]


def _within(signatures: Mapping[str, str], protocol: Protocol) -> bool:
    return signatures.items() <= protocol.signatures.items()


def _baselines(protocol: Protocol, lines: Sequence[Line]) -> list[Line]:
    """Identity and ceiling, from the first run of a protocol that has every ground truth."""
    source = max(lines, key=lambda line: len(line.entries))
    result = []
    for name in BASELINES:
        rows = [row for row in source.rows if row.method == name]
        if not rows:
            continue
        cells = {
            (truth, metric): _baseline_cell(rows_of(rows, name, truth), metric)
            for truth in TRUTHS
            for metric in METRICS
        }
        drift = cell_of(mean_of(rows, "drift_px"), "drift_px")
        result.append(Line("baseline", name, cells, drift, source.n_images, protocol=protocol.name, rows=tuple(rows)))
    return result


def _leading_psnr(line: Line) -> float:
    """PSNR against the fairest ground truth of a line, by which lines are first sorted; of papers, most print raw."""
    for truth in ("raw", "warped") if line.kind == "paper" else ("registered", "warped", "raw"):
        cell = line.cells.get((truth, "psnr"))
        if cell is not None and cell.value:
            return float(cell.value)
    return -math.inf


def extremes(rows: Sequence[ImageRow], metric: str, count: int) -> tuple[list[ImageRow], list[ImageRow]]:
    """The worst and the best pictures of a method by one metric, the most extreme first; none is in both."""
    known = [row for row in rows if row.figures[metric] is not None]
    ordered = sorted(
        known, key=lambda row: (row.figures[metric] or 0.0, row.image), reverse=not HIGHER_IS_BETTER[metric]
    )
    count = min(count, len(ordered) // 2)
    return ordered[:count], ordered[::-1][:count]

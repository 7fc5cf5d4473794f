"""Scores by how misaligned a pair is, by how blurred it is, and by group; and what else is known of a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sdd_bench.evaluation.per_image import ImageRow
from sdd_bench.evaluation.summary import BLUR_EDGES_PX, MISALIGNMENT_EDGES_PX
from sdd_bench.evaluation.text import range_text
from sdd_bench.leaderboard.runs.entries import mean_of, rows_of
from sdd_bench.leaderboard.site.standings import Cell, Line, Standing, is_below, main_truth, mean_cell
from sdd_bench.leaderboard.tables.schema import METRICS, TRUTHS


@dataclass(frozen=True)
class Level:
    """Pictures that are alike in one measure."""

    label: str
    images: tuple[str, ...]


@dataclass(frozen=True)
class Breakdown:
    """The pictures of a run by one measure; at least two levels have pictures."""

    title: str
    levels: tuple[Level, ...]


@dataclass(frozen=True)
class LevelLine:
    """Means of one method over the pictures of one level."""

    label: str
    n: int
    method: str
    kind: str
    cells: dict[tuple[str, str], Cell]


@dataclass(frozen=True)
class BoardTable:
    """Means of every method of a table by level, one metric against one ground truth."""

    title: str
    levels: tuple[str, ...]
    lines: tuple[tuple[Line, tuple[Cell, ...]], ...]


def facts_of(rows: Sequence[ImageRow]) -> list[tuple[str, str]]:
    """What is known of one picture, as names and texts.

    Args:
        rows: The rows of one picture of one method.

    Example:
        >>> none = dict.fromkeys(("psnr", "ssim", "mae", "lpips", "drift_px"))
        >>> facts_of([ImageRow(method="a", image="b", ground_truth="raw", misalignment_px=2.0, **none)])
        [('Misalignment', '2.00 px as a whole')]
    """
    facts = []
    misalignment, layers = _first(rows, "misalignment_px"), _first(rows, "layer_share")
    if misalignment is not None:
        text = f"{misalignment:.2f} px as a whole"
        if doubt := next((row.misalignment_doubt for row in rows), ""):
            text += f" (in doubt: {doubt})"
        if layers:
            text += f"; {layers:.0%} of the picture moved otherwise, by {_first(rows, 'layer_px') or 0.0:.1f} px"
        facts.append(("Misalignment", text))
    for figure, how in (("coc_diameter_px", "true"), ("blur_px", "measured")):
        if (blur := _first(rows, figure)) is not None:
            facts.append(("Blur", f"circle of confusion {blur:.1f} px on average ({how})"))
            break
    if (share := _first(rows, "supported_share")) is not None:
        facts.append(("Evidence", evidence_text(share)))
    return facts


def evidence_text(share: float) -> str:
    """How much of the registered ground truth rests on what the pictures show.

    Example:
        >>> evidence_text(0.8)
        'the pictures show the flow on 80 % of the picture; elsewhere it follows the motion of the rest'
    """
    rest = "" if share > 0.995 else "; elsewhere it follows the motion of the rest"
    return f"the pictures show the flow on {100 * share:.0f} % of the picture{rest}"


def breakdowns(rows: Sequence[ImageRow], method: str) -> list[Breakdown]:
    """By misalignment, by blur and by group, where these are known and tell pictures apart.

    Args:
        rows: The rows of a run.
        method: Method whose pictures are dealt to levels.
    """
    by_image: dict[str, list[ImageRow]] = {}
    for row in rows:
        if row.method == method:
            by_image.setdefault(row.image, []).append(row)
    true_blur = [_first(of, "coc_diameter_px") for of in by_image.values()]
    blur, how = ("blur_px", "measured") if None in true_blur else ("coc_diameter_px", "true")
    found = [
        Breakdown("misalignment (px)", _levels(by_image, "misalignment_px", MISALIGNMENT_EDGES_PX)),
        Breakdown(f"blur (mean circle of confusion, px, {how})", _levels(by_image, blur, BLUR_EDGES_PX)),
    ]
    groups = sorted({of[0].group for of in by_image.values() if of[0].group})
    found.append(
        Breakdown(
            "group",
            tuple(Level(group, tuple(i for i, of in by_image.items() if of[0].group == group)) for group in groups),
        )
    )
    return [item for item in found if len(item.levels) > 1]


def level_lines(line: Line, breakdown: Breakdown) -> list[LevelLine]:
    """Means of a method and of its input by level."""
    lines = []
    for level in breakdown.levels:
        for name, kind in ((line.method, "measured"), ("identity", "baseline")):
            cells = {
                (truth, metric): cell
                for truth in TRUTHS
                for metric in METRICS
                if (cell := _cell(line, name, level, truth, metric)).text
            }
            if cells:
                lines.append(LevelLine(level.label, len(level.images), name, kind, cells))
    return lines


def board_tables(item: Standing, metric: str = "psnr") -> list[BoardTable]:
    """Means of every measured line and baseline of a table by level; none where no run tells pictures apart."""
    truth = main_truth([truth for truth in TRUTHS if truth not in item.empty_truths])
    of_line = [(line, breakdowns(line.rows, line.method)) for line in item.lines if line.rows]
    labels: dict[str, dict[str, None]] = {}
    for _, found in of_line:
        for breakdown in found:
            labels.setdefault(breakdown.title, {}).update(dict.fromkeys(level.label for level in breakdown.levels))
    tables = []
    for title, columns in labels.items():
        lines = []
        for line, found in of_line:
            levels = {level.label: level for b in found if b.title == title for level in b.levels}
            if levels:
                cells = (
                    _cell(line, line.method, levels[label], truth, metric) if label in levels else Cell()
                    for label in columns
                )
                lines.append((line, tuple(cells)))
        order = sorted(columns, key=_start_of)
        numbers = [list(columns).index(label) for label in order]
        lines = [(line, tuple(cells[number] for number in numbers)) for line, cells in lines]
        tables.append(BoardTable(f"{metric.upper()} against {truth} by {title}", tuple(order), tuple(lines)))
    return tables


def mean_evidence(rows: Sequence[ImageRow]) -> float | None:
    """Mean share of the picture on which the flow of the registered ground truth is shown; None where not known."""
    return mean_of(rows, "supported_share")


def _cell(line: Line, method: str, level: Level, truth: str, metric: str) -> Cell:
    own, inputs = (
        rows_of([row for image in level.images for row in line.by_image.get(name, {}).get(image, ())], name, truth)
        for name in (method, "identity")
    )
    below = method not in ("identity", "ceiling") and is_below(own, inputs, metric)
    return replace(mean_cell(own, metric), below=below)


def _levels(by_image: dict[str, list[ImageRow]], figure: str, edges: Sequence[float]) -> tuple[Level, ...]:
    known = {image: value for image, rows in by_image.items() if (value := _first(rows, figure)) is not None}
    levels = []
    for low, high in zip(edges, (*edges[1:], None), strict=True):
        inside = tuple(i for i, value in known.items() if low <= value and (high is None or value < high))
        if inside:
            levels.append(Level(range_text(low, high), inside))
    return tuple(levels)


def _first(rows: Sequence[ImageRow], figure: str) -> float | None:
    """A figure of a picture, which stands in some of its rows."""
    return next((value for row in rows if (value := row.figures[figure]) is not None), None)


def _start_of(label: str) -> tuple[float, str]:
    """Order of levels: by the number they begin with, else by name."""
    try:
        return float(label.split(" ")[0]), label
    except ValueError:
        return 0.0, label

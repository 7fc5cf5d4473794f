"""A folder of pages that opens from disk: all tables, a page a method, a page a picture.

::

    OUT/index.html                      every dataset: tables with the three ground truths side by side
    OUT/DATASET/methods/METHOD.html     one run: against its input, histograms, worst and best pictures
    OUT/DATASET/pictures/PICTURE.html   one picture: every method, the slider, crops, error map, flow
    OUT/media/*.webp                    pictures, named by content, made once

Pages are written one at a time; no picture is held.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sdd_bench import __version__
from sdd_bench.errors import LeaderboardError, SddBenchError
from sdd_bench.leaderboard.add import run_paths
from sdd_bench.leaderboard.compare import compare
from sdd_bench.leaderboard.pictures import LAYERS, VIEWS, PictureFiles, PictureSource, make_pictures
from sdd_bench.leaderboard.selection import Contender, pair
from sdd_bench.leaderboard.standings import DECIMALS, Cell, Line, Standing, cell_of, extremes, mean_cell, standing
from sdd_bench.leaderboard.submission import Row, entries_of, mean_of, read_rows, rows_of
from sdd_bench.leaderboard.table import HIGHER_IS_BETTER, METRICS, TRUTHS, read_table, tables
from sdd_bench.parallel import open_executor, run
from sdd_bench.report.html import keep_image, slug, write_page
from sdd_bench.report.plots import flow_wheel
from sdd_bench.report.svg import Histogram, histogram
from sdd_bench.types import OnProgress, Problem, Progress

MEDIA = "media"
N_EXTREMES = 4
_RESAMPLES = 4000

Media = Mapping[tuple[str, str], PictureFiles]
"""Files by run and picture."""


@dataclass
class _Site:
    """What every page needs to know."""

    out: Path
    title: str
    standings: list[Standing]
    media: Media
    on_progress: OnProgress | None
    wheel: str = ""
    total: int = 0
    done: int = 0
    failed: list[Problem] = field(default_factory=list)

    def step(self, item: str) -> None:
        self.done += 1
        if self.on_progress is not None:
            self.on_progress(Progress(self.done, self.total, item=item))

    def write(self, place: str, template: str, **context: Any) -> None:
        root = "../" * place.count("/")
        common = {"title": self.title, "root": root, "version": __version__, "metrics": METRICS, "truths": TRUTHS}
        write_page(self.out / place, template, **common, higher=HIGHER_IS_BETTER, **context)
        self.step(place)

    @property
    def index(self) -> Path:
        return self.out / "index.html"


def render_site(
    leaderboards: Path,
    out: Path,
    *,
    sources: Sequence[PictureSource] = (),
    title: str = "Leaderboards",
    jobs: int = 1,
    on_progress: OnProgress | None = None,
    on_problem: Callable[[Problem], None] | None = None,
) -> Path:
    """Write the pages of all tables in a folder.

    Args:
        leaderboards: The folder of tables.
        out: Where the pages go.
        sources: Pictures of runs that the tables name; without them pages have figures alone.
        title: Of the index.
        jobs: Processes that make pictures.
        on_progress: Called after every page and picture.
        on_problem: Called with what could not be shown: a damaged table, a comparison, a picture. The index names it
            too, and the rest is there.

    Returns:
        The index.

    Raises:
        LeaderboardError: No such folder, or a source is no run of any table.
    """
    standings, failed = [], []
    for path in tables(leaderboards):
        try:
            entries = read_table(path)
            hashes = {entry.run_sha256 for entry in entries if entry.run_sha256}
            rows = {run_sha256: read_rows(run_paths(leaderboards, run_sha256).figures) for run_sha256 in sorted(hashes)}
            if entries:
                standings.append(standing(path.stem, entries, rows))
        except LeaderboardError as error:
            failed.append(Problem(path.name, str(error)))
    known = {line.run_sha256 for item in standings for line in item.measured}
    for source in sources:
        if source.run.run_sha256 not in known:
            raise LeaderboardError(f"{source.run.folder}: not in the tables of {leaderboards}; add it first.")
    standings.sort(key=lambda item: (not item.measured, item.dataset))
    site = _render(standings, out, sources, title, jobs, on_progress, failed)
    if on_problem is not None:
        for problem in site.failed:
            on_problem(problem)
    return site.index


def render_run(
    source: PictureSource,
    out: Path,
    *,
    jobs: int = 1,
    on_progress: OnProgress | None = None,
) -> Path:
    """Write the same pages for a single run, listed or not.

    Returns:
        The index.

    Raises:
        LeaderboardError: The run has no scores.
    """
    submission = source.run
    entries = entries_of(submission)
    if not entries:
        raise LeaderboardError(f"{submission.folder}: no scores of {submission.method}.")
    alone = standing(submission.dataset, entries, {submission.run_sha256: submission.rows})
    return _render([alone], out, [source], f"{submission.method} on {submission.dataset}", jobs, on_progress, []).index


def _render(
    standings: list[Standing],
    out: Path,
    sources: Sequence[PictureSource],
    title: str,
    jobs: int,
    on_progress: OnProgress | None,
    failed: list[Problem],
) -> _Site:
    tasks = [task for source in sources for task in source.tasks(out / MEDIA)]
    media: dict[tuple[str, str], PictureFiles] = {}
    site = _Site(out, title, standings, media, on_progress, failed=failed)
    site.total = 1 + len(tasks) + sum(len(item.measured) + len(item.images) for item in standings)
    with open_executor(jobs) as executor:
        for task, made in run(executor, make_pictures, tasks, window=2 * jobs):
            if isinstance(made, SddBenchError):
                site.failed.append(Problem(str(task), str(made)))
            elif isinstance(made, Exception):
                raise made
            else:
                media[made.run_sha256, made.image] = made
            site.step(str(task))
    if any("flow" in files.views for files in media.values()):
        site.wheel = f"{MEDIA}/{keep_image(out / MEDIA, 'flow wheel', flow_wheel)}"
    for item in standings:
        for line in item.measured:
            _write_method(site, item, line)
        for image in item.images:
            _write_picture(site, item, image)
    site.write(
        "index.html",
        "leaderboard.html",
        standings=standings,
        failed=site.failed,
        method_page=method_place,
        picture_page=picture_place,
    )
    return site


def method_place(dataset: str, line: Line) -> str:
    """The page of a method, below OUT."""
    return f"{slug(dataset)}/methods/{line.key}.html"


def picture_place(dataset: str, image: str) -> str:
    """The page of a picture, below OUT."""
    return f"{slug(dataset)}/pictures/{slug(image)}.html"


@dataclass(frozen=True)
class _PictureLine:
    """One row of a table over pictures or methods: figures of one picture of one method."""

    name: str
    page: str
    key: str
    group: str
    thumb: str
    cells: dict[tuple[str, str], Cell]
    drift: Cell
    deform: Cell
    kind: str = "measured"


def _figures(rows: Sequence[Row]) -> dict[str, Any]:
    cells = {(row.ground_truth, metric): cell_of(row.figures[metric], metric) for row in rows for metric in METRICS}
    first = rows[0].figures
    return {
        "cells": cells,
        "drift": cell_of(first["drift_px"], "drift_px"),
        "deform": cell_of(first.get("deform_px"), "deform_px"),
    }


def _by_image(rows: Sequence[Row], method: str) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        if row.method == method:
            found.setdefault(row.image, []).append(row)
    return dict(sorted(found.items()))


def _write_method(site: _Site, item: Standing, line: Line) -> None:
    truths = [entry.ground_truth for entry in line.entries]
    main = next(truth for truth in ("registered", "warped", "raw") if truth in truths)
    pictures = [
        _PictureLine(
            name=image,
            page=picture_place(item.dataset, image),
            key=line.key,
            group=rows[0].group,
            thumb=_thumb(site.media, line.run_sha256, image),
            **_figures(rows),
        )
        for image, rows in _by_image(line.rows, line.method).items()
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
    site.write(
        method_place(item.dataset, line),
        "method.html",
        standing=item,
        line=line,
        main_truth=main,
        line_truths=truths,
        gains=gains,
        histograms=list(_histograms(line, truths)),
        extremes=ends,
        pictures=pictures,
    )


def _thumb(media: Media, run_sha256: str, image: str) -> str:
    files = media.get((run_sha256, image))
    return f"{MEDIA}/{files.thumb}" if files else ""


@dataclass(frozen=True)
class _Gain:
    """A method against the blurry input it was given."""

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
            found = compare(
                paired.scores(metric), paired.methods, metric, scenes=paired.scenes, n_resamples=_RESAMPLES
            )[0]
            decimals = DECIMALS[metric]
            certain = found.p_value < 0.05
            yield _Gain(
                truth=truth,
                metric=metric,
                method=line.cells[truth, metric],
                identity=mean_cell(rows_of(line.rows, "identity", truth), metric),
                difference=f"{found.difference:+.{decimals}f}",
                interval="–" if math.isnan(found.low) else f"{found.low:+.{decimals}f} to {found.high:+.{decimals}f}",
                superiority=f"{found.superiority:.0%}",
                verdict=("better" if found.difference > 0 else "worse") if certain else "no difference shown",
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


def _write_picture(site: _Site, item: Standing, image: str) -> None:
    lines, sets = [], []
    shared: dict[str, str] = {}
    group = ""
    baselines_from: tuple[Row, ...] = ()
    for line in item.measured:
        rows = _by_image(line.rows, line.method).get(image)
        if not rows:
            continue
        group, baselines_from = rows[0].group, baselines_from or line.rows
        page = method_place(item.dataset, line)
        lines.append(_PictureLine(line.method, page, line.key, "", "", **_figures(rows)))
        files = site.media.get((line.run_sha256, image))
        if files is not None:
            sets.append({"key": line.key, "label": line.method, "layers": _layers(files)})
            shared = shared or {layer: f"../../{MEDIA}/{files.previews[layer]}" for layer in ("blurry", "sharp")}
            shared |= {f"crops-{layer}": f"../../{MEDIA}/{files.crops[layer]}" for layer in ("blurry", "sharp")}
    for name in ("identity", "ceiling"):
        rows = _by_image(baselines_from, name).get(image)
        if rows:
            lines.append(_PictureLine(name, "", "", "", "", kind="baseline", **_figures(rows)))
    with_layer = {layer for item_set in sets for layer in item_set["layers"]} | set(shared)
    position = item.images.index(image)
    site.write(
        picture_place(item.dataset, image),
        "picture.html",
        standing=item,
        image=image,
        group=group,
        lines=lines,
        sets=sets,
        layers=[{"key": k, "label": label, "src": shared.get(k, "")} for k, label in LAYERS.items() if k in with_layer],
        crops=[(f"crops-{k}", label) for k, label in LAYERS.items() if f"crops-{k}" in with_layer],
        wheel=site.wheel if "flow" in with_layer else "",
        views=[(k, label) for k, label in VIEWS.items() if k in with_layer],
        shared=shared,
        before=item.images[position - 1] if position else "",
        after=item.images[position + 1] if position + 1 < len(item.images) else "",
        page_of=lambda name: picture_place(item.dataset, name),
    )


def _layers(files: PictureFiles) -> dict[str, str]:
    """What changes with the method: previews, crops and views, by layer."""
    own = {layer: name for layer, name in files.previews.items() if layer not in ("blurry", "sharp")}
    own |= {f"crops-{layer}": name for layer, name in files.crops.items() if layer not in ("blurry", "sharp")}
    own |= files.views
    return {layer: f"../../{MEDIA}/{name}" for layer, name in own.items()}

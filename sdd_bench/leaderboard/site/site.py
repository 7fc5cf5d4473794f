"""A folder of pages that a browser opens from disk: all tables, one page per method, one page per picture.

::

    OUT/index.html                      every dataset: tables with the ground truths side by side
    OUT/DATASET/methods/METHOD.html     one run: comparison with its input, histograms, worst and best pictures
    OUT/DATASET/pictures/PICTURE.html   one picture: every method, the slider, crops, error map, flow
    OUT/media/*.jpeg, *.webp, *.png     pictures, named by their content; strips of crops are PNG

Pages are written one at a time, and no picture is kept in memory.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from sdd_bench.core.errors import LeaderboardError, OutputError, SddBenchError
from sdd_bench.core.executors import open_executor
from sdd_bench.core.parallel import run
from sdd_bench.core.side_by_side import threads_here, workers
from sdd_bench.core.storage.claims import LOCK, alone_in
from sdd_bench.core.types import OnProgress, Problem
from sdd_bench.leaderboard.runs.entries import entries_of, truths_of
from sdd_bench.leaderboard.runs.read import Run, read_json, read_rows
from sdd_bench.leaderboard.site.breakdowns import board_tables
from sdd_bench.leaderboard.site.media import PictureFiles, PictureSource, PictureTask, share_truth
from sdd_bench.leaderboard.site.method_page import write_method
from sdd_bench.leaderboard.site.pages import INDEX, MEDIA, Site, method_place, picture_place
from sdd_bench.leaderboard.site.picture_page import thumb_of, write_picture
from sdd_bench.leaderboard.site.standings import Standing, main_truth, standing
from sdd_bench.leaderboard.site.strips import make_shown, make_strip, strip_tasks
from sdd_bench.leaderboard.tables.add import run_paths
from sdd_bench.leaderboard.tables.select import Contender
from sdd_bench.leaderboard.tables.store import read_table, tables
from sdd_bench.leaderboard.text import compare_found, write_drawing
from sdd_bench.report.html import GENERATOR, keep_image
from sdd_bench.report.plots import flow_wheel

T = TypeVar("T")
R = TypeVar("R")
_OWN = re.compile(r".*-[0-9a-f]{8}|differences\.(svg|png)|.*\.partial")
"""The folder of a table, drawings, what a killed rendering left half-written."""
_HEAD_BYTES = 1000


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
        leaderboards: Folder of tables.
        out: Folder of the pages.
        sources: Pictures of runs that the tables name; without them pages have figures alone.
        title: Title of the index.
        jobs: Number of processes that make pictures.
        on_progress: Function that is called after every page and picture.
        on_problem: Function that is called with each problem: a damaged table, comparison or picture. The index names
            it too, and the rest is written.

    Returns:
        Path of the index.

    Raises:
        LeaderboardError: The folder does not exist or holds no table, or a source is no run of any table.
        OutputError: ``out`` cannot be written, holds anything but pages, or another rendering is writing there.
    """
    standings, failed = [], []
    summaries: dict[str, Mapping[str, Any]] = {}
    for path in tables(leaderboards):
        try:
            entries = read_table(path)
            hashes = {entry.run_sha256 for entry in entries if entry.run_sha256}
            rows = {run_sha256: read_rows(run_paths(leaderboards, run_sha256).figures) for run_sha256 in sorted(hashes)}
            summaries |= {name: read_json(run_paths(leaderboards, name).summary) for name in rows}
            if entries:
                standings.append(standing(path.stem, entries, rows))
        except LeaderboardError as error:
            failed.append(Problem(path.name, str(error)))
    known = {line.run_sha256 for item in standings for line in item.measured}
    for source in sources:
        if source.run.run_sha256 not in known:
            raise LeaderboardError(f"{source.run.folder}: not in the tables of {leaderboards}; add it first.")
    standings.sort(key=lambda item: (not item.measured, item.dataset))
    with _alone_in(out):
        site = _render(standings, out, sources, title, jobs, on_progress, failed, summaries)
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
        Path of the index.

    Raises:
        LeaderboardError: The run has no scores.
        OutputError: ``out`` cannot be written, holds anything but pages, or another rendering is writing there.
    """
    submission = source.run
    entries = entries_of(submission)
    if not entries:
        raise LeaderboardError(f"{submission.folder}: no scores of {submission.method}.")
    alone = standing(submission.dataset, entries, {submission.run_sha256: submission.rows})
    title, summaries = f"{submission.method} on {submission.dataset}", {submission.run_sha256: submission.summary}
    with _alone_in(out):
        plots = {submission.run_sha256: _plots(submission, out)}
        return _render([alone], out, [source], title, jobs, on_progress, [], summaries, plots).index


@contextmanager
def _alone_in(out: Path) -> Iterator[None]:
    """Be the only one that writes pages into ``out``; pictures that a killed rendering left half-written go.

    Raises:
        OutputError: Another rendering writes there, or the folder holds what is no page.
    """
    with alone_in(out):
        others = sorted(path.name for path in out.iterdir() if not _is_own(path))
        if others:
            raise OutputError(
                f"{out}: holds {others[0]} and is no folder of pages. Choose a new or empty output folder."
            )
        for path in (out / MEDIA).glob("*.partial"):
            path.unlink(missing_ok=True)
        yield


def _is_own(path: Path) -> bool:
    """Whether a rendering may have left a file or folder at the top of its pages."""
    if path.name == INDEX and path.is_file():
        return GENERATOR.encode() in path.read_bytes()[:_HEAD_BYTES]
    return path.name in (LOCK, MEDIA) or _OWN.fullmatch(path.name) is not None


def _thumbs(item: Standing, media: Mapping[tuple[str, str], PictureFiles]) -> dict[str, str]:
    """A small picture of each image of a table, of the first run that has one."""
    hashes = [line.run_sha256 for line in item.measured]
    found = ((image, thumb_of(media, run_sha256, image)) for image in item.images for run_sha256 in hashes)
    thumbs: dict[str, str] = {}
    for image, thumb in found:
        if thumb:
            thumbs.setdefault(image, thumb)
    return thumbs


def _plots(run: Run, out: Path) -> list[str]:
    """Draw the differences of a run against its input; names of the files, none where nothing can be compared."""
    main = main_truth(truths_of(run))
    both = [Contender(name, name, {}, run.rows) for name in (run.method, "identity")]
    try:
        drawing = compare_found(both, truth=main).drawing()
    except LeaderboardError:  # no identity rows
        return []
    return [path.name for path in write_drawing(drawing, out / "differences")]


def _made(site: Site, outcomes: Iterable[tuple[T, R | Exception]]) -> Iterator[tuple[T, R]]:
    """Tasks and what they made; a task that failed is a problem of the site, and the others go on."""
    for task, made in outcomes:
        if isinstance(made, SddBenchError):
            site.failed.append(Problem(str(task), str(made)))
        elif isinstance(made, Exception):
            raise made
        else:
            yield task, made
        site.step(str(task))


@contextmanager
def _hands(jobs: int) -> Iterator[tuple[Executor, int]]:
    """Who makes the pictures, and how many may be under way: processes, or for one job a thread a core.

    What takes time are codecs, which let other threads work.
    """
    if jobs == 1:
        threads = threads_here()
        with workers(threads) as executor:
            yield executor, threads
    else:
        with open_executor(jobs) as executor:
            yield executor, 2 * jobs


def _alone(named: Sequence[tuple[str, PictureTask]]) -> list[PictureTask]:
    """The tasks with the ground truth that they share, and with their method where no other run shows the picture."""
    count = Counter((task.pair.blurry_path, task.pair.name) for _, task in named)
    shared = share_truth([task for _, task in named])
    return [
        replace(task, alone=method if count[task.pair.blurry_path, task.pair.name] == 1 else "")
        for (method, _), task in zip(named, shared, strict=True)
    ]


def _render(
    standings: list[Standing],
    out: Path,
    sources: Sequence[PictureSource],
    title: str,
    jobs: int,
    on_progress: OnProgress | None,
    failed: list[Problem],
    summaries: Mapping[str, Mapping[str, Any]],
    plots: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> Site:
    tasks = _alone([(source.run.method, task) for source in sources for task in source.tasks(out / MEDIA)])
    media: dict[tuple[str, str], PictureFiles] = {}
    site = Site(out, title, standings, media, on_progress, failed=failed, summaries=summaries, plots=plots)
    site.total = 1 + len(tasks) + sum(len(item.measured) + len(item.images) for item in standings)
    with _hands(jobs) as (executor, window):
        for _, made in _made(site, run(executor, make_shown, tasks, window=window)):
            media[made.run_sha256, made.image] = made
        if any("flow" in files.views for files in media.values()):
            site.wheel = f"{MEDIA}/{keep_image(out / MEDIA, 'flow wheel', flow_wheel)}"
            strips = [task for item in standings for task in strip_tasks(item, tasks, media, out / MEDIA)]
            site.total += len(strips)
            for strip, name in _made(site, run(executor, make_strip, strips, window=window)):
                site.strips[strip.dataset, strip.image] = f"{MEDIA}/{name}"
    for item in standings:
        for line in item.measured:
            write_method(site, item, line)
        for image in item.images:
            write_picture(site, item, image)
    site.write(
        INDEX,
        "leaderboard.html",
        standings=standings,
        failed=site.failed,
        method_page=method_place,
        picture_page=picture_place,
        thumbs={item.dataset: _thumbs(item, media) for item in standings},
        tables_by_level=board_tables,
        notes_of=site.notes_of,
        with_notes={run_sha256 for run_sha256, summary in summaries.items() if summary.get("notes")},
    )
    return site

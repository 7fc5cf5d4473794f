"""The state that all pages share, and the writing of a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sdd_bench import __version__
from sdd_bench.core.types import OnProgress, Problem, Progress
from sdd_bench.leaderboard.site.media import PictureFiles
from sdd_bench.leaderboard.site.standings import Line, Standing
from sdd_bench.leaderboard.tables.schema import METRICS, TRUTHS
from sdd_bench.report.html import slug, write_page
from sdd_bench.statistics.gains import HIGHER_IS_BETTER
from sdd_bench.statistics.ranks import STANDS_OUT


def picture_place(dataset: str, image: str) -> str:
    """Path of the page of a picture, below OUT.

    Example:
        >>> picture_place("dpdd", "0001")
        'dpdd-ec95555e/pictures/0001-888b19a4.html'
    """
    return f"{slug(dataset)}/pictures/{slug(image)}.html"


def method_place(dataset: str, line: Line) -> str:
    """Path of the page of a method, below OUT."""
    return f"{slug(dataset)}/methods/{line.key}.html"


INDEX, MEDIA = "index.html", "media"

Media = Mapping[tuple[str, str], PictureFiles]
"""Files by run and picture."""


@dataclass
class Site:
    """State that all pages of a site share."""

    out: Path
    title: str
    standings: list[Standing]
    media: Media
    on_progress: OnProgress | None
    wheel: str = ""
    total: int = 0
    done: int = 0
    failed: list[Problem] = field(default_factory=list)
    summaries: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What each run says of itself, by its sha256."""
    plots: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Files below ``out`` with the paired differences of a run against its input, by its sha256."""

    strips: dict[tuple[str, str], str] = field(default_factory=dict)
    """Strip of crops of all methods, by dataset and picture."""

    def step(self, item: str) -> None:
        self.done += 1
        if self.on_progress is not None:
            self.on_progress(Progress(self.done, self.total, item=item))

    def write(self, place: str, template: str, **context: Any) -> None:
        root = "../" * place.count("/")
        common = {"title": self.title, "root": root, "version": __version__, "metrics": METRICS, "truths": TRUTHS}
        write_page(self.out / place, template, **common, higher=HIGHER_IS_BETTER, stands_out=STANDS_OUT, **context)
        self.step(place)

    def notes_of(self, line: Line) -> list[str]:
        """What ``evaluate`` said of a run; nothing of one of an earlier version."""
        return list(self.summaries.get(line.run_sha256, {}).get("notes", ()))

    @property
    def index(self) -> Path:
        return self.out / INDEX

"""How fast items are done, and how long the rest will take."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import pairwise

_KEPT = 64
"""Items that are remembered, at most."""
_ENOUGH = 10
"""Items that took their time, from which the pace is taken."""
_AT_ONCE = 0.02
"""Share of the longest item below which one took no time: it was finished by an earlier run, or by another process at
the same moment."""


@dataclass(frozen=True)
class _Sample:
    seconds: float
    done: int
    n_bytes: int


class Pace:
    """The pace of the last items.

    The first item is left out, because a program warms up with it; and so are those that an earlier run has finished.

    Args:
        now: Seconds on a clock.

    Example:
        >>> pace = Pace(now=0.0)
        >>> for done, seconds in enumerate([9.0, 11.0, 13.0], start=1):
        ...     pace.note(done, seconds)
        >>> pace.seconds_per_item(), pace.left(total=13, now=13.0)
        (2.0, 20.0)
    """

    def __init__(self, now: float) -> None:
        self._samples: deque[_Sample] = deque(maxlen=_KEPT)
        self._begun = now

    def note(self, done: int, now: float, n_bytes: int = 0) -> None:
        """Note that ``done`` items and ``n_bytes`` bytes are done in all."""
        self._samples.append(_Sample(now, done, n_bytes))

    def seconds_per_item(self) -> float | None:
        """Seconds that an item takes; None before the second one."""
        taken = self._taken()
        return None if taken is None else taken[0] / taken[1]

    def megabytes_per_second(self) -> float | None:
        """None before the second item."""
        taken = self._taken()
        return None if taken is None else taken[2] / 1e6 / taken[0]

    def left(self, total: int, now: float) -> float | None:
        """Seconds until all ``total`` items are done, those on the item under way counted; None if nobody knows."""
        each = self.seconds_per_item()
        if each is None:
            return None
        last = self._samples[-1]
        return max(0.0, (total - last.done) * each - min(now - last.seconds, each))

    def _taken(self) -> tuple[float, int, int] | None:
        """Seconds, items and bytes of the last items that took their time."""
        samples = list(self._samples)
        spans = [later.seconds - sooner.seconds for sooner, later in pairwise(samples)]
        if not spans or max(spans) <= 0:
            return None
        slow = [number for number, span in enumerate(spans) if span >= _AT_ONCE * max(spans)]
        sooner, later = samples[slow[-_ENOUGH:][0]], samples[-1]
        if later.done <= sooner.done:
            return None
        return later.seconds - sooner.seconds, later.done - sooner.done, later.n_bytes - sooner.n_bytes


def in_words(seconds: float) -> str:
    """A length of time as a progress line says it.

    Example:
        >>> [in_words(seconds) for seconds in (0.4, 50, 600, 20_000, 300_000)]
        ['1 s', '50 s', '10 min', '5.6 h', '3.5 days']
    """
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.1f} days"

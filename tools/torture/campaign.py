"""The campaign: kinds take turns by their shares of the time; what survived is counted, what fell is printed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from tools.torture.kinds import Kind, Result


@dataclass
class Tally:
    """What happened to the attempts of a kind."""

    tried: int = 0
    falls: list[tuple[str, str]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    seconds: float = 0.0
    whats: dict[str, int] = field(default_factory=dict)
    """Attempts by what was tried."""

    @property
    def survived(self) -> int:
        """Attempts that did not fall."""
        return self.tried - len(self.falls)


def campaign(
    kinds: Sequence[Kind],
    seed: int,
    seconds: float,
    say: Callable[[str], None],
    *,
    most: Mapping[str, int] = MappingProxyType({}),
) -> dict[str, Tally]:
    """Try kinds until the time is up, or each was tried as often as ``most`` says, or nothing is left to try."""
    begun = time.monotonic()
    tallies = {kind.name: Tally() for kind in kinds}
    streams: dict[str, Iterator[str]] = {}
    open_kinds = list(kinds)
    while open_kinds and time.monotonic() - begun < seconds:
        kind = min(open_kinds, key=lambda one: tallies[one.name].seconds / one.share)
        tally, started = tallies[kind.name], time.monotonic()
        if kind.name not in streams:
            streams[kind.name] = kind.names(seed)
        name = next(streams[kind.name], None)
        if name is None or tally.tried >= most.get(kind.name, math.inf):
            open_kinds.remove(kind)
            continue
        note(tally, kind, name, attempt(kind, name, seed), say)
        tally.seconds += time.monotonic() - started
    return tallies


def attempt(kind: Kind, name: str, seed: int) -> Result:
    """Try once; what breaks in the campaign itself is a fall, too."""
    try:
        return kind.attempt(name, seed)
    except Exception as error:
        return Result(1, [(name, f"the attempt itself broke: {type(error).__name__}: {error}")])


def note(tally: Tally, kind: Kind, name: str, result: Result, say: Callable[[str], None]) -> None:
    """Count a result and print what fell."""
    tally.tried += result.tried
    tally.falls += result.falls
    tally.lines += result.lines
    for line in result.lines:
        say(line)
    what = name.split("/")[0]
    tally.whats[what] = tally.whats.get(what, 0) + result.tried
    for fallen, reason in result.falls:
        say(f"FELL {kind.name}/{fallen}: {reason}")

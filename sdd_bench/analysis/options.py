"""The options of an analysis: those that change a measurement, and those that do not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sdd_bench.core.config import as_dict, take_strings
from sdd_bench.core.errors import ConfigError
from sdd_bench.registration.light.transfer import Match
from sdd_bench.registration.options import MeasureOptions

_NOT_MEASURING = ("flow_weights", "device", "limit", "worst")
"""Options that change no measurement. Weights are compared by the flow's signature, not by their path."""


@dataclass(frozen=True)
class AnalyzeOptions(MeasureOptions):
    """Options of an analysis.

    Raises:
        ConfigError: A value is out of range.
    """

    flow: str = "pwcnet-plain"
    """Flow estimator: ``pwcnet-plain``, ``pwcnet``, ``dis`` or ``ptlflow:NAME``. Direct registration refines its
    result, so the plain network is enough."""
    flow_weights: Path | None = None
    """Checkpoint in place of the bundled weights."""
    device: str = "cpu"
    """Torch device of the flow network."""
    precision: Literal["32", "bf16"] = "32"
    """Precision of the flow network."""
    match: Match = Match.GAIN
    """What the transfer of light may do; ``none``: light is not measured."""
    limit: int | None = None
    """Number of pairs to measure, from the first on; None for all."""
    worst: int = 6
    """Number of pairs that the page shows in pictures, the most misaligned first."""

    def __post_init__(self) -> None:
        take_strings(self, "flow_weights")
        super().__post_init__()
        if self.match not in tuple(Match):
            raise ConfigError(f"match: expected one of {', '.join(Match)}, got {self.match!r}.")
        object.__setattr__(self, "match", Match(self.match))
        if self.limit is not None and self.limit < 1:
            raise ConfigError(f"limit: expected 1 or more, got {self.limit}.")
        if self.worst < 0:
            raise ConfigError(f"worst: expected 0 or more, got {self.worst}.")

    def measuring(self) -> dict[str, object]:
        """Options that results depend on, as JSON values. All results in a folder have the same."""
        return {key: value for key, value in as_dict(self).items() if key not in _NOT_MEASURING}

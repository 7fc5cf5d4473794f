"""The options of an analysis: what changes a measurement, and what only names it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sdd_bench.core.config import as_dict
from sdd_bench.core.errors import ConfigError
from sdd_bench.registration.options import MeasureOptions

_NOT_MEASURING = ("flow_weights", "device", "limit", "worst")
"""Weights count by the flow's signature, not by their path."""


@dataclass(frozen=True)
class AnalyzeOptions(MeasureOptions):
    """How misalignment is measured and named.

    Raises:
        ConfigError: A value out of range.
    """

    flow: str = "pwcnet-plain"
    """``pwcnet-plain``, ``pwcnet``, ``dis`` or ``ptlflow:NAME``; direct registration refines it."""
    flow_weights: Path | None = None
    """A checkpoint instead of the bundled weights."""
    device: str = "cpu"
    """Torch device of the flow network."""
    precision: Literal["32", "bf16"] = "32"
    """Of the flow network."""
    limit: int | None = None
    """Only the first so many pairs."""
    worst: int = 6
    """So many pairs are shown in pictures on the page, the most misaligned first."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.limit is not None and self.limit < 1:
            raise ConfigError(f"limit: expected 1 or more, got {self.limit}.")
        if self.worst < 0:
            raise ConfigError(f"worst: expected 0 or more, got {self.worst}.")

    def measuring(self) -> dict[str, object]:
        """The options that results depend on, as JSON values; a folder holds results of one such set."""
        return {key: value for key, value in as_dict(self).items() if key not in _NOT_MEASURING}

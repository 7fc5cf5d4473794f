"""The options of a measurement: where flow works, and the thresholds that name and doubt what was found."""

from __future__ import annotations

from dataclasses import dataclass

from sdd_bench.core.errors import ConfigError


@dataclass(frozen=True)
class MeasureOptions:
    """How misalignment is measured and named.

    Raises:
        ConfigError: A value out of range.
    """

    working_width: int = 1024
    """Longer side, in pixels, at which flow is estimated."""
    aligned_px: float = 0.5
    """A part of the motion (zoom, or shift and rotation) counts when it moves some pixel by as much."""
    nonrigid_px: float = 1.0
    """A pair is ``nonrigid`` when parts of it differ from the similarity by as much (RMS)."""
    largest_zoom: float = 0.25
    """A zoom by more is not believed."""
    largest_shift: float = 0.1
    """A shift by more than this share of the longer side is not believed."""

    def __post_init__(self) -> None:
        if self.working_width < 128:
            raise ConfigError(f"working_width: expected at least 128 pixels, got {self.working_width}.")
        for name in ("aligned_px", "nonrigid_px", "largest_zoom", "largest_shift"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name}: expected more than 0, got {getattr(self, name)}.")

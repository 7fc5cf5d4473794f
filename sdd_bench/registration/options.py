"""Options of a measurement: the size at which flow is estimated, and the thresholds of names and of doubts."""

from __future__ import annotations

from dataclasses import dataclass

from sdd_bench.core.errors import ConfigError


@dataclass(frozen=True)
class MeasureOptions:
    """Options by which a misalignment is measured and named.

    Raises:
        ConfigError: A value is out of range.
    """

    working_width: int = 1024
    """Longer side, in pixels, at which flow is estimated."""
    aligned_px: float = 0.5
    """Least motion of some pixel by which a zoom counts, or a shift with rotation."""
    nonrigid_px: float = 1.0
    """Least RMS difference from the similarity by which a pair is ``nonrigid``."""
    largest_zoom: float = 0.25
    """Largest relative zoom that is believed."""
    largest_shift: float = 0.1
    """Largest shift that is believed, as a share of the longer side."""

    def __post_init__(self) -> None:
        if self.working_width < 128:
            raise ConfigError(f"working_width: expected at least 128 pixels, got {self.working_width}.")
        for name in ("aligned_px", "nonrigid_px", "largest_zoom", "largest_shift"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name}: expected more than 0, got {getattr(self, name)}.")

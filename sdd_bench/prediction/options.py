"""Options of a prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sdd_bench.core.errors import ConfigError


@dataclass(frozen=True)
class PredictOptions:
    """How pictures pass the network."""

    memory_gib: float = 8.0
    """What the network may take for one picture; larger ones pass in tiles."""
    tile: int | None = None
    """Largest side of a tile in pixels; None: as large as ``memory_gib`` allows."""
    overlap: int | None = None
    """How far, in pixels, a tile looks beyond itself; None: the radius of the network's receptive field, or 128."""
    self_ensemble: bool = False
    """Mean over the eight flips and turns."""
    bit_depth: Literal["same", "8", "16"] = "same"
    """Of the PNG; ``same`` as the blurry picture."""

    def __post_init__(self) -> None:
        if not 0 < self.memory_gib < float("inf"):
            raise ConfigError(f"memory_gib: expected a positive number, got {self.memory_gib}.")
        if self.tile is not None and self.tile < 1:
            raise ConfigError(f"tile: expected a positive number of pixels, got {self.tile}.")
        if self.overlap is not None and self.overlap < 0:
            raise ConfigError(f"overlap: expected 0 or more pixels, got {self.overlap}.")
        if self.bit_depth not in ("same", "8", "16"):
            raise ConfigError(f"bit_depth: expected same, 8 or 16, got {self.bit_depth!r}.")

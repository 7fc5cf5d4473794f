"""What ``prepare`` is asked to do, and the named sets of options for the two published recipes.

``sdd`` gives 60 candidate patches of a 4096x2160 pair and keeps 42; 115 pairs make 4,830, the paper's count. The paper
states the count alone, the settings are our deduction. ``dpdd`` is DPDNet's published recipe.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from sdd_bench.core.config import as_dict
from sdd_bench.core.errors import ConfigError
from sdd_bench.images.photograph import MAX_PIXELS
from sdd_bench.images.raw import RawOptions
from sdd_bench.images.resize import parse_resize
from sdd_bench.preparation.align import Registration
from sdd_bench.prepared.shards import COMPRESSIONS


@dataclass(frozen=True)
class PrepareOptions:
    """Options of ``prepare``; they are stored in the manifest, and a set is only continued with the same ones."""

    resize: str = "0.5"
    """``none``, a factor, or WIDTHxHEIGHT; by area averaging."""
    patch: int = 512
    """Side of a patch, pixels."""
    overlap: float = 0.7
    """Overlap of neighbouring patches; the stride is int((1 - overlap) * patch)."""
    drop: float = 0.3
    """Share of patches dropped per pair, the least sharp first."""
    test: Literal["full", "patches"] = "full"
    """Store the test split as full pictures or as patches."""
    resize_test: bool = False
    """Resize the full pictures of the test split, too."""
    bit_depth: Literal[8, 16] | None = None
    """What to make of a set of mixed bit depths; ``None`` keeps the one that all pictures share."""
    pairs_per_shard: int = 8
    """Consecutive pairs in a shard, the unit of work."""
    compression: str = "blosc2"
    """Filter of the shards: blosc2, or gzip, lzf, none for readers without its plugin."""
    max_pixels: int = MAX_PIXELS
    """Larger pictures are refused."""
    limit: int | None = None
    """Use the first so many pairs."""
    raw: RawOptions = field(default_factory=RawOptions)
    """How RAW files are developed."""
    register: tuple[Registration, ...] | None = None
    """Bring sharp pictures onto the blurry grid by these measurements; None: store them as captured."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "resize", str(parse_resize(self.resize)))
        for name, least in (("patch", 1), ("pairs_per_shard", 1), ("max_pixels", 1), ("limit", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ConfigError(f"{name} is {value}; expected {least} or more.")
        for name in ("overlap", "drop"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected 0 or more and less than 1.")
        if int((1 - self.overlap) * self.patch + 1e-9) < 1:
            raise ConfigError(f"overlap {self.overlap} leaves patches of {self.patch} pixels no stride; lower it.")
        if self.test not in ("full", "patches"):
            raise ConfigError(f"test is {self.test!r}; expected full or patches.")
        if self.compression not in COMPRESSIONS:
            raise ConfigError(f"compression is {self.compression!r}; expected one of {', '.join(COMPRESSIONS)}.")
        if self.bit_depth not in (None, 8, 16):
            raise ConfigError(f"bit_depth is {self.bit_depth}; expected 8 or 16.")

    def as_dict(self) -> dict[str, Any]:
        """As the manifest holds them."""
        values = as_dict(self) | {"raw": as_dict(self.raw)}
        if self.register is None:
            del values["register"]
        else:
            values["register"] = [as_dict(entry) for entry in self.register]
        return values


PRESETS = {
    "sdd": PrepareOptions(),
    "dpdd": PrepareOptions(resize="1680x1120", overlap=0.6),
}

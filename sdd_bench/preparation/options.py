"""What ``prepare`` is asked to do, and the named sets of options for the two published recipes.

``sdd`` gives 60 candidate patches of a 4096x2160 pair and keeps 42; 115 pairs make 4,830, the paper's count. The paper
states the count alone, the settings are our deduction. ``dpdd`` is DPDNet's published recipe (Abuolaim and Brown, ECCV
2020): 20 of 28 patches of a 1680x1120 pair to train on, and for validation all 12 of a grid that hardly overlaps, since
the sharpest patches alone would choose another checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from sdd_bench.core.config import as_dict
from sdd_bench.core.errors import ConfigError
from sdd_bench.core.types import Split
from sdd_bench.images.photograph import MAX_PIXELS
from sdd_bench.images.raw import RawOptions
from sdd_bench.images.resize import parse_resize
from sdd_bench.preparation.align import RegistrationTable
from sdd_bench.prepared.shards import COMPRESSIONS

_LATER = ("register", "overlap_eval", "drop_eval")
"""Options that a manifest leaves out where they are None, so that sets made before they came keep their bytes."""


@dataclass(frozen=True)
class Cut:
    """How a picture becomes patches."""

    overlap: float
    """Overlap of neighbouring patches."""
    drop: float
    """Share of patches dropped per pair, the least sharp first."""

    def n_kept(self, n_patches: int) -> int:
        """Patches that are kept of ``n_patches``."""
        return n_patches - int(self.drop * n_patches)


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
    overlap_eval: float | None = None
    """Overlap of the patches of val and test; None: as in train."""
    drop_eval: float | None = None
    """Share of them dropped per pair; None: as in train."""
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
    register: RegistrationTable | None = None
    """Bring sharp pictures onto the blurry grid by these measurements; None: store them as captured."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "resize", str(parse_resize(self.resize)))
        for name, least in (("patch", 1), ("pairs_per_shard", 1), ("max_pixels", 1), ("limit", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ConfigError(f"{name} is {value}; expected {least} or more.")
        for name in ("overlap", "drop", "overlap_eval", "drop_eval"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < 1:
                raise ConfigError(f"{name} is {value}; expected 0 or more and less than 1.")
        for overlap in (self.overlap, self.overlap_eval or 0.0):
            if int((1 - overlap) * self.patch + 1e-9) < 1:
                raise ConfigError(f"overlap {overlap} leaves patches of {self.patch} pixels no stride; lower it.")
        if self.test not in ("full", "patches"):
            raise ConfigError(f"test is {self.test!r}; expected full or patches.")
        if self.compression not in COMPRESSIONS:
            raise ConfigError(f"compression is {self.compression!r}; expected one of {', '.join(COMPRESSIONS)}.")
        if self.bit_depth not in (None, 8, 16):
            raise ConfigError(f"bit_depth is {self.bit_depth}; expected 8 or 16.")

    def cut(self, split: Split) -> Cut:
        """How pictures of ``split`` become patches."""
        if split is Split.TRAIN:
            return Cut(self.overlap, self.drop)
        return Cut(
            self.overlap if self.overlap_eval is None else self.overlap_eval,
            self.drop if self.drop_eval is None else self.drop_eval,
        )

    def as_dict(self) -> dict[str, Any]:
        """As the manifest holds them; options that came later are left out where they are not used."""
        values = as_dict(self) | {"raw": as_dict(self.raw)}
        values["register"] = None if self.register is None else self.register.as_dict()
        return {key: value for key, value in values.items() if value is not None or key not in _LATER}


PRESETS = {
    "sdd": PrepareOptions(),
    "dpdd": PrepareOptions(resize="1680x1120", overlap=0.6, overlap_eval=0.01, drop_eval=0.0),
}

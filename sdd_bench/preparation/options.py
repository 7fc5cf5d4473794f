"""Options of ``prepare``, and presets for the two published recipes.

- ``sdd`` gives 60 candidate patches per 4096x2160 pair and keeps 42. So 115 pairs give 4,830 patches, the number in the
  paper. The paper states this number only; the settings are our deduction.
- ``dpdd`` is the published recipe of DPDNet (Abuolaim and Brown, ECCV 2020). It keeps 20 of 28 patches per 1680x1120
  pair for training. For validation it keeps all 12 patches of a grid that hardly overlaps, because the sharpest patches
  alone would choose another checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from sdd_bench.captures.splits import SplitRule
from sdd_bench.core.config import as_dict
from sdd_bench.core.errors import ConfigError, shown
from sdd_bench.core.types import Split
from sdd_bench.images.photograph import MAX_PIXELS
from sdd_bench.images.raw import RawOptions
from sdd_bench.images.resize import parse_resize
from sdd_bench.preparation.align import RegistrationTable
from sdd_bench.preparation.drop import DropRules
from sdd_bench.preparation.match import LightTable
from sdd_bench.prepared.shards import COMPRESSIONS

_LATER = ("register", "match", "overlap_eval", "drop_eval", "train", "splits", "rules")
"""Options that a manifest leaves out if they are None, so that sets made before these options existed stay equal."""


@dataclass(frozen=True)
class Cut:
    """The way to cut a picture into patches."""

    overlap: float
    """Overlap of neighbouring patches, as a share of their side."""
    drop: float
    """Share of patches dropped per pair, the least sharp first."""

    def n_kept(self, n_patches: int) -> int:
        """Number of patches kept out of ``n_patches``.

        Example:
            >>> Cut(overlap=0.7, drop=0.3).n_kept(60)
            42
        """
        return n_patches - int(self.drop * n_patches)


@dataclass(frozen=True)
class PrepareOptions:
    """Options of ``prepare``. They are stored in the manifest, and a set can only be continued with the same ones."""

    resize: str = "0.5"
    """New size: ``none``, a factor, or WIDTHxHEIGHT. Pictures are resized by area averaging."""
    patch: int = 512
    """Side of a patch, pixels."""
    overlap: float = 0.7
    """Overlap of neighbouring patches; the stride is int((1 - overlap) * patch)."""
    drop: float = 0.3
    """Share of patches dropped per pair, the least sharp first."""
    overlap_eval: float | None = None
    """Overlap of the patches of val and test; None: as in train."""
    drop_eval: float | None = None
    """Share of the patches of val and test dropped per pair; None: as in train."""
    train: Literal["patches", "full"] | None = None
    """Form of the splits train and val: patches, which None means too, or full pictures."""
    test: Literal["full", "patches"] = "full"
    """Form of the test split: full pictures or patches."""
    resize_test: bool = False
    """Whether to resize the full pictures of the test split, too."""
    bit_depth: Literal[8, 16] | None = None
    """Bit depth to store; None: the one that all pictures share. A set of mixed depths needs a value."""
    pairs_per_shard: int = 8
    """Number of consecutive pairs per shard, the unit of work."""
    compression: str = "blosc2"
    """Filter of the shards: blosc2; or gzip, lzf or none for readers without the Blosc2 plugin."""
    max_pixels: int = MAX_PIXELS
    """Limit on the pixels of a picture; larger ones are refused."""
    limit: int | None = None
    """Number of pairs to use, from the first on; None: all."""
    raw: RawOptions = field(default_factory=RawOptions)
    """Options for developing RAW files."""
    register: RegistrationTable | None = None
    """Measurements by which sharp pictures are registered to the blurry grid; None: they are stored as captured."""
    match: LightTable | None = None
    """Transfers by which sharp pictures are brought to the light of the blurry ones; None: they keep their own."""
    splits: SplitRule | None = None
    """Rule that deals the pairs to splits; None: as their folders say."""
    rules: DropRules | None = None
    """Rules by which pairs are dropped; None: none is."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "resize", str(parse_resize(self.resize)))
        for name, most in (("patch", 2**15), ("pairs_per_shard", 2**20), ("max_pixels", 2**53), ("limit", 2**53)):
            value = getattr(self, name)
            if value is not None and not 1 <= value <= most:
                raise ConfigError(f"{name} is {shown(value)}; expected 1 to {most}.")
        for name in ("overlap", "drop", "overlap_eval", "drop_eval"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < 1:
                raise ConfigError(f"{name} is {value}; expected 0 or more and less than 1.")
        for overlap in (self.overlap, self.overlap_eval or 0.0):
            if int((1 - overlap) * self.patch + 1e-9) < 1:
                raise ConfigError(f"overlap {overlap} leaves patches of {self.patch} pixels no stride; lower it.")
        if self.train not in (None, "full", "patches"):
            raise ConfigError(f"train is {self.train!r}; expected full or patches.")
        if self.test not in ("full", "patches"):
            raise ConfigError(f"test is {self.test!r}; expected full or patches.")
        if self.compression not in COMPRESSIONS:
            raise ConfigError(f"compression is {self.compression!r}; expected one of {', '.join(COMPRESSIONS)}.")
        if self.bit_depth not in (None, 8, 16):
            raise ConfigError(f"bit_depth is {self.bit_depth}; expected 8 or 16.")

    def as_patches(self, split: Split) -> bool:
        """Whether pictures of ``split`` are stored as patches.

        Example:
            >>> [PrepareOptions().as_patches(split) for split in Split]
            [True, True, False]
        """
        return (self.test if split is Split.TEST else self.train or "patches") == "patches"

    def cut(self, split: Split) -> Cut:
        """The way to cut pictures of ``split`` into patches.

        Example:
            >>> PRESETS["dpdd"].cut(Split.TRAIN), PRESETS["dpdd"].cut(Split.VAL)
            (Cut(overlap=0.6, drop=0.3), Cut(overlap=0.01, drop=0.0))
        """
        if split is Split.TRAIN:
            return Cut(self.overlap, self.drop)
        return Cut(
            self.overlap if self.overlap_eval is None else self.overlap_eval,
            self.drop if self.drop_eval is None else self.drop_eval,
        )

    def as_dict(self) -> dict[str, Any]:
        """The options as the manifest holds them; those in :data:`_LATER` are left out if they are None.

        Example:
            >>> values = PrepareOptions().as_dict()
            >>> values["patch"], "register" in values
            (512, False)
        """
        values = as_dict(self) | {"raw": as_dict(self.raw)}
        for name in ("register", "match", "splits", "rules"):
            part = getattr(self, name)
            values[name] = None if part is None else part.as_dict()
        return {key: value for key, value in values.items() if value is not None or key not in _LATER}


PRESETS = {
    "sdd": PrepareOptions(),
    "dpdd": PrepareOptions(resize="1680x1120", overlap=0.6, overlap_eval=0.01, drop_eval=0.0),
}

"""The catalogue of networks that run by name: size, tiles, published figure, terms of released weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sdd_bench.core.errors import ConfigError
from sdd_bench.models.outline import outline
from sdd_bench.models.spec import MODELS, ModelSpec, facts_of
from sdd_bench.weights.table import TABLE

_OUTPUTS = "outputs, under weights by a formula"
_COUNTS = "shapes and counts"
_DERIVED = "shapes and counts alone: no file was at hand, and"
_PEERS = "outputs, under random weights, of the released code in"
_KPAC = f"{_DERIVED} the order of the arrays is derived"
_WARPED = "on SDD, warped (Table 1)"
_UNET = f"24.62, UNet* 25.82 {_WARPED}"
_SON = "25.22 on DPDD, raw (Table 2, which does not say how many levels)"


@dataclass(frozen=True)
class Origin:
    """What is known of a network outside this package."""

    paper: str
    weights: str = ""
    """Repository whose authors release weights for this network; empty where none are known."""
    licence: str = ""
    """Terms of the released weights and code."""
    published: str = ""
    """PSNR in dB that Li et al. (2023) state; with a star the network was trained by JDRL."""
    parity: str = ""
    """What was compared with the released program; empty where the network is our own."""


ORIGINS: Mapping[str, Origin] = {
    "drbnet": Origin(
        "Ruan et al., CVPR 2022",
        "lingyanruan/DRBNet",
        "AGPL-3.0",
        "25.73 on DPDD, 25.75 on RealDOF, raw; trained on DPDD alone 25.47, 24.70 (Table 5)",
        _OUTPUTS,
    ),
    "ifan": Origin("Lee et al., CVPR 2021", "", "", "", _COUNTS),
    "ifan-released": Origin(
        "Lee et al., CVPR 2021", "codeslake/IFAN", "AGPL-3.0", "25.37, IFAN* 25.54 on DPDD, raw (Table 2)", _OUTPUTS
    ),
    "mprnet": Origin(
        "Zamir et al., CVPR 2021", "swz30/MPRNet", "non-commercial", f"26.28, MPRNet* 26.88 {_WARPED}", _OUTPUTS
    ),
    "nafnet": Origin("Chen et al., ECCV 2022", "megvii-research/NAFNet", "MIT", "", f"{_PEERS} spandrel"),
    "restormer": Origin(
        "Zamir et al., CVPR 2022", "swz30/Restormer", "non-commercial", "", f"{_PEERS} spandrel-extra-arches"
    ),
    "dmphn": Origin(
        "Zhang et al., CVPR 2019", "HongguangZhang/DMPHN-cvpr19-master", "none stated", f"25.00 {_WARPED}", _OUTPUTS
    ),
    "dpdnet": Origin(
        "Abuolaim and Brown, ECCV 2020",
        "Abdullah-Abuolaim/defocus-deblurring-dual-pixel",
        "MIT",
        f"24.81 {_WARPED}",
        f"{_DERIVED} the numbering of the Keras layers is derived",
    ),
    "kpac": Origin("Son et al., ICCV 2021", "HyeongseokSon1/KPAC", "AGPL-3.0", _SON, _KPAC),
    "kpac-2level": Origin("Son et al., ICCV 2021", "HyeongseokSon1/KPAC", "AGPL-3.0", _SON, _KPAC),
    "unet": Origin("Li et al., AAAI 2023, Table 6", "", "", _UNET),
    "unet-released": Origin("Li et al., AAAI 2023", "liyucs/JDRL", "none stated", _UNET, _OUTPUTS),
    "unet-folded": Origin("this project", "this package", TABLE["unet-folded"].licence),
    "unet-laplacian": Origin("this project"),
    "unet-small": Origin("this project"),
}


@dataclass(frozen=True)
class TileTest:
    """How near a network in tiles comes to the same network on the whole picture (``tools/bench/tiles.py``)."""

    psnr_db: int
    """Between the two; where weights are random, with what they change scaled to the size of what undoes the blur."""
    form: str
    """Width and weights of the network."""
    size: str = "1536x1024"
    """Of the picture."""
    tile_px: int = 768
    """Side of a tile, with an overlap of 128."""

    def __str__(self) -> str:
        return f"{self.psnr_db} dB ({self.form}, {self.size} in tiles of {self.tile_px} px)"


_SHORT = "narrow form after a short training"
_RANDOM = "full width, random weights"
TILE_TESTS: Mapping[str, tuple[TileTest, ...]] = {
    "mprnet": (TileTest(58, _SHORT), TileTest(37, _RANDOM, "512x384", 384)),
    "nafnet": (TileTest(65, _SHORT), TileTest(105, _RANDOM)),
    "restormer": (TileTest(56, _SHORT), TileTest(53, _RANDOM)),
    "dmphn": (TileTest(46, _RANDOM),),
    "kpac": (TileTest(144, _SHORT), TileTest(152, _RANDOM)),
    "kpac-2level": (TileTest(152, _SHORT), TileTest(132, _RANDOM)),
}
"""Of networks whose output depends on the whole picture."""


@dataclass(frozen=True)
class Card:
    """One network of the catalogue."""

    name: str
    parameters: int
    size_multiple: int
    """Sides of a picture are padded to multiples of it."""
    receptive_radius_px: int | None
    """Pixels that an output pixel looks to each side; None where tiles are not exact."""
    bytes_per_pixel: int
    """Memory that ``predict`` reckons with for a pixel of what passes at once."""
    origin: Origin
    tile_tests: tuple[TileTest, ...] = ()
    """From :data:`TILE_TESTS`."""


def card_of(name: str) -> Card:
    """The card of a registered network; no weights are made.

    Raises:
        ConfigError: There is no network of that name.

    Example:
        >>> card_of("dmphn").parameters
        5424393
    """
    if name not in MODELS.names():
        raise ConfigError(f"model {name!r}: unknown; known: {', '.join(MODELS.names())}.")
    network = outline(MODELS.get(name))
    facts = facts_of(network, ModelSpec(name))
    return Card(
        name,
        sum(parameter.numel() for parameter in network.parameters()),
        facts["size_multiple"],
        facts["receptive_radius_px"],
        facts["bytes_per_pixel"],
        ORIGINS.get(name, Origin("")),
        TILE_TESTS.get(name, ()),
    )


def catalogue() -> list[Card]:
    """The cards of all registered networks, by name."""
    return [card_of(name) for name in MODELS.names()]

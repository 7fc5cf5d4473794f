"""The configuration of a training run; the defaults are the values of the paper (Li et al., 2023).

``recipe = "released"`` follows the authors' code where it differs from the paper: its U-Net, crops of 256 pixels
without flips, a first stage with the Charbonnier distance to the warped sharp picture alone, the mask of the flow's
colour picture, and Xavier weights in the reblurring network. Two habits of that code are left out on purpose: it draws
crop offsets below 128 only, and it chooses the best checkpoint on the test set.

``recipe = "two-stage"`` is the authors' advice for networks other than the U-Net: from trained weights (``init``),
train the reblurring network alone for several epochs (5 here), then both at a tenth to a hundredth of the usual rate (a
tenth here).

``recipe = "cpu"`` is ours: a small network, small crops, a large rate, and an end after ten minutes of training.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from sdd_bench.core.config import as_dict, build, read_toml, take_strings
from sdd_bench.core.errors import ConfigError
from sdd_bench.core.types import Interpolation
from sdd_bench.flow.mask import FLOOR_PX
from sdd_bench.models.reblurring.network import ReblurKernels
from sdd_bench.models.spec import ModelSpec
from sdd_bench.prepared.shards import ShardSet, shard_paths
from sdd_bench.registration.light.transfer import Match
from sdd_bench.training.losses import MaskKind

RECIPES: dict[str, dict[str, Any]] = {
    "paper": {},
    "released": {
        "model": "unet-released",
        "crop": 256,
        "flips": False,
        "stage_one_loss": "warped",
        "mask": "released",
        "reblur_init": "xavier",
    },
    "two-stage": {"reblur_epochs": 5, "reblur_learning_rate": 2e-5, "learning_rate": 2e-6},
    "cpu": {
        "model": "unet-small",
        "reblur_width": 16,
        "crop": 128,
        "batch": 4,
        "stage_one_epochs": 1,
        "alpha": 0.05,  # so short a training does not teach reblurring, whose loss then holds the picture blurry
        "learning_rate": 1e-3,
        "warm_up": 20,
        "val_patches": 8,
        "max_minutes": 10.0,
    },
}
_CROP_MULTIPLE = 32
"""Of a crop that is fitted to the patches: most networks take its multiples."""
_CONTEXTUAL = ("loss", "loss_weights", "spatial_weight", "reach_px", "most_places")
"""Options of the contextual loss, of no weight in a run without it."""
_NOT_TRAINING = (
    "steps",
    "max_minutes",
    "accelerator",
    "workers",
    "keep",
    "log_every",
    "export_program",
    "flow_file",
    "recompute",
)
"""Options that change no weight; a run may be resumed with other values of them."""
_SILENT: dict[str, Any] = {
    "model_options": {},
    "edge_weight": 0.0,
    "perceptual_weight": 0.0,
    "perceptual_side": "deblurred",
    "perceptual_floor_px": FLOOR_PX,
    "interpolation": "linear",
    "match": "none",
    "light": None,
}
"""Options that came later, with the values at which a run is what it was before, so that older runs go on."""


@dataclass(frozen=True)
class TrainConfig:
    """Options of a training run.

    Raises:
        ConfigError: A value is out of range, or ablations exclude each other.
    """

    recipe: Literal["paper", "released", "two-stage", "cpu"] = "paper"
    model: str = "unet"
    width: int | None = None
    dropout: float | None = None
    bgr: bool | None = None
    init: Path | None = None
    """Checkpoint from which the deblurring network starts."""
    model_options: dict[str, Any] = field(default_factory=dict)
    """Further options of the network's factory, such as ``{depth = 4}``."""

    crop: int = 512
    """Side of a crop in pixels."""
    flips: bool = True
    """Whether patches are flipped and turned at random (the paper does not say)."""
    batch: int = 1
    """Patches per step, over all devices (the paper does not say; the released code has 1)."""
    accumulate: int = 1
    """Number of parts in which a device computes its share of the batch, to save memory."""
    val_share: float = 0.1
    """Share of the training split's scenes that is held out to choose the best checkpoint. If the set has a ``val``
    split, that split is used in its place; the test split never is. 0 means no validation at all."""
    val_patches: int = 32
    """Largest number of patches in a validation."""

    steps: int | None = None
    """Steps after which the run ends, whatever the epochs; None for the steps of ``epochs``."""
    max_minutes: float | None = None
    """Minutes of training steps after which the run ends with its best network; the same command again trains for as
    long once more. None for no limit. The flow of the set, estimated before, and the last validation come on top."""
    epochs: int = 100
    stage_one_epochs: int = 15
    """Epochs of the first stage, which uses the flow between blurry and sharp, computed once. The second stage uses the
    flow between deblurred and sharp."""
    stage_one_loss: Literal["full", "warped"] = "full"
    """Loss of the first stage; ``warped`` is the Charbonnier distance to the warped sharp picture alone."""
    learning_rate: float = 2e-5
    warm_up: int = 0
    """Steps over which the learning rate rises from zero. Without them a large rate ruins a narrow network."""
    halve_every: int = 60
    """Epochs after which the learning rate is halved."""
    reblur_epochs: int = 0
    """Epochs before all others that train the reblurring network alone, for a deblurring network already trained."""
    reblur_learning_rate: float | None = None
    """Learning rate of those epochs; None for ``learning_rate``."""
    clip: float | None = None
    """Largest norm of the gradient; None for no limit."""

    loss: Literal["adaptive", "contextual", "cobi", "cobi-released"] = "adaptive"
    """Loss of the deblurred picture: the paper's, or a contextual one that needs no flow, see
    :mod:`sdd_bench.training.contextual.similarity`."""
    loss_weights: Path | None = None
    """torchvision's VGG19 for the contextual loss; None for the AlexNet of this package."""
    spatial_weight: float = 0.1
    """Weight of places in ``cobi`` and ``cobi-released``."""
    reach_px: float = 8.0
    """Distance in pixels at which ``cobi`` adds that weight; give about the largest misalignment of the set."""
    most_places: int = 63**2
    """Places of a layer that the contextual loss draws. Its time rises with the square."""

    match: Match = Match.NONE
    """How sharp pictures are brought to the light of the blurry ones before every loss (not in the paper): ``gain``,
    ``gain+field`` or ``tone``. The transfer of a pair is estimated once, from the flow of the first stage."""
    light: Path | None = None
    """``misalignment.csv`` of ``analyze``: pairs that it holds take their transfer from there."""

    alpha: float = 0.5
    """Weight of the reblurring loss. Until the reblurring network can reblur, it draws the deblurred picture to the
    blurry one; 0.05 is better in a short training."""
    edge_weight: float = 0.0
    """Weight of the Charbonnier distance of edges beside that of pictures; 0.05 where MPRNet was trained first."""
    perceptual_weight: float = 0.0
    """Weight of LPIPS beside the distance of pixels, to the warped sharp picture where the mask trusts it; 0.02 keeps
    what a network has learnt of looks while it is fine-tuned."""
    perceptual_side: Literal["deblurred", "sharp", "both"] = "deblurred"
    """Grid on which LPIPS compares: that of the ``deblurred`` picture, with the sharp one warped; that of the ``sharp``
    one, with the deblurred one warped; or the mean of ``both``."""
    perceptual_floor_px: float = FLOOR_PX
    """Deviation of flow, in pixels, that the mask of LPIPS accepts in any case. At 0.1 px, as for the pixels, it hides
    nearly half of pairs that almost lie on one another; 1.0 hides a seventh."""
    interpolation: Interpolation = Interpolation.LINEAR
    """Of the warps in the loss: ``linear`` as in the paper, or ``lanczos``, which hardly smooths."""
    mask: MaskKind = MaskKind.MAGNITUDE
    """Calibration mask."""
    tolerance: float = 0.35
    """Relative half-width of the band that the mask accepts."""
    levels: int = 8
    """Number of blur levels of the reblurring network."""
    reblur_width: int = 64
    """Channels of the reblurring network."""
    reblur_init: Literal["he", "xavier"] = "he"
    """Distribution of the first weights of the reblurring network."""

    vanilla: bool = False
    """Table 4 #1: the Charbonnier distance to the sharp picture as captured, and nothing else."""
    no_flow: bool = False
    """#2: the same with the reblurring loss."""
    no_mask: bool = False
    """#3: no calibration mask."""
    no_reblur: bool = False
    """#4: no reblurring network."""
    free_kernels: bool = False
    """#5: free kernels of each size in place of isotropic ones."""
    no_weight_maps: bool = False
    """#6: one isotropic kernel of full size."""
    no_cycle: bool = False
    """Loss without the second term of Eq. 5 (not in the paper's table)."""

    flow: str = "pwcnet-plain"
    """Flow estimator. The default is PWC-Net alone, as in the paper; ``pwcnet`` refines it, which costs more than all
    else in a step."""
    flow_weights: Path | None = None
    """Checkpoint of the flow network in place of the bundled weights."""
    flow_precision: Literal["32", "bf16"] = "32"
    flow_file: Path | None = None
    """File of the flow between blurry and sharp; None for one beside the dataset."""

    precision: Literal["32", "bf16-mixed", "16-mixed"] = "32"
    accelerator: str = "auto"
    channels_last: bool = True
    """Whether tensors have their channels last in memory."""
    compile: bool = False
    """Whether the deblurring network is compiled."""
    recompute: bool = True
    """Whether the backward pass computes the reblurring network's activations again. This takes a fifth less memory and
    is hardly slower."""
    workers: int = 0
    """Processes that read patches."""
    seed: int = 0

    validate_every: int = 1
    """Epochs between validations."""
    checkpoint_every: int = 500
    """Steps between checkpoints; one is also kept after each validation."""
    keep: int = 3
    """Number of last checkpoints that stay, besides the best one."""
    log_every: int = 20
    """Steps between points of the curves."""
    export_program: bool = False
    """Whether the best network is also written as an ExportedProgram."""

    def __post_init__(self) -> None:
        take_strings(self, "init", "loss_weights", "light", "flow_weights", "flow_file")
        positive = ("crop", "batch", "accumulate", "halve_every", "levels", "reblur_width", "validate_every")
        for name in (*positive, "checkpoint_every", "keep", "log_every", "val_patches", "most_places"):
            self._check(name, getattr(self, name) >= 1, "1 or more")
        for name in (
            "epochs",
            "stage_one_epochs",
            "reblur_epochs",
            "warm_up",
            "workers",
            "seed",
            "alpha",
            "edge_weight",
            "perceptual_weight",
            "perceptual_floor_px",
        ):
            self._check(name, getattr(self, name) >= 0, "0 or more")
        self._check("val_share", 0 <= self.val_share < 1, "0 up to, but not, 1")
        self._check("epochs", self.epochs + self.reblur_epochs >= 1, "1 or more")
        self._check("levels", self.levels >= 2, "2 or more")
        self._check("spatial_weight", 0 <= self.spatial_weight <= 1, "0 to 1")
        self._check("steps", self.steps is None or self.steps >= 1, "1 or more")
        for name in ("max_minutes", "learning_rate", "reblur_learning_rate", "clip", "tolerance", "reach_px"):
            value = getattr(self, name)
            self._check(name, value is None or 0 < value < float("inf"), "a positive number")
        self._check("match", self.match in tuple(Match), f"one of {', '.join(Match)}")
        sides = ("deblurred", "sharp", "both")
        self._check("perceptual_side", self.perceptual_side in sides, f"one of {', '.join(sides)}")
        known = tuple(Interpolation)
        self._check("interpolation", self.interpolation in known, f"one of {', '.join(known)}")
        object.__setattr__(self, "match", Match(self.match))
        if self.light is not None and self.match is Match.NONE:
            raise ConfigError("light: a table of transfers is of no use without match; give --match, too.")
        if self.recipe == "two-stage" and self.init is None:
            raise ConfigError(
                "recipe two-stage: starts from a network that is trained already; give its weights: init."
            )
        if self.free_kernels and self.no_weight_maps:
            raise ConfigError("free_kernels and no_weight_maps exclude each other.")
        if self.no_cycle and self.perceptual_side != "deblurred":
            raise ConfigError(f"perceptual_side {self.perceptual_side}: needs the flow back, but no_cycle has none.")
        for name in ("vanilla", "no_flow", "no_mask", "no_cycle", "edge_weight", "perceptual_weight"):
            if self.contextual and getattr(self, name):
                raise ConfigError(f"{name}: belongs to the adaptive loss, which {self.loss} replaces.")
        if self.loss_weights is not None and not self.contextual:
            raise ConfigError("loss_weights: there is no contextual loss to use them; give --loss, too.")
        for name in ("reblur_epochs", "free_kernels", "no_weight_maps"):
            if getattr(self, name) and not self.has_reblur:
                raise ConfigError(f"{name}: there is no reblurring network with vanilla or no_reblur.")
        if self.reblur_learning_rate is not None and not self.reblur_epochs:
            raise ConfigError("reblur_learning_rate: there are no reblur_epochs to use it in.")

    def _check(self, name: str, holds: bool, expected: str) -> None:
        if not holds:
            raise ConfigError(f"{name}: expected {expected}, got {getattr(self, name)}.")

    @property
    def spec(self) -> ModelSpec:
        """Name and options of the deblurring network."""
        return ModelSpec(self.model, width=self.width, dropout=self.dropout, bgr=self.bgr, options=self.model_options)

    @property
    def has_flow(self) -> bool:
        """Whether the sharp picture is warped."""
        return not (self.vanilla or self.no_flow or self.contextual)

    @property
    def contextual(self) -> bool:
        """Whether the deblurred picture is compared without alignment."""
        return self.loss != "adaptive"

    @property
    def needs_flow(self) -> bool:
        """Whether the flow of blurry and sharp is estimated: to warp the sharp picture, or to compare its light."""
        return self.has_flow or self.match is not Match.NONE

    @property
    def has_reblur(self) -> bool:
        """Whether the method has a reblurring network."""
        return not (self.vanilla or self.no_reblur)

    @property
    def mask_kind(self) -> MaskKind:
        """Calibration mask in use."""
        return MaskKind.NONE if self.no_mask else self.mask

    @property
    def kernels(self) -> ReblurKernels:
        """Kind of the kernels of the reblurring network."""
        if self.free_kernels:
            return ReblurKernels.FREE
        return ReblurKernels.SINGLE if self.no_weight_maps else ReblurKernels.ISOTROPIC

    def training(self) -> dict[str, Any]:
        """Options that the weights depend on, as JSON values."""
        without = _NOT_TRAINING if self.contextual else _NOT_TRAINING + _CONTEXTUAL
        values = {key: value for key, value in as_dict(self).items() if key not in without}
        return {key: value for key, value in values.items() if key not in _SILENT or value != _SILENT[key]}


def load_train_config(
    path: Path | None = None, overrides: Mapping[str, Any] | None = None, *, data: Path | None = None
) -> TrainConfig:
    """Configuration from a recipe's values, then those of a TOML file, then ``overrides`` that are not None.

    Args:
        path: TOML file.
        overrides: Options by name.
        data: Prepared set or shard whose patches bound a crop that neither file nor ``overrides`` give.

    Raises:
        ConfigError: The file cannot be read, or an option is unknown or out of range.

    Example:
        >>> config = load_train_config(overrides={"recipe": "released", "epochs": 5})
        >>> config.model, config.crop, config.epochs
        ('unet-released', 256, 5)
    """
    given = {key: value for key, value in (overrides or {}).items() if value is not None}
    from_file = {} if path is None else read_toml(TrainConfig, path)
    recipe = build(TrainConfig, from_file | given).recipe
    config = build(TrainConfig, RECIPES[recipe] | from_file | given)
    return config if data is None or "crop" in from_file | given else _fitted(config, data)


def _fitted(config: TrainConfig, data: Path) -> TrainConfig:
    """The configuration with a crop that is no larger than the patches."""
    shards = ShardSet(shard_paths(data, "train"))
    side = shards.patch
    shards.close()
    if config.crop <= side:
        return config
    return dataclasses.replace(config, crop=side - side % _CROP_MULTIPLE or side)


def to_toml(config: TrainConfig) -> str:
    """The configuration as TOML that :func:`load_train_config` reads; options that are None are left out.

    Example:
        >>> to_toml(TrainConfig(epochs=5)).splitlines()[0]
        'recipe = "paper"'
    """
    values = as_dict(config)
    lines = [
        f"{item.name} = {_toml(values[item.name])}\n"
        for item in dataclasses.fields(config)
        if values[item.name] is not None
    ]
    return "".join(lines)


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(item)}" for key, item in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)

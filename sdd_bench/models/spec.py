"""Networks by name, and the options they are built with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from sdd_bench.core.config import as_dict
from sdd_bench.core.errors import ConfigError, is_short_of_memory, reason_of
from sdd_bench.core.registry import Registry
from sdd_bench.models.networks.dmphn import DMPHN
from sdd_bench.models.networks.dpdnet import DPDNet
from sdd_bench.models.networks.drbnet import DRBNet
from sdd_bench.models.networks.folded import FoldedUNet
from sdd_bench.models.networks.ifan import IFAN, ifan_released
from sdd_bench.models.networks.kpac import KPAC
from sdd_bench.models.networks.laplacian import LaplacianUNet
from sdd_bench.models.networks.mprnet import MPRNet
from sdd_bench.models.networks.nafnet import NAFNet
from sdd_bench.models.networks.restormer import Restormer
from sdd_bench.models.networks.unet import UNet

METADATA_KEY = "sdd-bench"
"""Name of the safetensors metadata, and of the ExportedProgram's extra file, that hold :func:`facts_of` as JSON."""
UNKNOWN_BYTES_PER_PIXEL = 4096
"""Memory per pixel that a program without facts is taken to need."""
_PROBE_MULTIPLES = 64
"""Side in pixels, or nearly, of the picture on which the memory of a network is counted."""


@dataclass(frozen=True)
class ModelSpec:
    """Name and options of a network; an option that is None is left to its factory."""

    model: str = "unet"
    """A registered name (``sdd-bench models``), or ``package.module:factory``."""
    width: int | None = None
    """Channels of the first stage; 64 in the paper."""
    dropout: float | None = None
    """Probability of dropping an activation; 0.4 in the paper."""
    bgr: bool | None = None
    """Whether the weights expect blue first, as those of the authors' U-Net do."""
    options: dict[str, Any] = field(default_factory=dict)
    """Further options of the factory, such as ``{"depth": 4}``."""

    def __post_init__(self) -> None:
        if self.width is not None and self.width < 1:
            raise ConfigError(f"width: expected 1 or more channels, got {self.width}.")
        if self.dropout is not None and not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout: expected 0 up to, but not, 1, got {self.dropout}.")

    def as_json(self) -> dict[str, Any]:
        """What travels with a checkpoint, an open option as None; ``options`` only where there are some."""
        return {name: value for name, value in as_dict(self).items() if value != {}}

    def facts(self) -> dict[str, Any]:
        """What is not left open, as JSON values."""
        return {name: value for name, value in self.as_json().items() if value is not None}

    def build(self) -> nn.Module:
        """Build the network, with the weights that its factory draws.

        Raises:
            ConfigError: The name is unknown, or the factory does not take an option.
        """
        given = {name: value for name, value in self.facts().items() if name not in ("model", "options")}
        given |= self.options
        factory = MODELS.get(self.model)
        try:
            network = factory(**given)
        except (TypeError, ValueError, RuntimeError, MemoryError) as error:
            reason = "too large for the memory" if is_short_of_memory(error) else reason_of(error)
            raise ConfigError(
                f"model {self.model}: {reason}. It was called with {given or 'no options'}; change or "
                "leave out those it does not take."
            ) from error
        if not isinstance(network, nn.Module):
            raise ConfigError(f"model {self.model}: expected a torch Module, got {type(network).__name__}.")
        return network


MODELS: Registry[nn.Module] = Registry("model")
MODELS.register("drbnet")(DRBNet)
MODELS.register("ifan")(IFAN)
MODELS.register("ifan-released")(ifan_released)
MODELS.register("mprnet")(MPRNet)
MODELS.register("nafnet")(NAFNet)
MODELS.register("restormer")(Restormer)
MODELS.register("dmphn")(DMPHN)
MODELS.register("dpdnet")(DPDNet)
MODELS.register("kpac")(KPAC)
MODELS.register("unet")(UNet)
MODELS.register("unet-folded")(FoldedUNet)
MODELS.register("unet-laplacian")(LaplacianUNet)


@MODELS.register("unet-released")
def unet_released(width: int = 64, *, bgr: bool = True, dropout: float = 0.4) -> UNet:
    """U-Net of the authors' code, whose checkpoints expect blue first."""
    return UNet(width, released=True, bgr=bgr, dropout=dropout)


@MODELS.register("unet-small")
def unet_small(width: int = 16, *, bgr: bool = False, dropout: float = 0.0) -> UNet:
    """U-Net that trains on a CPU: narrow, residual, and without dropout because it is too small to overfit."""
    return UNet(width, bgr=bgr, dropout=dropout, residual=True)


@MODELS.register("kpac-2level")
def kpac_2level(width: int = 48) -> KPAC:
    """KPAC with two levels; ``kpac`` has three."""
    return KPAC(width, levels=2)


def facts_of(network: nn.Module, spec: ModelSpec) -> dict[str, Any]:
    """Facts that are stored with a checkpoint: the spec, and what is needed to run the network at any size.

    Example:
        >>> facts = facts_of(nn.Conv2d(3, 3, 3, padding=1), ModelSpec("package.module:factory"))
        >>> facts["model"], facts["size_multiple"], facts["receptive_radius_px"]
        ('package.module:factory', 1, None)
    """
    return spec.as_json() | {
        "size_multiple": int(getattr(network, "size_multiple", 1)),
        "receptive_radius_px": getattr(network, "receptive_radius_px", None),
        "bytes_per_pixel": getattr(network, "bytes_per_pixel", None) or estimate_bytes_per_pixel(network),
    }


def estimate_bytes_per_pixel(network: nn.Module) -> int:
    """Bytes of the outputs of all layers per input pixel, in float32: an upper bound of the memory in use at once."""
    side = int(getattr(network, "size_multiple", 1))
    side *= max(1, _PROBE_MULTIPLES // side)
    numbers = 0

    def count(module: nn.Module, inputs: Any, output: Any) -> None:
        nonlocal numbers
        in_place = bool(inputs) and isinstance(inputs[0], Tensor) and output is inputs[0]
        if isinstance(output, Tensor) and not in_place:
            numbers += output.numel()

    leaves = [module for module in network.modules() if not any(module.children())]
    hooks = [leaf.register_forward_hook(count) for leaf in leaves]
    training = network.training
    try:
        like = next(network.parameters(), torch.empty(0))
        with torch.inference_mode():
            network.eval()(torch.zeros(1, 3, side, side, device=like.device, dtype=like.dtype))
    finally:
        network.train(training)
        for hook in hooks:
            hook.remove()
    return max(4 * numbers // side**2, 24)

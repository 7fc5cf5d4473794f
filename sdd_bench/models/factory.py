"""Deblurring networks by name, and their checkpoints.

The contract of a network: ``factory() -> Module``; ``forward(blurry)`` takes RGB in [0, 1], ``(N, 3, H, W)``, and
returns the deblurred picture likewise, or a sequence whose first element is final. Attributes, all optional:
``size_multiple`` (H and W must be multiples of it; 1 without) and ``receptive_radius_px`` (how far an output pixel
looks; tiles need it).

A checkpoint is a safetensors file of this package (which says in its metadata what network it is for), a torch file of
tensors (``G_state_dict`` of the authors' code, ``state_dict``, or the tensors themselves), or an ExportedProgram
(``.pt2``), which brings its network along. The first two are data and run no code. A program is code by nature: what it
pickles is held to tensors, but torch runs its operators and guards, so load only one whose maker you trust.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sdd_bench.config import as_dict, build
from sdd_bench.errors import ConfigError, WeightsError
from sdd_bench.files import sha256_of
from sdd_bench.flow.checkpoint import WRAPPERS, load_into, read_tensors
from sdd_bench.models.unet import UNet
from sdd_bench.registry import Registry

METADATA_KEY = "sdd-bench"
"""Names the safetensors metadata and the ExportedProgram's extra file: JSON of :func:`facts_of`."""
PROGRAM_SUFFIX = ".pt2"
_UNKNOWN_BYTES_PER_PIXEL = 4096
_PROBE_MULTIPLES = 64
_LEAST = {"size_multiple": 1, "least_side": 1, "bytes_per_pixel": 1, "receptive_radius_px": 0}
"""Facts that are whole numbers, and the smallest each can be."""
_CODE = ("data/aotinductor/", "data/constants/opaque_obj")
"""Members of an ExportedProgram's archive that torch runs, or unpickles whatever they hold."""
_WEIGHTS_ONLY = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"


@dataclass(frozen=True)
class ModelSpec:
    """Which network; None leaves an option to the factory."""

    model: str = "unet"
    """``unet`` (Table 6), ``unet-released``, ``unet-small``, or ``package.module:factory``."""
    width: int | None = None
    """Channels of the first stage; 64 in the paper."""
    dropout: float | None = None
    """0.4 in the paper."""
    bgr: bool | None = None
    """The weights expect blue first, as those of the authors' U-Net do."""

    def __post_init__(self) -> None:
        if self.width is not None and self.width < 1:
            raise ConfigError(f"width: expected 1 or more channels, got {self.width}.")
        if self.dropout is not None and not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout: expected 0 up to, but not, 1, got {self.dropout}.")

    def build(self) -> nn.Module:
        """The network, its weights as the factory draws them.

        Raises:
            ConfigError: An unknown name, or an option the factory does not take.
        """
        given = {name: value for name, value in as_dict(self).items() if name != "model" and value is not None}
        factory = MODELS.get(self.model)
        try:
            network = factory(**given)
        except (TypeError, ValueError, RuntimeError) as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ConfigError(
                f"model {self.model}: {reason}. It was called with {given or 'no options'}; change or leave out those "
                "it does not take."
            ) from error
        if not isinstance(network, nn.Module):
            raise ConfigError(f"model {self.model}: expected a torch Module, got {type(network).__name__}.")
        return network


MODELS: Registry[nn.Module] = Registry("model")
MODELS.register("unet")(UNet)


@MODELS.register("unet-released")
def unet_released(width: int = 64, *, bgr: bool = True, dropout: float = 0.4) -> UNet:
    """The network of the authors' code, whose checkpoints expect blue first."""
    return UNet(width, released=True, bgr=bgr, dropout=dropout)


@MODELS.register("unet-small")
def unet_small(width: int = 16, *, bgr: bool = False, dropout: float = 0.0) -> UNet:
    """A U-Net that trains on a CPU: narrow, residual, without dropout (it is too small to overfit)."""
    return UNet(width, bgr=bgr, dropout=dropout, residual=True)


@dataclass(frozen=True)
class Network:
    """A network ready to deblur."""

    forward: Callable[[Tensor], Any]
    name: str
    sha256: str
    """Of the checkpoint."""
    size_multiple: int
    receptive_radius_px: int | None
    """None: unknown."""
    bytes_per_pixel: int
    """An upper estimate of the memory one picture's pixel takes on its way through."""
    device: torch.device
    least_side: int = 1
    """Smaller pictures are padded to it."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What else its output depends on: the options it was built with, and the precision."""

    def deblur(self, blurry: Tensor) -> Tensor:
        """Deblurred picture, :math:`(N, 3, H, W)` float32 on the CPU; H and W are multiples of ``size_multiple``."""
        with torch.inference_mode():
            x = blurry.to(self.device).contiguous(memory_format=torch.channels_last)
            return final_output(self.forward(x)).float().cpu()


def final_output(output: Any) -> Tensor:
    """The final picture of what a network returned.

    Raises:
        ConfigError: It is neither a picture nor a sequence of pictures.
    """
    first = output if isinstance(output, Tensor) else output[0] if isinstance(output, (list, tuple)) else None
    if not isinstance(first, Tensor):
        raise ConfigError(
            f"the network returned {type(output).__name__}; expected a tensor (N, 3, H, W) or a sequence whose first "
            "element is one."
        )
    return first


def load_network(
    checkpoint: Path, spec: ModelSpec | None = None, *, device: str = "cpu", precision: str = "32"
) -> Network:
    """The network of a checkpoint, in evaluation mode.

    Args:
        checkpoint: File of weights, or ExportedProgram.
        spec: What network it is for; None where the file says so itself. See :func:`read_spec`.
        device: Torch device.
        precision: ``32``, or ``bf16`` for convolutions under autocast.

    Raises:
        WeightsError: The file is missing, damaged, or of another network.
        ConfigError: The file does not say what network it is for and ``spec`` is None, or ``spec`` is wrong or goes
            with a program.
    """
    place = _device(device)
    if precision not in ("32", "bf16"):
        raise ConfigError(f"precision: expected 32 or bf16, got {precision!r}.")
    if checkpoint.suffix == PROGRAM_SUFFIX:
        if spec is not None:
            raise ConfigError(
                f"{checkpoint}: an ExportedProgram brings its network along, so --model, --width and --bgr do not go "
                "with it. Leave them out, or use the weights."
            )
        forward, facts = _load_program(checkpoint, place)
        settings: dict[str, Any] = {}
    else:
        spec = read_spec(checkpoint, spec)
        network = spec.build()
        load_into(network, read_tensors(checkpoint, wrappers=("G_state_dict", *WRAPPERS)), checkpoint)
        network.eval().requires_grad_(False).to(place).to(memory_format=torch.channels_last)
        forward, facts, settings = network, facts_of(network, spec), as_dict(spec)

    def run(x: Tensor) -> Any:
        with torch.autocast(place.type, torch.bfloat16, enabled=precision == "bf16"):
            return forward(x)

    return Network(
        forward=run,
        name=facts.get("model") or checkpoint.stem,
        sha256=sha256_of(checkpoint),
        size_multiple=facts.get("size_multiple") or 1,
        receptive_radius_px=facts.get("receptive_radius_px"),
        bytes_per_pixel=facts.get("bytes_per_pixel") or _UNKNOWN_BYTES_PER_PIXEL,
        device=place,
        least_side=facts.get("least_side") or 1,
        settings=settings | {"precision": precision},
    )


def read_spec(checkpoint: Path, asked: ModelSpec | None = None) -> ModelSpec:
    """What network a checkpoint is for; a safetensors file of this package says so.

    A file is data: the code of a ``package.module:factory`` is imported only where ``asked`` names it, too.

    Args:
        checkpoint: File of weights.
        asked: What network the user says it is for. Options it leaves open are the file's, where both name one network.

    Raises:
        ConfigError: Neither says, or only the file does and the network is not one of this package.
        WeightsError: It is missing or damaged.
    """
    told = _told_spec(checkpoint)
    if asked is not None:
        given = {name: value for name, value in as_dict(asked).items() if value is not None}
        return dataclasses.replace(told, **given) if told and told.model == asked.model else asked
    if told is None:
        raise ConfigError(
            f"{checkpoint}: does not say what network it is for. Name it: --model {', '.join(MODELS.names())} or "
            "package.module:factory."
        )
    if told.model not in MODELS.names():
        raise ConfigError(
            f"{checkpoint}: says it is for {told.model!r}; expected {', '.join(MODELS.names())}, since no code is run "
            f"because a file says so. If you know and trust it: --model {told.model}"
        )
    return told


def _told_spec(checkpoint: Path) -> ModelSpec | None:
    metadata: dict[str, str] = {}
    if checkpoint.suffix == ".safetensors":
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(checkpoint, framework="pt") as file:
                metadata = file.metadata() or {}
        except (OSError, SafetensorError) as error:
            raise WeightsError(f"{checkpoint}: missing, damaged, or not safetensors ({error}).") from error
    elif not checkpoint.is_file():
        raise WeightsError(f"{checkpoint}: no such file; expected a checkpoint.")
    try:
        values = json.loads(metadata[METADATA_KEY])
        known = {field.name for field in dataclasses.fields(ModelSpec)}
        return build(ModelSpec, {key: value for key, value in values.items() if key in known}, source="metadata")
    except (KeyError, ValueError, TypeError, AttributeError):
        return None
    except ConfigError as error:
        raise WeightsError(
            f"{checkpoint}: its metadata describe no network: {error} Train or convert it again."
        ) from error


def facts_of(network: nn.Module, spec: ModelSpec) -> dict[str, Any]:
    """What travels with a checkpoint: the spec, and what running the network at any size needs to know."""
    return as_dict(spec) | {
        "size_multiple": int(getattr(network, "size_multiple", 1)),
        "receptive_radius_px": getattr(network, "receptive_radius_px", None),
        "bytes_per_pixel": estimate_bytes_per_pixel(network),
    }


def estimate_bytes_per_pixel(network: nn.Module) -> int:
    """All that the layers of ``network`` put out for one input pixel, in float32: more than is alive at once."""
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


def _load_program(path: Path, device: torch.device) -> tuple[Callable[[Tensor], Any], dict[str, Any]]:
    extra = {METADATA_KEY: ""}
    try:
        _check_members(path)
        with _weights_only():
            program = torch.export.load(path, extra_files=extra)
        module = program.module()
        facts = json.loads(extra[METADATA_KEY] or "{}")
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror or error}).") from error
    except Exception as error:  # torch.export.load raises whatever its archive reader meets
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise WeightsError(
            f"{path}: not an ExportedProgram this torch can load ({reason[:200]}). Export it again, or use the weights "
            "with --model."
        ) from error
    _check_facts(facts, path)
    return module.to(device), facts


def _check_members(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.lower().partition("/")[2].startswith(_CODE):
                raise ValueError(f"holds {name}, which is code beside the program")


@contextmanager
def _weights_only() -> Iterator[None]:
    """Only tensors are unpickled; torch.export.load, which falls back to pickles of all kinds, heeds nothing else."""
    before = os.environ.get(_WEIGHTS_ONLY)
    os.environ[_WEIGHTS_ONLY] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_WEIGHTS_ONLY]
        else:
            os.environ[_WEIGHTS_ONLY] = before


def _check_facts(facts: object, path: Path) -> None:
    """What a program says of itself, as :func:`facts_of` wrote it; what it leaves open is unknown."""
    where = f"{path}: {METADATA_KEY}"
    if not isinstance(facts, dict):
        raise WeightsError(f"{where}: expected a JSON object, got {type(facts).__name__}. Export it again.")
    for name, least in _LEAST.items():
        value = facts.get(name)
        if value is not None and not (type(value) is int and value >= least):
            raise WeightsError(
                f"{where}: {name}: expected a whole number from {least} on, got {value!r}. Export it again."
            )
    model = facts.get("model")
    if model is not None and not (isinstance(model, str) and re.fullmatch(r"\w[\w.:-]*", model)):
        raise WeightsError(f"{where}: model: expected the name of a network, got {model!r}. Export it again.")


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ConfigError(f"device {name!r}: not available ({reason[:120]}). Use cpu, cuda or cuda:N.") from error
    return device

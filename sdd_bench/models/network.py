"""Deblurring networks by name, and their checkpoints.

A network is made by ``factory() -> Module``. Its ``forward(blurry)`` takes RGB in [0, 1], ``(N, 3, H, W)``, and returns
the deblurred picture in the same form, or a sequence whose first element is the final picture. It may have two
attributes: ``size_multiple`` (H and W must be multiples of it; 1 by default), and ``receptive_radius_px`` (the distance
of the farthest input pixel that changes an output pixel; needed to work in tiles).

A checkpoint is one of three kinds of file:

- a safetensors file of this package, whose metadata name the network;
- a torch file of tensors (``G_state_dict`` of the authors' code, ``state_dict``, or the tensors themselves);
- an ExportedProgram (``.pt2``), which contains its network.

The first two are data and run no code. A program is code by nature: only tensors of it are unpickled, but torch runs
its operators and guards. Load only a program whose maker you trust.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sdd_bench.core.config import build
from sdd_bench.core.devices import device_of
from sdd_bench.core.errors import ConfigError, WeightsError
from sdd_bench.core.precision import full_float32
from sdd_bench.core.storage.documents import parse_json
from sdd_bench.core.storage.files import sha256_of
from sdd_bench.core.types import AnyPath
from sdd_bench.models.fewer_products import take_fewer_products
from sdd_bench.models.program import PROGRAM_SUFFIX, load_program
from sdd_bench.models.recognise import options_of, own_tensors, recognise
from sdd_bench.models.released.checkpoint import read_checkpoint
from sdd_bench.models.shapes import Shapes, shapes_of
from sdd_bench.models.spandrel import NAME as SPANDREL
from sdd_bench.models.spandrel import load_spandrel
from sdd_bench.models.spec import METADATA_KEY, MODELS, UNKNOWN_BYTES_PER_PIXEL, ModelSpec, facts_of
from sdd_bench.weights.tensors import load_into, open_safetensors


@dataclass(frozen=True)
class Network:
    """Network that is ready to deblur."""

    forward: Callable[[Tensor], Any]
    name: str
    sha256: str
    """SHA-256 of the checkpoint."""
    size_multiple: int
    """Number of which the sides of a picture must be multiples."""
    receptive_radius_px: int | None
    """Distance of the farthest input pixel that changes an output pixel; None where it is unknown."""
    bytes_per_pixel: int
    """Upper estimate of the memory that the network needs per pixel of a picture."""
    device: torch.device
    least_side: int = 1
    """Least side of a picture; smaller pictures are padded to it."""
    parameters: int | None = None
    """Number of its parameters; None where it is unknown."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Other settings that the output depends on: the options of the factory, and the precision."""
    again: Callable[..., Network] | None = None
    """What loads the network anew, in another process too and on any ``device=``; None where it is of no file."""

    def deblur(self, blurry: Tensor) -> Tensor:
        """Deblurred picture, :math:`(N, 3, H, W)` float32 on the CPU; H and W are multiples of ``size_multiple``."""
        with torch.inference_mode(), full_float32():
            x = blurry.to(self.device).contiguous(memory_format=torch.channels_last)
            return final_output(self.forward(x)).float().cpu()


def final_output(output: Any) -> Tensor:
    """Final picture among the outputs of a network.

    Raises:
        ConfigError: The output is neither a picture nor a sequence of pictures.

    Example:
        >>> final_output([torch.ones(1, 3, 4, 4), torch.zeros(1, 3, 4, 4)]).mean()
        tensor(1.)
    """
    first = output if isinstance(output, Tensor) else output[0] if isinstance(output, (list, tuple)) else None
    if not isinstance(first, Tensor):
        raise ConfigError(
            f"the network returned {type(output).__name__}; expected a tensor (N, 3, H, W) or a sequence whose first "
            "element is one."
        )
    return first


def load_network(
    checkpoint: AnyPath,
    spec: ModelSpec | None = None,
    *,
    device: str = "cpu",
    precision: str = "32",
    trust_program: bool = False,
) -> Network:
    """Network of a checkpoint, in evaluation mode.

    Args:
        checkpoint: File of weights, or ExportedProgram.
        spec: Network that the file is for, or ``spandrel`` to ask that package; None where the file itself says so.
            See :func:`read_spec`.
        device: Torch device.
        precision: ``32``, or ``bf16`` for convolutions under autocast.
        trust_program: Whether an ExportedProgram may run: it is code of its maker's choosing.

    Raises:
        WeightsError: The file is missing, damaged, or of another network.
        ConfigError: The file does not say what network it is for and ``spec`` is None; or ``spec`` is wrong, or is
            given with a program.

    Example:
        >>> from sdd_bench.weights import path
        >>> network = load_network(path("unet-folded"))
        >>> network.name
        'unet-folded'
        >>> network.forward(torch.zeros(1, 3, 64, 96)).shape
        torch.Size([1, 3, 64, 96])
    """
    checkpoint = Path(checkpoint)
    place, asked = device_of(device), spec
    if precision not in ("32", "bf16"):
        raise ConfigError(f"precision: expected 32 or bf16, got {precision!r}.")
    if checkpoint.suffix == PROGRAM_SUFFIX:
        made = _of_program(checkpoint, spec, place, is_trusted=trust_program)
    elif spec is not None and spec.model == SPANDREL:
        made = _of_spandrel(checkpoint, spec, place)
    else:
        made = _of_tensors(checkpoint, spec, place, precision)
    forward, facts, settings = made

    def run(x: Tensor) -> Any:
        with torch.autocast(place.type, torch.bfloat16, enabled=precision == "bf16"):
            return forward(x)

    return Network(
        forward=run,
        name=facts.get("model") or checkpoint.stem,
        sha256=_sha256_of(checkpoint),
        size_multiple=facts.get("size_multiple") or 1,
        receptive_radius_px=facts.get("receptive_radius_px"),
        bytes_per_pixel=facts.get("bytes_per_pixel") or UNKNOWN_BYTES_PER_PIXEL,
        device=place,
        least_side=facts.get("least_side") or 1,
        parameters=_count(forward),
        settings=settings | {"precision": precision},
        again=partial(
            load_network,
            checkpoint.absolute(),
            asked,
            device=device,
            precision=precision,
            trust_program=trust_program,
        ),
    )


_Made = tuple[Callable[[Tensor], Any], dict[str, Any], dict[str, Any]]
"""What computes the output, the facts of a network, and the settings that its output depends on."""


def _of_program(checkpoint: Path, spec: ModelSpec | None, place: torch.device, *, is_trusted: bool) -> _Made:
    if spec is not None:
        raise ConfigError(
            f"{checkpoint}: an ExportedProgram brings its network along, so --model, --width and --bgr do not go "
            "with it. Leave them out, or use the weights."
        )
    if checkpoint.is_file() and not is_trusted:
        raise ConfigError(
            f"{checkpoint}: an ExportedProgram is code that runs with your rights. If you trust its maker, say so "
            "by --trust-program (in Python trust_program=True), or use the weights."
        )
    return *load_program(checkpoint, place), {}


def _of_spandrel(checkpoint: Path, spec: ModelSpec, place: torch.device) -> _Made:
    network = load_spandrel(read_checkpoint(checkpoint), spec, checkpoint)
    facts = facts_of(network, spec) | {"least_side": network.least_side}
    return _ready(network, place), facts, spec.as_json() | {"architecture": network.architecture}


def _of_tensors(checkpoint: Path, spec: ModelSpec | None, place: torch.device, precision: str) -> _Made:
    tensors = read_checkpoint(checkpoint)
    spec = read_spec(checkpoint, spec, tensors)
    network = spec.build()
    load_into(network, own_tensors(network, tensors), checkpoint)
    _ready(network, place)
    if place.type == "cpu" and precision == "32":
        take_fewer_products(network)
    return network, facts_of(network, spec), spec.as_json()


def _ready(network: nn.Module, place: torch.device) -> nn.Module:
    """The network in evaluation mode, in its place."""
    return network.eval().requires_grad_(False).to(place).to(memory_format=torch.channels_last)


def _count(forward: object) -> int | None:
    return sum(parameter.numel() for parameter in forward.parameters()) if isinstance(forward, nn.Module) else None


def _sha256_of(checkpoint: Path) -> str:
    """SHA-256 of a file; of a folder, that of the digests of its files in the order of their names."""
    if checkpoint.is_file():
        return sha256_of(checkpoint)
    digests = "".join(sha256_of(path) for path in sorted(checkpoint.iterdir()) if path.is_file())
    return hashlib.sha256(digests.encode()).hexdigest()


def read_spec(
    checkpoint: Path, asked: ModelSpec | None = None, tensors: Mapping[str, Tensor] | None = None
) -> ModelSpec:
    """Network that a checkpoint is for: a safetensors file of this package names it, others show it by their tensors.

    A file is data: the code of a ``package.module:factory`` is imported only where ``asked`` names it.

    Args:
        checkpoint: File of weights.
        asked: Network that the user names. Options that it leaves open are the file's, if both name the same network;
            else those that the shapes of ``tensors`` tell.
        tensors: Tensors of the file, by which a network of this package is recognised.

    Raises:
        ConfigError: Neither names a network; or only the file does, and it is not a network of this package.
        WeightsError: The file is missing or damaged.
    """
    told = _told_spec(checkpoint)
    if asked is not None:
        if told is None or told.model != asked.model:
            return asked if tensors is None else _completed(asked, shapes_of(tensors))
        return dataclasses.replace(told, **asked.facts() | {"options": told.options | asked.options})
    if told is None and tensors is not None:
        found = recognise(shapes_of(tensors), source=checkpoint)
        options = dict(found.options)
        return ModelSpec(found.model, width=options.pop("width", None), options=options)
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


def _completed(asked: ModelSpec, shapes: Shapes) -> ModelSpec:
    """``asked``, with what it leaves open and the shapes tell."""
    seen = dict(options_of(asked.model, shapes))
    width = seen.pop("width", None)
    return dataclasses.replace(asked, width=asked.width or width, options=seen | asked.options)


def _told_spec(checkpoint: Path) -> ModelSpec | None:
    metadata: dict[str, str] = {}
    if checkpoint.suffix == ".safetensors":
        with open_safetensors(checkpoint) as file:
            metadata = file.metadata() or {}
    elif not checkpoint.exists():
        raise WeightsError(f"{checkpoint}: no such file; expected a checkpoint.")
    try:
        values = parse_json(metadata[METADATA_KEY], dict)
        known = {field.name for field in dataclasses.fields(ModelSpec)}
        return build(ModelSpec, {key: value for key, value in values.items() if key in known}, source="metadata")
    except KeyError:
        return None
    except (ValueError, ConfigError) as error:
        raise WeightsError(
            f"{checkpoint}: its metadata describe no network: {error} Train or convert it again."
        ) from error

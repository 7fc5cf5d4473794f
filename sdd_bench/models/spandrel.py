"""Networks of the optional package spandrel (extra ``[spandrel]``, MIT), which knows a checkpoint by its tensors.

The tensors are read here, as data; spandrel only says what network they are of and builds it. Networks of
``spandrel-extra-arches``, some of them under non-commercial terms, take part where the user has installed that package.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from sdd_bench.core.errors import ConfigError, WeightsError, reason_of
from sdd_bench.models.spec import ModelSpec

NAME = "spandrel"
_COLOURS = 3


class SpandrelNetwork(nn.Module):
    """A network of spandrel as this package runs networks: RGB in [0, 1] in and out, at one size.

    Args:
        descriptor: What ``spandrel.ModelLoader`` returns.
    """

    def __init__(self, descriptor: Any) -> None:
        super().__init__()
        self.network: nn.Module = descriptor.model
        self.architecture = str(descriptor.architecture.name)
        needs = descriptor.size_requirements
        self.size_multiple = int(needs.multiple_of)
        self.least_side = max(int(needs.minimum), 1)
        self._descriptor = descriptor

    def forward(self, blurry: Tensor) -> Tensor:
        """Deblurred picture of the size of ``blurry``, :math:`(N, 3, H, W)`, clipped to [0, 1]."""
        deblurred: Tensor = self._descriptor(blurry)
        return deblurred


def load_spandrel(tensors: Mapping[str, Tensor], spec: ModelSpec, source: Path) -> SpandrelNetwork:
    """Network that spandrel makes of a checkpoint.

    Args:
        tensors: Tensors of the checkpoint, without wrappers.
        spec: ``ModelSpec("spandrel")``; the tensors say the rest.
        source: The checkpoint, for messages.

    Raises:
        ConfigError: spandrel is not installed, or ``spec`` has options.
        WeightsError: spandrel does not know the tensors, or the network is none that keeps size and colours.
    """
    if options := [name for name in spec.facts() if name != "model"]:
        raise ConfigError(f"model spandrel: takes no {', '.join(options)}; it reads them from the tensors. Leave out.")
    try:
        spandrel: Any = import_module("spandrel")
    except ImportError as error:
        raise ConfigError(
            f"model spandrel: the package spandrel is not installed ({error}). Install it with: pip install "
            "'sdd-bench[spandrel]'."
        ) from error
    registry = spandrel.MAIN_REGISTRY.copy()
    if find_spec("spandrel_extra_arches") is not None:
        registry.add(*import_module("spandrel_extra_arches").EXTRA_REGISTRY.architectures(), ignore_duplicates=True)
    try:
        descriptor = spandrel.ModelLoader(device="cpu", registry=registry).load_from_state_dict(dict(tensors))
    except Exception as error:  # of a network that it takes the tensors for, anything
        raise WeightsError(
            f"{source}: spandrel {spandrel.__version__} does not know its {len(tensors)} tensors ({reason_of(error)}). "
            "More networks come with: pip install spandrel-extra-arches (mind their licences)."
        ) from error
    channels = (getattr(descriptor, "input_channels", 0), getattr(descriptor, "output_channels", 0))
    if not isinstance(descriptor, spandrel.ImageModelDescriptor) or descriptor.scale != 1 or channels != (3, 3):
        raise WeightsError(
            f"{source}: spandrel takes it for {descriptor.architecture.name}, which has {channels[0]} channels in, "
            f"{channels[1]} out and enlarges {getattr(descriptor, 'scale', 1)} times; expected {_COLOURS}, {_COLOURS} "
            "and 1."
        )
    return SpandrelNetwork(descriptor)

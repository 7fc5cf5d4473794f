"""Which network a checkpoint is for, by the names and shapes of its tensors alone.

Every registered network takes part. Its class may help with two static methods, both optional:

``read_options(shapes)``
    Options to call the factory with (width, numbers of blocks), read from the shapes of a checkpoint; None where they
    cannot be those of this network.
``own_name(key)``
    Our name of a released tensor, None for one that is not part of the network (a head for training).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from sdd_bench.core.errors import ConfigError, WeightsError
from sdd_bench.core.registry import Registry
from sdd_bench.models.shapes import Shapes, shapes_of
from sdd_bench.models.spec import MODELS

T = TypeVar("T")

_SHOWN = 3


@dataclass(frozen=True)
class Recognised:
    """Network that fits a checkpoint."""

    model: str
    options: Mapping[str, Any]
    """What its factory is called with; empty for its defaults."""


@dataclass(frozen=True)
class Variant:
    """One form of a network: the tensors it has, and those of the checkpoint under its names."""

    options: Mapping[str, Any]
    expected: Shapes
    found: Shapes


Table = Mapping[str, Sequence[Variant]]
"""Forms of every network that a checkpoint may be for."""


def recognise(shapes: Shapes, *, source: Path | str, table: Table | None = None) -> Recognised:
    """Name the network of a checkpoint.

    Args:
        shapes: Shape of every tensor of the checkpoint, by its key.
        source: The checkpoint, for messages.
        table: Forms to compare with; None for those of all registered networks.

    Raises:
        WeightsError: No network fits, which says how the nearest differs; or several do, and not one alone by default.
    """
    forms = candidates(shapes) if table is None else table
    fits = [
        Recognised(name, variant.options)
        for name, variants in forms.items()
        for variant in variants
        if variant.expected == variant.found
    ]
    fits = [fit for fit in fits if not fit.options] or fits
    names = sorted({fit.model for fit in fits})
    if len(names) > 1:
        raise WeightsError(
            f"{source}: its {len(shapes)} tensors fit {' and '.join(names)} alike, no key tells them apart. Say which: "
            f"--model {names[0]}"
        )
    if not fits:
        raise WeightsError(f"{source}: its {len(shapes)} tensors are those of no known network. {_nearest(forms)}")
    return fits[0]


def candidates(shapes: Shapes, registry: Registry[nn.Module] = MODELS) -> Table:
    """Forms of all registered networks: their defaults, and those with the options that ``shapes`` suggest."""
    with torch.device("meta"), _LeaveUndrawn():
        return {name: list(_variants(registry, name, shapes)) for name in registry.names()}


def options_of(model: str, shapes: Shapes) -> Mapping[str, Any]:
    """Options of a registered network that a checkpoint's shapes tell; none where they are its defaults, or no sign is.

    Args:
        model: Name of the network; one that is not registered has none.
        shapes: Shape of every tensor of the checkpoint, by its key.

    Example:
        >>> options_of("dmphn", shapes_of(MODELS.get("dmphn")(width=4).state_dict()))
        {'width': 4}
    """
    if model not in MODELS.names():
        return {}
    with torch.device("meta"), _LeaveUndrawn():
        default, *others = _variants(MODELS, model, shapes)
    return {} if default.expected == default.found or not others else others[0].options


class _LeaveUndrawn(TorchFunctionMode):
    """Weights keep no values on the meta device, so drawing them is a waste of seconds."""

    _DRAWING = frozenset({"uniform_", "normal_", "kaiming_uniform_", "kaiming_normal_", "zero_", "fill_"})

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = kwargs or {}
        if func.__name__ in self._DRAWING:
            return args[0] if args else named["tensor"]
        return func(*args, **named)


def _variants(registry: Registry[nn.Module], name: str, shapes: Shapes) -> Iterator[Variant]:
    factory = registry.get(name)
    network = factory()
    found = own_tensors(network, shapes)
    yield Variant({}, shapes_of(network.state_dict()), found)
    read_options = getattr(network, "read_options", None)
    options = read_options(found) if read_options else None
    if options is None:
        return
    try:
        yield Variant(options, shapes_of(factory(**options).state_dict()), found)
    except (ConfigError, RuntimeError):
        return  # what it read are not the options of a network, so the checkpoint is another one's


def own_tensors(network: nn.Module, tensors: Mapping[str, T]) -> dict[str, T]:
    """Tensors of a checkpoint under the names of ``network``, without those that are not part of it.

    Args:
        network: Network that the checkpoint is for.
        tensors: Tensors, or their shapes, by the names of the checkpoint. Those without a name here keep theirs.
    """
    own_name = getattr(network, "own_name", str)
    named = ((own_name(key.removeprefix("module.")), value) for key, value in tensors.items())
    return {key: value for key, value in named if key is not None}


def _nearest(forms: Table) -> str:
    """The form with the largest share of equal tensors, and how it differs."""
    every = [(name, variant) for name, variants in forms.items() for variant in variants]
    name, variant = max(every, key=lambda one: _likeness(one[1]))
    if not _likeness(variant):
        return f"None has a tensor of these names and shapes; known: {', '.join(forms)}, or package.module:factory."
    with_options = "".join(f" {option}={value}" for option, value in variant.options.items())
    both = variant.expected.keys() & variant.found.keys()
    reshaped = [
        f"{key} {variant.expected[key]}, got {variant.found[key]}"
        for key in sorted(both)
        if variant.expected[key] != variant.found[key]
    ]
    return (
        f"The nearest is {name}{with_options}: missing: {_some(sorted(variant.expected.keys() - both))}; unknown: "
        f"{_some(sorted(variant.found.keys() - both))}; of another shape: {_some(reshaped)}. Name its network with "
        "--model, if you know it."
    )


def _likeness(variant: Variant) -> float:
    equal = variant.expected.items() & variant.found.items()
    return len(equal) / len(variant.expected.keys() | variant.found.keys())


def _some(names: Sequence[str]) -> str:
    if not names:
        return "none"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more

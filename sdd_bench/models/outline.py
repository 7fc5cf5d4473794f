"""A network without its weights: names, shapes and counts at no cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

M = TypeVar("M", bound=nn.Module)


class _NoNormals(TorchFunctionMode):
    """Normal numbers are not drawn: torch would load its compiler for those of ``meta``, which takes five seconds."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        named = kwargs or {}
        if func in (Tensor.normal_, nn.init.normal_):
            return args[0] if args else named["tensor"]
        return func(*args, **named)


def outline(factory: Callable[[], M]) -> M:
    """The network a factory makes, its tensors on torch's ``meta`` device: they have shapes and no memory.

    Args:
        factory: Makes the network.

    Example:
        >>> sum(parameter.numel() for parameter in outline(lambda: nn.Linear(10**6, 10**6)).parameters())
        1000001000000
    """
    with torch.device("meta"), _NoNormals():
        return factory()

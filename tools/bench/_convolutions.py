"""How long a network's convolutions take, by whatever way they pass."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch.nn.functional as F

from sdd_bench.core.winograd import Winograd


@contextmanager
def counted_convolutions() -> Iterator[list[float]]:
    """Seconds of processor that each convolution takes inside."""
    spent: list[float] = []

    def counted(way: Callable[..., Any]) -> Callable[..., Any]:
        def convolve(*arguments: object, **options: object) -> object:
            before = time.process_time()
            result = way(*arguments, **options)
            spent.append(time.process_time() - before)
            return result

        return convolve

    ways = [(F, "conv2d"), (F, "conv_transpose2d"), (Winograd, "__call__")]
    before = [getattr(owner, name) for owner, name in ways]
    for (owner, name), way in zip(ways, before, strict=True):
        setattr(owner, name, counted(way))
    try:
        yield spent
    finally:
        for (owner, name), way in zip(ways, before, strict=True):
            setattr(owner, name, way)

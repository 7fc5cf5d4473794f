"""What a kind of fault is: a stream of named attempts, each of which survives or falls."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np


@dataclass
class Result:
    """What an attempt found."""

    tried: int = 1
    falls: list[tuple[str, str]] = field(default_factory=list)
    """Name and reason of each part that fell."""
    lines: list[str] = field(default_factory=list)
    """What else is worth printing."""


class Kind(Protocol):
    """A kind of fault."""

    name: str
    share: float
    """Its share of the time."""

    def names(self, seed: int) -> Iterator[str]:
        """Names of attempts, ``WHAT/NUMBER``; may never end."""
        ...

    def attempt(self, name: str, seed: int) -> Result:
        """Try one."""
        ...


def outcome_of(name: str, reason: str) -> Result:
    """The result of a single attempt: ``reason`` is empty where it survived."""
    return Result(1, [(name, reason)] if reason else [])


def random_of(seed: int, name: str) -> np.random.Generator:
    """The random numbers of an attempt: of the seed and its name only."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])

"""Loops over pixels as machine code (numba)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """``function`` as machine code that releases Python's lock, kept on disk where there is a writable place for it.

    Products and sums may be contracted, nothing else may change their order.

    Example:
        >>> @compiled
        ... def doubled(x):
        ...     return 2 * x
        >>> doubled(2.5)
        5.0
    """
    return _compile(function, {"contract"})


def compiled_in_any_order(function: F) -> F:
    """As :func:`compiled`, but sums may be taken in any order, so that one over many values is fast.

    Example:
        >>> @compiled_in_any_order
        ... def total(values):
        ...     return values.sum()
        >>> import numpy as np
        >>> total(np.ones(3))
        3.0
    """
    return _compile(function, {"contract", "reassoc"})


def _compile(function: F, fastmath: set[str]) -> F:
    options: dict[str, Any] = {"nogil": True, "fastmath": fastmath}
    try:
        return numba.njit(function, cache=True, **options)  # type: ignore[no-any-return]
    except RuntimeError:  # neither the package's folder nor the user's cache can be written
        return numba.njit(function, **options)  # type: ignore[no-any-return]

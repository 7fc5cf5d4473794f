"""Pickles as Python 2 wrote them, of numpy arrays."""

import io
import pickle
import struct
from collections.abc import Callable
from typing import Any

import numpy as np


class _Python2(pickle._Pickler):  # type: ignore[name-defined, misc]  # the one in Python, whose opcodes can be changed
    """Protocol 2, where text and bytes are both plain strings."""

    dispatch: dict[type, Callable[..., None]] = pickle._Pickler.dispatch.copy()  # type: ignore[attr-defined]

    def save_string(self, value: str | bytes) -> None:
        data = value.encode("latin1") if isinstance(value, str) else value
        self.write(pickle.BINSTRING + struct.pack("<i", len(data)) + data)
        self.memoize(value)

    dispatch[str] = dispatch[bytes] = save_string

    def save_global(self, obj: Any, name: str | None = None) -> None:
        """Names as numpy had them then."""
        name = name or obj.__name__
        module = "numpy.core.multiarray" if name == "_reconstruct" else "numpy"
        self.write(pickle.GLOBAL + f"{module}\n{name}\n".encode())
        self.memoize(obj)

    dispatch[type(np.zeros(0).__reduce__()[0])] = save_global  # type: ignore[index]
    dispatch[type] = save_global


def dump_like_python_2(array: np.ndarray) -> bytes:
    """The pickle that Python 2 made of ``array``, which may be one of objects."""
    stream = io.BytesIO()
    _Python2(stream, 2).dump(array)
    return stream.getvalue()

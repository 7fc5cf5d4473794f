"""Pickles of numpy arrays, read without numpy's own unpickling and without running code of the file.

It is not safe to give an unpickler numpy's ``dtype`` and ``_reconstruct``: a forged ``dtype`` state can declare that
plain bytes are pointers to objects. The three names that a pickled array needs (``ndarray``, ``dtype`` and
``_reconstruct``) therefore give plain records of what the file says. Arrays of numbers are built from their bytes
afterwards. Every other name is refused.

Pickles of Python 2 and 3 are read. Strings of Python 2 are decoded as Latin-1, which keeps every byte.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NUMBERS = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1")
"""Codes of the types that hold numbers: kind, then bytes per number."""
_ORDERS = ("<", ">", "=", "|")
"""Codes of the order of bytes."""
_MEMO = ("PUT", "BINPUT", "LONG_BINPUT")
"""Opcodes that store a value under an index of the file's choice."""


class PickledArray:
    """An array as a pickle describes it."""

    __slots__ = ("_data", "_dtype", "_fortran", "_shape")

    def __init__(self) -> None:
        self._shape: tuple[int, ...] = ()
        self._dtype, self._fortran, self._data = _Dtype(None), False, None

    def __setstate__(self, state: Any) -> None:
        """Take numpy's state of an array: version, shape, dtype, order, data."""
        _, shape, dtype, fortran, data = state
        if not isinstance(dtype, _Dtype) or not all(type(side) is int and side >= 0 for side in shape):
            raise pickle.UnpicklingError("an array without a dtype or a shape")
        self._shape, self._dtype, self._fortran, self._data = tuple(shape), dtype, bool(fortran), data

    def numbers(self) -> NDArray[Any]:
        """The array as numpy has it.

        Raises:
            UnpicklingError: The array holds no numbers, or its bytes do not fill its shape.
        """
        dtype = self._dtype.of_numbers()
        data = self._data.encode("latin1") if isinstance(self._data, str) else self._data
        if not isinstance(data, bytes) or len(data) != prod(self._shape) * dtype.itemsize:
            raise pickle.UnpicklingError(f"an array whose bytes do not fill its shape {self._shape}")
        return np.frombuffer(data, dtype).reshape(self._shape, order="F" if self._fortran else "C")

    def objects(self) -> list[Any]:
        """Objects of an array with one axis.

        Raises:
            UnpicklingError: The array holds no objects, or has another number of axes.
        """
        if (
            not str(self._dtype.code).startswith("O")
            or not isinstance(self._data, list)
            or self._shape != (len(self._data),)
        ):
            raise pickle.UnpicklingError("an array that is no plain list of objects")
        return self._data


class _Dtype:
    """Numpy's ``dtype`` as a pickle describes it."""

    __slots__ = ("code", "order")

    def __init__(self, code: Any) -> None:
        self.code = code.decode("latin1") if isinstance(code, bytes) else code
        self.order: Any = "|"

    def __setstate__(self, state: Any) -> None:
        """Take numpy's state of a dtype; for numbers only the order of bytes counts."""
        order = state[1]
        self.order = order.decode("latin1") if isinstance(order, bytes) else order

    def of_numbers(self) -> np.dtype[Any]:
        if self.code not in _NUMBERS or self.order not in _ORDERS:
            raise pickle.UnpicklingError(f"an array of {self.code!r}, which are no numbers")
        return np.dtype(self.order + self.code)


class _Name:
    """A name of numpy that a pickle may ask for. A call of it gives a record in place of the object."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, *arguments: Any) -> Any:
        if self.name == "_reconstruct":
            return PickledArray()
        if self.name == "dtype" and arguments:
            return _Dtype(arguments[0])
        raise pickle.UnpicklingError(f"it calls numpy.{self.name}")

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError(f"it changes numpy.{self.name}")


class _Unpickler(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str, /) -> Any:
        """A stand-in for one of numpy's three names.

        Raises:
            UnpicklingError: The pickle asks for any other name.
        """
        internal = module_name in ("numpy.core.multiarray", "numpy._core.multiarray")
        if (internal and global_name == "_reconstruct") or (
            module_name == "numpy" and global_name in ("ndarray", "dtype")
        ):
            return _Name(global_name)
        raise pickle.UnpicklingError(f"it asks for {module_name}.{global_name}")


def unpickle_arrays(data: bytes) -> Any:
    """Content of a pickle: plain Python values, with a :class:`PickledArray` for each array.

    Args:
        data: Bytes of the pickle.

    Raises:
        UnpicklingError: The pickle is damaged, or asks for anything but numpy arrays.

    Example:
        >>> data = pickle.dumps({"bias": np.array([0.5, 2.0])}, protocol=4)
        >>> unpickle_arrays(data)["bias"].numbers().tolist()
        [0.5, 2.0]
    """
    try:
        for opcode, argument, _ in pickletools.genops(data):
            # The unpickler allocates a table up to the largest index, so one opcode could ask for gigabytes.
            if opcode.name in _MEMO and argument is not None and int(argument) > len(data):
                raise pickle.UnpicklingError(f"index {argument} in a pickle of {len(data)} bytes")
        return _Unpickler(io.BytesIO(data), encoding="latin1").load()
    except pickle.UnpicklingError:
        raise
    except Exception as error:  # an unpickler raises whatever damaged bytes lead it to
        raise pickle.UnpicklingError(str(error).strip() or type(error).__name__) from error

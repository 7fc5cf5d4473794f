"""Pickles of arrays, honest and hostile."""

import pickle
import pickletools
from pathlib import Path

import numpy as np
import pytest
from python2_pickle import dump_like_python_2

from sdd_bench.weights.numpy_pickle import PickledArray, unpickle_arrays

ARRAYS = [
    np.arange(6, dtype="<f4").reshape(2, 3),
    np.asfortranarray(np.arange(6, dtype="<f8").reshape(2, 3)),
    np.array([1, -2], dtype=">i2"),
    np.array(3, dtype="<f4"),
    np.zeros((0, 4), dtype="<f4"),
]


def in_one(arrays: list[np.ndarray]) -> np.ndarray:
    objects = np.empty(len(arrays), dtype=object)
    objects[:] = arrays
    return objects


def reload(data: bytes) -> list[np.ndarray]:
    return [item.numbers() for item in unpickle_arrays(data).objects()]


@pytest.mark.parametrize("protocol", [3, 4])
def test_arrays_of_python_3_come_back(protocol: int) -> None:
    for found, array in zip(reload(pickle.dumps(in_one(ARRAYS), protocol)), ARRAYS, strict=True):
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array)


def test_arrays_of_python_2_come_back_byte_for_byte() -> None:
    every_byte = np.arange(256, dtype=np.uint8)
    data = dump_like_python_2(in_one([*ARRAYS, every_byte]))
    assert "SHORT_BINBYTES" not in {opcode.name for opcode, _, _ in pickletools.genops(data)}
    for found, array in zip(reload(data), [*ARRAYS, every_byte], strict=True):
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array)


def test_containers_of_arrays_come_back() -> None:
    values = unpickle_arrays(pickle.dumps({"a": [np.ones(2), 3]}, 4))
    assert isinstance(values["a"][0], PickledArray)
    assert values["a"][0].numbers().tolist() == [1, 1]
    assert values["a"][1] == 3


class Runs:
    """Touches a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.target,)


def test_nothing_is_run(tmp_path: Path) -> None:
    target = tmp_path / "touched"
    data = pickle.dumps(in_one([np.ones(1), Runs(target)]), 4)  # type: ignore[list-item]
    with pytest.raises(pickle.UnpicklingError, match="asks for pathlib"):
        unpickle_arrays(data)
    assert not target.exists()
    pickle.loads(data)
    assert target.exists(), "the pickle is no threat, so the test shows nothing"


def forged_pointers() -> bytes:
    """Bytes that claim, by a dtype whose flags lie, to be pointers to objects; numpy's own unpickling believes it."""
    reconstruct = np.zeros(0).__reduce__()[0]  # type: ignore[index]

    class Dtype:
        def __reduce__(self) -> tuple[object, ...]:
            fields = {"a": (np.dtype("O"), 0)}
            return np.dtype, ("V8", False, True), (3, "|", None, ("a",), fields, 8, 8, 0)

    class Array:
        def __reduce__(self) -> tuple[object, ...]:
            return reconstruct, (np.ndarray, (0,), b"b"), (1, (1,), Dtype(), False, b"\x41" * 8)

    return pickle.dumps(Array(), 4)


def test_bytes_never_become_pointers() -> None:
    data = forged_pointers()
    array = unpickle_arrays(data)
    with pytest.raises(pickle.UnpicklingError, match="'V8', which are no numbers"):
        array.numbers()
    with pytest.raises(pickle.UnpicklingError, match="no plain list"):
        array.objects()


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "pickle exhausted"),
        (b"not a pickle", "opcode"),
        (pickle.dumps(np.ones(9), 4)[:-30], "remain"),
        (b"\x80\x02cnumpy\nndarray\n)R.", "calls numpy.ndarray"),
        (b"\x80\x02cnumpy\nload\n.", "asks for numpy.load"),
        (b"\x80\x02cnumpy\ndtype\n}b.", "changes numpy.dtype"),
        (b"\x80\x02cnumpy\ndtype\n)\x81.", "must be a type"),
        (b"\x80\x02Nr\xff\xff\xff\x7f.", "index 2147483647"),
        (b"\x80\x02P1\n.", "persistent"),
    ],
)
def test_damaged_and_hostile_pickles_are_refused(data: bytes, complaint: str) -> None:
    with pytest.raises(pickle.UnpicklingError, match=complaint):
        unpickle_arrays(data)


def test_an_array_that_is_cut_short_is_refused() -> None:
    data = pickle.dumps(np.arange(3, dtype="<f4"), 4).replace(b"K\x03\x85", b"K\x04\x85", 1)
    with pytest.raises(pickle.UnpicklingError, match="do not fill"):
        unpickle_arrays(data).numbers()


def test_an_array_without_a_state_is_refused() -> None:
    array = unpickle_arrays(b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n)R.")
    with pytest.raises(pickle.UnpicklingError, match="no numbers"):
        array.numbers()

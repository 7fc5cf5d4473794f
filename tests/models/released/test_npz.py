"""KPAC's two kinds of file, and hostile ones."""

import io
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from python2_pickle import dump_like_python_2

from sdd_bench.core.errors import WeightsError
from sdd_bench.models.networks.kpac import KPAC
from sdd_bench.models.released.npz import own_name, read_kpac
from sdd_bench.weights.tensors import load_into

Arrays = list[NDArray[np.float32]]
# Names in the order of the released list, from the description of the authors' program.
BLOCK = [("dc1", "filter"), *((f"sca_dc{i}", "filter b") for i in range(1, 5))]
BLOCK += [(name, "W_conv2d b_conv2d") for name in ("sca_c2", "sha_c1", "sha_c2", "cf")]


def tensorflow_names(levels: int) -> list[str]:
    """TensorFlow's names of KPAC's variables, in the order of the released list."""
    deep = levels == 3
    plain, transposed = "W_conv2d b_conv2d", "W_deconv2d b_deconv2d"
    layers = [(f"deblur/{name}", plain) for name in ("c0", "c0_2", "c2", "c2_2", "c3", "c3_2")]
    layers += [("deblur/c4", plain), ("deblur/c4_2", plain)] if deep else []
    layers += [(f"{name}/{block}", kinds) for block in (0, 1) for name, kinds in BLOCK]
    layers += [("deblur/cm_1", plain), ("deblur/cm_2", plain)]
    for name in ("d0", "d1", "d2") if deep else ("d1", "d2"):
        layers += [(f"deblur/{name}", transposed), (f"deblur/{name}_2", plain)]
    return [f"main_net/deblur_net/{layer}/{kind}:0" for layer, kinds in layers for kind in kinds.split()]


def in_tensorflow_order(network: KPAC) -> Arrays:
    return [
        np.ascontiguousarray(value.numpy().transpose(2, 3, 1, 0) if value.ndim == 4 else value.numpy())
        for value in network.state_dict().values()
    ]


def npy(header: str, data: bytes) -> bytes:
    text = header.encode() + b" " * (-(len(header) + 11) % 16) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


def list_form(arrays: Arrays) -> bytes:
    """What numpy of Python 2 wrote for ``np.savez(params=arrays)``."""
    objects = np.empty(len(arrays), dtype=object)
    objects[:] = arrays
    header = f"{{'descr': '|O', 'fortran_order': False, 'shape': ({len(arrays)}L,), }}"
    return npy(header, dump_like_python_2(objects))


def archive(path: Path, *, params: bytes, compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr("params.npy", params)
    return path


def make(levels: int) -> KPAC:
    torch.manual_seed(levels)
    network = KPAC(levels=levels)
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter)
    return network.requires_grad_(False)


def assert_loads(path: Path, network: KPAC) -> None:
    other = KPAC(levels=network.levels)
    load_into(other, read_kpac(path), path)
    for (name, found), expected in zip(other.state_dict().items(), network.state_dict().values(), strict=True):
        assert torch.equal(found, expected), name


@pytest.mark.parametrize("levels", [2, 3])
def test_the_list_of_python_2_is_read(levels: int, tmp_path: Path) -> None:
    network = make(levels)
    path = archive(tmp_path / "single.npz", params=list_form(in_tensorflow_order(network)))
    with pytest.warns(UserWarning, match="Python 2"), pytest.raises(ValueError, match="allow_pickle"):
        np.load(path)["params"]
    assert_loads(path, network)


@pytest.mark.parametrize("levels", [2, 3])
def test_the_dictionary_is_read_in_whatever_order(levels: int, tmp_path: Path) -> None:
    network, path = make(levels), tmp_path / "KPAC-weight.npz"
    named = dict(zip(tensorflow_names(levels), in_tensorflow_order(network), strict=True))
    np.savez(path, **dict(sorted(named.items(), reverse=True)))
    assert_loads(path, network)


@pytest.mark.parametrize("levels", [2, 3])
def test_the_names_of_tensorflow_come_in_the_order_of_our_parameters(levels: int) -> None:
    network = KPAC(4, levels=levels)
    assert len(tensorflow_names(levels)) == {2: 58, 3: 66}[levels]
    assert [own_name(name) for name in tensorflow_names(levels)] == list(network.state_dict())


@pytest.mark.parametrize("name", ["params", "deblur/c0", "deblur/c0/W_conv2d/Adam:0", "cf/0/moving_mean", "x/0/filter"])
def test_other_variables_have_no_name_here(name: str) -> None:
    assert own_name(name) not in KPAC(4).state_dict()


def test_too_few_or_misshapen_arrays_are_refused(tmp_path: Path) -> None:
    arrays = in_tensorflow_order(make(2))
    with pytest.raises(WeightsError, match="expected 58 or 66 arrays .* got 57"):
        read_kpac(archive(tmp_path / "few.npz", params=list_form(arrays[:-1])))
    arrays[4] = arrays[4][:1]
    with pytest.raises(WeightsError, match=r"params\[4\]: expected .* for c2\.weight"):
        read_kpac(archive(tmp_path / "short.npz", params=list_form(arrays)))
    arrays = in_tensorflow_order(make(2))
    arrays[1] = arrays[1].astype(np.int32)  # type: ignore[assignment]
    with pytest.raises(WeightsError, match=r"params\[1\]: expected floating-point"):
        read_kpac(archive(tmp_path / "whole.npz", params=list_form(arrays)))


def test_unknown_and_missing_names_are_told(tmp_path: Path) -> None:
    named = dict(zip(tensorflow_names(2), in_tensorflow_order(make(2)), strict=True))
    named["other/W_conv2d:0"] = named.pop("main_net/deblur_net/deblur/c2/W_conv2d:0")
    np.savez(tmp_path / "a.npz", **named)
    with pytest.raises(WeightsError, match=r"unknown: other\.weight; missing: c2\.weight"):
        read_kpac(tmp_path / "a.npz")


def test_code_in_the_list_is_refused_and_not_run(tmp_path: Path) -> None:
    target = tmp_path / "touched"

    class Runs:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (target,)

    objects = np.array([Runs()], dtype=object)
    data = npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", pickle.dumps(objects, 2))
    with pytest.raises(WeightsError, match="asks for .* Nothing in it was run"):
        read_kpac(archive(tmp_path / "a.npz", params=data))
    assert not target.exists()


def written(array: NDArray[np.generic]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


@pytest.mark.parametrize(
    "member",
    [
        b"",
        b"no array at all",
        written(np.ones(9))[:-8],
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,), }", b"\0" * 16),
        npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", pickle.dumps([1, 2])),
        npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", pickle.dumps(np.array([3], dtype=object), 4)),
        npy("{'descr': [('a', '|O')], 'fortran_order': False, 'shape': (1,), }", b"\x41" * 8),
        npy("__import__('os').getcwd()", b""),
    ],
)
def test_damaged_members_are_refused(member: bytes, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"a\.npz: expected an \.npz file of arrays"):
        read_kpac(archive(tmp_path / "a.npz", params=member))


def test_an_archive_that_unpacks_to_too_much_is_refused_unread(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.npz", params=b"\0" * ((1 << 26) + 1), compression=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1 << 20
    with pytest.raises(WeightsError, match="more than 64 MB"):
        read_kpac(path)


def test_files_of_another_kind_are_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.npz", params=list_form(in_tensorflow_order(make(2))))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(WeightsError, match="expected an .npz"):
        read_kpac(path)
    with pytest.raises(WeightsError, match="cannot be read"):
        read_kpac(tmp_path / "missing.npz")
    np.savez(tmp_path / "none.npz", a=np.ones(3))
    with pytest.raises(WeightsError, match="got 1"):
        read_kpac(tmp_path / "none.npz")

